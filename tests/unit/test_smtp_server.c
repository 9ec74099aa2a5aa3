/* smtp_server: where one message ends and the next command begins, at the edges of what a dialogue can say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "wire/smtp_parts.h"

/* An owner who accepts all. */
struct owner {
    struct smtp_server m;
    struct smtp_offer offer;
    struct buf in, out;
    struct buf replies; /* all that was said */
    struct buf message; /* the last that was to be delivered */
    unsigned mails, delivered, resets;
    bool closed;
};

static void begin(struct owner *o, enum smtp_dialect dialect, size_t out_max)
{
    *o = (struct owner){.offer = {.dialect = dialect,
                                  .hostname = "mx.example",
                                  .size_max = 100000000,
                                  .recipients_max = 2000,
                                  .received_max = 100,
                                  .header_max = 1000000}};
    buf_init(&o->in, 1 << 16, NULL);
    buf_init(&o->out, out_max, NULL);
    buf_init(&o->replies, 1 << 22, NULL);
    buf_init(&o->message, 1 << 24, NULL);
    smtp_server_init(&o->m, &o->offer, &o->out);
}

static void end(struct owner *o)
{
    smtp_server_fini(&o->m);
    buf_fini(&o->in);
    buf_fini(&o->out);
    buf_fini(&o->replies);
    buf_fini(&o->message);
}

static void drain(struct owner *o)
{
    buf_add_span(&o->replies, buf_span(&o->out));
    buf_take(&o->out, o->out.len);
}

static void deliver(struct owner *o)
{
    unsigned answers = o->m.offer.dialect == SMTP_IS_LMTP ? o->m.mail.recipients : 1;
    o->delivered++;
    while (answers--)
        smtp_server_delivered(&o->m, SMTP_OK, "id", &o->out);
}

static void run(struct owner *o)
{
    while (!o->closed) {
        switch (smtp_server_feed(&o->m, &o->in, &o->out)) {
        case SMTP_WANT_INPUT:
            drain(o);
            return;
        case SMTP_WANT_ROOM:
            assert_true(o->out.len > 0);
            drain(o);
            break;
        case SMTP_WANT_MAIL:
            o->mails++;
            smtp_server_mail(&o->m, SMTP_OK, &o->out);
            break;
        case SMTP_WANT_RCPT:
            smtp_server_rcpt(&o->m, SMTP_OK, &o->out);
            break;
        case SMTP_WANT_MESSAGE:
            buf_take(&o->message, o->message.len);
            smtp_server_message(&o->m, SMTP_OK, &o->out);
            break;
        case SMTP_WANT_PIECE:
            assert_true(o->m.piece.n > 0);
            assert_true(buf_add_span(&o->message, o->m.piece));
            smtp_server_piece(&o->m, SMTP_OK, &o->out);
            break;
        case SMTP_WANT_DELIVER:
            deliver(o);
            break;
        case SMTP_WANT_RESET:
            o->resets++;
            break;
        case SMTP_WANT_TLS:
            smtp_server_secured(&o->m, &o->offer);
            break;
        case SMTP_WANT_CLOSE:
            drain(o);
            o->closed = true;
            break;
        }
    }
}

static void say(struct owner *o, const char *p, size_t n, size_t piece)
{
    for (size_t at = 0; at < n; at += piece) {
        assert_true(buf_add(&o->in, p + at, n - at < piece ? n - at : piece));
        run(o);
    }
}

static void say_text(struct owner *o, const char *text)
{
    say(o, text, strlen(text), strlen(text));
}

static unsigned count(struct span s, const char *what)
{
    unsigned n = 0;
    for (const char *p; s.n && (p = memmem(s.p, s.n, what, strlen(what))); n++)
        s = span_from(s, (size_t)(p - s.p) + 1);
    return n;
}

static void expect_last(const struct owner *o, const char *reply)
{
    struct span s = buf_span(&o->replies);
    assert_true(s.n >= strlen(reply));
    assert_memory_equal(s.p + s.n - strlen(reply), reply, strlen(reply));
}

