/* client/pop3: sessions with a scripted server: what is said, what is not, and what is made of the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "client/pop3.h"
#include "client/secret.h"
#include "peer_help.h"

static struct err err;

/* ---- the secret: who asks for it, and how often */

static const char *password, *token;
static unsigned passwords, tokens; /* that were given */

int secret_get(const struct account *a, bool of_token, bool ask, char **text, struct err *why)
{
    ++*(of_token ? &tokens : &passwords);
    const char *secret = of_token ? token : password;
    if (!secret)
        return err_set(why, ERR_CONFIG, "there is none");
    *text = mem_copy_text(secret);
    return 0;
}

void secret_drop(char *text)
{
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
}

/* ---- a session */

struct play {
    struct account account;
    struct peer *peer;
    struct pop3_session *s;
    struct pop3_client_limits limits;
    char server[60];
    const char *heard; /* after leave() */
};

static struct play *begin(enum account_tls tls, const char *script)
{
    struct play *p = mem_alloc(sizeof *p);
    p->peer = peer_start(script);
    snprintf(p->server, sizeof p->server, "localhost:%u", peer_port(p->peer));
    p->account = (struct account){.name = "test",
                                  .enabled = true,
                                  .server = p->server,
                                  .tls = tls,
                                  .tls_ca = (char *)peer_cert(),
                                  .user = "anna",
                                  .auth = "",
                                  .password_command = "mock",
                                  .connect_timeout = 60000,
                                  .silence_timeout = 60000};
    password = "secret";
    token = "to.ken";
    passwords = tokens = 0;
    err = (struct err){0};
    return p;
}

static int enter(struct play *p)
{
    return pop3_open(&p->s, &p->account, false, &p->limits, &err);
}

