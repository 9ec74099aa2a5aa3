/* smtp_client: against smtp_server in both dialects, cut at every octet, and against servers that mean no good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "wire/smtp_client.h"
#include "wire/smtp_server.h"

/* ---- our own server in memory */

struct world {
    struct smtp_client c;
    struct smtp_server s;
    struct smtp_offer offer;
    struct buf to_server, to_client;
    struct buf said;             /* all that the server said */
    struct buf message;          /* the last that was to be delivered */
    struct smtp_address rcpt[4]; /* of this transaction, the first ones */
    unsigned rcpts, delivered, resets;
    size_t cut; /* after so many octets of the server's there is nothing more */
};

static void world_init(struct world *w, enum smtp_dialect dialect, size_t out_max)
{
    *w = (struct world){.cut = SIZE_MAX,
                        .offer = {.dialect = dialect,
                                  .hostname = "mx.example",
                                  .size_max = 1000000,
                                  .recipients_max = 2000,
                                  .received_max = 100,
                                  .header_max = 100000}};
    buf_init(&w->to_server, out_max, NULL);
    buf_init(&w->to_client, 1 << 16, NULL);
    buf_init(&w->said, 1 << 22, NULL);
    buf_init(&w->message, 1 << 22, NULL);
    smtp_server_init(&w->s, &w->offer, &w->to_client);
    smtp_client_init(&w->c, dialect == SMTP_IS_LMTP, "c.example");
}

static void world_fini(struct world *w)
{
    smtp_server_fini(&w->s);
    buf_fini(&w->to_server);
    buf_fini(&w->to_client);
    buf_fini(&w->said);
    buf_fini(&w->message);
}

/* By the name of the mailbox. */
static enum smtp_verdict at_rcpt(const struct smtp_address *a)
{
    return strcmp(a->local, "nobody") == 0 ? SMTP_NOBODY : strcmp(a->local, "later") == 0 ? SMTP_TEMP : SMTP_OK;
}

static enum smtp_verdict at_end(const struct smtp_address *a)
{
    return strcmp(a->local, "full") == 0 ? SMTP_OVER_QUOTA : SMTP_OK;
}

static void server_rcpt(struct world *w, struct buf *out)
{
    enum smtp_verdict v = at_rcpt(&w->s.rcpt);
    if (v == SMTP_OK && w->rcpts < 4)
        w->rcpt[w->rcpts] = w->s.rcpt;
    w->rcpts += v == SMTP_OK;
    smtp_server_rcpt(&w->s, v, out);
}

static void server_deliver(struct world *w, struct buf *out)
{
    unsigned answers = w->offer.dialect == SMTP_IS_LMTP ? w->rcpts : 1;
    w->delivered++;
    for (unsigned i = 0; i < answers; i++)
        smtp_server_delivered(&w->s, i < 4 ? at_end(&w->rcpt[i]) : SMTP_OK, "id", out);
}

/* Lets the server work on what has come; what it says goes to the client, up to the cut. */
static void serve(struct world *w)
{
    struct buf out;
    bool waits = false;
    buf_init(&out, 4096, NULL);
    while (!waits) {
        switch (smtp_server_feed(&w->s, &w->to_server, &out)) {
        case SMTP_WANT_INPUT:
        case SMTP_WANT_CLOSE:
            waits = true;
            break;
        case SMTP_WANT_ROOM:
            break;
        case SMTP_WANT_MAIL:
            w->rcpts = 0;
            smtp_server_mail(&w->s, strcmp(w->s.mail.from.local, "spam") == 0 ? SMTP_NOT_OURS : SMTP_OK, &out);
            break;
        case SMTP_WANT_RCPT:
            server_rcpt(w, &out);
            break;
        case SMTP_WANT_MESSAGE:
            buf_take(&w->message, w->message.len);
            smtp_server_message(&w->s, SMTP_OK, &out);
            break;
        case SMTP_WANT_PIECE:
            buf_add_span(&w->message, w->s.piece);
            smtp_server_piece(&w->s, SMTP_OK, &out);
            break;
        case SMTP_WANT_DELIVER:
            server_deliver(w, &out);
            break;
        case SMTP_WANT_RESET:
            w->resets++;
            break;
        case SMTP_WANT_TLS:
            fail();
        }
        size_t n = out.len;
        if (w->said.len + n > w->cut)
            n = w->cut - w->said.len;
        buf_add(&w->said, buf_span(&out).p, n);
        buf_add(&w->to_client, buf_span(&out).p, n);
        buf_take(&out, out.len);
    }
    buf_fini(&out);
}

