/* pop3_server: what dialogues cannot show: what it asks of its owner, how little room it needs, what it forgets.
 * The replies themselves are in tests/dialogue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "guard.h"
#include "wire/pop3_server.h"

static const struct pop3_offer offer = {.implementation = "bustia",
                                        .stamp = "<1@x>",
                                        .sasl = "SCRAM-SHA-256 SCRAM-SHA-1",
                                        .sasl_clear = "PLAIN LOGIN",
                                        .tls_offered = true,
                                        .clear_allowed = true};

struct session {
    struct pop3_server m;
    struct buf in, out;
    struct drop drop;
};

static void drain(struct session *s)
{
    buf_take(&s->out, s->out.len);
}

static void begin(struct session *s, size_t room)
{
    buf_init(&s->in, 1 << 16, NULL);
    buf_init(&s->out, room, NULL);
    drop_init(&s->drop);
    pop3_server_init(&s->m, &offer, &s->out);
    drain(s);
}

static void log_in(struct session *s, size_t room, unsigned messages)
{
    buf_init(&s->in, 1 << 20, NULL);
    buf_init(&s->out, room, NULL);
    drop_init(&s->drop);
    for (unsigned i = 0; i < messages; i++) {
        char uid[20];
        snprintf(uid, sizeof uid, "u%u", i);
        drop_add(&s->drop, i * 10, span_of(uid));
    }
    pop3_server_resume(&s->m, &offer, span_of("ann"), &s->drop, &s->out);
    drain(s);
}

static void end(struct session *s)
{
    pop3_server_fini(&s->m);
    drop_fini(&s->drop);
    buf_fini(&s->in);
    buf_fini(&s->out);
}

static enum pop3_want say(struct session *s, const char *text)
{
    assert_true(buf_add_text(&s->in, text));
    return pop3_server_feed(&s->m, &s->in, &s->out);
}

static void expect_out(struct session *s, const char *text)
{
    struct span out = buf_span(&s->out);
    if (!span_is(out, text))
        fail_msg("got \"%.*s\", want \"%s\"", (int)out.n, out.p, text);
    drain(s);
}

/* ---- what WANT_AUTH asks */

static void expect_auth(const struct session *s, enum pop3_auth_how how, const char *user, const char *mechanism,
                        const char *secret, bool has_initial)
{
    const struct pop3_auth *a = &s->m.auth;
    assert_int_equal(a->how, how);
    assert_true(span_is(a->user, user));
    assert_true(span_is(a->mechanism, mechanism));
    assert_true(span_is(a->secret, secret));
    assert_int_equal(a->has_initial, has_initial);
}

static void test_asks(void **state)
{
    struct session s;
    begin(&s, 4096);
    assert_int_equal(say(&s, "USER ann\r\nPASS  a b \r\n"), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_PASS, "ann", "", " a b ", false);
    pop3_server_denied(&s.m, ERR_AUTH, &s.out);
    assert_int_equal(say(&s, "APOP bob 0123456789abcdef0123456789abcdef\r\n"), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_APOP, "bob", "", "0123456789abcdef0123456789abcdef", false);
    pop3_server_denied(&s.m, ERR_AUTH, &s.out);
    assert_int_equal(say(&s, "auth pLain\r\n"), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_SASL_BEGIN, "", "PLAIN", "", false);
    pop3_server_challenge(&s.m, span_of(""), &s.out);
    assert_int_equal(say(&s, "Zm9v\r\n"), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_SASL_STEP, "", "", "foo", false);
    pop3_server_denied(&s.m, ERR_AUTH, &s.out);
    assert_int_equal(say(&s, "AUTH scram-sha-1 =\r\n"), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_SASL_BEGIN, "", "SCRAM-SHA-1", "", true);
    pop3_server_challenge(&s.m, span_of("x"), &s.out);
    assert_int_equal(say(&s, "*\r\nAUTH login Zm9v\r\n"), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_SASL_CANCEL, "", "", "", false);
    /* No answer is awaited: feed goes on. */
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_AUTH);
    expect_auth(&s, POP3_AUTH_SASL_BEGIN, "", "LOGIN", "foo", true);
    end(&s);
}

