/* Servers of SMTP and LMTP that play a script: what is said to them, and what is made of their answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/peer_help.h"
#include "base/clock.h"
#include "base/mem.h"
#include "dest.h"
#include "post/out_smtp.h"

#define OFFERS   "C EHLO *\nW 250-test|250-8BITMIME|250 SIZE|\n"
#define HELLO    "S 220 test\n" OFFERS
#define MAIL     "C MAIL FROM:<me@example.org> SIZE=20\n"
#define RCPT     "C RCPT TO:<anna@example.org>\n"
#define ENVELOPE MAIL "S 250 2.1.0 yes\n" RCPT "S 250 2.1.5 yes\n"
#define TEXT     "C Subject: x\nC \nC body\nC .\n"
#define MESSAGE  ENVELOPE "C DATA\nS 354 go on\n" TEXT
#define BYE      "C QUIT\nS 221 bye\nE\n"

static const char text[] = "Subject: x\r\n\r\nbody\r\n";

/* ---- time */

static uint64_t ahead;
uint64_t __real_clock_ms(void);
uint64_t __wrap_clock_ms(void);

uint64_t __wrap_clock_ms(void)
{
    return __real_clock_ms() + ahead;
}

/* ---- playing */

static int open_to(const struct peer *p, const struct out_smtp_to *rest, struct out **o, struct err *err)
{
    struct out_smtp_to to = *rest;
    to.host = "localhost";
    to.port = peer_port(p);
    to.from = "me@example.org";
    to.to = "anna@example.org";
    return out_smtp(o, &to, err);
}

static const struct out_smtp_to clear = {.tls = ACCOUNT_CLEAR}, lmtp = {.tls = ACCOUNT_CLEAR, .lmtp = true};

static struct out *opened(const struct peer *p, const struct out_smtp_to *to)
{
    struct out *o = NULL;
    struct err err = {0};
    if (open_to(p, to, &o, &err) < 0)
        fail_msg("%s", err.text);
    return o;
}

/* Messages of one commit; then the end. */
static void send_some(struct out *o, unsigned n, struct err *errs, char (*ids)[OUT_ID])
{
    struct out_draft *d[4];
    assert_in_range(n, 1, 4);
    for (unsigned i = 0; i < n; i++)
        d[i] = dest_draft(o, &(struct out_about){.wire = true}, span_of(text), 7);
    out_commit(o, d, n, errs, ids);
}

static void expect(const struct err *err, enum err_kind kind, const char *words)
{
    if (err->kind != kind || !strstr(err->text, words))
        fail_msg("kind %d, \"%s\", not %d, \"%s\"", err->kind, err->text, kind, words);
}

static void play(const struct out_smtp_to *to, const char *script, enum err_kind kind, const char *words)
{
    struct peer *p = peer_start(script);
    struct err err = {0};
    struct out *o = opened(p, to);
    send_some(o, 1, &err, NULL);
    out_close(o);
    if (!peer_end(p))
        fail_msg("in the play that is to end with \"%s\"", words);
    expect(&err, kind, words);
}

/* ---- answers */

/* To the envelope: it is the same for every message, so that none is given up for it. */
static void test_envelope_refused(void **state)
{
    static const struct {
        const char *answer;
        enum err_kind kind;
    } rows[] = {
        {"450 4.2.0 come back later", ERR_TEMP},
        {"451 4.7.1 greylisted", ERR_TEMP},
        {"452 4.2.2 mailbox full", ERR_TEMP},
        {"550 5.1.1 no such user", ERR_GONE},
        {"550 5.1.2 no such domain", ERR_GONE},
        {"550 5.1.10 null MX", ERR_GONE},
        {"550 5.2.1 disabled", ERR_PERM},
        {"552 5.2.2 over quota", ERR_LIMIT},
        {"552 over quota", ERR_LIMIT},
        {"554 5.7.1 relay access denied", ERR_PERM},
        {"550 what do I know", ERR_PERM},
        {"503 5.5.1 bad sequence", ERR_PERM},
        {"550 5.1.11 unknown detail", ERR_PERM},
        {"552 5.2.22 unknown detail", ERR_PERM},
        {"550-5.1.1 many|550 5.1.1 lines", ERR_GONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000], words[100];
        snprintf(script, sizeof script, HELLO MAIL "S 250 yes\n" RCPT "W %s|\nC *\nE\n", rows[i].answer);
        snprintf(words, sizeof words, "the server says %.3s %.3s", rows[i].answer, rows[i].answer + 4);
        play(&clear, script, rows[i].kind, words);
    }
}

