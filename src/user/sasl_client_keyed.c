/* sasl_client_keyed: SCRAM (RFC 5802, 7677) and CRAM-MD5 (RFC 2195) through libgsasl. */
#include "user/sasl_client_parts.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* The rounds a server may ask for. RFC 7677 §4 wants at least 4096: less would make a password that is caught on its
 * way cheap to guess. The ceiling is what a server can make us compute: a second or two. */
enum { ROUNDS_MIN = 4096, ROUNDS_MAX = 2000000 };

int sasl_client_check_keyed(struct sasl_client *c, struct err *err)
{
    struct span password = c->who->password;
    if (!password.n || memchr(password.p, '\0', password.n))
        return err_set(err, ERR_INPUT, "the password is empty or has a NUL in it");
    int rc = gsasl_init(&c->gsasl);
    if (rc == GSASL_OK)
        rc = gsasl_client_start(c->gsasl, c->row->name, &c->session);
    if (rc == GSASL_OK)
        rc = gsasl_property_set(c->session, GSASL_AUTHID, c->who->user);
    if (rc == GSASL_OK)
        rc = gsasl_property_set_raw(c->session, GSASL_PASSWORD, password.p, password.n);
    return rc == GSASL_OK ? 0 : err_set(err, ERR_TEMP, "libgsasl: %s", gsasl_strerror(rc));
}

/* libgsasl frees what it holds as it is. What it gives for a property is its own copy. */
void sasl_client_end_keyed(struct sasl_client *c)
{
    static const Gsasl_property secrets[] = {GSASL_PASSWORD, GSASL_SCRAM_SALTED_PASSWORD, GSASL_SCRAM_SERVERKEY};
    for (size_t i = 0; c->session && i < sizeof secrets / sizeof *secrets; i++) {
        const char *p = gsasl_property_fast(c->session, secrets[i]);
        if (p)
            mem_wipe((char *)p, strlen(p));
    }
    if (c->session)
        gsasl_finish(c->session);
    if (c->gsasl)
        gsasl_done(c->gsasl);
}

/* One message through libgsasl: its result code. */
static int exchange(struct sasl_client *c, struct span in, struct span *out)
{
    char *said = NULL;
    size_t n = 0;
    int rc = gsasl_step(c->session, in.p, in.n, &said, &n);
    if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
        memcpy(sasl_client_room(c, n, out), said ? said : "", n);
    if (said)
        mem_wipe(said, n);
    gsasl_free(said);
    return rc;
}

static int trouble(int rc, struct err *err)
{
    if (rc == GSASL_SASLPREP_ERROR)
        return err_set(err, ERR_INPUT, "the name or the password has characters that SASLprep does not permit");
    return err_set(err, ERR_TEMP, "libgsasl: %s", gsasl_strerror(rc));
}

/* ---- SCRAM */

/* The value of "x=…" in a list that is separated by commas; p = NULL: there is none. */
static struct span attribute(struct span list, char name)
{
    while (list.p) {
        struct span part = span_cut(&list, ',');
        if (part.n >= 2 && part.p[0] == name && part.p[1] == '=')
            return span_from(part, 2);
    }
    return (struct span){NULL, 0};
}

static int check_first(struct span in, struct err *err)
{
    uint64_t rounds;
    if (!span_number(attribute(in, 'i'), &rounds))
        return err_set(err, ERR_INPUT, "the server's first SCRAM message is not well formed");
    if (rounds < ROUNDS_MIN || rounds > ROUNDS_MAX)
        return err_set(err, ERR_AUTH, "the server asks for %llu rounds of SCRAM; between %d and %d are believed",
                       (unsigned long long)rounds, ROUNDS_MIN, ROUNDS_MAX);
    return 0;
}

static int take_first(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    if (check_first(in, err) < 0)
        return -1;
    int rc = exchange(c, in, out);
    if (rc == GSASL_NEEDS_MORE)
        return 0;
    if (rc == GSASL_AUTHENTICATION_ERROR)
        return err_set(err, ERR_AUTH, "the server does not answer with the nonce it was given: it is not believed");
    if (rc == GSASL_MECHANISM_PARSE_ERROR || rc == GSASL_BASE64_ERROR)
        return err_set(err, ERR_INPUT, "the server's first SCRAM message is not well formed");
    return trouble(rc, err);
}

/* "v=…": by its signature the server shows that it knows the password too. "e=…": it says no (RFC 5802 §7). */
static int take_last(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    struct span no = attribute(in, 'e');
    if (no.p) {
        no.n = no.n < 100 ? no.n : 100;
        return err_set(err, ERR_AUTH, "the server says no: %s", log_quote(no));
    }
    int rc = exchange(c, in, out);
    if (rc == GSASL_AUTHENTICATION_ERROR || rc == GSASL_MECHANISM_PARSE_ERROR || rc == GSASL_BASE64_ERROR)
        return err_set(
            err, ERR_AUTH,
            "the server's signature is wrong: it does not know the password, and is not the one it says it is");
    if (rc != GSASL_OK)
        return trouble(rc, err);
    c->whole = c->over = true;
    return 0;
}

int sasl_client_step_scram(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    if (c->steps == 0) {
        int rc = exchange(c, in, out);
        return rc == GSASL_NEEDS_MORE ? 0 : trouble(rc, err);
    }
    if (in.n == 0 || memchr(in.p, '\0', in.n))
        return err_set(err, ERR_INPUT, "the server's SCRAM message is not well formed");
    return c->steps == 1 ? take_first(c, in, out, err) : take_last(c, in, out, err);
}

/* ---- CRAM-MD5: the server speaks first, and shows nothing of itself. */

int sasl_client_step_cram(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    if (in.n == 0 || memchr(in.p, '\0', in.n))
        return err_set(err, ERR_INPUT, "the server's challenge of CRAM-MD5 is not well formed");
    int rc = exchange(c, in, out);
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
        return trouble(rc, err);
    c->whole = c->over = true;
    return 0;
}