/* The queue may grow, and move, while the owner decides: what he was asked stays. */
static void test_asked_stays(void **state)
{
    struct session s;
    char more[3000];
    memset(more, 'x', sizeof more);
    begin(&s, 4096);
    assert_int_equal(say(&s, "USER ann\r\nPASS sesame\r\nSTAT\r\n"), POP3_WANT_AUTH);
    assert_true(buf_add(&s.in, more, sizeof more));
    expect_auth(&s, POP3_AUTH_PASS, "ann", "", "sesame", false);
    assert_memory_equal(buf_span(&s.in).p, "STAT\r\nxxx", 9); /* unread bytes travel with the hand-over */
    pop3_server_granted(&s.m);
    assert_int_equal(s.m.state, POP3_ENDED);
    /* The worker may still refuse: then this machine goes on. */
    drain(&s);
    pop3_server_denied(&s.m, ERR_BUSY, &s.out);
    expect_out(&s, "-ERR [IN-USE] The maildrop is open in another session\r\n");
    assert_int_equal(s.m.state, POP3_AUTHORIZATION);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_INPUT);
    end(&s);
}

/* ---- secrets */

static bool holds(const struct buf *b, const char *secret)
{
    return b->mem && memmem(b->mem, b->cap, secret, strlen(secret));
}

/* Memory that is looked at when it goes back: afterwards it is nobody's. */
static struct {
    const char *p;
    size_t n, freed, wiped; /* of those that were watched */
} watched;

void __real_mem_free(void *p);
void __wrap_mem_free(void *p);
void __wrap_mem_free(void *p)
{
    static const char none[64];
    if (p && p == watched.p) {
        watched.freed++;
        watched.wiped += memcmp(p, none, watched.n) == 0;
        watched.p = NULL;
    }
    __real_mem_free(p);
}

static void watch(const char *p, size_t n)
{
    assert_in_range(n, 1, 64);
    watched.p = p;
    watched.n = n;
}

static void expect_wiped(size_t freed)
{
    assert_int_equal(watched.freed, freed);
    assert_int_equal(watched.wiped, freed);
}

static void test_forgets(void **state)
{
    static const char *const lines[] = {
        "PASS sesame\r\n",                                 /* refused: no USER */
        "USER ann\r\nPASS sesame\r\n",                     /* and alone in the queue */
        "USER ann\r\nPASS sesame\r\nNOOP\r\nNOOP\r\nhalf", /* with others behind it */
        "PASS sesame sesame sesame\r\n",                   /**/
        "PAS sesame\r\n",                                  /* mistyped */
        "AUTH PLAIN sesame==\r\n",                         /* in base64 */
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct session s;
        begin(&s, 4096);
        memset(&watched, 0, sizeof watched);
        if (say(&s, lines[i]) == POP3_WANT_AUTH) {
            watch(s.m.sasl_text, s.m.sasl_len);
            assert_false(holds(&s.in, "sesame"));
            pop3_server_denied(&s.m, ERR_AUTH, &s.out);
            expect_wiped(1);
        }
        assert_null(s.m.sasl_text);
        assert_int_equal(s.m.auth.secret.n, 0);
        assert_false(holds(&s.in, "sesame"));
        end(&s);
    }
}

static void test_forgets_user(void **state)
{
    struct session s;
    begin(&s, 4096);
    memset(&watched, 0, sizeof watched);
    assert_int_equal(say(&s, "USER ann\r\nPASS x\r\n"), POP3_WANT_AUTH);
    watch(s.m.user, s.m.user_len);
    pop3_server_denied(&s.m, ERR_AUTH, &s.out);
    assert_null(s.m.user);
    expect_wiped(1);
    assert_int_equal(say(&s, "USER ann\r\n"), POP3_WANT_INPUT);
    watch(s.m.user, s.m.user_len);
    assert_int_equal(say(&s, "STLS\r\nPASS x\r\n"), POP3_WANT_TLS);
    assert_int_equal(s.in.len, 0);
    pop3_server_secured(&s.m);
    assert_null(s.m.user);
    expect_wiped(2);
    assert_true(s.m.offer.tls_active);
    end(&s);
}