static void test_sender_refused(void **state)
{
    play(&clear, HELLO MAIL "S 530 5.7.0 STARTTLS first\nC *\nE\n", ERR_PERM, "STARTTLS first");
    play(&clear, HELLO MAIL "S 452 4.3.1 no room\nC *\nE\n", ERR_TEMP, "452 4.3.1 no room");
    play(&clear, HELLO MAIL "S 421 4.3.2 going down\nE\n", ERR_TEMP, "421 4.3.2 going down");
}

/* Its size is the message's own. */
static void test_too_large(void **state)
{
    play(&clear, HELLO MAIL "S 552 5.3.4 too large\nC *\nE\n", ERR_INPUT, "552 5.3.4 too large");
    play(&clear, HELLO MAIL "S 250 yes\n" RCPT "S 552 5.2.3 too large for her\nC *\nE\n", ERR_INPUT,
         "too large for her");
}

static void test_data_refused(void **state)
{
    play(&clear, HELLO ENVELOPE "C DATA\nS 451 4.3.0 not now\nC *\nE\n", ERR_TEMP, "not now");
    play(&clear, HELLO ENVELOPE "C DATA\nS 554 5.5.1 nobody to give it to\nC *\nE\n", ERR_PERM, "nobody to give it to");
}

static void test_message_refused(void **state)
{
    static const struct {
        const char *answer;
        enum err_kind kind;
    } rows[] = {
        {"451 4.3.0 disk", ERR_TEMP},        {"452 4.2.2 full", ERR_TEMP},  {"554 5.6.0 bad content", ERR_INPUT},
        {"550 5.7.1 spam", ERR_INPUT},       {"554 no", ERR_INPUT},         {"552 5.3.4 too large", ERR_INPUT},
        {"552 5.2.2 over quota", ERR_LIMIT}, {"552 over quota", ERR_LIMIT}, {"550 5.1.1 gone meanwhile", ERR_GONE},
        {"421 4.3.2 going down", ERR_TEMP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, HELLO MESSAGE "S %s\nC *\nE\n", rows[i].answer);
        play(&clear, script, rows[i].kind, rows[i].answer);
    }
}

/* What a server says never commands a terminal. */
static void test_words_are_escaped(void **state)
{
    play(&clear, HELLO MAIL "S 450 \033[2Jblack\007\nC *\nE\n", ERR_TEMP, "black");
    struct peer *p = peer_start(HELLO MESSAGE "S 250 2.0.0 \033[2Jkept as 17\n" BYE);
    struct err err = {0};
    char ids[1][OUT_ID];
    struct out *o = opened(p, &clear);
    send_some(o, 1, &err, ids);
    out_close(o);
    assert_non_null(peer_end(p));
    assert_int_equal(err.kind, ERR_NONE);
    assert_non_null(strstr(ids[0], "kept as 17"));
    assert_null(strchr(ids[0], '\033'));
}

static void test_lmtp(void **state)
{
    static const char hello[] = "S 220 test\nC LHLO *\nW 250-test|250 SIZE|\n";
    char script[1000];
    snprintf(script, sizeof script, "%s" MESSAGE "S 250 2.0.0 saved\n" BYE, hello);
    play(&lmtp, script, ERR_NONE, "");
    snprintf(script, sizeof script, "%s" MESSAGE "S 552 5.2.2 over quota\nC *\nE\n", hello);
    play(&lmtp, script, ERR_LIMIT, "over quota");
    snprintf(script, sizeof script, "%s" MESSAGE "S 452 4.2.2 over quota\nC *\nE\n", hello);
    play(&lmtp, script, ERR_TEMP, "over quota");
}

/* ---- cuts */

static void test_cut_after_the_dot(void **state)
{
    play(&clear, HELLO MESSAGE "R\n", ERR_UNKNOWN, "");
    play(&clear, HELLO MESSAGE "W 25\nR\n", ERR_UNKNOWN, "");
    play(&clear, HELLO MESSAGE "S 999 what\nR\n", ERR_UNKNOWN, "");
}