/* Runs until something other than bytes and room is wanted, or the cut is reached (WANT_INPUT). */
static enum smtp_client_want talk(struct world *w, struct span *text, size_t piece)
{
    for (;;) {
        enum smtp_client_want want = smtp_client_feed(&w->c, &w->to_client, &w->to_server);
        if (want == SMTP_CLIENT_WANT_BODY && text) {
            struct span part = {text->p, text->n < piece ? text->n : piece};
            *text = span_from(*text, smtp_client_body(&w->c, part, &w->to_server));
            if (text->n == 0)
                smtp_client_body_end(&w->c);
        } else if (want != SMTP_CLIENT_WANT_INPUT && want != SMTP_CLIENT_WANT_ROOM) {
            return want;
        }
        size_t said = w->said.len;
        bool idle = want == SMTP_CLIENT_WANT_INPUT && w->to_server.len == 0;
        serve(w);
        if (idle && w->said.len == said)
            return want;
    }
}

static const char text[] = "Subject: a\n\n.\n..x\nline\r\nlone\rcr\n.last";
static const char wire_text[] = "Subject: a\r\n\r\n.\r\n..x\r\nline\r\nlone\rcr\r\n.last\r\n";

static enum smtp_client_want send_mail(struct world *w, struct smtp_client_mail *mail, size_t piece)
{
    struct span rest = span_of(text);
    smtp_client_begin(&w->c, mail);
    return talk(w, &rest, piece);
}

static void test_lmtp(void **state)
{
    for (size_t piece = 1; piece < 60; piece++) {
        struct world w;
        struct smtp_client_rcpt to[] = {{.address = "ann@b.example"},
                                        {.address = "nobody@b.example"},
                                        {.address = "full@b.example"},
                                        {.address = "bob"},
                                        {.address = "later@b.example"}};
        struct smtp_client_mail mail = {.from = "", .rcpts = to, .count = 5, .size = sizeof text};
        world_init(&w, SMTP_IS_LMTP, 2000);
        assert_int_equal(talk(&w, NULL, 0), SMTP_CLIENT_WANT_MAIL);
        assert_true(w.c.pipelining && w.c.size_ok && w.c.eight_bit_ok && w.c.utf8_ok && !w.c.starttls);
        assert_int_equal(w.c.size_max, 1000000);
        assert_int_equal(send_mail(&w, &mail, piece), SMTP_CLIENT_WANT_RESULT);
        static const unsigned codes[] = {250, 550, 552, 250, 451};
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(to[i].code, codes[i]);
        assert_string_equal(to[0].text, "2.0.0 Delivered as id");
        assert_string_equal(to[1].text, "5.1.1 There is no such mailbox here");
        assert_true(span_is(buf_span(&w.message), wire_text));
        smtp_client_next(&w.c);
        assert_int_equal(talk(&w, NULL, 0), SMTP_CLIENT_WANT_MAIL);
        smtp_client_quit(&w.c);
        assert_int_equal(talk(&w, NULL, 0), SMTP_CLIENT_WANT_CLOSE);
        assert_int_equal(w.c.err.kind, ERR_NONE);
        assert_int_equal(w.delivered, 1);
        world_fini(&w);
    }
}

