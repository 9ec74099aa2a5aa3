/* smtp_send: one transaction, and what is known when it breaks: before the final dot has gone nobody has the message.
 */
#include "client/smtp_impl.h"

#include "base/clock.h"

enum {
    SILENCES = 4,          /* the envelope, and again for the answers to the final dot */
    RCPTS_PER_SILENCE = 10 /* how many more of them have as much time again */
};

struct sending {
    struct smtp_session *s;
    long (*body)(void *arg, char *p, size_t n);
    void *arg;
    unsigned silences;
    bool begun; /* DATA was granted */
    bool ended; /* the final dot was queued */
};

/* ---- the message */

/* -1: `body` failed. */
static int more(struct sending *x, struct err *err)
{
    struct smtp_session *s = x->s;
    if (!s->waiting.n) {
        long n = x->body(x->arg, s->piece, sizeof s->piece);
        if (n < 0)
            return smtp_end(s, err, ERR_TEMP, "the message cannot be read to its end, and was not sent");
        s->waiting = (struct span){s->piece, (size_t)n};
    }
    if (s->waiting.n) {
        s->waiting = span_from(s->waiting, smtp_client_body(&s->machine, s->waiting, &s->link->out));
        return 0;
    }
    x->ended = true;
    smtp_client_body_end(&s->machine);
    smtp_end_after(s, x->silences);
    return 0;
}

/* The queue is kept well filled, and what the server may say meanwhile is heard. */
static int go_on(struct sending *x, struct err *err)
{
    struct smtp_session *s = x->s;
    if (!x->begun)
        smtp_end_after(s, 0); /* how long a message takes is its length's to say */
    x->begun = true;
    if (buf_room(&s->link->out) >= 2 * SMTP_PIECE)
        return more(x, err);
    bool over = s->link->over;
    if (link_move(s->link, err) == 0 || (s->link->over && !over))
        return 0; /* also for its last words: it is asked again after them */
    s->over = true;
    return -1;
}

/* ---- the transaction */

static int drive(struct sending *x, enum smtp_client_want goal, struct err *err)
{
    struct smtp_session *s = x->s;
    for (;;) {
        enum smtp_client_want want;
        if (smtp_next(s, &want, err) < 0)
            return -1;
        if (want == goal)
            return 0;
        if (want != SMTP_CLIENT_WANT_BODY)
            return smtp_end(s, err, ERR_TEMP,
                            want == SMTP_CLIENT_WANT_CLOSE ? "the server has ended the session"
                                                           : "the server answers out of turn");
        if (go_on(x, err) < 0)
            return -1;
    }
}

/* The dot is the last that is queued: as long as any of it waits, the server cannot have it. */
static bool dot_may_be_there(const struct sending *x)
{
    return x->ended && !x->s->link->out.len;
}

/* 421 before DATA is about the connection (RFC 5321 §3.8), which may have been used too long or too often: over another
 * one the message may go. */
static void forget_closing(const struct sending *x, struct smtp_client_mail *mail)
{
    for (unsigned i = 0; !x->begun && i < mail->count; i++)
        if (mail->rcpts[i].code == 421) {
            mail->rcpts[i].code = 0;
            mail->rcpts[i].text[0] = '\0';
        }
}

static int broken(const struct sending *x, struct smtp_client_mail *mail, struct err *err)
{
    forget_closing(x, mail);
    struct err why = *err;
    return err_set(err, dot_may_be_there(x) ? ERR_UNKNOWN : ERR_TEMP, "%s", why.text);
}

/* A transaction before this one may have to be ended with RSET. */
static int make_ready(struct sending *x, struct err *err)
{
    enum smtp_client_want want;
    if (smtp_next(x->s, &want, err) < 0)
        return -1;
    if (want == SMTP_CLIENT_WANT_RESULT)
        smtp_client_next(&x->s->machine);
    return drive(x, SMTP_CLIENT_WANT_MAIL, err);
}

int smtp_send(struct smtp_session *s, struct smtp_client_mail *mail, long (*body)(void *arg, char *p, size_t n),
              void *arg, struct err *err)
{
    struct sending x = {.s = s, .body = body, .arg = arg, .silences = SILENCES + mail->count / RCPTS_PER_SILENCE};
    for (unsigned i = 0; i < mail->count; i++)
        mail->rcpts[i].code = 0;
    if (s->over)
        return err_set(err, ERR_TEMP, "%.100s: the connection is over", s->to->link.host);
    s->waiting = (struct span){NULL, 0};
    smtp_end_after(s, x.silences);
    if (make_ready(&x, err) < 0)
        return broken(&x, mail, err);
    smtp_client_begin(&s->machine, mail);
    if (drive(&x, SMTP_CLIENT_WANT_RESULT, err) < 0)
        return broken(&x, mail, err);
    smtp_end_after(s, 0);
    return 0;
}
