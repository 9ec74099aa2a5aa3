/* pop3_client: what dialogues cannot show: against pop3_server, cut at every octet; listings and messages of any size
 * in bounded memory; secrets that pass through a small queue and leave nothing behind. What it says and understands is
 * in tests/dialogue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"
#include "wire/dot.h"
#include "wire/pop3_client.h"
#include "wire/pop3_server.h"

/* ---- our own server in memory */

enum { MESSAGES = 3 };

static const char *const texts[MESSAGES] = {"Subject: one\n\n.\n..\ntext\n", "", "Subject: three\n\nbare\rcr\n.x"};
static const char *const wire_texts[MESSAGES] = {"Subject: one\r\n\r\n.\r\n..\r\ntext\r\n", "",
                                                 "Subject: three\r\n\r\nbare\rcr\r\n.x\r\n"};

struct world {
    struct pop3_client c;
    struct pop3_server s;
    struct pop3_offer offer;
    struct buf to_server, to_client;
    struct drop drop;
    struct buf message, rows;
    size_t said, cut; /* octets of the server's; after so many there is nothing more */
    bool secured;
};

static void world_init(struct world *w, size_t out_max, size_t cut)
{
    *w = (struct world){
        .cut = cut,
        .offer = {.implementation = "x", .stamp = "<1@x>", .sasl = "X", .sasl_clear = "", .clear_allowed = true}};
    w->offer.tls_offered = true;
    buf_init(&w->to_server, out_max, NULL);
    buf_init(&w->to_client, 1 << 16, NULL);
    buf_init(&w->message, 1 << 16, NULL);
    buf_init(&w->rows, 1 << 16, NULL);
    drop_init(&w->drop);
    for (unsigned i = 0; i < MESSAGES; i++) {
        char uid[20];
        snprintf(uid, sizeof uid, "u%u", i + 1);
        drop_add(&w->drop, strlen(wire_texts[i]), span_of(uid));
    }
    pop3_client_init(&w->c, false, NULL);
    pop3_server_init(&w->s, &w->offer, &w->to_client);
    w->said = w->to_client.len;
    if (w->said > cut) {
        w->said = cut;
        w->to_client.len = cut;
    }
}

static void world_fini(struct world *w)
{
    pop3_client_fini(&w->c);
    pop3_server_fini(&w->s);
    drop_fini(&w->drop);
    buf_fini(&w->to_server);
    buf_fini(&w->to_client);
    buf_fini(&w->message);
    buf_fini(&w->rows);
}

static void server_auth(struct world *w, struct buf *out)
{
    const struct pop3_auth *a = &w->s.auth;
    bool challenge = a->how == POP3_AUTH_SASL_BEGIN && !a->has_initial;
    bool good = a->how == POP3_AUTH_PASS ? span_is(a->user, "ann") && span_is(a->secret, "secret")
                                         : span_is(a->secret, "let me in");
    if (challenge) {
        pop3_server_challenge(&w->s, span_of(""), out);
    } else if (!good) {
        pop3_server_denied(&w->s, ERR_AUTH, out);
    } else {
        pop3_server_granted(&w->s);
        pop3_server_fini(&w->s);
        pop3_server_resume(&w->s, &w->offer, span_of("ann"), &w->drop, out);
    }
}

static void server_body(struct world *w, struct buf *out)
{
    struct dot d;
    size_t room, wrote;
    struct span text = span_of(texts[w->s.msg]);
    pop3_server_body_begin(&w->s, text.n, out);
    dot_init(&d, false);
    char *to = buf_reserve(out, 500, &room);
    assert_int_equal(dot_encode(&d, text, to, room, &wrote), text.n);
    wrote += dot_finish(&d, to + wrote);
    buf_commit(out, wrote);
    pop3_server_body_end(&w->s);
}

/* Lets the server work on what has come; what it says goes to the client, up to the cut. */
static void serve(struct world *w)
{
    struct buf out;
    bool waits = false;
    buf_init(&out, 4096, NULL);
    while (!waits) {
        switch (pop3_server_feed(&w->s, &w->to_server, &out)) {
        case POP3_WANT_INPUT:
        case POP3_WANT_CLOSE:
            waits = true;
            break;
        case POP3_WANT_ROOM:
            break;
        case POP3_WANT_AUTH:
            server_auth(w, &out);
            break;
        case POP3_WANT_TLS:
            pop3_server_secured(&w->s);
            break;
        case POP3_WANT_DROP: /* it is loaded */
        case POP3_WANT_LISTING:
            fail();
            break;
        case POP3_WANT_BODY:
            server_body(w, &out);
            break;
        case POP3_WANT_COMMIT:
            pop3_server_committed(&w->s, ERR_NONE, 0, &out);
            break;
        }
        size_t n = out.len < w->cut - w->said ? out.len : w->cut - w->said;
        w->said += n;
        assert_true(buf_add(&w->to_client, buf_span(&out).p, n));
        buf_take(&out, out.len);
    }
    buf_fini(&out);
}