/* ---- smuggling: what other servers took for the end of a message (CVE-2023-51764, -51765, -51766 and kin). Only
 * CRLF.CRLF is one. */

struct variant {
    const char *bytes;
    size_t n;
    bool ends; /* there is a true CRLF.CRLF in it, and what follows it is commands */
};

#define V(bytes, ends)                                                                                                 \
    {                                                                                                                  \
        bytes, sizeof(bytes) - 1, ends                                                                                 \
    }

static const struct variant variants[] = {
    V("\n.\n", false),
    V("\n.\r\n", false),
    V("\r\n.\n", false),
    V("\r.\r", false),
    V("\r.\r\n", false),
    V("\r\n.\r", false),
    V("\r.\n", false),
    V("\n.\r", false),
    V("\n\n.\n\n", false),
    V("\r\r.\r\r", false),
    V("\r\n\0.\r\n", false),
    V("\r\n.\0\r\n", false),
    V("\0\r\n.\0\r\n\0", false),
    V("\r\0\n.\r\n", false),
    V("\r\n.\r\0\n", false),
    V("\r\n.\r\r\n", false),
    V("\r\r\n.\r\r\n", false),
    V("\r\n\r.\r\n", false),
    V("\r\n\n.\r\n", false),
    V("\r\n.\n\r\n", false),
    V("\n\r.\n\r", false),
    V("\r\n \r\n. \r\n", false),
    V("\r\n .\r\n", false),
    V("\r\n.\t\r\n", false),
    V("\r\n..\r\n", false),
    V("\x0b.\x0b", false),
    V("\x85.\x85", false),
    V("\xc2\x85.\xc2\x85", false),
    V("\r\n.\xc2\xa0\r\n", false),
    V("\xe2\x80\xa8.\xe2\x80\xa8", false),
    V("\r\n.\r\n\r\n", true),
    V("\r\n.\r\n", true),
    V("\r\r\n.\r\n", true),
    V("\n\r\n.\r\n", true),
    V("\0\r\n.\r\n", true),
    V("\r\n.\r\r\n.\r\n", true),
};

static const char evil[] =
    "MAIL FROM:<evil@a.example>\r\nRCPT TO:<victim@b.example>\r\nDATA\r\nFrom: boss\r\n\r\nsmuggled";

/* The message that must be found: dots taken out as RFC 5321 §4.5.2 says, said plainly. */
static void unstuff(const char *p, size_t n, struct buf *to)
{
    for (size_t i = 0; i < n; i++)
        if (!(p[i] == '.' && (i == 0 || (i >= 2 && p[i - 1] == '\n' && p[i - 2] == '\r'))))
            buf_add(to, p + i, 1);
}

static bool has_bare_lf(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
            return true;
    return false;
}

static void smuggle(const struct variant *v, bool chunk, size_t piece)
{
    struct owner o;
    struct buf body, said, want;
    buf_init(&body, 4096, NULL);
    buf_init(&said, 4096, NULL);
    buf_init(&want, 4096, NULL);
    buf_add_text(&body, "Subject: a\r\n\r\nfirst");
    buf_add(&body, v->bytes, v->n);
    buf_add_text(&body, evil);
    buf_add_text(&body, "\r\n");

    buf_add_text(&said, "EHLO c.example\r\nMAIL FROM:<ann@a.example>\r\nRCPT TO:<bob@b.example>\r\n");
    if (chunk)
        buf_addf(&said, "BDAT %zu LAST\r\n", body.len);
    else
        buf_add_text(&said, "DATA\r\n");
    buf_add_span(&said, buf_span(&body));
    buf_add_text(&said, chunk ? "" : ".\r\n");
    buf_add_text(&said, "NOOP after\r\n");

    begin(&o, SMTP_IS_SMTP, 4096);
    say(&o, buf_span(&said).p, said.len, piece ? piece : said.len);
    expect_last(&o, "250 2.0.0 Still here\r\n");
    assert_int_equal(count(buf_span(&o.replies), "250 2.0.0 Still here"), 1);
    if (v->ends && !chunk) {
        assert_int_equal(o.mails, 2); /* truly two */
        assert_int_equal(o.delivered + o.resets, 2);
        assert_true(span_is(buf_span(&o.message), "From: boss\r\n\r\nsmuggled\r\n"));
    } else {
        assert_int_equal(o.mails, 1);
        assert_int_equal(o.delivered + o.resets, 1);
        assert_int_equal(o.resets, has_bare_lf(body.mem, body.len));
        if (chunk)
            buf_add_span(&want, buf_span(&body));
        else
            unstuff(body.mem, body.len, &want);
        if (o.delivered)
            assert_true(span_equal(buf_span(&o.message), buf_span(&want)));
        else
            assert_int_equal(count(buf_span(&o.replies), "554 5.6.0"), 1);
    }
    end(&o);
    buf_fini(&body);
    buf_fini(&said);
    buf_fini(&want);
}