/* ---- room */

/* 100,000 messages, a third of them deleted, through 2 KiB: every row once, in order, and never more memory. */
static void test_long_listing(void **state)
{
    enum { COUNT = 100000, ROOM = 2048 };
    struct session s;
    log_in(&s, ROOM, COUNT);
    for (unsigned i = 0; i < COUNT; i += 3)
        drop_mark(&s.drop, i);
    char *got = mem_alloc(4 << 20), row[60];
    size_t n = 0, waits = 0;
    enum pop3_want want = say(&s, "UIDL\r\n");
    for (;;) {
        memcpy(got + n, buf_span(&s.out).p, s.out.len);
        n += s.out.len;
        drain(&s);
        assert_in_range(s.out.cap, 0, ROOM);
        if (want != POP3_WANT_ROOM)
            break;
        waits++;
        want = pop3_server_feed(&s.m, &s.in, &s.out);
    }
    assert_int_equal(want, POP3_WANT_INPUT);
    assert_in_range(waits, n / ROOM, n / (ROOM - 100) + 1); /* the room is used, too */

    const char *p = strstr(got, "\r\n") + 2;
    for (unsigned i = 0; i < COUNT; i++) {
        int length = snprintf(row, sizeof row, "%u u%u\r\n", i + 1, i);
        if (i % 3 == 0)
            continue;
        assert_memory_equal(p, row, (size_t)length);
        p += length;
    }
    assert_string_equal(p, ".\r\n");
    mem_free(got);
    end(&s);
}

/* A command is not run before there is room for its reply: who does not read is not served. */
static void test_waits_for_room(void **state)
{
    struct session s;
    log_in(&s, POP3_REPLY_MAX + 20, 3);
    assert_int_equal(say(&s, "DELE 1\r\nDELE 2\r\nNOOP\r\n"), POP3_WANT_ROOM);
    assert_int_equal(s.drop.deleted, 1);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_ROOM);
    assert_int_equal(s.drop.deleted, 1);
    drain(&s);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_ROOM);
    assert_int_equal(s.drop.deleted, 2);
    drain(&s);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_INPUT);
    expect_out(&s, "+OK Still here\r\n");
    end(&s);
}

/* Others use the common budget up between the question and its answer: the answer finds its room all the same. */
static void test_room_is_kept(void **state)
{
    struct budget budget = {0, 100000};
    struct session s;
    log_in(&s, 1 << 16, 1);
    buf_fini(&s.out);
    buf_init(&s.out, 1 << 16, &budget);
    char filling[4090] = "";
    buf_add(&s.out, filling, sizeof filling);
    assert_int_equal(say(&s, "RETR 1\r\n"), POP3_WANT_BODY);
    budget.used += budget.ceiling;
    pop3_server_body_begin(&s.m, 0, &s.out);
    assert_int_equal(s.out.len, sizeof filling + strlen("+OK 0 octets\r\n"));
    end(&s);
}