/* One answer for all; several transactions; after one that nobody wanted the next begins all the same. */
static void test_smtp(void **state)
{
    static const struct {
        const char *from, *to[2];
        unsigned codes[2], resets;
    } cases[] = {
        {"ann@a.example", {"bob@b.example", "carol@b.example"}, {250, 250}, 0},
        {"ann@a.example", {"nobody@b.example", "later@b.example"}, {550, 451}, 1},
        {"spam@a.example", {"bob@b.example", "carol@b.example"}, {550, 550}, 1},
        {"\"a b\"@a.example", {"full@b.example", "carol@b.example"}, {552, 552}, 1},
        {"ann@a.example", {"bob@b.example", "nobody@b.example"}, {250, 550}, 1},
        {"ann@a.example", {"not an address", "bob@b.example"}, {553, 250}, 1},
        {"ann@a.example", {"bob@b.example", "x\r\nQUIT"}, {250, 553}, 1},
        {"ann@a.example", {"", "b>\r\nRCPT TO:<c"}, {553, 553}, 1},
        {"a\r\nb", {"bob@b.example", "carol@b.example"}, {553, 553}, 1},
        {"ann@a.example", {"j\xc3\xb6rg@b.example", "bob@b.example"}, {553, 250}, 1},
    };
    struct world w;
    world_init(&w, SMTP_IS_SMTP, 2000);
    assert_int_equal(talk(&w, NULL, 0), SMTP_CLIENT_WANT_MAIL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtp_client_rcpt to[] = {{.address = cases[i].to[0]}, {.address = cases[i].to[1]}};
        struct smtp_client_mail mail = {.from = cases[i].from, .rcpts = to, .count = 2};
        print_message("case %zu\n", i);
        assert_int_equal(send_mail(&w, &mail, 1000), SMTP_CLIENT_WANT_RESULT);
        assert_int_equal(to[0].code, cases[i].codes[0]);
        assert_int_equal(to[1].code, cases[i].codes[1]);
        smtp_client_next(&w.c);
        assert_int_equal(talk(&w, NULL, 0), SMTP_CLIENT_WANT_MAIL);
        assert_int_equal(w.resets, cases[i].resets);
    }
    world_fini(&w);
}

/* What could never be an address is refused here, however long it is. */
static void test_long_address(void **state)
{
    static char address[5000];
    for (size_t n = 200; n < sizeof address - 1; n += 100) {
        struct world w;
        struct smtp_client_rcpt to[] = {{.address = address}, {.address = "bob@b.example"}};
        struct smtp_client_mail mail = {.from = "", .rcpts = to, .count = 2};
        memset(address, 'a', n);
        world_init(&w, SMTP_IS_LMTP, 4000);
        talk(&w, NULL, 0);
        assert_int_equal(send_mail(&w, &mail, 1000), SMTP_CLIENT_WANT_RESULT);
        assert_int_equal(to[0].code, n <= SMTP_LOCAL_MAX ? 250 : 553);
        assert_int_equal(to[1].code, 250);
        world_fini(&w);
    }
}

/* Parameters are said where the server has offered them. */
static void test_parameters(void **state)
{
    struct world w;
    struct smtp_client_rcpt to[] = {{.address = "j\xc3\xb6rg@b.example"}};
    struct smtp_client_mail mail = {
        .from = "ann@a.example", .rcpts = to, .count = 1, .size = 77, .eight_bit = true, .utf8 = true};
    world_init(&w, SMTP_IS_SMTP, 2000);
    talk(&w, NULL, 0);
    smtp_client_begin(&w.c, &mail);
    assert_int_equal(talk(&w, NULL, 0), SMTP_CLIENT_WANT_BODY);
    assert_int_equal(w.s.mail.size, 77);
    assert_true(w.s.mail.utf8 && w.s.mail.eight_bit);
    assert_string_equal(w.rcpt[0].local, "j\xc3\xb6rg");
    world_fini(&w);
}

/* The connection is cut after each octet of the server's: who has no answer then has code 0, who has one keeps it. */
static void test_cut(void **state)
{
    for (unsigned dialect = 0; dialect < 2; dialect++) {
        unsigned answered = 0;
        bool whole = false;
        for (size_t cut = 0; !whole; cut++) {
            struct world w;
            struct smtp_client_rcpt to[] = {
                {.address = "ann@b.example"}, {.address = "nobody@b.example"}, {.address = "full@b.example"}};
            struct smtp_client_mail mail = {.from = "", .rcpts = to, .count = 3};
            world_init(&w, (enum smtp_dialect)dialect, 2000);
            w.cut = cut;
            buf_take(&w.to_client, w.to_client.len);
            smtp_server_init(&w.s, &w.offer, &w.to_client);
            size_t greeting = w.to_client.len;
            if (cut < greeting)
                w.to_client.len = cut;
            w.cut = cut < greeting ? 0 : cut - greeting;
            enum smtp_client_want want = talk(&w, NULL, 0);
            if (want == SMTP_CLIENT_WANT_MAIL)
                want = send_mail(&w, &mail, 10);
            whole = want == SMTP_CLIENT_WANT_RESULT;
            if (!whole)
                assert_int_equal(want, SMTP_CLIENT_WANT_INPUT);
            static const unsigned codes[2][3] = {{250, 550, 552}, {250, 550, 250}};
            unsigned now = 0;
            for (unsigned i = 0; i < 3; i++) {
                assert_true(to[i].code == 0 || to[i].code == codes[dialect][i]);
                now += to[i].code != 0;
            }
            assert_true(now >= answered);
            assert_true(whole == (now == 3));
            answered = now;
            world_fini(&w);
        }
    }
}