static void test_smuggling(void **state)
{
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        for (unsigned chunk = 0; chunk < 2; chunk++)
            for (size_t piece = 0; piece < 4; piece++) {
                print_message("variant %zu, %s, pieces of %zu\n", i, chunk ? "BDAT" : "DATA", piece);
                smuggle(&variants[i], chunk, piece);
            }
}

/* ---- much */

/* A thousand recipients: their answers leave as room comes, none is lost, and the next command waits for them. */
static void test_many_recipients(void **state)
{
    for (unsigned refused = 0; refused < 2; refused++) {
        struct owner o;
        begin(&o, SMTP_IS_LMTP, SMTP_REPLY_MAX + 10);
        say_text(&o, "LHLO c.example\r\nMAIL FROM:<>\r\n");
        for (unsigned i = 0; i < 1000; i++) {
            char text[60];
            snprintf(text, sizeof text, "RCPT TO:<user%u@b.example>\r\n", i);
            say_text(&o, text);
        }
        assert_int_equal(o.m.mail.recipients, 1000);
        buf_take(&o.replies, o.replies.len);
        say_text(&o, refused ? "DATA\r\nx\n\r\n.\r\nNOOP\r\n" : "DATA\r\nx\r\n.\r\nNOOP\r\n");
        struct span all = buf_span(&o.replies);
        assert_int_equal(count(all, refused ? "554 5.6.0" : "250 2.0.0 Delivered as id\r\n"), 1000);
        assert_int_equal(count(all, "\r\n"), 1002);
        expect_last(&o, "250 2.0.0 Still here\r\n");
        end(&o);
    }
}

/* Answers come one after the other; too early a feed says again what is awaited. */
static void test_answers_between(void **state)
{
    struct owner o;
    begin(&o, SMTP_IS_LMTP, 4096);
    o.closed = true; /* not run */
    const char text[] = "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nx\r\n.\r\n";
    buf_add(&o.in, text, sizeof text - 1);
    for (unsigned twice = 0; twice < 2; twice++)
        assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_MAIL);
    smtp_server_mail(&o.m, SMTP_OK, &o.out);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_RCPT);
        assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_RCPT);
        smtp_server_rcpt(&o.m, SMTP_OK, &o.out);
    }
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_MESSAGE);
    assert_false(smtp_server_in_message(&o.m));
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_MESSAGE);
    smtp_server_message(&o.m, SMTP_OK, &o.out);
    assert_true(smtp_server_in_message(&o.m));
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_PIECE);
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_PIECE);
    assert_true(span_is(o.m.piece, "x\r\n"));
    smtp_server_piece(&o.m, SMTP_OK, &o.out);
    for (unsigned i = 0; i < 2; i++) {
        buf_take(&o.out, o.out.len);
        assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_DELIVER);
        assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_DELIVER);
        assert_int_equal(o.m.mail.recipients, 2);
        assert_true(smtp_server_answering(&o.m));
        smtp_server_delivered(&o.m, i ? SMTP_TEMP : SMTP_OK, "a.b-1", &o.out);
        assert_true(span_is(buf_span(&o.out), i ? "451 4.3.0 Not possible now, try again later\r\n"
                                                : "250 2.0.0 Delivered as a.b-1\r\n"));
    }
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_INPUT);
    assert_int_equal(o.m.mail.recipients, 0);
    assert_int_equal(o.m.count.messages, 1);
    assert_int_equal(o.m.count.commands, 5);
    assert_int_equal(o.m.count.errors, 1); /* the recipient who was put off */
    assert_false(smtp_server_in_message(&o.m));
    assert_false(smtp_server_answering(&o.m));
    assert_false(smtp_server_in_line(&o.m, &o.in));
    buf_add_text(&o.in, "NO");
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_INPUT);
    assert_true(smtp_server_in_line(&o.m, &o.in));
    end(&o);
}

