/* client/smtp: sessions with a scripted server: what is said, what is never said, and what is known when it breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/smtp_impl.h" /* to make it impatient once it is there */
#include "peer_help.h"

static struct err err;

struct play {
    struct smtp_to to;
    struct peer *peer;
    struct smtp_session *s;
    const char *heard; /* after leave() */
    struct smtp_client_rcpt rcpts[3];
    struct smtp_client_mail mail;
    const char *text;                 /* of the message */
    size_t at, n, fails_at, rests_at; /* rests_at: and at 0, for who has gone to be seen */
};

static struct play *begin(enum account_tls tls, const char *script)
{
    struct play *p = mem_alloc(sizeof *p);
    p->peer = peer_start(script);
    p->to = (struct smtp_to){
        .link = {.host = "localhost", .port = peer_port(p->peer), .connect_ms = 60000, .silence_ms = 60000},
        .tls = tls,
        .rules = {.ca = peer_cert()},
        .allowed = ""};
    p->rcpts[0].address = "bob@b.example";
    p->rcpts[1].address = "carol@b.example";
    p->rcpts[2].address = "dave@b.example";
    p->mail = (struct smtp_client_mail){.from = "anna@a.example", .rcpts = p->rcpts, .count = 1};
    p->text = "Subject: x\r\n\r\n.dot\r\n";
    p->n = strlen(p->text);
    p->fails_at = p->rests_at = SIZE_MAX;
    err = (struct err){0};
    return p;
}

static struct play *begin_login(enum account_tls tls, const char *script)
{
    struct play *p = begin(tls, script);
    p->to.user = "anna";
    p->to.password = span_of("secret");
    return p;
}

static int enter(struct play *p)
{
    return smtp_open(&p->s, &p->to, &err);
}

static void entered(struct play *p)
{
    if (enter(p) < 0)
        fail_msg("%s", err.text);
}

/* The end; the peer has heard what it awaited. */
static void end(struct play *p)
{
    smtp_close(p->s);
    p->heard = peer_end(p->peer);
    assert_non_null(p->heard);
    mem_free(p);
}

/* The end of a session in which time decides how far the script came. */
static void abandon(struct play *p)
{
    smtp_close(p->s);
    (void)peer_end(p->peer);
    mem_free(p);
}

/* And nothing of a log-in or a message was said. */
static void end_untold(struct play *p)
{
    smtp_close(p->s);
    p->heard = peer_end(p->peer);
    assert_non_null(p->heard);
    if (strstr(p->heard, "AUTH") || strstr(p->heard, "MAIL"))
        fail_msg("%s", p->heard);
    mem_free(p);
}

static void refused(struct play *p, enum err_kind kind, const char *words)
{
    assert_int_equal(enter(p), -1);
    assert_null(p->s);
    if (err.kind != kind || !strstr(err.text, words) || strpbrk(err.text, "\x1b\n\r"))
        fail_msg("kind %d: %s", err.kind, err.text);
    if (!strstr(err.text, p->to.link.host))
        fail_msg("no host: %s", err.text);
}

static long body(void *arg, char *to, size_t n)
{
    struct play *p = arg;
    size_t left = p->n - p->at;
    n = n < left ? n : left;
    if (p->at >= p->fails_at)
        return -1;
    if (p->rests_at != SIZE_MAX && (p->at == 0 || p->at == p->rests_at))
        usleep(200000);
    memcpy(to, p->text + p->at, n);
    p->at += n;
    return (long)n;
}

static int transact(struct play *p)
{
    p->at = 0;
    err = (struct err){0};
    return smtp_send(p->s, &p->mail, body, p, &err);
}

#define HELLO(...) "S 220 hello\nC EHLO *\nS 250-there\n" __VA_ARGS__ "S 250 HELP\n"
#define AGAIN(...) "C EHLO *\nS 250-there\n" __VA_ARGS__ "S 250 HELP\n"
#define FROM       "C MAIL FROM:<anna@a.example>\nS 250 ok\n"
#define ENVELOPE   FROM "C RCPT TO:<bob@b.example>\nS 250 ok\n"
#define MESSAGE    "C Subject: x\nC \nC ..dot\n"
#define QUIT       "C QUIT\nS 221 bye\n"