/* No status line is longer than 512 octets (RFC 2449 §4), whatever it is made of. */
static void test_reply_length(void **state)
{
    char text[2000];
    memset(text, 'A', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct pop3_offer wide = {.implementation = text, .stamp = text, .sasl = text, .sasl_clear = text, .sasl_tls = text};
    wide.clear_allowed = wide.tls_active = true;
    struct session s;
    begin(&s, 1 << 16);
    pop3_server_init(&s.m, &wide, &s.out);
    assert_int_equal(say(&s, "CAPA\r\nAUTH\r\n"), POP3_WANT_INPUT);
    pop3_server_abort(&s.m, ERR_TEMP, SAY_KICKED, &s.out);
    struct span out = buf_span(&s.out);
    while (out.n) {
        struct span line = span_cut(&out, '\n');
        assert_in_range(line.n, 2, POP3_REPLY_MAX - 1);
        assert_int_equal(line.p[line.n - 1], '\r');
    }
    end(&s);
}

/* The owner's clock for a line runs from its first octet to its end, also while an over-long one is thrown away. */
static void test_in_line(void **state)
{
    struct session s;
    char endless[300];
    memset(endless, 'A', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    begin(&s, 4096);
    assert_false(pop3_server_in_line(&s.m, &s.in));
    say(&s, "NO");
    assert_true(pop3_server_in_line(&s.m, &s.in));
    say(&s, "OP\r\n");
    assert_false(pop3_server_in_line(&s.m, &s.in));
    say(&s, endless);
    assert_int_equal(s.in.len, 0);
    assert_true(pop3_server_in_line(&s.m, &s.in));
    say(&s, "\n");
    assert_false(pop3_server_in_line(&s.m, &s.in));
    assert_int_equal(say(&s, "QUIT\r\nNOOP"), POP3_WANT_CLOSE);
    assert_false(pop3_server_in_line(&s.m, &s.in));
    end(&s);
}

/* ---- the end */

static void test_after_quit(void **state)
{
    struct session s;
    log_in(&s, 4096, 2);
    assert_int_equal(say(&s, "DELE 1\r\nQUIT\r\nDELE 2\r\nNOOP\r\n"), POP3_WANT_COMMIT);
    assert_int_equal(s.m.state, POP3_UPDATE);
    assert_int_equal(s.drop.deleted, 1);
    drain(&s);
    pop3_server_committed(&s.m, ERR_NONE, 0, &s.out);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_CLOSE);
    expect_out(&s, "+OK Bye, 1 message(s) removed\r\n");
    assert_int_equal(s.m.state, POP3_ENDED);
    assert_int_equal(s.drop.deleted, 1);
    end(&s);
}

/* Where a line would become part of a message or a list, the end is silent. */
static void test_abort_is_silent(void **state)
{
    struct session s;
    log_in(&s, POP3_REPLY_MAX, 1000);
    assert_int_equal(say(&s, "LIST\r\n"), POP3_WANT_ROOM);
    drain(&s);
    pop3_server_abort(&s.m, ERR_TEMP, SAY_STOPPING, &s.out);
    expect_out(&s, "");
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_CLOSE);
    end(&s);

    log_in(&s, 4096, 1);
    assert_int_equal(say(&s, "RETR 1\r\n"), POP3_WANT_BODY);
    pop3_server_body_begin(&s.m, 0, &s.out);
    drain(&s);
    pop3_server_abort(&s.m, ERR_TEMP, SAY_STOPPING, &s.out);
    expect_out(&s, "");
    end(&s);

    /* and where there is no room for it */
    log_in(&s, 600, 1);
    assert_int_equal(say(&s, "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n"), POP3_WANT_ROOM);
    size_t before = s.out.len;
    pop3_server_abort(&s.m, ERR_TEMP, SAY_STOPPING, &s.out);
    assert_int_equal(s.out.len, before);
    end(&s);

    /* but not while the owner is asked */
    log_in(&s, 4096, 1);
    assert_int_equal(say(&s, "RETR 1\r\n"), POP3_WANT_BODY);
    pop3_server_abort(&s.m, ERR_TEMP, SAY_STOPPING, &s.out);
    expect_out(&s, "-ERR [SYS/TEMP] The server is stopping\r\n");
    end(&s);
}

static void test_counts(void **state)
{
    struct session s;
    log_in(&s, 4096, 2);
    assert_int_equal(say(&s, "NOOP\r\nFROB\r\nRETR 9\r\nRETR 1\r\n"), POP3_WANT_BODY);
    pop3_server_body_begin(&s.m, 0, &s.out);
    pop3_server_body_end(&s.m);
    assert_int_equal(say(&s, "TOP 1 0\r\n"), POP3_WANT_BODY);
    assert_true(s.m.top);
    assert_int_equal(s.m.top_lines, 0);
    assert_int_equal(s.m.msg, 0);
    pop3_server_body_begin(&s.m, 0, &s.out);
    pop3_server_body_end(&s.m);
    assert_int_equal(say(&s, "RETR 2\r\n"), POP3_WANT_BODY);
    assert_int_equal(s.m.msg, 1);
    assert_false(s.m.top);
    pop3_server_body_failed(&s.m, ERR_GONE, &s.out);
    assert_int_equal(s.m.count.commands, 6);
    assert_int_equal(s.m.count.errors, 3);
    assert_int_equal(s.m.count.read, 1);
    end(&s);
}