/* Many recipients through a small queue: their commands go ahead of the answers, but not without bound. */
static void test_many(void **state)
{
    enum { MANY = 1000 };
    static struct smtp_client_rcpt to[MANY];
    struct world w;
    for (unsigned i = 0; i < MANY; i++)
        to[i] = (struct smtp_client_rcpt){.address = i % 10 == 9 ? "nobody@b.example" : "ann@b.example"};
    struct smtp_client_mail mail = {.from = "", .rcpts = to, .count = MANY};
    world_init(&w, SMTP_IS_LMTP, 200);
    talk(&w, NULL, 0);
    assert_int_equal(send_mail(&w, &mail, 1000), SMTP_CLIENT_WANT_RESULT);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(to[i].code, i % 10 == 9 ? 550 : 250);
    assert_int_equal(w.rcpts, 900);
    world_fini(&w);
}

/* ---- servers from a script: what they say, one reply after the other, whatever is asked */

struct script {
    struct smtp_client c;
    struct buf in, out, asked;
    struct smtp_client_rcpt to[2];
    struct smtp_client_mail mail;
    enum smtp_client_want want;
};

/* What the client does when the server says `said`, `piece` octets at a time, and then nothing more. It sends a short
 * message when it may. */
static void play(struct script *s, bool lmtp, const char *said, size_t piece)
{
    size_t n = strlen(said), at = 0;
    bool begun = false;
    memset(s, 0, sizeof *s);
    s->to[0].address = "ann@b.example";
    s->to[1].address = "bob@b.example";
    s->mail = (struct smtp_client_mail){.from = "", .rcpts = s->to, .count = 2, .size = 9};
    buf_init(&s->in, 1 << 14, NULL);
    buf_init(&s->out, 1 << 14, NULL);
    buf_init(&s->asked, 1 << 20, NULL);
    smtp_client_init(&s->c, lmtp, "c.example");
    for (;;) {
        s->want = smtp_client_feed(&s->c, &s->in, &s->out);
        buf_add_span(&s->asked, buf_span(&s->out));
        buf_take(&s->out, s->out.len);
        if (s->want == SMTP_CLIENT_WANT_MAIL && !begun) {
            begun = true;
            smtp_client_begin(&s->c, &s->mail);
        } else if (s->want == SMTP_CLIENT_WANT_BODY) {
            smtp_client_body(&s->c, span_of("x\n"), &s->out);
            smtp_client_body_end(&s->c);
        } else if (s->want == SMTP_CLIENT_WANT_INPUT && at < n) {
            size_t more = n - at < piece ? n - at : piece;
            buf_add(&s->in, said + at, more);
            at += more;
        } else {
            return;
        }
    }
}

static void script_fini(struct script *s)
{
    buf_fini(&s->in);
    buf_fini(&s->out);
    buf_fini(&s->asked);
}

#define EHLO "220 x\r\n250 x\r\n"

struct scripted {
    bool lmtp;
    const char *said;
    enum smtp_client_want want;
    enum err_kind kind;
    unsigned codes[2];
    const char *asked; /* NULL: of no matter */
};