static void test_cut_before_the_dot(void **state)
{
    static const char *const scripts[] = {
        HELLO "C MAIL*\nR\n",
        HELLO MAIL "S 250 yes\n" RCPT "R\n",
        HELLO ENVELOPE "C DATA\nR\n",
        HELLO MAIL "S 999 what\nR\n",
        HELLO MAIL "S 250 yes\n" RCPT "S no\nR\n",
        HELLO ENVELOPE "C DATA\nS 250 what\nR\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof(void *); i++)
        play(&clear, scripts[i], ERR_TEMP, "");
}

/* A connection that breaks in the middle of a large message: it has no final dot. */
static void test_cut_in_the_message(void **state)
{
    enum { LARGE = 8 * 1024 * 1024 };
    struct peer *p =
        peer_start("S 220 test\nC EHLO *\nS 250 test\nC MAIL*\nS 250 yes\nC RCPT*\nS 250 yes\nC DATA\nS 354 go on\n"
                   "C x*\nC x*\nR\n");
    struct err err = {0};
    struct out *o = opened(p, &clear);
    char *large = mem_alloc(LARGE);
    memset(large, 'x', LARGE);
    for (size_t at = 998; at + 1 < LARGE; at += 1000)
        memcpy(large + at, "\r\n", 2);
    struct out_draft *d = dest_draft(o, &(struct out_about){.wire = true}, (struct span){large, LARGE}, LARGE);
    out_commit(o, &d, 1, &err, NULL);
    out_close(o);
    assert_non_null(peer_end(p));
    expect(&err, ERR_TEMP, "");
    mem_free(large);
}

/* ---- several */

static void test_over_one_connection(void **state)
{
    struct peer *p = peer_start(HELLO MESSAGE "S 250 2.0.0 first\n" MESSAGE "S 554 5.6.0 second\n" MESSAGE
                                              "S 450 4.0.0 third\n" MESSAGE "S 250 2.0.0 fourth\n" BYE);
    struct err errs[4];
    char ids[4][OUT_ID];
    struct out *o = opened(p, &clear);
    send_some(o, 4, errs, ids);
    out_close(o);
    assert_non_null(peer_end(p));
    expect(&errs[0], ERR_NONE, "");
    expect(&errs[1], ERR_INPUT, "second");
    expect(&errs[2], ERR_TEMP, "third");
    expect(&errs[3], ERR_NONE, "");
    assert_string_equal(ids[0], "250 2.0.0 first");
    assert_string_equal(ids[1], "");
    assert_string_equal(ids[2], "");
    assert_string_equal(ids[3], "250 2.0.0 fourth");
}

/* After a refusal in the envelope the next one begins well. */
static void test_after_a_refusal(void **state)
{
    struct peer *p = peer_start(HELLO MAIL "S 250 yes\n" RCPT "S 450 4.2.0 no\nC RSET\nS 250 yes\n" MESSAGE
                                           "S 250 2.0.0 kept\n" BYE);
    struct err errs[2];
    struct out *o = opened(p, &clear);
    send_some(o, 2, errs, NULL);
    out_close(o);
    assert_non_null(peer_end(p));
    expect(&errs[0], ERR_TEMP, "450");
    expect(&errs[1], ERR_NONE, "");
}

/* What is not known of one message is not said of the next, which goes over another connection. */
static void test_another_connection(void **state)
{
    struct peer *p =
        peer_start(HELLO MESSAGE "S 250 2.0.0 first\n" MESSAGE "O\n" HELLO MESSAGE "S 250 2.0.0 third\n" BYE);
    struct err errs[3];
    struct out *o = opened(p, &clear);
    send_some(o, 3, errs, NULL);
    out_close(o);
    assert_non_null(peer_end(p));
    expect(&errs[0], ERR_NONE, "");
    expect(&errs[1], ERR_UNKNOWN, "");
    expect(&errs[2], ERR_NONE, "");
}

/* A server that has closed a connection that was used already is asked again, once: at any place before the dot. */
static void test_closed_between(void **state)
{
    static const char *const ends[] = {"O\n", MAIL "O\n", MAIL "S 421 4.4.2 idle\nO\n", MAIL "S 250 yes\n" RCPT "O\n",
                                       ENVELOPE "C DATA\nO\n"};
    for (size_t i = 0; i < sizeof ends / sizeof(void *); i++) {
        char script[2000];
        snprintf(script, sizeof script, HELLO MESSAGE "S 250 2.0.0 first\n%s" HELLO MESSAGE "S 250 2.0.0 second\n" BYE,
                 ends[i]);
        struct peer *p = peer_start(script);
        struct err errs[2];
        struct out *o = opened(p, &clear);
        send_some(o, 2, errs, NULL);
        out_close(o);
        assert_non_null(peer_end(p));
        expect(&errs[0], ERR_NONE, "");
        expect(&errs[1], ERR_NONE, "");
    }
    struct peer *p = peer_start(HELLO MESSAGE "S 250 2.0.0 first\nO\n" HELLO MAIL "R\n");
    struct err errs[2];
    struct out *o = opened(p, &clear);
    send_some(o, 2, errs, NULL);
    out_close(o);
    assert_non_null(peer_end(p));
    expect(&errs[1], ERR_TEMP, "");
}

/* None is kept while a message takes its time to come. */
static void test_none_rests(void **state)
{
    struct peer *p = peer_start(HELLO "C QUIT\nS 221 bye\nO\n" HELLO MESSAGE "S 250 2.0.0 kept\n" BYE);
    struct err err = {0};
    struct out *o = opened(p, &clear);
    struct out_draft *d = dest_draft(o, &(struct out_about){.wire = true}, span_of("Subject: x\r\n"), 100);
    ahead += 6000;
    assert_int_equal(out_write(o, d, span_of("\r\nbody\r\n"), &err), 0);
    out_commit(o, &d, 1, &err, NULL);
    out_close(o);
    assert_non_null(peer_end(p));
    expect(&err, ERR_NONE, "");
}

/* ---- the beginning */

static void refused(const struct out_smtp_to *to, const char *script, enum err_kind kind, const char *words)
{
    struct peer *p = peer_start(script);
    struct out *o = NULL;
    struct err err = {0};
    assert_int_equal(open_to(p, to, &o, &err), -1);
    assert_non_null(peer_end(p));
    expect(&err, kind, words);
}

/* What is wrong with a server says nothing of any message. */
static void test_no_session(void **state)
{
    refused(&clear, "S 421 4.3.2 too busy\nE\n", ERR_TEMP, "too busy");
    refused(&clear, "S HTTP/1.1 400 Bad Request\nE\n", ERR_TEMP, "localhost");
    refused(&clear, "R\n", ERR_TEMP, "localhost");
    refused(&lmtp, "S 220 test\nC LHLO *\nS 500 what\nE\n", ERR_PERM, "what");
}

static void test_nobody_listens(void **state)
{
    struct out *o = NULL;
    struct err err = {0};
    struct out_smtp_to to = {
        .host = "127.0.0.1", .port = 1, .tls = ACCOUNT_CLEAR, .from = "", .to = "anna@example.org"};
    assert_int_equal(out_smtp(&o, &to, &err), -1);
    expect(&err, ERR_TEMP, "127.0.0.1");
    to.host = "/nowhere/at/all";
    assert_int_equal(out_smtp(&o, &to, &err), -1);
    expect(&err, ERR_TEMP, "/nowhere/at/all");
}

/* ---- TLS */

#define STARTTLS "S 220 test\nC EHLO *\nW 250-test|250 STARTTLS|\nC STARTTLS\n"
static void test_tls(void **state)
{
    const struct out_smtp_to inside = {.tls = ACCOUNT_TLS, .ca = peer_cert()},
                             starttls = {.tls = ACCOUNT_STARTTLS, .ca = peer_cert()};
    play(&inside, "T\n" HELLO MESSAGE "S 250 2.0.0 kept\n" BYE, ERR_NONE, "");
    play(&starttls, STARTTLS "S 220 go on\nT\n" OFFERS MESSAGE "S 250 2.0.0 kept\n" BYE, ERR_NONE, "");
    play(&starttls, STARTTLS "S 220 go on\nT\n" OFFERS MESSAGE "R\n", ERR_UNKNOWN, "");
}

/* Then nothing is said, and a person must see to it. */
static void test_no_tls(void **state)
{
    const struct out_smtp_to starttls = {.tls = ACCOUNT_STARTTLS, .ca = peer_cert()},
                             stranger = {.tls = ACCOUNT_STARTTLS}, inside = {.tls = ACCOUNT_TLS};
    refused(&starttls, "S 220 test\nC EHLO *\nS 250 test\nE\n", ERR_PERM, "");
    refused(&stranger, STARTTLS "S 220 go on\nT\nR\n", ERR_PERM, "");
    refused(&inside, "T\nR\n", ERR_PERM, "");
    refused(&starttls, STARTTLS "S 454 4.7.0 not now\nE\n", ERR_TEMP, "not now");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_refused),
        cmocka_unit_test(test_sender_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_data_refused),
        cmocka_unit_test(test_message_refused),
        cmocka_unit_test(test_words_are_escaped),
        cmocka_unit_test(test_lmtp),
        cmocka_unit_test(test_cut_after_the_dot),
        cmocka_unit_test(test_cut_before_the_dot),
        cmocka_unit_test(test_cut_in_the_message),
        cmocka_unit_test(test_over_one_connection),
        cmocka_unit_test(test_after_a_refusal),
        cmocka_unit_test(test_another_connection),
        cmocka_unit_test(test_closed_between),
        cmocka_unit_test(test_none_rests),
        cmocka_unit_test(test_no_session),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_no_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