/* A line of a megabyte goes through a queue of 64 kB, in DATA and in BDAT; nothing of it is kept. */
static void test_long_line(void **state)
{
    static char line[1000000];
    memset(line, 'x', sizeof line);
    line[500000] = '\r';
    for (unsigned chunk = 0; chunk < 2; chunk++) {
        struct owner o;
        begin(&o, SMTP_IS_SMTP, 4096);
        say_text(&o, "EHLO c\r\nMAIL FROM:<a@b> SIZE=5\r\nRCPT TO:<c@d>\r\n");
        say_text(&o, chunk ? "BDAT 1000004 LAST\r\n" : "DATA\r\n");
        say_text(&o, "\r\n");
        say(&o, line, sizeof line, 30000);
        assert_int_equal(o.in.len, 0);
        say_text(&o, chunk ? "\r\nQUIT\r\n" : "\r\n.\r\nQUIT\r\n");
        assert_int_equal(o.delivered, 1);
        assert_int_equal(o.message.len, sizeof line + 4);
        assert_memory_equal(buf_span(&o.message).p + 2, line, sizeof line);
        assert_true(o.closed);
        end(&o);
    }
}

/* Nothing is written without room for a whole reply, and nothing is lost for it. */
static void test_room(void **state)
{
    struct owner o;
    begin(&o, SMTP_IS_SMTP, SMTP_REPLY_MAX);
    const char text[] = "EHLO c\r\nNOOP\r\n";
    buf_add(&o.in, text, sizeof text - 1);
    assert_true(o.out.len > 0); /* the greeting */
    assert_int_equal(smtp_server_feed(&o.m, &o.in, &o.out), SMTP_WANT_ROOM);
    assert_int_equal(o.in.len, sizeof text - 1);
    run(&o);
    expect_last(&o, "250 2.0.0 Still here\r\n");
    end(&o);
}