static const struct scripted scripts[] = {
    /* as it should be, without PIPELINING, with replies of many lines and bare LF */
    {false,
     EHLO "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {250, 250},
     "EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<ann@b.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\nx\r\n.\r\n"},
    {false,
     "220-a\r\n220-b\r\n220\r\n250-x\r\n250 SIZE\n250-\r\n250\r\n250 ok\r\n251 ok\r\n354-go\r\n354\r\n250 done\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {250, 250},
     "EHLO c.example\r\nMAIL FROM:<> SIZE=9\r\nRCPT TO:<ann@b.example>\r\nRCPT "
     "TO:<bob@b.example>\r\nDATA\r\nx\r\n.\r\n"},
    {true,
     "220 x\r\n250-x\r\n250 PIPELINING\r\n250 m\r\n250 r\r\n250 r\r\n354 go\r\n250 2.0.0 a\r\n452 4.2.2 b\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {250, 452},
     "LHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<ann@b.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\nx\r\n.\r\n"},
    /* no EHLO there */
    {false,
     "220 x\r\n500-no\r\n500 PIPELINING\r\n250 x\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n250 done\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {550, 250},
     "EHLO c.example\r\nHELO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<ann@b.example>\r\nRCPT "
     "TO:<bob@b.example>\r\nDATA\r\nx\r\n.\r\n"},
    {false, "220 x\r\n500 no\r\n500 no\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_PERM, {0, 0}, NULL},
    {true, "220 x\r\n500 no\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_PERM, {0, 0}, "LHLO c.example\r\n"},
    {false, "220 x\r\n450 no\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_TEMP, {0, 0}, NULL},
    /* not welcome */
    {false, "554 no\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_PERM, {0, 0}, ""},
    {false, "421 busy\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_TEMP, {0, 0}, ""},
    /* refusals on the way */
    {false, EHLO "451 no\r\n", SMTP_CLIENT_WANT_RESULT, ERR_NONE, {451, 451}, NULL},
    {false,
     "220 x\r\n250-x\r\n250 PIPELINING\r\n550 no\r\n503 first\r\n503 first\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {550, 550},
     NULL},
    {false, EHLO "250 ok\r\n550 a\r\n450 b\r\n", SMTP_CLIENT_WANT_RESULT, ERR_NONE, {550, 450}, NULL},
    {false, EHLO "250 ok\r\n250 a\r\n450 b\r\n554 no\r\n", SMTP_CLIENT_WANT_RESULT, ERR_NONE, {554, 450}, NULL},
    {false,
     EHLO "250 ok\r\n250 a\r\n450 b\r\n354 go\r\n554 no\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {554, 450},
     NULL},
    {true,
     EHLO "250 ok\r\n550 a\r\n250 b\r\n354 go\r\n250 yes\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {550, 250},
     NULL},
    /* the end in the middle */
    {false, EHLO "421 end\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_TEMP, {421, 421}, NULL},
    {false, EHLO "250 ok\r\n250 ok\r\n421 end\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_TEMP, {421, 421}, NULL},
    {false, EHLO "250 ok\r\n550 no\r\n250 ok\r\n421 end\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_TEMP, {550, 421}, NULL},
    {false,
     EHLO "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n421 end\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {421, 421},
     NULL},
    {true,
     EHLO "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n421 end\r\n",
     SMTP_CLIENT_WANT_CLOSE,
     ERR_TEMP,
     {421, 0},
     NULL},
    {true,
     EHLO "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 a\r\n421 end\r\n",
     SMTP_CLIENT_WANT_RESULT,
     ERR_NONE,
     {250, 421},
     NULL},
    /* out of step */
    {false, EHLO "354 go\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, NULL},
    {false, EHLO "250 ok\r\n354 go\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, NULL},
    {false, EHLO "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, NULL},
    {false, EHLO "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n354 go\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, NULL},
    {false, "354 go\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, NULL},
    {false, "220 x\r\n354 go\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, NULL},
    /* no replies at all */
    {false, "hello\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "22\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "2200 x\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "120 x\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "620 x\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "-20 x\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "220-x\r\n221 x\r\n", SMTP_CLIENT_WANT_CLOSE, ERR_INPUT, {0, 0}, ""},
    {false, "220", SMTP_CLIENT_WANT_INPUT, ERR_NONE, {0, 0}, ""},
};

static void test_scripts(void **state)
{
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        for (size_t piece = 1; piece < 4; piece += 2) {
            const struct scripted *want = &scripts[i];
            struct script s;
            print_message("script %zu, pieces of %zu\n", i, piece);
            play(&s, want->lmtp, want->said, piece);
            assert_int_equal(s.want, want->want);
            assert_int_equal(s.c.err.kind, want->kind);
            for (unsigned k = 0; k < 2; k++)
                assert_int_equal(s.to[k].code, want->codes[k]);
            if (want->asked)
                assert_true(span_is(buf_span(&s.asked), want->asked));
            script_fini(&s);
        }
}

/* What goes on for ever has an end, and what is kept of it a ceiling. */
static void test_endless(void **state)
{
    static char said[200000];
    struct script s;
    memset(said, 'x', sizeof said - 1);
    memcpy(said, "220 ", 4);
    play(&s, false, said, 1000);
    assert_int_equal(s.want, SMTP_CLIENT_WANT_CLOSE);
    assert_int_equal(s.c.err.kind, ERR_INPUT);
    script_fini(&s);

    for (size_t i = 0; i + 100 < sizeof said; i += 50)
        snprintf(said + i, 51, "220-%44s\r\n", "x");
    play(&s, false, said, 1000);
    assert_int_equal(s.want, SMTP_CLIENT_WANT_CLOSE);
    assert_int_equal(s.c.err.kind, ERR_LIMIT);
    assert_true(strlen(s.c.reply) < SMTP_CLIENT_REPLY_MAX);
    script_fini(&s);
}

/* A server's words are shown to a person: nothing but printable ASCII of them is kept, and no more than has room. */
static void test_words(void **state)
{
    char said[4000] = "220 x\r\n250 x\r\n550 5.1.1 a\tb\x1b[31m\xc3\xa4\x7f";
    struct script s;
    size_t n = strlen(said);
    memset(said + n, 'y', 2000);
    memcpy(said + n + 2000, "\r\n", 3);
    play(&s, false, said, 100);
    assert_int_equal(s.want, SMTP_CLIENT_WANT_RESULT);
    assert_memory_equal(s.to[0].text, "5.1.1 a?b?[31m???yyy", 20);
    assert_int_equal(strlen(s.to[0].text), sizeof s.to[0].text - 1);
    script_fini(&s);

    play(&s, false, EHLO "200 yes\r\n550-5.1.1 not\r\n550-\r\n550 5.1.1 here\r\n299 yes\r\n", 1);
    assert_int_equal(s.want, SMTP_CLIENT_WANT_INPUT);
    assert_string_equal(s.to[0].text, "5.1.1 not  5.1.1 here");
    assert_true(s.to[1].accepted && s.to[1].code == 0);
    script_fini(&s);
}

/* A word while nothing is asked, and one before the message has ended. */
static void test_unasked(void **state)
{
    struct smtp_client c;
    struct buf in, out;
    struct smtp_client_rcpt to = {.address = "ann"};
    struct smtp_client_mail mail = {.from = "", .rcpts = &to, .count = 1};
    buf_init(&in, 1000, NULL);
    buf_init(&out, 1000, NULL);
    for (unsigned body = 0; body < 2; body++) {
        smtp_client_init(&c, false, "c");
        buf_take(&in, in.len);
        buf_add_text(&in, "220 x\r\n");
        assert_int_equal(smtp_client_feed(&c, &in, &out), SMTP_CLIENT_WANT_INPUT);
        buf_add_text(&in, "250 x\r\n");
        assert_int_equal(smtp_client_feed(&c, &in, &out), SMTP_CLIENT_WANT_MAIL);
        if (body) {
            smtp_client_begin(&c, &mail);
            buf_add_text(&in, "250 m\r\n250 r\r\n354 d\r\n");
            assert_int_equal(smtp_client_feed(&c, &in, &out), SMTP_CLIENT_WANT_BODY);
            smtp_client_body(&c, span_of("Subject"), &out);
        }
        buf_add_text(&in, "452 4.3.1 full\r\n");
        assert_int_equal(smtp_client_feed(&c, &in, &out), SMTP_CLIENT_WANT_CLOSE);
        assert_int_equal(c.err.kind, ERR_TEMP);
        assert_int_equal(to.code, body ? 452 : 0);
        buf_take(&out, out.len);
    }
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lmtp),         cmocka_unit_test(test_smtp),    cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_long_address), cmocka_unit_test(test_cut),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_scripts),      cmocka_unit_test(test_endless), cmocka_unit_test(test_words),
        cmocka_unit_test(test_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