/* Until something other than bytes and room is wanted, or nothing more comes. */
static enum pop3_client_want talk(struct world *w)
{
    for (;;) {
        enum pop3_client_want want = pop3_client_feed(&w->c, &w->to_client, &w->to_server);
        if (want != POP3_CLIENT_WANT_INPUT && want != POP3_CLIENT_WANT_ROOM)
            return want;
        size_t said = w->said, asked = w->to_server.len;
        serve(w);
        if (want == POP3_CLIENT_WANT_INPUT && asked == 0 && w->said == said)
            return want;
    }
}

/* What is told is noted; until it is the owner's turn. */
static enum pop3_client_want hear(struct world *w)
{
    for (;;) {
        enum pop3_client_want want = talk(w);
        const struct pop3_got *g = &w->c.got;
        if (want == POP3_CLIENT_WANT_BODY)
            buf_add_span(&w->message, w->c.piece);
        else if (want == POP3_CLIENT_WANT_GOT)
            buf_addf(&w->rows, "%u%c%u:%llu/%llu %.*s\n", g->what,
                     g->row  ? '-'
                     : g->ok ? '+'
                             : '!',
                     g->msg, (unsigned long long)g->number, (unsigned long long)g->octets, (int)g->uid.n, g->uid.p);
        else
            return want;
    }
}

static void ask(struct pop3_client *m, unsigned i)
{
    switch (i) {
    case 0:
        pop3_client_stat(m);
        break;
    case 1:
        pop3_client_list(m);
        break;
    case 2:
        pop3_client_uidl(m);
        break;
    case 3:
    case 4:
    case 5:
        pop3_client_retr(m, i - 2);
        break;
    case 6:
        pop3_client_top(m, 1, 1);
        break;
    case 7:
        pop3_client_dele(m, 2);
        break;
    case 8:
        pop3_client_list_one(m, 2);
        break;
    case 9:
        pop3_client_rset(m);
        break;
    case 10:
        pop3_client_list_one(m, 3);
        break;
    case 11:
        pop3_client_noop(m);
        break;
    default:
        pop3_client_quit(m);
    }
}

enum { WITH_TLS = 1, WITH_PASS = 2, OWN_LINE = 4 };

static enum pop3_client_want log_in(struct world *w, unsigned how)
{
    enum pop3_client_want want = hear(w);
    if (want == POP3_CLIENT_WANT_START && how & WITH_TLS) {
        assert_true(w->c.capa.stls);
        pop3_client_stls(&w->c);
        want = hear(w);
        if (want == POP3_CLIENT_WANT_TLS) {
            assert_int_equal(w->to_client.len, 0);
            pop3_client_secured(&w->c);
            want = hear(w);
        }
    }
    if (want == POP3_CLIENT_WANT_START) {
        assert_true(w->c.capa.known && w->c.secure == (how & WITH_TLS) && w->c.capa.stls != w->c.secure);
        if (how & WITH_PASS)
            pop3_client_pass(&w->c, "ann", span_of("secret"));
        else
            pop3_client_sasl(&w->c, "X", span_of("let me in"), how & OWN_LINE);
        want = hear(w);
    }
    return want;
}

/* A whole session: all that TRANSACTION knows is asked, as far ahead as may be. */
static enum pop3_client_want session(struct world *w, unsigned how)
{
    enum pop3_client_want want = log_in(w, how);
    for (unsigned i = 0; want == POP3_CLIENT_WANT_COMMAND; i++) {
        assert_true(w->c.capa.pipelining && w->c.capa.uidl && w->c.capa.top && w->c.capa.resp_codes);
        ask(&w->c, i);
        assert_true(pop3_client_waiting(&w->c) > 0);
        want = hear(w);
    }
    return want;
}

static const char all_rows[] = "0+0:3/60 \n"
                               "1-1:29/0 \n1-2:0/0 \n1-3:31/0 \n1+0:0/0 \n"
                               "3-1:0/0 u1\n3-2:0/0 u2\n3-3:0/0 u3\n3+0:0/0 \n"
                               "4+1:29/0 \n4+2:0/0 \n4+3:31/0 \n5+1:29/0 \n"
                               "6+2:0/0 \n2!2:0/0 \n7+0:0/0 \n2+3:31/0 \n8+0:0/0 \n9+0:0/0 \n";