/* ---- names that stand in the reply to a log-in */

static void test_names(void **state)
{
    static const struct {
        const char *name, *shown;
    } names[] = {{"ann", "ann"},         {"a b", "a b"},           {"a.b+c@example.test", "a.b+c@example.test"},
                 {"[AUTH]", "maildrop"}, {" a", "maildrop"},       {"", "maildrop"},
                 {"a\r\nb", "maildrop"}, {"\xc3\xb1", "maildrop"}, {"a\x7f", "maildrop"},
                 {"%s%n", "%s%n"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct session s;
        char want[100], *name = guard_copy(names[i].name, strlen(names[i].name));
        log_in(&s, 4096, 2);
        pop3_server_resume(&s.m, &offer, (struct span){name, strlen(names[i].name)}, &s.drop, &s.out);
        snprintf(want, sizeof want, "+OK %s has 2 message(s) (10 octets)\r\n", names[i].shown);
        expect_out(&s, want);
        guard_free(name);
        end(&s);
    }
}

/* ---- a drop of which only the totals are there */

static void log_in_unloaded(struct session *s, size_t room)
{
    log_in(s, room, 0);
    drop_tell(&s->drop, 3, 30, false);
}

static void load(struct session *s)
{
    drop_load(&s->drop);
    for (unsigned i = 0; i < 3; i++)
        drop_add(&s->drop, i * 10, span_of("uid"));
}

static void test_never_loaded(void **state)
{
    struct session s;
    log_in_unloaded(&s, 4096);
    assert_int_equal(say(&s, "STAT\r\nNOOP\r\nRSET\r\nLIST 4\r\nRETR 0\r\nDELE x\r\nTOP 1 x\r\n"), POP3_WANT_INPUT);
    expect_out(&s, "+OK 3 30\r\n+OK Still here\r\n+OK 3 message(s) (30 octets)\r\n-ERR There is no such message\r\n"
                   "-ERR There is no such message\r\n-ERR That is no message number\r\n-ERR That is no number of lines\r\n");
    assert_int_equal(say(&s, "QUIT\r\n"), POP3_WANT_COMMIT);
    assert_false(drop_loaded(&s.drop));
    end(&s);
    log_in_unloaded(&s, 4096);
    s.m.offer.expire_read = true; /* what is not loaded was not read */
    assert_int_equal(say(&s, "QUIT\r\n"), POP3_WANT_COMMIT);
    end(&s);
}

static void test_loads_once(void **state)
{
    static const char *const commands[] = {"LIST 1\r\n", "UIDL 1\r\n", "RETR 1\r\n", "TOP 1 0\r\n", "DELE 1\r\n"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct session s;
        log_in_unloaded(&s, 4096);
        assert_int_equal(say(&s, commands[i]), POP3_WANT_DROP);
        expect_out(&s, "");
        load(&s);
        pop3_server_loaded(&s.m);
        bool opens = commands[i][0] == 'R' || commands[i][0] == 'T';
        assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), opens ? POP3_WANT_BODY : POP3_WANT_INPUT);
        assert_true(opens || s.out.len);
        end(&s);

        /* or there is none: said where a line may be said */
        log_in_unloaded(&s, 4096);
        assert_int_equal(say(&s, commands[i]), POP3_WANT_DROP);
        pop3_server_abort(&s.m, ERR_TEMP, SAY_NO_MAILDROP, &s.out);
        expect_out(&s, "-ERR [SYS/TEMP] The maildrop cannot be read now\r\n");
        assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_CLOSE);
        end(&s);
    }
}