/* ---- a transaction */

static void delivers(void **state)
{
    struct play *p =
        begin(ACCOUNT_CLEAR, HELLO() ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nS 250 2.0.0 as 17\n" QUIT);
    entered(p);
    assert_int_equal(transact(p), 0);
    assert_int_equal(p->rcpts[0].code, 250);
    assert_string_equal(p->rcpts[0].text, "2.0.0 as 17");
    end(p);
}

/* One connection, one after another; what was refused is ended with RSET. */
static void delivers_again(void **state)
{
    struct play *p = begin(ACCOUNT_CLEAR, HELLO("S 250-SIZE 1000\nS 250-SMTPUTF8\n") ENVELOPE
                           "C DATA\nS 354 go on\n" MESSAGE "C .\nS 550 5.6.0 no\n" FROM
                           "C RCPT TO:<bob@b.example>\nS 450 4.2.1 not now\nC RSET\nS 250 ok\n" ENVELOPE
                           "C DATA\nS 354 go on\n" MESSAGE "C .\nS 250 ok\n" QUIT);
    entered(p);
    assert_int_equal(transact(p), 0);
    assert_int_equal(p->rcpts[0].code, 550);
    assert_int_equal(transact(p), 0);
    assert_int_equal(p->rcpts[0].code, 450);
    assert_int_equal(transact(p), 0);
    assert_int_equal(p->rcpts[0].code, 250);
    end(p);
}

static void lmtp(void **state)
{
    struct play *p =
        begin(ACCOUNT_CLEAR, "S 220 hello\nC LHLO *\nS 250-there\nS 250 PIPELINING\n" FROM
                             "C RCPT TO:<bob@b.example>\nS 250 ok\nC RCPT TO:<carol@b.example>\nS 550 5.1.1 nobody\n"
                             "C RCPT TO:<dave@b.example>\nS 250 ok\nC DATA\nS 354 go on\n" MESSAGE
                             "C .\nS 250 2.0.0 bob has it\nS 452 4.2.2 dave is full\n" QUIT);
    p->to.lmtp = true;
    p->mail.count = 3;
    entered(p);
    assert_int_equal(transact(p), 0);
    assert_int_equal(p->rcpts[0].code, 250);
    assert_int_equal(p->rcpts[1].code, 550);
    assert_int_equal(p->rcpts[2].code, 452);
    assert_string_equal(p->rcpts[2].text, "4.2.2 dave is full");
    end(p);
}

/* Larger than all queues; and a server that is slow to read it. */
static void large(void **state)
{
    enum { LINES = 200000 };
    struct play *p = begin(ACCOUNT_TLS, "T\n" HELLO() ENVELOPE "C DATA\nS 354 go on\n");
    char *text = mem_alloc(LINES * 4 + 1);
    for (unsigned i = 0; i < LINES; i++)
        memcpy(text + i * 4, ".x\r\n", 4);
    p->text = text;
    p->n = (size_t)LINES * 4;
    p->to.link.silence_ms = 2000; /* the answer never comes */
    entered(p);
    assert_int_equal(transact(p), -1);
    assert_int_equal(err.kind, ERR_UNKNOWN);
    assert_int_equal(p->rcpts[0].code, 0);
    smtp_close(p->s);
    p->heard = peer_end(p->peer);
    assert_non_null(p->heard);
    const char *at = strstr(p->heard, "DATA\r\n");
    assert_non_null(at);
    unsigned lines = 0;
    for (at += 6; memcmp(at, "..x\r\n", 5) == 0; at += 5)
        lines++;
    assert_int_equal(lines, LINES);
    assert_string_equal(at, ".\r\n");
    mem_free(text);
    mem_free(p);
}

/* ---- what is known when it breaks */

static void breaks(struct play *p, enum err_kind kind, unsigned code)
{
    assert_int_equal(transact(p), -1);
    if (err.kind != kind || p->rcpts[0].code != code || !strstr(err.text, "localhost"))
        fail_msg("kind %d, code %u: %s", err.kind, p->rcpts[0].code, err.text);
    assert_int_equal(transact(p), -1); /* and it stays so */
    assert_int_equal(err.kind, ERR_TEMP);
    assert_int_equal(p->rcpts[0].code, 0);
}

static void cut(void **state)
{
    static const struct {
        const char *script;
        enum err_kind kind;
        unsigned code;
    } rows[] = {
        {"E\n", ERR_TEMP, 0},
        {"C MAIL*\nE\n", ERR_TEMP, 0},
        {FROM "C RCPT*\nE\n", ERR_TEMP, 0},
        {ENVELOPE "C DATA\nE\n", ERR_TEMP, 0},
        {ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nE\n", ERR_UNKNOWN, 0},
        {ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nW 250 2.0.\nE\n", ERR_UNKNOWN, 0},
        {ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nS what is that?\n", ERR_UNKNOWN, 0},
        /* the server's own word */
        {ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nS 421 4.3.2 I go\nE\n", ERR_TEMP, 421},
        {FROM "C RCPT*\nS 421 4.3.2 I go\nE\n", ERR_TEMP, 0},
        {"C MAIL*\nS 421 4.7.0 too many messages\nE\n", ERR_TEMP, 0},
        {"P 100\nS 421 4.4.2 idle\nE\n", ERR_TEMP, 0},
        {ENVELOPE "C DATA\nS 250 what?\nE\n", ERR_TEMP, 0},
        {FROM "C RCPT*\nS hello?\nE\n", ERR_TEMP, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, HELLO() "%s", rows[i].script);
        struct play *p = begin(ACCOUNT_CLEAR, script);
        entered(p);
        int rc = transact(p);
        bool answered = rows[i].code == 421 && rc == 0;
        if (strstr(rows[i].script, "421") && rc < 0 && !strstr(err.text, "421"))
            fail_msg("row %zu: %s", i, err.text);
        if (p->rcpts[0].code != rows[i].code || (!answered && (rc != -1 || err.kind != rows[i].kind)))
            fail_msg("row %zu: %d, kind %d, code %u: %s", i, rc, err.kind, p->rcpts[0].code, err.text);
        assert_int_equal(transact(p), -1);
        assert_int_equal(err.kind, ERR_TEMP);
        assert_int_equal(p->rcpts[0].code, 0);
        end(p);
    }
}

/* The same inside TLS, without close_notify. */
static void cut_inside_tls(void **state)
{
    struct play *p = begin(ACCOUNT_TLS, "T\n" HELLO() ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nR\n");
    entered(p);
    breaks(p, ERR_UNKNOWN, 0);
    end(p);
    p = begin(ACCOUNT_TLS, "T\n" HELLO() ENVELOPE "C DATA\nR\n");
    entered(p);
    breaks(p, ERR_TEMP, 0);
    end(p);
}

/* In the middle of a message that is larger than what the sockets hold: nobody has it. */
static void cut_in_data(void **state)
{
    enum { SIZE = 32 * 1024 * 1024 };
    char *text = mem_alloc(SIZE);
    memset(text, 'x', SIZE);
    static const struct {
        const char *script;
        unsigned code;
    } rows[] = {
        {HELLO() ENVELOPE "C DATA\nS 354 go on\nE\n", 0},
        {HELLO() ENVELOPE "C DATA\nS 354 go on\nS 552 5.3.4 too large\nE\n", 552},
        {HELLO() ENVELOPE "C DATA\nS 354 go on\nS 250 ok, I have it\nE\n", 0},
        {HELLO() ENVELOPE "C DATA\nW 354 go on|250 ok, I have it|\nE\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct play *p = begin(ACCOUNT_CLEAR, rows[i].script);
        p->text = text;
        p->n = SIZE;
        entered(p);
        int rc = transact(p);
        bool reset = rows[i].code && p->rcpts[0].code == 0; /* the reset was faster than the words */
        if (rc != -1 || err.kind != ERR_TEMP || (p->rcpts[0].code != rows[i].code && !reset))
            fail_msg("row %zu: %d, kind %d, code %u: %s", i, rc, err.kind, p->rcpts[0].code, err.text);
        end(p);
    }
    mem_free(text);
}

/* The final dot is queued, and cannot have gone: the server has closed before the last piece. */
static void cut_before_the_dot(void **state)
{
    static char text[4 * 16 * 1024]; /* three pieces are sent, to nobody; the answer to that ends the connection */
    struct play *p = begin(ACCOUNT_CLEAR, HELLO() ENVELOPE "C DATA\nS 354 go on\nE\n");
    memset(text, 'x', sizeof text);
    p->text = text;
    p->n = sizeof text;
    p->rests_at = sizeof text / 4 * 3;
    entered(p);
    breaks(p, ERR_TEMP, 0);
    end(p);
}

/* A message that cannot be read to its end is not ended for the server either, and nothing is said behind it. */
static void source_fails(void **state)
{
    struct play *p = begin(ACCOUNT_CLEAR, HELLO() ENVELOPE "C DATA\nS 354 go on\n");
    p->fails_at = p->n;
    entered(p);
    breaks(p, ERR_TEMP, 0);
    smtp_close(p->s);
    p->heard = peer_end(p->peer);
    assert_non_null(p->heard);
    assert_null(strstr(p->heard, "\r\n.\r\n"));
    assert_null(strstr(p->heard, "QUIT"));
    mem_free(p);
}

/* ---- time: a stall at every step, and a server that is never silent and never done */

static void stalls(void **state)
{
    static const char *const scripts[] = {
        "",
        "S 220-hello\n",
        "S 220 hello\nC EHLO *\nS 250-there\n",
        "D 10 220-hello and hello and \n",
        "S 220 hello\nC EHLO *\nD 10 250-x\n",
        HELLO("S 250-STARTTLS\n") "C STARTTLS\n",
        HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 220 go\n", /* the handshake */
        HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 220 go\nT\n" AGAIN("S 250-AUTH LOGIN\n") "C AUTH LOGIN\n",
        HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 220 go\nT\n" AGAIN(
            "S 250-AUTH LOGIN\n") "C AUTH LOGIN\nS 334 VXNlcm5hbWU6\nC YW5uYQ==\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct play *p = begin_login(ACCOUNT_STARTTLS, scripts[i]);
        p->to.link.silence_ms = 150;
        p->to.link.connect_ms = 300;
        uint64_t start = clock_ms();
        if (enter(p) == 0 || err.kind != ERR_TEMP)
            fail_msg("%zu: kind %d: %s", i, err.kind, err.text);
        if (strstr(err.text, "the server gave")) /* it ends before that becomes known */
            fail_msg("%zu: %s", i, err.text);
        assert_true(clock_ms() - start < 10000);
        abandon(p);
    }
}

static void stalls_later(void **state)
{
    static const struct {
        const char *script;
        enum err_kind kind;
    } rows[] = {
        {"", ERR_TEMP},
        {"C MAIL*\nD 10 250-ok\n", ERR_TEMP},
        {ENVELOPE "C DATA\n", ERR_TEMP},
        {ENVELOPE "C DATA\nS 354 go on\n", ERR_UNKNOWN},
        {ENVELOPE "C DATA\nS 354 go on\n" MESSAGE "C .\nD 10 250-ok\n", ERR_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, HELLO() "%s", rows[i].script);
        struct play *p = begin(ACCOUNT_CLEAR, script);
        entered(p);
        p->s->link->to.silence_ms = 1000;
        uint64_t start = clock_ms();
        if (transact(p) == 0 || err.kind != rows[i].kind)
            fail_msg("%zu: kind %d: %s", i, err.kind, err.text);
        assert_true(clock_ms() - start < 10000);
        abandon(p);
    }
    struct play *p = begin(ACCOUNT_CLEAR, HELLO() "C QUIT\n"); /* which is not waited for without end */
    entered(p);
    p->s->link->to.silence_ms = 150;
    abandon(p);
}

/* ---- TLS */

static void starttls(void **state)
{
    struct play *p =
        begin_login(ACCOUNT_STARTTLS,
                    HELLO("S 250-STARTTLS\nS 250-AUTH LOGIN\n") "C STARTTLS\nS 220 go\nT\n" AGAIN(
                        "S 250-AUTH PLAIN SCRAM-SHA-256\n") "a SCRAM-SHA-256\n" ENVELOPE "C DATA\nS 354 go on\n" MESSAGE
                                                            "C .\nS 250 ok\n" QUIT);
    entered(p);
    assert_int_equal(transact(p), 0);
    end(p);
    p = begin_login(ACCOUNT_TLS, "T\n" HELLO("S 250-AUTH PLAIN\nS 250-STARTTLS\n") "a PLAIN\n" QUIT);
    entered(p);
    end(p);
}

/* Not offered, refused, answered with more than was asked: neither a password nor mail goes. */
static void no_starttls(void **state)
{
    static const struct {
        const char *script, *words;
        enum err_kind kind;
    } rows[] = {
        {HELLO("S 250-AUTH PLAIN\n"), "does not offer STARTTLS", ERR_AUTH},
        {"S 220 hello\nC EHLO *\nS 500 what\nC HELO *\nS 250 there\n", "does not offer STARTTLS", ERR_AUTH},
        {HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 502 \x1b[2J no\n", "502", ERR_AUTH},
        {HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 454 not now\n", "454", ERR_TEMP},
        {HELLO("S 250-STARTTLS\n") "C STARTTLS\nW 220 go|250-AUTH PLAIN|250 x|\n", "not believed", ERR_INPUT},
        {HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 235 you are logged in\n", "235", ERR_INPUT},
        {HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 220 go\nS this is no TLS\n", "", ERR_INPUT},
        {"W 220 hello|250-x|250-STARTTLS|250 x|220 go|\n", "", ERR_INPUT},
        {"S * PREAUTH\n", "not well formed", ERR_INPUT},
        {"S 235 you are logged in\nC EHLO *\nS 250-x\nS 250 AUTH PLAIN\n", "does not offer STARTTLS", ERR_AUTH},
        {"S 554 go away\n", "554", ERR_PERM},
        {"R\n", "", ERR_TEMP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct play *p = begin_login(ACCOUNT_STARTTLS, rows[i].script);
        if (enter(p) == 0 || err.kind != rows[i].kind || !strstr(err.text, rows[i].words) || strchr(err.text, 0x1b))
            fail_msg("row %zu: kind %d: %s", i, err.kind, err.text);
        end_untold(p);
    }
}

static void not_believed(void **state)
{
    static const enum account_tls ways[] = {ACCOUNT_TLS, ACCOUNT_STARTTLS};
    for (unsigned i = 0; i < 2; i++) {
        const char *script = ways[i] == ACCOUNT_TLS ? "T\n" : HELLO("S 250-STARTTLS\n") "C STARTTLS\nS 220 go\nT\n";
        struct play *p = begin_login(ways[i], script);
        p->to.rules.ca = NULL; /* issued by nobody known here */
        refused(p, ERR_AUTH, "");
        end_untold(p);
        p = begin_login(ways[i], script);
        p->to.rules.fingerprint = "0000000000000000000000000000000000000000000000000000000000000000";
        refused(p, ERR_AUTH, "fingerprint");
        end_untold(p);
        p = begin_login(ways[i], script);
        p->to.link.host = "127.0.0.1"; /* not the name it is for */
        refused(p, ERR_AUTH, "");
        end_untold(p);
    }
}

/* ---- who we are */

static void ways(void **state)
{
    static const struct {
        const char *allowed, *script;
    } rows[] = {
        {"", HELLO("S 250-AUTH LOGIN PLAIN\n") "a PLAIN\n"},
        {"", HELLO("S 250-AUTH LOGIN\n") "a LOGIN\n"},
        {"LOGIN", HELLO("S 250-AUTH LOGIN PLAIN SCRAM-SHA-256\n") "a LOGIN\n"},
        {"", HELLO("S 250-AUTH SCRAM-SHA-1 PLAIN\n") "a SCRAM-SHA-1\n"},
        /* the way is not to be had, and the next is tried */
        {"", HELLO("S 250-AUTH SCRAM-SHA-1 PLAIN\n") "C AUTH SCRAM-SHA-1 *\nS 504 5.5.4 what?\na PLAIN\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, "T\n%s" QUIT, rows[i].script);
        struct play *p = begin_login(ACCOUNT_TLS, script);
        p->to.allowed = rows[i].allowed;
        if (enter(p) < 0)
            fail_msg("row %zu: %s", i, err.text);
        end(p);
    }
}

static void log_in_refused(void **state)
{
    static const struct {
        const char *script, *words;
        enum err_kind kind;
    } rows[] = {
        {HELLO("S 250-AUTH PLAIN LOGIN\n") "C AUTH PLAIN *\nS 535 5.7.8 no \x1b[2J\n", "535 5.7.8 no", ERR_AUTH},
        {HELLO("S 250-AUTH PLAIN\n") "C AUTH PLAIN *\nS 454 4.7.0 later\n", "454", ERR_TEMP},
        {HELLO("S 250-AUTH PLAIN\n") "C AUTH PLAIN *\nS 504 what\n", "504", ERR_AUTH},
        {HELLO("S 250-AUTH GSSAPI\n"), "no way to log in", ERR_AUTH},
        {HELLO(), "it offers SASL none; with smtp_auth = NONE none is tried", ERR_AUTH},
        {HELLO("S 250-AUTH LOGIN\n") "C AUTH LOGIN\nS 334 ???\n", "not base64", ERR_INPUT},
        {HELLO("S 250-AUTH LOGIN\n") "C AUTH LOGIN\nN 200 334-VXNlcm5hbWU6\n", "", ERR_LIMIT},
        /* yes to nothing: the server has not shown that it knows the password */
        {HELLO("S 250-AUTH SCRAM-SHA-256\n") "C AUTH SCRAM-SHA-256 *\nS 235 welcome\n", "has not shown", ERR_AUTH},
        {HELLO("S 250-AUTH PLAIN\n") "C AUTH PLAIN *\nS 421 I go\n", "421", ERR_TEMP},
        {HELLO("S 250-AUTH PLAIN\n") "C AUTH PLAIN *\nE\n", "", ERR_TEMP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, "T\n%s", rows[i].script);
        struct play *p = begin_login(ACCOUNT_TLS, script);
        if (enter(p) == 0 || err.kind != rows[i].kind || !strstr(err.text, rows[i].words) || strchr(err.text, 0x1b))
            fail_msg("row %zu: kind %d: %s", i, err.kind, err.text);
        if (strstr(err.text, "secret") || strstr(err.text, "c2VjcmV0"))
            fail_msg("%s", err.text);
        end(p);
    }
}

/* In the clear a password is not shown, whatever is offered; what does not show it may be used. */
static void in_the_clear(void **state)
{
    struct play *p = begin_login(ACCOUNT_CLEAR, HELLO("S 250-AUTH PLAIN LOGIN XOAUTH2\n"));
    p->to.token = span_of("to.ken");
    refused(p, ERR_AUTH, "without TLS no password is shown");
    end_untold(p);
    p = begin_login(ACCOUNT_CLEAR, HELLO("S 250-AUTH PLAIN SCRAM-SHA-256\n") "a SCRAM-SHA-256\n" QUIT);
    entered(p);
    end(p);
}

static void wrong_password(void **state)
{
    struct play *p = begin_login(ACCOUNT_TLS, "T\n" HELLO("S 250-AUTH PLAIN LOGIN\n") "a PLAIN\n");
    p->to.password = span_of("hunter2");
    refused(p, ERR_AUTH, "535");
    end(p);
}

static void tokens(void **state)
{
    static char token[9000 + 1];
    struct play *p = begin_login(
        ACCOUNT_TLS,
        "T\n" HELLO(
            "S 250-AUTH PLAIN XOAUTH2\n") "C AUTH XOAUTH2 dXNlcj1hbm5hAWF1dGg9QmVhcmVyIHRvLmtlbgEB\nS 235 yes\n" QUIT);
    p->to.token = span_of("to.ken");
    entered(p);
    end(p);
    /* too long for a command line: on one of its own (RFC 4954 §4) */
    memset(token, 'x', sizeof token - 1);
    p = begin_login(ACCOUNT_TLS,
                    "T\n" HELLO("S 250-AUTH OAUTHBEARER\n") "C AUTH OAUTHBEARER\nS 334 \nC *\nS 235 yes\n" QUIT);
    p->to.token = span_of(token);
    entered(p);
    end(p);
    /* refused: the server says why, and waits for ^A before it says no; the password is not tried after it */
    p = begin_login(
        ACCOUNT_TLS,
        "T\n" HELLO("S 250-AUTH PLAIN OAUTHBEARER\n") "C AUTH OAUTHBEARER *\nS 334 "
                                                      "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\nC AQ==\nS 535 5.7.8 no\n");
    p->to.token = span_of("to.ken");
    refused(p, ERR_AUTH, "invalid_token");
    end(p);
}

/* An empty token or password is none, whatever the server would take first. */
static void no_token(void **state)
{
    struct play *p = begin_login(ACCOUNT_TLS, "T\n" HELLO("S 250-AUTH XOAUTH2 OAUTHBEARER PLAIN\n") "a PLAIN\n" QUIT);
    p->to.token = span_of("");
    entered(p);
    end(p);
    p = begin_login(ACCOUNT_TLS, "T\n" HELLO("S 250-AUTH PLAIN\n"));
    p->to.password = span_of("");
    refused(p, ERR_AUTH, "no way to log in");
    end_untold(p);
}

static void certificate(void **state)
{
    struct play *p = begin_login(
        ACCOUNT_TLS, "T\n" HELLO("S 250-AUTH EXTERNAL PLAIN\n") "C AUTH EXTERNAL YW5uYQ==\nS 235 yes\n" QUIT);
    p->to.rules.cert = peer_cert();
    p->to.rules.key = peer_key();
    entered(p);
    end(p);
}

static void wrong_words(void **state)
{
    struct play *p = begin_login(ACCOUNT_TLS, "T\n" HELLO("S 250-AUTH PLAIN\n"));
    p->to.user = "an\nna";
    refused(p, ERR_CONFIG, "control character");
    end_untold(p);
    p = begin(ACCOUNT_CLEAR, HELLO() QUIT);
    p->rcpts[0].address = "bob@b.example>\r\nDATA";
    entered(p);
    assert_int_equal(transact(p), 0);
    assert_int_equal(p->rcpts[0].code, 553);
    end(p);
}

static void no_server(void **state)
{
    struct play *p = begin(ACCOUNT_CLEAR, "E\n");
    p->to.link.host = "/no/such/socket";
    refused(p, ERR_TEMP, "");
    p->to.link.host = "localhost";
    refused(p, ERR_TEMP, "");
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers),     cmocka_unit_test(delivers_again),
        cmocka_unit_test(lmtp),         cmocka_unit_test(large),
        cmocka_unit_test(cut),          cmocka_unit_test(cut_inside_tls),
        cmocka_unit_test(cut_in_data),  cmocka_unit_test(cut_before_the_dot),
        cmocka_unit_test(source_fails), cmocka_unit_test(stalls),
        cmocka_unit_test(stalls_later), cmocka_unit_test(starttls),
        cmocka_unit_test(no_starttls),  cmocka_unit_test(not_believed),
        cmocka_unit_test(ways),         cmocka_unit_test(log_in_refused),
        cmocka_unit_test(in_the_clear), cmocka_unit_test(wrong_password),
        cmocka_unit_test(tokens),       cmocka_unit_test(no_token),
        cmocka_unit_test(certificate),  cmocka_unit_test(wrong_words),
        cmocka_unit_test(no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
