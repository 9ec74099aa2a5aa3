/* smtp_login: AUTH (RFC 4954): one way after the other, the best first, as long as the server says that the way is not
 * to be had; a refused password is not tried again. */
#include <stdio.h>
#include <string.h>

#include "client/smtp_impl.h"
#include "user/sasl_client.h"

struct login {
    struct smtp_session *s;
    struct sasl_client_who who;
    struct sasl_client *sasl; /* the exchange that is under way */
    const char *way;          /* that is being tried */
    struct err no;            /* the exchange came to an end before the server's answer */
    char tried[160];
    bool heard; /* the server has answered with a challenge: the way is to be had */
};

static int try_next(struct login *l, struct err *err)
{
    struct smtp_client *m = &l->s->machine;
    struct err why = {.kind = ERR_NONE};
    struct span initial;
    const char *way = sasl_client_choose(m->auth, l->s->to->allowed, l->tried, &l->who);
    sasl_client_end(l->sasl);
    l->sasl = NULL;
    l->heard = false;
    if (!way) {
        char text[ERR_TEXT];
        snprintf(text, sizeof text, "no way to log in that both sides know: it offers SASL %.100s%s%s",
                 *m->auth ? m->auth : "none", m->secure ? "" : ", and without TLS no password is shown",
                 *m->auth ? "" : "; with smtp_auth = NONE none is tried");
        return smtp_end(l->s, err, ERR_AUTH, text);
    }
    l->way = way;
    size_t n = strlen(l->tried);
    snprintf(l->tried + n, sizeof l->tried - n, " %s", way);
    if (sasl_client_new(&l->sasl, way, &l->who, &why) < 0)
        return smtp_end(l->s, err, why.kind == ERR_INPUT ? ERR_CONFIG : why.kind, why.text);
    sasl_client_initial(l->sasl, &initial);
    smtp_client_auth(m, way, initial, false);
    return 0;
}

static int respond(struct login *l, struct err *err)
{
    struct smtp_client *m = &l->s->machine;
    struct span out;
    struct err why = {.kind = ERR_NONE};
    l->heard = true;
    if (sasl_client_step(l->sasl, m->challenge, &out, &why) < 0) {
        if (!out.p)
            return smtp_end(l->s, err, why.kind, why.text);
        l->no = why; /* the server has said no, and waits for an answer before it says so in its own protocol */
    }
    smtp_client_respond(m, out);
    return 0;
}

/* What a no means (RFC 4954 §6): 504, 534 and 538 are about the way, and as long as it is only that, there are others.
 */
static int refused(struct login *l, struct err *err)
{
    const struct smtp_client *m = &l->s->machine;
    char text[ERR_TEXT];
    if (m->code == 0)
        return smtp_end(l->s, err, ERR_CONFIG, m->reply);
    if (!l->heard && (m->code == 504 || m->code == 534 || m->code == 538) &&
        sasl_client_choose(m->auth, l->s->to->allowed, l->tried, &l->who))
        return try_next(l, err);
    if (l->no.kind != ERR_NONE && m->code >= 500)
        return smtp_end(l->s, err, l->no.kind, l->no.text);
    snprintf(text, sizeof text, "the server refuses the log-in (%s): %u %.120s", l->way, m->code, m->reply);
    return smtp_end(l->s, err, m->code >= 500 ? ERR_AUTH : ERR_TEMP, text);
}

static int granted(struct login *l, struct err *err)
{
    struct err why = {.kind = ERR_NONE};
    if (sasl_client_finish(l->sasl, &why) < 0)
        return smtp_end(l->s, err, why.kind, why.text);
    return 0;
}

static int log_in(struct login *l, struct err *err)
{
    int rc = try_next(l, err);
    while (rc == 0) {
        enum smtp_client_want want;
        if (smtp_next(l->s, &want, err) < 0)
            return -1;
        if (want == SMTP_CLIENT_WANT_MAIL && l->s->machine.authenticated)
            return granted(l, err);
        if (want == SMTP_CLIENT_WANT_RESPONSE)
            rc = respond(l, err);
        else if (want == SMTP_CLIENT_WANT_REFUSED)
            rc = refused(l, err);
        else
            rc = smtp_end(l->s, err, ERR_INPUT, "the server answers out of turn");
    }
    return rc;
}

int smtp_log_in(struct smtp_session *s, struct err *err)
{
    const struct smtp_to *to = s->to;
    const struct span none = {NULL, 0};
    bool certificate = s->machine.secure && to->rules.cert && *to->rules.cert;
    struct login l = {.s = s,
                      .who = {.user = to->user,
                              .password = to->password.n ? to->password : none,
                              .token = to->token.n ? to->token : none,
                              .host = to->link.host,
                              .port = to->link.port,
                              .certificate = certificate,
                              .clear = s->machine.secure}};
    int rc = log_in(&l, err);
    sasl_client_end(l.sasl);
    return rc;
}