/* The text is the owner's: a line of the machine's would become a part of it. */
static void test_text(void **state)
{
    struct session s;
    log_in_unloaded(&s, 4096);
    assert_int_equal(say(&s, "UIDL\r\nNOOP\r\n"), POP3_WANT_LISTING);
    assert_true(s.m.uidl);
    expect_out(&s, "");
    pop3_server_listing_begin(&s.m, &s.out);
    expect_out(&s, "+OK Unique ids follow\r\n");
    pop3_server_listing_end(&s.m);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_INPUT);
    drain(&s);
    assert_int_equal(say(&s, "LIST\r\n"), POP3_WANT_LISTING);
    assert_false(s.m.uidl);
    pop3_server_listing_begin(&s.m, &s.out);
    expect_out(&s, "+OK 3 message(s) (30 octets)\r\n");
    drain(&s);
    pop3_server_abort(&s.m, ERR_TEMP, SAY_STOPPING, &s.out);
    assert_int_equal(s.out.len, 0);
    end(&s);

    log_in_unloaded(&s, 4096);
    say(&s, "LIST\r\n");
    pop3_server_abort(&s.m, ERR_TEMP, SAY_STOPPING, &s.out);
    expect_out(&s, "-ERR [SYS/TEMP] The server is stopping\r\n");
    end(&s);
}

static void test_rendered(void **state)
{
    struct session s;
    log_in_unloaded(&s, 4096);
    assert_int_equal(say(&s, "LIST\r\n"), POP3_WANT_LISTING);
    pop3_server_listing_render(&s.m);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_DROP);
    expect_out(&s, "");
    load(&s);
    pop3_server_loaded(&s.m);
    assert_int_equal(pop3_server_feed(&s.m, &s.in, &s.out), POP3_WANT_INPUT);
    expect_out(&s, "+OK 3 message(s) (30 octets)\r\n1 0\r\n2 10\r\n3 20\r\n.\r\n");
    drain(&s);
    assert_int_equal(say(&s, "LIST\r\n"), POP3_WANT_INPUT); /* it is there now */
    end(&s);
}

/* Numbers of every length, and the longest rows that there are. */
static void test_rows(void **state)
{
    static const uint64_t sizes[] = {0, 9, 10, 99, 100, 999, 1000, 12345, UINT32_MAX, UINT64_C(10000000000), UINT64_MAX / 32};
    char want[2000] = "", uid[71], line[200];
    struct session s;
    log_in(&s, POP3_REPLY_MAX, 0);
    memset(uid, '~', 70);
    uid[70] = '\0';
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        drop_add(&s.drop, sizes[i], span_of(uid + i * 7));
        snprintf(line, sizeof line, "%zu %llu\r\n", i + 1, (unsigned long long)sizes[i]);
        strcat(want, line);
    }
    strcat(want, ".\r\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(line, sizeof line, "%zu %s\r\n", i + 1, uid + i * 7);
        strcat(want, line);
    }
    strcat(want, ".\r\n");
    char got[3000] = "";
    enum pop3_want w = say(&s, "LIST\r\nUIDL\r\n");
    for (size_t n = 0;; w = pop3_server_feed(&s.m, &s.in, &s.out)) {
        struct span piece = buf_span(&s.out);
        if (piece.n && *piece.p == '+') /* a status line begins a piece: there was no room for it behind the rows */
            span_cut(&piece, '\n');
        memcpy(got + n, piece.p, piece.n);
        got[n += piece.n] = '\0';
        drain(&s);
        if (w == POP3_WANT_INPUT)
            break;
    }
    assert_string_equal(got, want);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),         cmocka_unit_test(test_asked_stays),
        cmocka_unit_test(test_forgets),      cmocka_unit_test(test_forgets_user),
        cmocka_unit_test(test_long_listing), cmocka_unit_test(test_waits_for_room),
        cmocka_unit_test(test_room_is_kept), cmocka_unit_test(test_reply_length),
        cmocka_unit_test(test_after_quit),   cmocka_unit_test(test_abort_is_silent),
        cmocka_unit_test(test_counts),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_in_line),      cmocka_unit_test(test_never_loaded),
        cmocka_unit_test(test_loads_once),   cmocka_unit_test(test_text),
        cmocka_unit_test(test_rendered),     cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
