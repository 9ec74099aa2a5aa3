/* submit: see the header. */
#include "reader/submit.h"

#include <string.h>

#include "base/mem.h"
#include "client/secret.h"
#include "client/smtp.h"
#include "reader/reader.h"

enum { SILENCE_MS = 600000 /* RFC 5321 §4.5.3.2.6: the answer to the final dot may take ten minutes */ };

struct submission {
    const struct account *account;
    char *host, *password, *token;
    struct smtp_to to;
};

/* ---- to whom */

static bool has_password(const struct account *a)
{
    return *a->smtp_password_command || *a->smtp_password_file || *a->password_command || *a->password_file ||
           a->netrc || !*a->token_command;
}

/* A secret is shown inside TLS only, and EXTERNAL alone needs none. */
static int get_secrets(struct submission *s, struct err *err)
{
    const struct account *a = s->account;
    const char *user = *a->smtp_user ? a->smtp_user : a->user;
    if (a->smtp_tls == ACCOUNT_CLEAR || !*user || strcmp(a->smtp_auth, "NONE") == 0)
        return 0;
    s->to.user = user;
    if (strcmp(a->smtp_auth, "EXTERNAL") == 0)
        return 0;
    if (*a->token_command && secret_get_smtp(a, true, true, &s->token, err) < 0)
        return -1;
    if (has_password(a) && secret_get_smtp(a, false, true, &s->password, err) < 0)
        return -1;
    s->to.token = span_of(s->token ? s->token : "");
    s->to.password = span_of(s->password ? s->password : "");
    return 0;
}

static int prepare(struct submission *s, struct err *err)
{
    const struct account *a = s->account;
    unsigned port = 0;
    account_smtp_server(a, &s->host, &port);
    s->to = (struct smtp_to){
        .link = {.host = s->host,
                 .port = port,
                 .connect_ms = (unsigned)a->connect_timeout,
                 .silence_ms = account_line(a, "silence_timeout") ? (unsigned)a->silence_timeout : SILENCE_MS},
        .tls = a->smtp_tls,
        .rules = {.ca = a->smtp_tls_ca, .fingerprint = a->smtp_tls_fingerprint, .cert = a->tls_cert, .key = a->tls_key},
        .allowed = a->smtp_auth};
    return get_secrets(s, err);
}

static void finish(struct submission *s)
{
    secret_drop(s->password);
    secret_drop(s->token);
    mem_free(s->host);
}

/* ---- what goes */

struct reading {
    const struct spool *spool;
    struct err err;
    uint64_t at;
};

static long next_piece(void *arg, char *p, size_t n)
{
    struct reading *r = arg;
    long got = spool_read(r->spool, r->at, p, n, &r->err);
    r->at += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* The octets on the way: each LF is CRLF there. */
static int measure(const struct spool *message, uint64_t *size, bool *eight_bit, struct err *err)
{
    char piece[64 * 1024], last = 0;
    uint64_t at = 0;
    long n;
    *size = message->size;
    while ((n = spool_read(message, at, piece, sizeof piece, err)) > 0) {
        for (long i = 0; i < n; i++) {
            *size += piece[i] == '\n' && last != '\r';
            *eight_bit = *eight_bit || (unsigned char)piece[i] > 0x7F;
            last = piece[i];
        }
        at += (uint64_t)n;
    }
    return (int)n;
}

/* ---- what became of it */

static void drop_taken(struct envelope *e)
{
    unsigned left = 0;
    for (unsigned i = 0; i < e->count; i++)
        if (e->rcpts[i].code / 100 == 2)
            mem_free((char *)e->rcpts[i].address);
        else
            e->rcpts[left++] = e->rcpts[i];
    e->count = left;
}

/* `over`: the connection's end, or NULL. */
static int judge(struct envelope *e, const struct err *over, struct err *err)
{
    unsigned all = e->count, never = 0, unknown = 0;
    drop_taken(e);
    for (unsigned i = 0; i < e->count; i++) {
        const struct smtp_client_rcpt *r = &e->rcpts[i];
        never += r->code >= 500;
        unknown += r->code == 0 && over && over->kind == ERR_UNKNOWN;
        if (r->code)
            reader_say("%s: the server says %u %s", r->address, r->code, r->text);
    }
    if (!e->count)
        return 0;
    if (over && unknown)
        return err_set(err, ERR_UNKNOWN, "%.150s; whether the message was taken is not known", over->text);
    if (over)
        return err_set(err, over->kind, "%.200s", over->text);
    return err_set(err, never == e->count ? ERR_INPUT : ERR_TEMP, "%u of %u recipients did not get it", e->count, all);
}

/* RFC 5321 §4.2.5: before the final dot is sent nobody has it. */
static int hand_over(struct smtp_session *session, struct envelope *e, const struct spool *message, struct err *err)
{
    struct smtp_client_mail mail = {.from = e->from, .rcpts = e->rcpts, .count = e->count, .utf8 = e->utf8};
    struct reading r = {.spool = message, .err = {.kind = ERR_NONE}};
    struct err over = {.kind = ERR_NONE};
    if (measure(message, &mail.size, &mail.eight_bit, err) < 0)
        return -1;
    int result = smtp_send(session, &mail, next_piece, &r, &over);
    if (r.err.kind != ERR_NONE)
        over = r.err;
    return judge(e, result < 0 ? &over : NULL, err);
}

int submit(const struct account *a, struct envelope *e, const struct spool *message, struct err *err)
{
    struct submission s = {.account = a};
    struct smtp_session *session = NULL;
    int result = prepare(&s, err);
    if (result == 0)
        result = smtp_open(&session, &s.to, err);
    if (result == 0) {
        result = hand_over(session, e, message, err);
        smtp_close(session);
    }
    finish(&s);
    return result;
}