static const char all_messages[] = "Subject: one\r\n\r\n.\r\n..\r\ntext\r\n"
                                   "Subject: three\r\n\r\nbare\rcr\r\n.x\r\n"
                                   "Subject: one\r\n\r\n.\r\n..\r\ntext\r\n";

static void test_session(void **state)
{
    for (unsigned how = 0; how < 8; how++)
        for (size_t room = 64; room < 4096; room *= 4) {
            struct world w;
            world_init(&w, room, SIZE_MAX);
            assert_int_equal(session(&w, how), POP3_CLIENT_WANT_CLOSE);
            assert_int_equal(w.c.err.kind, ERR_NONE);
            assert_true(span_is(buf_span(&w.rows), all_rows));
            assert_true(span_is(buf_span(&w.message), all_messages));
            world_fini(&w);
        }
}

static bool is_head_of(struct span s, const char *all)
{
    return s.n <= strlen(all) && memcmp(s.p, all, s.n) == 0;
}

/* The connection is cut after each octet of the server's: what was told before is true, and no answer and no end of a
 * message is made up. */
static void test_cut(void **state)
{
    for (unsigned how = 0; how < 8; how++) {
        size_t rows = 0;
        for (size_t cut = 0; rows < strlen(all_rows); cut++) {
            struct world w;
            world_init(&w, 4096, cut);
            enum pop3_client_want want = session(&w, how);
            assert_true(is_head_of(buf_span(&w.rows), all_rows) && is_head_of(buf_span(&w.message), all_messages));
            assert_true(w.rows.len >= rows);
            rows = w.rows.len;
            assert_int_equal(want, rows < strlen(all_rows) ? POP3_CLIENT_WANT_INPUT : POP3_CLIENT_WANT_CLOSE);
            assert_int_equal(w.c.err.kind, ERR_NONE);
            world_fini(&w);
        }
    }
}

/* ---- servers of any size, in bounded memory */

struct long_one {
    struct pop3_client c;
    struct buf in, out;
};

static void say(struct long_one *s, const char *text)
{
    assert_true(buf_add_text(&s->in, text));
}

static void expect(struct long_one *s, enum pop3_client_want want, const char *said)
{
    assert_int_equal(pop3_client_feed(&s->c, &s->in, &s->out), want);
    if (!span_is(buf_span(&s->out), said))
        fail_msg("said \"%.*s\", not \"%s\"", (int)s->out.len, buf_span(&s->out).p, said);
    buf_take(&s->out, s->out.len);
}

/* To the first WANT_START. */
static void long_start(struct long_one *s, size_t out_max, const struct pop3_client_limits *limits)
{
    buf_init(&s->in, 1 << 15, NULL);
    buf_init(&s->out, out_max, NULL);
    pop3_client_init(&s->c, false, limits);
    say(s, "+OK\r\n");
    expect(s, POP3_CLIENT_WANT_INPUT, "CAPA\r\n");
    say(s, "-ERR\r\n");
    expect(s, POP3_CLIENT_WANT_START, "");
}

static void long_log_in(struct long_one *s, const struct pop3_client_limits *limits)
{
    long_start(s, 4096, limits);
    pop3_client_pass(&s->c, "ann", span_of("secret"));
    expect(s, POP3_CLIENT_WANT_INPUT, "USER ann\r\n");
    say(s, "+OK\r\n");
    expect(s, POP3_CLIENT_WANT_INPUT, "PASS secret\r\n");
    say(s, "+OK\r\n");
    expect(s, POP3_CLIENT_WANT_INPUT, "CAPA\r\n");
    say(s, "+OK\r\nPIPELINING\r\n.\r\n");
    expect(s, POP3_CLIENT_WANT_COMMAND, "");
}

static void long_end(struct long_one *s)
{
    pop3_client_fini(&s->c);
    buf_fini(&s->in);
    buf_fini(&s->out);
}