static void entered(struct play *p, const char *how)
{
    if (enter(p) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(p->s->how, how);
    assert_false(p->s->refused);
}

static void refused(struct play *p, enum err_kind kind, const char *words)
{
    assert_int_equal(enter(p), -1);
    if (err.kind != kind || !strstr(err.text, words))
        fail_msg("kind %d: %s", err.kind, err.text);
    assert_null(strpbrk(err.text, "\x1b\n\r"));
    if (!strstr(err.text, "localhost"))
        fail_msg("no host: %s", err.text);
}

/* The end; the peer has heard what it awaited. */
static void leave(struct play *p)
{
    pop3_close(p->s);
    p->heard = peer_end(p->peer);
    assert_non_null(p->heard);
}

static void end(struct play *p)
{
    leave(p);
    mem_free(p);
}

/* Neither the password nor anything that looks like a beginning of a log-in was said or fetched. */
static void end_untold(struct play *p)
{
    leave(p);
    assert_int_equal(passwords + tokens, 0);
    if (strstr(p->heard, "AUTH") || strstr(p->heard, "USER") || strstr(p->heard, "PASS") || strstr(p->heard, "APOP"))
        fail_msg("%s", p->heard);
    mem_free(p);
}

#define CAPA(...)  "C CAPA\nS +OK\n" __VA_ARGS__ "S .\n"
#define IN         CAPA("S UIDL\n")
#define AFTER_CAPA IN

/* ---- TLS */

static void implicit_tls(void **state)
{
    struct play *p =
        begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL PLAIN SCRAM-SHA-256\nS USER\n") "A SCRAM-SHA-256\n" IN);
    entered(p, "SCRAM-SHA-256 inside TLSv1.3");
    assert_int_equal(passwords, 1);
    assert_string_equal(p->s->before.sasl, "PLAIN SCRAM-SHA-256");
    assert_true(p->s->machine.capa.uidl);
    assert_false(p->s->machine.capa.user);
    end(p);
}

/* Once, before the log-in and inside TLS; what is answered decides nothing. */
static void utf8(void **state)
{
    static const char *const answers[] = {"S +OK\n", "S -ERR no\n"};
    for (unsigned i = 0; i < 2; i++) {
        char script[400];
        snprintf(script, sizeof script,
                 "S +OK hello\n" CAPA("S STLS\nS UTF8\n") "C STLS\nS +OK\nT\n" CAPA(
                     "S SASL PLAIN\nS UTF8 USER\n") "C UTF8\n%s"
                                                    "A PLAIN\n" IN,
                 answers[i]);
        struct play *p = begin(ACCOUNT_STARTTLS, script);
        entered(p, "PLAIN inside TLSv1.3");
        end(p);
    }
}

static void starttls(void **state)
{
    struct play *p = begin(ACCOUNT_STARTTLS, "S +OK hello\n" CAPA("S STLS\nS SASL LOGIN\n") "C STLS\nS +OK\nT\n" CAPA(
                                                 "S SASL PLAIN\n") "A PLAIN\n" IN);
    entered(p, "PLAIN inside TLSv1.3");
    assert_string_equal(p->s->before.sasl, "PLAIN");
    end(p);
    /* A server without CAPA is asked all the same. */
    p = begin(ACCOUNT_STARTTLS, "S +OK hello\nC CAPA\nS -ERR what\nC STLS\nS +OK\nT\nC CAPA\nS -ERR what\n"
                                "C USER anna\nS +OK\nC PASS secret\nS +OK\nC CAPA\nS -ERR what\n");
    entered(p, "USER inside TLSv1.3");
    end(p);
    /* What was said in the clear is forgotten, also where nothing is said in its place. */
    p = begin(ACCOUNT_STARTTLS,
              "S +OK hello\n" CAPA(
                  "S STLS\nS SASL PLAIN\n") "C STLS\nS +OK\nT\nC CAPA\nS -ERR\n"
                                            "C USER anna\nS +OK\nC PASS secret\nS +OK\nC CAPA\nS -ERR what\n");
    entered(p, "USER inside TLSv1.3");
    end(p);
}

/* Stripped, refused, and answered with more than was asked (RFC 2595 §4); and a server that says we are in already. */
static void no_starttls(void **state)
{
    static const struct {
        const char *script, *words;
        enum err_kind kind;
    } rows[] = {
        {"S +OK\n" CAPA("S SASL PLAIN\nS USER\n"), "offers no STLS", ERR_AUTH},
        {"S +OK\n" CAPA("S STLS\nS USER\n") "C STLS\nS -ERR not \x1b[2J now\n", "refuses STLS", ERR_AUTH},
        {"S +OK\n" CAPA("S STLS\nS RESP-CODES\n") "C STLS\nS -ERR [SYS/TEMP] later\n", "refuses STLS", ERR_AUTH},
        {"S +OK\nC CAPA\nS -ERR\nC STLS\nS -ERR Command not valid in this state: you are logged in\n", "refuses STLS",
         ERR_AUTH},
        {"S +OK\n" CAPA("S STLS\n") "C STLS\nW +OK go on|+OK injected|\n", "not believed", ERR_INPUT},
        {"S * PREAUTH welcome\n", "neither", ERR_INPUT},
        {"S +PREAUTH welcome\n", "neither", ERR_INPUT},
        {"W +OK hello|+OK|STLS|.|+OK|+OK|\n", "", ERR_INPUT},
        {"S +OK\n" CAPA("S STLS\n") "C STLS\nS +OK\nS this is no TLS\n", "", ERR_INPUT},
        {"S +OK\n" CAPA("S STLS\n") "C STLS\nS +OK\nR\n", "", ERR_TEMP},
        {"S -ERR come back later\n", "come back later", ERR_TEMP},
        {"R\n", "", ERR_TEMP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct play *p = begin(ACCOUNT_STARTTLS, rows[i].script);
        assert_int_equal(enter(p), -1);
        if (err.kind != rows[i].kind || !strstr(err.text, rows[i].words) || strchr(err.text, 0x1b))
            fail_msg("row %zu: kind %d: %s", i, err.kind, err.text);
        end_untold(p);
    }
}

static void not_believed(void **state)
{
    struct play *p = begin(ACCOUNT_TLS, "T\n");
    p->account.tls_ca = NULL; /* issued by nobody known here */
    refused(p, ERR_AUTH, "");
    end_untold(p);
    p = begin(ACCOUNT_TLS, "T\n");
    p->account.tls_fingerprint = "0000000000000000000000000000000000000000000000000000000000000000";
    refused(p, ERR_AUTH, "fingerprint");
    end_untold(p);
    p = begin(ACCOUNT_STARTTLS, "S +OK hello\n" CAPA("S STLS\n") "C STLS\nS +OK\nT\n");
    snprintf(p->server, sizeof p->server, "127.0.0.1:%u", peer_port(p->peer)); /* not the name it is for */
    assert_int_equal(enter(p), -1);
    assert_int_equal(err.kind, ERR_AUTH);
    end_untold(p);
}

/* ---- which way */

static void ways(void **state)
{
    static const struct {
        enum account_tls tls;
        const char *auth, *script, *how;
    } rows[] = {
        {ACCOUNT_TLS, "", CAPA("S SASL LOGIN\n") "A LOGIN\n", "LOGIN inside TLSv1.3"},
        {ACCOUNT_TLS, "", CAPA("S SASL PLAIN LOGIN\nS USER\n") "A PLAIN\n", "PLAIN inside TLSv1.3"},
        {ACCOUNT_TLS, "SCRAM-SHA-1", CAPA("S SASL SCRAM-SHA-1 SCRAM-SHA-256\n") "A SCRAM-SHA-1\n",
         "SCRAM-SHA-1 inside TLSv1.3"},
        {ACCOUNT_TLS, "user", CAPA("S SASL PLAIN\n") "C USER anna\nS +OK\nC PASS secret\nS +OK\n",
         "USER inside TLSv1.3"},
        {ACCOUNT_TLS, "", CAPA("S USER\n") "C USER anna\nS +OK\nC PASS secret\nS +OK\n", "USER inside TLSv1.3"},
        {ACCOUNT_TLS, "", CAPA("S USER\nS SASL NTLM GSSAPI\n") "C USER anna\nS +OK\nC PASS secret\nS +OK\n",
         "USER inside TLSv1.3"},
        /* Old servers leave out USER, and have nothing else. */
        {ACCOUNT_TLS, "", CAPA("S UIDL\n") "C USER anna\nS +OK\nC PASS secret\nS +OK\n", "USER inside TLSv1.3"},
        {ACCOUNT_TLS, "",
         "C CAPA\nS -ERR\n"
         "C USER anna\nS +OK\nC PASS secret\nS +OK\n",
         "USER inside TLSv1.3"},
        /* Nothing is known of the server: it is asked for what the account names, and told nothing before it says that
           it knows it. */
        {ACCOUNT_TLS, "PLAIN USER",
         "C CAPA\nS -ERR\n"
         "C AUTH PLAIN\nS -ERR what\nC USER anna\nS +OK\nC PASS secret\nS +OK\n",
         "USER inside TLSv1.3"},
        {ACCOUNT_TLS, "PLAIN USER",
         "C CAPA\nS -ERR\n"
         "A PLAIN\n",
         "PLAIN inside TLSv1.3"},
        {ACCOUNT_TLS, "SCRAM-SHA-256",
         "C CAPA\nS -ERR\n"
         "A SCRAM-SHA-256\n",
         "SCRAM-SHA-256 inside TLSv1.3"},
        /* In the clear, where the account says so: what does not show the password comes first. */
        {ACCOUNT_CLEAR, "", CAPA("S SASL PLAIN SCRAM-SHA-256\nS USER\nS STLS\n") "A SCRAM-SHA-256\n",
         "SCRAM-SHA-256 in the clear"},
        {ACCOUNT_CLEAR, "", CAPA("S SASL LOGIN PLAIN\nS USER\n") "A PLAIN\n", "PLAIN in the clear"},
        {ACCOUNT_CLEAR, "", CAPA("S USER\n") "C USER anna\nS +OK\nC PASS secret\nS +OK\n", "USER in the clear"},
        /* APOP only where it is named (RFC 1939 §7: the digest of the greeting's stamp below) */
        {ACCOUNT_CLEAR, "APOP PLAIN", CAPA("S SASL PLAIN\n") "C APOP anna 3f18b52881e44c0cc6067f46e0ced7bc\nS +OK\n",
         "APOP in the clear"},
        {ACCOUNT_CLEAR, "APOP SCRAM-SHA-1", CAPA("S SASL SCRAM-SHA-1\n") "A SCRAM-SHA-1\n", "SCRAM-SHA-1 in the clear"},
        {ACCOUNT_CLEAR, "", CAPA("S SASL PLAIN\n") "A PLAIN\n", "PLAIN in the clear"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, "%sS +OK hello <1896.697170952@dbc.mtview.ca.us>\n%s" AFTER_CAPA,
                 rows[i].tls == ACCOUNT_TLS ? "T\n" : "", rows[i].script);
        struct play *p = begin(rows[i].tls, script);
        p->account.auth = (char *)rows[i].auth;
        if (enter(p) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(p->s->how, rows[i].how);
        assert_int_equal(passwords, 1);
        end(p);
    }
}

static void no_way(void **state)
{
    static const struct {
        const char *auth, *script;
    } rows[] = {
        {"", CAPA("S SASL GSSAPI NTLM\n")},
        {"", CAPA("S SASL GSSAPI\nS UIDL\n")}, /* there is SASL, and no USER is announced: none is sent */
        {"SCRAM-SHA-256", CAPA("S SASL PLAIN LOGIN\nS USER\n")},
        {"EXTERNAL", CAPA("S SASL EXTERNAL PLAIN\n")}, /* there is no certificate of ours */
        {"XOAUTH2", CAPA("S SASL XOAUTH2 PLAIN\n")},   /* nor a token */
        {"APOP", CAPA("S SASL PLAIN\nS USER\n")},      /* nor a timestamp */
        {"APOP", "C CAPA\nS -ERR\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script, "T\nS +OK hello\n%s", rows[i].script);
        struct play *p = begin(ACCOUNT_TLS, script);
        p->account.auth = (char *)rows[i].auth;
        refused(p, ERR_AUTH, "no way to log in");
        end_untold(p);
    }
}

static void certificate(void **state)
{
    struct play *p =
        begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL EXTERNAL PLAIN\n") "C AUTH EXTERNAL YW5uYQ==\nS +OK\n" IN);
    p->account.tls_cert = (char *)peer_cert();
    p->account.tls_key = (char *)peer_key();
    entered(p, "EXTERNAL inside TLSv1.3");
    assert_int_equal(passwords, 0);
    end(p);
    p = begin(ACCOUNT_TLS,
              "T\nS +OK hello\n" CAPA("S SASL EXTERNAL PLAIN\n") "C AUTH EXTERNAL YW5uYQ==\nS -ERR whose is that?\n"
                                                                 "A PLAIN\n" IN);
    p->account.tls_cert = (char *)peer_cert();
    p->account.tls_key = (char *)peer_key();
    entered(p, "PLAIN inside TLSv1.3");
    end(p);
    /* Who has no name here has the certificate's (RFC 5034 §4: "=" is an initial response that is empty). */
    p = begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL EXTERNAL PLAIN\n") "C AUTH EXTERNAL =\nS +OK\n" IN);
    p->account.tls_cert = (char *)peer_cert();
    p->account.tls_key = (char *)peer_key();
    p->account.user = "";
    entered(p, "EXTERNAL inside TLSv1.3");
    end(p);
}

/* ---- tokens */

static void tokens_of_oauth(void **state)
{
    static char large[20000 + 1];
    struct play *p = begin(
        ACCOUNT_TLS,
        "T\nS +OK hello\n" CAPA("S SASL PLAIN XOAUTH2\n") "C AUTH XOAUTH2\nS + \n"
                                                          "C dXNlcj1hbm5hAWF1dGg9QmVhcmVyIHRvLmtlbgEB\nS +OK\n" IN);
    p->account.token_command = "mock";
    entered(p, "XOAUTH2 inside TLSv1.3");
    assert_int_equal(tokens, 1);
    assert_int_equal(passwords, 0);
    end(p);
    memset(large, 'x', sizeof large - 1);
    p = begin(ACCOUNT_TLS,
              "T\nS +OK hello\n" CAPA("S SASL XOAUTH2 OAUTHBEARER\n") "C AUTH OAUTHBEARER\nS +\nC *\nS +OK\n" IN);
    p->account.token_command = "mock";
    token = large;
    entered(p, "OAUTHBEARER inside TLSv1.3");
    leave(p);
    size_t line = strlen(strstr(p->heard, "OAUTHBEARER\r\n") + 13) - strlen("CAPA\r\n");
    assert_true(line > sizeof large / 3 * 4);
    mem_free(p);
}

/* The server says why not, as JSON, and awaits an answer before its -ERR. The password is not tried after it. */
static void token_refused(void **state)
{
    struct play *p =
        begin(ACCOUNT_TLS,
              "T\nS +OK hello\n" CAPA(
                  "S SASL PLAIN XOAUTH2\n") "C AUTH XOAUTH2\nS + \nC *\n"
                                            "S + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=\nC \nS -ERR no\n");
    p->account.token_command = "mock";
    refused(p, ERR_AUTH, "status \"401\"");
    assert_true(p->s->refused);
    assert_int_equal(passwords, 0);
    end(p);
    p = begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA(
                               "S SASL PLAIN OAUTHBEARER\n") "C AUTH OAUTHBEARER\nS + \nC *\n"
                                                             "S + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=\nC "
                                                             "AQ==\nS +OK fooled\nC *\nS -ERR\n");
    p->account.token_command = "mock";
    refused(p, ERR_AUTH, "");
    end(p);
    p = begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL XOAUTH2 PLAIN\n") "C AUTH XOAUTH2\nS + \nC *\nS -ERR no\n");
    p->account.token_command = "mock";
    refused(p, ERR_AUTH, "\"no\"");
    assert_int_equal(passwords, 0);
    end(p);
}

/* ---- the server says no */

static void refusals(void **state)
{
    static const struct {
        const char *capa, *answer;
        enum err_kind kind;
        enum pop3_code code;
        bool refused;
    } rows[] = {
        {"S RESP-CODES\n", "-ERR [IN-USE] busy", ERR_BUSY, POP3_CODE_IN_USE, false},
        {"S RESP-CODES\n", "-ERR [LOGIN-DELAY] soon", ERR_LIMIT, POP3_CODE_LOGIN_DELAY, false},
        {"S RESP-CODES\n", "-ERR [SYS/TEMP] disk", ERR_TEMP, POP3_CODE_SYS_TEMP, false},
        {"S RESP-CODES\n", "-ERR [SYS/PERM] disk", ERR_PERM, POP3_CODE_SYS_PERM, false},
        {"S AUTH-RESP-CODE\n", "-ERR [AUTH] wrong", ERR_AUTH, POP3_CODE_AUTH, true},
        {"", "-ERR [IN-USE] is a word here", ERR_AUTH, POP3_CODE_NONE, true},
        {"", "-ERR", ERR_AUTH, POP3_CODE_NONE, true},
        {"", "-ERR \x1b]0;title\x07 \xff", ERR_AUTH, POP3_CODE_NONE, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000];
        snprintf(script, sizeof script,
                 "T\nS +OK hello\n" CAPA("S SASL LOGIN PLAIN\nS USER\n%s") "C AUTH PLAIN AGFubmEAc2VjcmV0\nS %s\n",
                 rows[i].capa, rows[i].answer);
        struct play *p = begin(ACCOUNT_TLS, script);
        refused(p, rows[i].kind, "\"anna\"");
        if (p->s->code != rows[i].code || p->s->refused != rows[i].refused)
            fail_msg("row %zu", i);
        leave(p);
        if (strstr(p->heard, "LOGIN") || strstr(p->heard, "USER")) /* a refused password is not tried again */
            fail_msg("row %zu: %s", i, p->heard);
        mem_free(p);
    }
}

/* The way is not to be had, and another is. */
static void next_way(void **state)
{
    static const struct {
        const char *script, *how;
    } rows[] = {
        {CAPA("S SASL SCRAM-SHA-256 SCRAM-SHA-1 PLAIN\n") "C AUTH SCRAM-SHA-256 *\nS -ERR not here\nA SCRAM-SHA-1\n",
         "SCRAM-SHA-1"},
        {CAPA("S SASL SCRAM-SHA-1 PLAIN\n") "C AUTH SCRAM-SHA-1 *\nS -ERR not here\nA PLAIN\n", "PLAIN"},
        {CAPA("S SASL LOGIN\nS USER\n") "C AUTH LOGIN\nS -ERR what\nC USER anna\nS +OK\nC PASS secret\nS +OK\n",
         "USER"},
        /* A server that marks wrong passwords has not said that this one is. */
        {CAPA("S SASL PLAIN LOGIN\nS AUTH-RESP-CODE\n") "C AUTH PLAIN AGFubmEAc2VjcmV0\nS -ERR what\nA LOGIN\n",
         "LOGIN"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000], how[100];
        snprintf(script, sizeof script, "T\nS +OK hello\n%s" IN, rows[i].script);
        snprintf(how, sizeof how, "%s inside TLSv1.3", rows[i].how);
        struct play *p = begin(ACCOUNT_TLS, script);
        entered(p, how);
        assert_int_equal(passwords, 1); /* for all ways together */
        end(p);
    }
    struct play *p =
        begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL SCRAM-SHA-256\n") "C AUTH SCRAM-SHA-256 *\nS -ERR never\n");
    refused(p, ERR_AUTH, "\"never\"");
    assert_true(p->s->refused);
    end(p);
}

static void wrong_password(void **state)
{
    static const char *const ways[] = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char script[500];
        snprintf(script, sizeof script,
                 "T\nS +OK hello\n" CAPA("S SASL %s\nS USER\nS RESP-CODES\nS AUTH-RESP-CODE\n") "A %s\n", ways[i],
                 ways[i]);
        struct play *p = begin(ACCOUNT_TLS, script);
        password = "wrong";
        refused(p, ERR_AUTH, "refuses");
        assert_true(p->s->refused);
        leave(p);
        assert_null(strstr(p->heard, "USER"));
        mem_free(p);
    }
}

/* It says yes to everything, and does not know the password. */
static void impostor(void **state)
{
    static const struct {
        const char *script, *words;
        enum err_kind kind;
    } rows[] = {
        {"S +OK welcome\n" IN, "has not shown", ERR_AUTH},
        {"S + cj1hLHM9QUFBQSxpPTQwOTY=\n", "nonce", ERR_AUTH}, /* r=a,s=AAAA,i=4096 */
        {"S + cj1hLHM9QUFBQSxpPTE=\n", "1 rounds", ERR_AUTH},  /* … i=1 */
        {"S + dj1BQUFB\n", "not well formed", ERR_INPUT},      /* v=AAAA */
        {"S +\n", "not well formed", ERR_INPUT},
        {"S + !\n", "base64", ERR_INPUT},
        {"W +OK|+OK|+OK|+OK|+OK|\n", "not asked for", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[500];
        snprintf(script, sizeof script,
                 "S +OK hello\n" CAPA("S SASL SCRAM-SHA-256 PLAIN\nS USER\n") "C AUTH SCRAM-SHA-256 *\n%s",
                 rows[i].script);
        struct play *p = begin(ACCOUNT_CLEAR, script);
        refused(p, rows[i].kind, rows[i].words);
        leave(p);
        assert_null(strstr(p->heard, "PLAIN"));
        assert_null(strstr(p->heard, "USER"));
        mem_free(p);
    }
}

static void secrets_not_to_be_had(void **state)
{
    struct play *p = begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL PLAIN\n"));
    password = NULL;
    assert_int_equal(enter(p), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_string_equal(err.text, "there is none");
    end(p);
    static const char *const odd[] = {"a\nb", ""};
    for (size_t i = 0; i < 2; i++) {
        p = begin(ACCOUNT_TLS, "T\nS +OK hello\n" CAPA("S SASL PLAIN\nS USER\n"));
        p->account.auth = i ? "PLAIN" : "USER";
        password = odd[i];
        refused(p, ERR_CONFIG, "");
        leave(p);
        assert_null(strstr(p->heard, "PASS"));
        mem_free(p);
    }
}

static void addresses(void **state)
{
    static const char *const bad[] = {"", "localhost:0", "localhost:99999", "a b", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct account a = {.server = (char *)bad[i], .user = "anna"};
        struct pop3_session *s = NULL;
        assert_int_equal(pop3_open(&s, &a, false, NULL, &err), -1);
        if (err.kind != ERR_CONFIG && err.kind != ERR_TEMP)
            fail_msg("%s", err.text);
        assert_non_null(s);
        pop3_close(s);
    }
    pop3_close(NULL);
}

/* ---- TRANSACTION */

static enum pop3_client_want next(struct play *p)
{
    enum pop3_client_want want;
    if (pop3_next(p->s, &want, &err) < 0)
        fail_msg("%s", err.text);
    return want;
}

#define CLEAR_IN(...) "S +OK hello\n" CAPA("S USER\n") "C USER anna\nS +OK\nC PASS secret\nS +OK\n" CAPA(__VA_ARGS__)

/* The window is filled before anything of it leaves. */
static void pipelining(void **state)
{
    struct play *p = begin(ACCOUNT_CLEAR, CLEAR_IN("S PIPELINING\n") "C DELE 1\nN 64 +OK\n");
    unsigned asked = 0;
    entered(p, "USER in the clear");
    unsigned long long sent = p->s->link->sent;
    while (next(p) == POP3_CLIENT_WANT_COMMAND && asked < POP3_CLIENT_WINDOW) {
        assert_int_equal(p->s->link->sent, sent);
        pop3_client_dele(&p->s->machine, ++asked);
    }
    assert_int_equal(asked, POP3_CLIENT_WINDOW);
    assert_true(p->s->link->sent > sent);
    for (unsigned got = 1; got <= asked; got++) {
        assert_int_equal(p->s->machine.got.msg, got);
        assert_true(p->s->machine.got.ok);
        while (got < asked && next(p) == POP3_CLIENT_WANT_COMMAND)
            pop3_client_wait(&p->s->machine);
    }
    end(p);
}

/* A message that is cut never comes to its end, whatever cut it; only TLS can tell a cut from an end in good order. */
static void cut(void **state)
{
    static const struct {
        const char *script;
        enum account_tls tls;
        bool closed;
    } rows[] = {
        {"S +OK\nS text\nE\n", ACCOUNT_CLEAR, true},     {"S +OK\nS text\nW .\nE\n", ACCOUNT_CLEAR, true},
        {"S +OK\nW text~.~~\nE\n", ACCOUNT_CLEAR, true}, {"S +OK\nS text\nW .\nE\n", ACCOUNT_TLS, true},
        {"S +OK\nS text\nR\n", ACCOUNT_TLS, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[500];
        enum pop3_client_want want;
        snprintf(script, sizeof script, "%s" CLEAR_IN("S UIDL\n") "C RETR 1\n%s",
                 rows[i].tls == ACCOUNT_TLS ? "T\n" : "", rows[i].script);
        struct play *p = begin(rows[i].tls, script);
        size_t n = 0;
        if (enter(p) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
        pop3_client_retr(&p->s->machine, 1);
        while (pop3_next(p->s, &want, &err) == 0)
            if (want == POP3_CLIENT_WANT_BODY)
                n += p->s->machine.piece.n;
            else if (want == POP3_CLIENT_WANT_COMMAND)
                pop3_client_wait(&p->s->machine);
            else
                fail_msg("row %zu: it ended", i);
        assert_int_equal(err.kind, ERR_TEMP);
        assert_true(n >= 4);
        assert_int_equal(link_closed(p->s->link), rows[i].closed);
        assert_int_equal(pop3_next(p->s, &want, &err), -1); /* and stays so */
        end(p);
    }
}

static void quit(void **state)
{
    static const struct {
        const char *script;
        int rc;
    } rows[] = {
        {"C QUIT\nS +OK bye\n", 0},
        {"C QUIT\nS +OK bye\nE\n", 0},
        {"C QUIT\nS -ERR some deleted messages were not removed\n", -1},
        {"C QUIT\nE\n", -1},
        {"C QUIT\nR\n", -1},
        {"C QUIT\nS what\n", -1},
        {"C QUIT\nW +O\nE\n", -1},
        {"E\n", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[500];
        snprintf(script, sizeof script, CLEAR_IN("S UIDL\n") "%s", rows[i].script);
        struct play *p = begin(ACCOUNT_CLEAR, script);
        entered(p, "USER in the clear");
        assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
        if (pop3_quit(p->s, &err) != rows[i].rc || (rows[i].rc && err.kind != ERR_UNKNOWN))
            fail_msg("row %zu: %s", i, err.text);
        end(p);
    }
}

/* What was asked before is answered first, and passed over. */
static void quit_behind(void **state)
{
    struct play *p =
        begin(ACCOUNT_CLEAR, CLEAR_IN("S PIPELINING\n") "C RETR 1\nS +OK\nN 9999 a line of the message\nS .\n"
                                                        "C DELE 1\nS +OK\nC QUIT\nS +OK\n");
    entered(p, "USER in the clear");
    assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
    pop3_client_retr(&p->s->machine, 1);
    assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
    pop3_client_dele(&p->s->machine, 1);
    if (pop3_quit(p->s, &err) < 0)
        fail_msg("%s", err.text);
    end(p);
}

/* ---- time */

/* Silence, and a server that is never silent and never done. */
static void stalls(void **state)
{
    static const struct {
        const char *script;
        enum account_tls tls;
    } rows[] = {
        {"", ACCOUNT_CLEAR},
        {"", ACCOUNT_TLS}, /* in the middle of the handshake */
        {"D 20 x\n", ACCOUNT_CLEAR},
        {"S +OK hello\nC CAPA\n", ACCOUNT_CLEAR},
        {"S +OK hello\nC CAPA\nS +OK\nD 20 X\n", ACCOUNT_CLEAR},
        {"S +OK hello\n" CAPA("S STLS\n") "C STLS\n", ACCOUNT_STARTTLS},
        {"S +OK hello\n" CAPA("S STLS\n") "C STLS\nS +OK\n", ACCOUNT_STARTTLS},
        {"S +OK hello\n" CAPA("S USER\n") "C USER anna\nS +OK\nC PASS secret\nD 20 y\n", ACCOUNT_CLEAR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct play *p = begin(rows[i].tls, rows[i].script);
        p->account.silence_timeout = p->account.connect_timeout = 400;
        assert_int_equal(enter(p), -1);
        if (err.kind != ERR_TEMP)
            fail_msg("row %zu: %s", i, err.text);
        if (strstr(err.text, "the server gave")) /* it ends before that becomes known */
            fail_msg("row %zu: %s", i, err.text);
        pop3_close(p->s);
        peer_end(p->peer); /* a machine that stands still makes it end earlier */
        mem_free(p);
    }
    for (int i = 0; i < 2; i++) {
        struct play *p = begin(ACCOUNT_CLEAR, i ? CLEAR_IN("S UIDL\n") "C QUIT\n"
                                                : CLEAR_IN("S PIPELINING\n") "C RETR 1\nS +OK\nD 20 z\n");
        entered(p, "USER in the clear");
        assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
        if (i == 0)
            pop3_client_retr(&p->s->machine, 1);
        p->s->link->to.silence_ms = 400;
        assert_int_equal(pop3_quit(p->s, &err), -1);
        assert_int_equal(err.kind, ERR_UNKNOWN);
        pop3_close(p->s);
        peer_end(p->peer);
        mem_free(p);
    }
}

/* An octet at a time, without end. Who answers slowly, question by question, is not given up. */
static void drips(void **state)
{
    struct play *p = begin(ACCOUNT_CLEAR, CLEAR_IN("S UIDL\n") "C RETR 1\nS +OK\nD 20 z\n");
    enum pop3_client_want want;
    unsigned pieces = 0;
    entered(p, "USER in the clear");
    assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
    pop3_client_retr(&p->s->machine, 1);
    p->s->link->to.silence_ms = 15000;
    while (pop3_next(p->s, &want, &err) == 0) {
        assert_int_equal(want, POP3_CLIENT_WANT_BODY);
        if (++pieces == 2) /* as if it went on for long */
            p->s->link->slow_ms = 150000 - 300;
    }
    if (err.kind != ERR_TEMP || !strstr(err.text, "the server gave ") || !strstr(err.text, " in 150 s"))
        fail_msg("%s", err.text);
    assert_true(pieces > 2 && pieces < 1000);
    pop3_close(p->s);
    peer_end(p->peer);
    mem_free(p);
    p = begin(ACCOUNT_CLEAR, CLEAR_IN("S UIDL\n") "C NOOP\nP 60\nS +OK\nC NOOP\nP 60\nS +OK\n"
                                                  "C NOOP\nP 60\nS +OK\nC NOOP\nP 60\nS +OK\n");
    entered(p, "USER in the clear");
    p->s->link->to.silence_ms = 15000;
    p->s->link->slow_ms = (unsigned long long)p->s->link->to.silence_ms * 10 - 100; /* as if it went on for long */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(next(p), POP3_CLIENT_WANT_COMMAND);
        pop3_client_noop(&p->s->machine);
        assert_int_equal(next(p), POP3_CLIENT_WANT_GOT);
    }
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(implicit_tls),   cmocka_unit_test(starttls),     cmocka_unit_test(utf8),
        cmocka_unit_test(no_starttls),    cmocka_unit_test(not_believed), cmocka_unit_test(ways),
        cmocka_unit_test(no_way),         cmocka_unit_test(certificate),  cmocka_unit_test(tokens_of_oauth),
        cmocka_unit_test(token_refused),  cmocka_unit_test(refusals),     cmocka_unit_test(next_way),
        cmocka_unit_test(wrong_password), cmocka_unit_test(impostor),     cmocka_unit_test(secrets_not_to_be_had),
        cmocka_unit_test(addresses),      cmocka_unit_test(pipelining),   cmocka_unit_test(cut),
        cmocka_unit_test(quit),           cmocka_unit_test(quit_behind),  cmocka_unit_test(stalls),
        cmocka_unit_test(drips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