/* The longest of everything fits into SMTP_REPLY_MAX. */
static void test_longest_reply(void **state)
{
    char name[SMTP_NAME_MAX + 1];
    memset(name, 'h', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct smtp_offer offer = {
        .hostname = name, .dialect = SMTP_IS_SMTP, .tls_offered = true, .xclient = true, .size_max = UINT64_MAX};
    struct smtp_server m;
    struct buf in, out;
    buf_init(&in, 100, NULL);
    buf_init(&out, SMTP_REPLY_MAX, NULL);
    smtp_server_init(&m, &offer, &out);
    buf_take(&out, out.len);
    buf_add_text(&in, "EHLO c\r\n");
    assert_int_equal(smtp_server_feed(&m, &in, &out), SMTP_WANT_ROOM);
    struct span s = buf_span(&out);
    assert_true(s.n > 5 && memcmp(s.p + s.n - 25, "250 ENHANCEDSTATUSCODES\r\n", 25) == 0);
    smtp_server_fini(&m);
    buf_fini(&in);
    buf_fini(&out);
}

/* ---- the end */

static void test_stop(void **state)
{
    static const char *const before[] = {"", "EHLO c\r\nMAIL FROM:<a@b>\r\n",
                                         "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 5\r\nab"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        struct owner o;
        begin(&o, SMTP_IS_SMTP, 4096);
        if (*before[i])
            say_text(&o, before[i]);
        smtp_server_stop(&o.m, "Going down", &o.out);
        smtp_server_stop(&o.m, "Going down", &o.out); /* said once */
        run(&o);
        assert_true(o.closed);
        assert_int_equal(count(buf_span(&o.replies), "421 4.3.2 Going down\r\n"), 1);
        assert_int_equal(o.resets, 0);
        end(&o);
    }
}

static void test_stop_without_room(void **state)
{
    struct owner o;
    begin(&o, SMTP_IS_SMTP, SMTP_REPLY_MAX);
    smtp_server_stop(&o.m, "Going down", &o.out); /* the greeting has not left */
    run(&o);
    assert_int_equal(count(buf_span(&o.replies), "421"), 0);
    assert_true(o.closed);
    end(&o);
}

/* ---- xtext */

static void test_xtext(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: it is none */
    } cases[] = {{"", ""},
                 {"abc", "abc"},
                 {"a+2Bb", "a+b"},
                 {"+3D", "="},
                 {"+41+42", "AB"},
                 {"a+20b", "a b"},
                 {"~+39+4A+7E", "~9J~"},
                 {"+", NULL},
                 {"+4", NULL},
                 {"a+4g", NULL},
                 {"+2b", NULL},
                 {"+00", NULL},
                 {"+0A", NULL},
                 {"+0D+0A", NULL},
                 {"+7F", NULL},
                 {"+80", NULL},
                 {"+C3", NULL},
                 {"a\tb", NULL},
                 {"\xc3\xa4", NULL},
                 {"+-1", NULL},
                 {"1234567", "1234567"},
                 {"12345678", NULL},
                 {"123456+41", "123456A"},
                 {"1234567+41", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[8];
        print_message("%s\n", cases[i].in);
        size_t n = strlen(cases[i].in);
        char *in = guard_copy(cases[i].in, n);
        assert_int_equal(smtp_xtext((struct span){in, n}, out, sizeof out), cases[i].out != NULL);
        guard_free(in);
        if (cases[i].out)
            assert_string_equal(out, cases[i].out);
    }
}

static void test_xclient_addresses(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {{"0.0.0.0", "0.0.0.0"},
                 {"255.255.255.255", "255.255.255.255"},
                 {"IPV6:::", "::"},
                 {"ipv6:::1", "::1"},
                 {"IPV6:1::", "1::"},
                 {"IPV6:1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
                 {"IPV6:1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:1.2.3.4"},
                 {"IPV6:::ffff:1.2.3.4", "::ffff:1.2.3.4"},
                 {"IPV6:1:2:3:4:5:6:7::", "1:2:3:4:5:6:7::"},
                 {"IPV6:abcd:EF01::2", "abcd:EF01::2"},
                 {"IPV6:", NULL},
                 {"IPV6::", NULL},
                 {"IPV6::::", NULL},
                 {"IPV6:1:2:3:4:5:6:7:8:9", NULL},
                 {"IPV6:1:2:3:4:5:6:7:8::", NULL},
                 {"IPV6:1:2:3:4:5:6:7:", NULL},
                 {"IPV6::1:2:3:4:5:6:7", NULL},
                 {"IPV6:1::2::3", NULL},
                 {"IPV6:1.2.3.4::", NULL},
                 {"IPV6:1.2.3.4:1:2:3:4:5:6", NULL},
                 {"IPV6:g::", NULL},
                 {"IPV6:12345::", NULL},
                 {"IPV6:::1%eth0", NULL},
                 {"1.2.3", NULL},
                 {"1.2.3.4.", NULL},
                 {"1.2.3.4.5", NULL},
                 {".1.2.3", NULL},
                 {"1.2.3.256", NULL},
                 {"1.2.3.0004", NULL},
                 {"localhost", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct owner o;
        char text[100];
        print_message("%s\n", cases[i].in);
        begin(&o, SMTP_IS_SMTP, 4096);
        o.m.offer.xclient = true;
        snprintf(text, sizeof text, "XCLIENT ADDR=%s\r\n", cases[i].in);
        say_text(&o, text);
        assert_int_equal(count(buf_span(&o.replies), "501"), cases[i].out == NULL);
        assert_string_equal(o.m.peer.address, cases[i].out ? cases[i].out : "");
        end(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smuggling),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_answers_between),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_longest_reply),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_without_room),
        cmocka_unit_test(test_xtext),
        cmocka_unit_test(test_xclient_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