/* As many rows as the limit allows when nobody says otherwise, and one more. */
static void test_listing(void **state)
{
    enum { ROWS = 1000000 };
    struct long_one s;
    long_log_in(&s, NULL);
    pop3_client_uidl(&s.c);
    expect(&s, POP3_CLIENT_WANT_COMMAND, "UIDL\r\n");
    pop3_client_wait(&s.c);
    say(&s, "+OK\r\n");
    for (unsigned i = 1; i <= ROWS; i++) {
        assert_true(buf_addf(&s.in, "%u uid-%u\r\n", i, i));
        assert_int_equal(pop3_client_feed(&s.c, &s.in, &s.out), POP3_CLIENT_WANT_GOT);
        assert_true(s.c.got.row && s.c.got.ok && s.c.got.msg == i);
        if (s.in.len == 0)
            assert_int_equal(pop3_client_feed(&s.c, &s.in, &s.out), POP3_CLIENT_WANT_INPUT);
    }
    say(&s, "1 one-too-many\r\n");
    expect(&s, POP3_CLIENT_WANT_CLOSE, "");
    assert_int_equal(s.c.err.kind, ERR_LIMIT);
    assert_true(s.in.cap <= 1 << 15 && s.out.cap <= 4096);
    long_end(&s);
}

/* A message of many megabytes in pieces of an odd size, each line with a dot to be taken out: what comes out is counted
 * and compared. */
static void test_message(void **state)
{
    enum { LINES = 200000 };
    static const char line[] = "...and so on, until it is enough\r\n";
    static char all[64 * (sizeof line - 1)];
    struct long_one s;
    size_t n = sizeof line - 1, at = 0, fed = 0;
    uint64_t got = 0;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = line[i % n];
    long_log_in(&s, NULL);
    pop3_client_retr(&s.c, 1);
    expect(&s, POP3_CLIENT_WANT_COMMAND, "RETR 1\r\n");
    pop3_client_wait(&s.c);
    say(&s, "+OK\r\n");
    while (fed < LINES * n) {
        size_t piece = LINES * n - fed < 117 ? LINES * n - fed : 117;
        assert_true(buf_add(&s.in, all + at, piece));
        fed += piece;
        at = (at + piece) % n;
        while (pop3_client_feed(&s.c, &s.in, &s.out) == POP3_CLIENT_WANT_BODY) {
            for (size_t i = 0; i < s.c.piece.n; i++, got++)
                assert_int_equal(s.c.piece.p[i], line[1 + got % (n - 1)]);
            assert_int_equal(s.c.got.msg, 1);
        }
        assert_int_equal(s.in.len, 0);
    }
    say(&s, ".\r\n");
    expect(&s, POP3_CLIENT_WANT_GOT, "");
    assert_true(s.c.got.ok && s.c.got.number == got && got == LINES * (n - 1));
    assert_true(s.in.cap <= 4096);
    expect(&s, POP3_CLIENT_WANT_COMMAND, "");
    long_end(&s);
}

/* The ring is full with POP3_CLIENT_WINDOW, whatever the owner's limit, and goes round. */
static void test_window(void **state)
{
    const struct pop3_client_limits limits = {.window = 1000};
    struct long_one s;
    long_log_in(&s, &limits);
    for (unsigned i = 0; i < POP3_CLIENT_WINDOW; i++) {
        assert_int_equal(pop3_client_feed(&s.c, &s.in, &s.out), POP3_CLIENT_WANT_COMMAND);
        pop3_client_top(&s.c, 0x80000000u, 0xFFFFFFFFu);
    }
    assert_int_equal(pop3_client_feed(&s.c, &s.in, &s.out), POP3_CLIENT_WANT_INPUT);
    assert_true(s.out.len <= POP3_CLIENT_AHEAD);
    buf_take(&s.out, s.out.len);
    for (unsigned i = 1; i < 3 * POP3_CLIENT_WINDOW; i++) {
        say(&s, "-ERR\r\n");
        expect(&s, POP3_CLIENT_WANT_GOT, "");
        assert_int_equal(s.c.got.msg, i <= POP3_CLIENT_WINDOW ? 0x80000000u : i - POP3_CLIENT_WINDOW);
        assert_int_equal(pop3_client_feed(&s.c, &s.in, &s.out), POP3_CLIENT_WANT_COMMAND);
        pop3_client_dele(&s.c, i);
        assert_int_equal(pop3_client_feed(&s.c, &s.in, &s.out), POP3_CLIENT_WANT_INPUT);
        assert_int_equal(pop3_client_waiting(&s.c), POP3_CLIENT_WINDOW);
        buf_take(&s.out, s.out.len);
    }
    long_end(&s);
}

/* ---- secrets */

/* A token of 64 kB through a queue of 64 octets; what it was is not left in memory, and the queue is wiped by its
 * owner. */
