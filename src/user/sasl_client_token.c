/* sasl_client_token: OAUTHBEARER (RFC 7628) and XOAUTH2, as Google and Microsoft describe it. One message with the
 * token in it. Where it is refused, a challenge comes that says why, and the server waits for an answer that means
 * nothing before it says no. */
#include "user/sasl_client_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { WORDS = 120 /* octets of the server's that are shown */ };

/* RFC 6750 §2.1 has fewer characters; none has more. */
int sasl_client_check_token(struct sasl_client *c, struct err *err)
{
    struct span token = c->who->token;
    if (!sasl_client_sound(token) || memchr(token.p, ' ', token.n))
        return err_set(err, ERR_INPUT, "the token is empty, or has a space or a control character in it");
    return 0;
}

/* The value of "status" in the JSON that says why; p = NULL: there is none. */
static struct span status_of(struct span json)
{
    const struct span key = span_of("\"status\"");
    while (json.n > key.n && memcmp(json.p, key.p, key.n) != 0)
        json = span_from(json, 1);
    struct span rest = span_from(json, key.n);
    span_cut(&rest, '"');
    struct span value = span_cut(&rest, '"');
    return rest.p ? value : (struct span){NULL, 0};
}

/* What the server waits for after it said why not: `dummy`. */
static int refused(struct sasl_client *c, struct span in, const char *dummy, struct span *out, struct err *err)
{
    struct span status = status_of(in), words = status.n ? status : in;
    words.n = words.n < WORDS ? words.n : WORDS;
    size_t n = strlen(dummy);
    memcpy(sasl_client_room(c, n, out), dummy, n);
    if (!words.n)
        return err_set(err, ERR_AUTH, "the server refuses the token and does not say why");
    return err_set(err, ERR_AUTH, "the server refuses the token: %s%s", status.n ? "status " : "", log_quote(words));
}

static void add(char **to, struct span text)
{
    memcpy(*to, text.p, text.n);
    *to += text.n;
}

static void add_text(char **to, const char *text)
{
    add(to, span_of(text));
}

/* RFC 5801 §4: a name without "," and "=". */
static void add_name(char **to, const char *name)
{
    for (; *name; name++)
        if (*name == ',' || *name == '=')
            add_text(to, *name == ',' ? "=2C" : "=3D");
        else
            *(*to)++ = *name;
}

/* RFC 7628 §3.1: n,a=USER,^Ahost=…^Aport=…^Aauth=Bearer …^A^A */
int sasl_client_step_oauthbearer(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    if (c->steps)
        return refused(c, in, "\1", out, err);
    const struct sasl_client_who *who = c->who;
    const char *host = who->host && sasl_client_sound(span_of(who->host)) ? who->host : "";
    char port[16];
    snprintf(port, sizeof port, "%u", who->port);
    char *start = sasl_client_room(c, strlen(who->user) * 3 + strlen(host) + who->token.n + 60, out), *to = start;
    add_text(&to, "n,a=");
    add_name(&to, who->user);
    add_text(&to, ",\1host=");
    add_text(&to, host);
    add_text(&to, "\1port=");
    add_text(&to, port);
    add_text(&to, "\1auth=Bearer ");
    add(&to, who->token);
    add_text(&to, "\1\1");
    out->n = (size_t)(to - start);
    c->whole = true;
    return 0;
}

/* user=USER^Aauth=Bearer …^A^A */
int sasl_client_step_xoauth2(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    if (c->steps)
        return refused(c, in, "", out, err);
    const struct sasl_client_who *who = c->who;
    char *start = sasl_client_room(c, strlen(who->user) + who->token.n + 30, out), *to = start;
    add_text(&to, "user=");
    add_text(&to, who->user);
    add_text(&to, "\1auth=Bearer ");
    add(&to, who->token);
    add_text(&to, "\1\1");
    out->n = (size_t)(to - start);
    c->whole = true;
    return 0;
}