static void test_token(void **state)
{
    enum { TOKEN = 65536 };
    struct long_one s;
    struct buf whole;
    char *token = mem_alloc(TOKEN), *text = mem_alloc(base64_length(TOKEN) + 3);
    for (size_t i = 0; i < TOKEN; i++)
        token[i] = (char)(i * 7 + i / 251);
    size_t n = base64_encode((struct span){token, TOKEN}, text);
    memcpy(text + n, "\r\n", 3);
    buf_init(&whole, 1 << 18, NULL);
    for (unsigned way = 0; way < 2; way++) { /* as initial response, and as an answer to a challenge */
        long_start(&s, 64, NULL);
        pop3_client_sasl(&s.c, "XOAUTH2", (struct span){way ? NULL : token, way ? 0 : TOKEN}, false);
        expect(&s, POP3_CLIENT_WANT_INPUT, "AUTH XOAUTH2\r\n");
        say(&s, "+ \r\n");
        if (way) {
            expect(&s, POP3_CLIENT_WANT_RESPONSE, "");
            assert_int_equal(s.c.challenge.n, 0);
            pop3_client_respond(&s.c, (struct span){token, TOKEN});
        }
        enum pop3_client_want want;
        while ((want = pop3_client_feed(&s.c, &s.in, &s.out)) == POP3_CLIENT_WANT_ROOM) {
            assert_true(s.out.len > 0 && s.c.secret.p);
            buf_add_span(&whole, buf_span(&s.out));
            buf_take(&s.out, s.out.len);
        }
        assert_int_equal(want, POP3_CLIENT_WANT_INPUT);
        assert_null(s.c.secret.p);
        buf_add_span(&whole, buf_span(&s.out));
        buf_take(&s.out, s.out.len);
        assert_true(span_is(buf_span(&whole), text));
        buf_take(&whole, whole.len);
        say(&s, "+OK\r\n");
        expect(&s, POP3_CLIENT_WANT_INPUT, "CAPA\r\n");
        long_end(&s);
    }
    buf_fini(&whole);
    mem_free(token);
    mem_free(text);
}

/* However a log-in ends, no secret is kept; what ends between USER and PASS frees it, too (seen by the sanitizers). */
static void test_forgotten(void **state)
{
    static const char *const answers[] = {"-ERR no\r\n", "* no\r\n", ""};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned sasl = 0; sasl < 2; sasl++) {
            struct long_one s;
            long_start(&s, 64, NULL);
            if (sasl)
                pop3_client_sasl(&s.c, "PLAIN", span_of("secret"), true);
            else
                pop3_client_pass(&s.c, "ann", span_of("secret"));
            expect(&s, POP3_CLIENT_WANT_INPUT, sasl ? "AUTH PLAIN\r\n" : "USER ann\r\n");
            assert_non_null(s.c.later.p);
            say(&s, answers[i]);
            static const enum pop3_client_want wants[] = {POP3_CLIENT_WANT_REFUSED, POP3_CLIENT_WANT_CLOSE,
                                                          POP3_CLIENT_WANT_INPUT};
            expect(&s, wants[i], "");
            assert_true(i == 2 || (!s.c.later.p && !s.c.secret.p));
            long_end(&s);
            assert_true(!s.c.later.p && !s.c.secret.p);
        }
}

/* A name has spaces on its way to USER, where the rest of the line is the name, and not to APOP. */
static void test_names(void **state)
{
    struct long_one s;
    long_start(&s, 64, NULL);
    snprintf(s.c.stamp, sizeof s.c.stamp, "<1@x>");
    pop3_client_apop(&s.c, "ann lee", span_of("secret"));
    expect(&s, POP3_CLIENT_WANT_REFUSED, "");
    assert_int_equal(s.c.err.kind, ERR_INPUT);
    assert_true(span_is(s.c.got.text, s.c.err.text));
    pop3_client_pass(&s.c, "ann lee", span_of(" secret "));
    expect(&s, POP3_CLIENT_WANT_INPUT, "USER ann lee\r\n");
    say(&s, "+OK\r\n");
    expect(&s, POP3_CLIENT_WANT_INPUT, "PASS  secret \r\n");
    say(&s, "-ERR\r\n");
    expect(&s, POP3_CLIENT_WANT_REFUSED, "");
    assert_int_equal(s.c.err.kind, ERR_NONE);
    long_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),   cmocka_unit_test(test_cut),    cmocka_unit_test(test_listing),
        cmocka_unit_test(test_message),   cmocka_unit_test(test_window), cmocka_unit_test(test_token),
        cmocka_unit_test(test_forgotten), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
