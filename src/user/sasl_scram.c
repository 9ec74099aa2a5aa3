/* sasl_scram: SCRAM (RFC 5802, 7677) through libgsasl, and its keys. What the exchange reads comes from strangers,
 * through the door.
 *
 * The -PLUS forms bind the exchange to the TLS channel below: who sits between a client and us has a channel of his own
 * with each, and what the client proves fits neither ours nor, if we offered to bind, a client that was made to believe
 * that we did not. */
#include "user/sasl_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

/* PBKDF2's rounds for new keys. RFC 7677 §4 wants at least 4096; its rule of thumb (a tenth of a second) gives 15000.
 * The client pays for them at every log-in (some 20 ms on a phone, unless it keeps its ClientKey), the server never.
 * They are cheaper to guess at than yescrypt if the database is stolen: that is the price of a log-in that shows no
 * password. */
enum { ITERATIONS = 15000, SALT = 16 };

enum { SCRAM_FIRST_MAX = 2048 }; /* two names with every byte escaped leave 500 bytes for the nonce */

/* ---- the exchange */

static void set_base64(Gsasl_session *session, Gsasl_property property, const unsigned char *bytes, size_t n)
{
    char *text;
    size_t length;
    if (gsasl_base64_to((const char *)bytes, n, &text, &length) != GSASL_OK)
        return;
    gsasl_property_set_raw(session, property, text, length);
    gsasl_free(text);
}

/* What is shown for a name without keys: a salt that stays the same for the name, with and without channel binding as a
 * real one does, and keys that no proof fits. */
static void set_false(struct sasl_session *x, struct span name)
{
    unsigned char keys[2][GSASL_HASH_MAX_SIZE], salt[DIGEST_SHA256];
    char text[USER_NAME_MAX + 32], rounds[16];
    size_t n = gsasl_hash_length(x->mechanism->hash == SASL_SHA1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256);
    int length = snprintf(text, sizeof text, "%s %.*s",
                          x->mechanism->hash == SASL_SHA1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256", (int)name.n, name.p);
    digest_hmac_sha256((struct span){(const char *)x->sasl->salt_key, USERS_KEY}, (struct span){text, (size_t)length},
                       salt);
    digest_random(keys, sizeof keys);
    snprintf(rounds, sizeof rounds, "%d", ITERATIONS);
    gsasl_property_set(x->gsasl, GSASL_SCRAM_ITER, rounds);
    set_base64(x->gsasl, GSASL_SCRAM_SALT, salt, SALT);
    set_base64(x->gsasl, GSASL_SCRAM_STOREDKEY, keys[0], n);
    set_base64(x->gsasl, GSASL_SCRAM_SERVERKEY, keys[1], n);
}

static bool set_keys(struct sasl_session *x, const char *keys)
{
    static const Gsasl_property order[] = {GSASL_SCRAM_ITER, GSASL_SCRAM_SALT, GSASL_SCRAM_STOREDKEY,
                                           GSASL_SCRAM_SERVERKEY};
    struct span rest = span_of(keys);
    for (unsigned i = 0; i < 4; i++) {
        struct span part = span_cut(&rest, ':');
        if (part.n == 0)
            return false;
        gsasl_property_set_raw(x->gsasl, order[i], part.p, part.n);
    }
    return rest.n == 0;
}

/* Looks the name of the first message up, and sets everything that libgsasl will ask for. */
static bool look_up(struct sasl_session *x)
{
    const char *name = gsasl_property_fast(x->gsasl, GSASL_AUTHID);
    struct user u = {0};
    struct err err = {0};
    if (!name || sasl_take_user(x, span_of(name), &x->trouble) == SASL_FAILED)
        return false;
    bool ok = true;
    if (x->find(x->arg, span_of(name), &u, &err) == 0) {
        const char *keys = x->mechanism->hash == SASL_SHA1 ? u.scram1 : u.scram256;
        if (!keys || !*keys)
            set_false(x, span_of(name));
        else if (!set_keys(x, keys))
            ok = err_set(&x->trouble, ERR_TEMP, "the SCRAM keys in the users' database are damaged") == 0;
        user_free(&u);
    } else if (err.kind == ERR_GONE) {
        set_false(x, span_of(name));
    } else {
        x->trouble = err;
        ok = false;
    }
    return ok;
}

/* libgsasl asks for the rounds first, once it knows the name; the rest is there by then. */
int sasl_answer_scram(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    struct sasl_session *x = gsasl_session_hook_get(session);
    if (property != GSASL_SCRAM_ITER || !x || x->user)
        return GSASL_NO_CALLBACK;
    return look_up(x) ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

/* One message through libgsasl, which says OK with its last one: the signature by which the client knows the server. */
static enum sasl_result exchange(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    size_t n = 0;
    int want = x->progress == SASL_FIRST ? GSASL_NEEDS_MORE : GSASL_OK;
    gsasl_free(x->out);
    x->out = NULL;
    int rc = gsasl_step(x->gsasl, in.p, in.n, &x->out, &n);
    if (x->trouble.kind != ERR_NONE)
        return sasl_fail(x->trouble.kind, x->trouble.text, err);
    if (rc == GSASL_MECHANISM_PARSE_ERROR || rc == GSASL_BASE64_ERROR)
        return sasl_fail(ERR_INPUT, "not SCRAM's message", err);
    if (rc != want || !x->user)
        return sasl_fail(rc == GSASL_MALLOC_ERROR || rc == GSASL_CRYPTO_ERROR ? ERR_TEMP : ERR_AUTH, gsasl_strerror(rc),
                         err);
    const char *as = gsasl_property_fast(x->gsasl, GSASL_AUTHZID);
    if (as && *as && strcmp(as, x->user) != 0)
        return sasl_fail(ERR_AUTH, "nobody may act for another user", err);
    *out = (struct span){x->out, n};
    x->progress++;
    return SASL_CHALLENGE;
}

/* RFC 5802 §5.1: a name with '=' not followed by 2C or 3D must fail; libgsasl takes it as it is, and
 * prepares a name of any length. The names are the second and the third part of the first message. */
static bool names_sound(struct span first)
{
    span_cut(&first, ',');
    for (unsigned i = 0; i < 2; i++) {
        struct span name = span_from(span_cut(&first, ','), 2);
        size_t length = name.n;
        for (span_cut(&name, '='); name.p; span_cut(&name, '=')) {
            if (name.n < 2 || (memcmp(name.p, "2C", 2) != 0 && memcmp(name.p, "3D", 2) != 0))
                return false;
            length -= 2;
        }
        if (length > USER_NAME_MAX)
            return false;
    }
    return true;
}

int sasl_begin_scram(struct sasl_session *x, struct err *err)
{
    int rc = gsasl_server_start(x->sasl->gsasl, x->mechanism->name, &x->gsasl);
    if (rc != GSASL_OK)
        return err_set(err, ERR_TEMP, "libgsasl: %s", gsasl_strerror(rc));
    gsasl_session_hook_set(x->gsasl, x);
    return 0;
}

void sasl_bind_scram(struct sasl_session *x, const char *kind, struct span octets)
{
    bool exporter = strcmp(kind, "tls-exporter") == 0;
    if (x->bound || (!exporter && strcmp(kind, "tls-unique") != 0))
        return;
    x->bound = mem_copy_text(kind);
    set_base64(x->gsasl, exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE, (const unsigned char *)octets.p,
               octets.n);
}

/* The first message says what the client knows of channel binding (RFC 5802 §6, §7): "n", not to bind; "y", to bind,
 * but that we do not offer it; "p=" and the kind, that it binds. Who says "y" while we do offer it has been lied to
 * about our list. */
static bool flag_fits(const struct sasl_session *x, struct span first)
{
    struct span flag = span_cut(&first, ',');
    if (x->mechanism->binds)
        return x->bound && flag.n > 2 && memcmp(flag.p, "p=", 2) == 0 && span_is(span_from(flag, 2), x->bound);
    return flag.n && (flag.p[0] == 'n' || (flag.p[0] == 'y' && !x->bound));
}

enum sasl_result sasl_step_scram(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == SASL_FIRST && !in.p)
        return SASL_CHALLENGE;     /* an empty one: SCRAM's client begins (RFC 5802 §5) */
    if (x->progress == SASL_THIRD) /* success is said only after the client has seen the signature (RFC 5034 §4) */
        return in.n == 0 ? SASL_DONE : sasl_fail(ERR_INPUT, "not SCRAM's message", err);
    if (in.n == 0 || sasl_has_nul(in))
        return sasl_fail(ERR_INPUT, "not SCRAM's message", err);
    if (x->progress == SASL_FIRST && in.n > SCRAM_FIRST_MAX)
        return sasl_fail(ERR_AUTH, "a name that nobody has", err);
    if (x->progress == SASL_FIRST && !flag_fits(x, in))
        return sasl_fail(ERR_AUTH, "the channel binding is not the one that is offered", err);
    if (x->progress == SASL_FIRST && !names_sound(in))
        return sasl_fail(ERR_INPUT, "not SCRAM's message", err);
    return exchange(x, in, out, err);
}

/* ---- for secret */

char *sasl_scram_keys(enum sasl_hash hash, const char *prepared, struct err *err)
{
    Gsasl_hash which = hash == SASL_SHA1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256;
    size_t n = gsasl_hash_length(which);
    char salt[SALT], salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE], server[GSASL_HASH_MAX_SIZE],
        stored[GSASL_HASH_MAX_SIZE], text[256], *salt64 = NULL, *stored64 = NULL, *server64 = NULL, *keys = NULL;
    digest_random(salt, sizeof salt);
    int rc = gsasl_scram_secrets_from_password(which, prepared, ITERATIONS, salt, sizeof salt, salted, client, server,
                                               stored);
    if (rc == GSASL_OK && gsasl_base64_to(salt, sizeof salt, &salt64, NULL) == GSASL_OK &&
        gsasl_base64_to(stored, n, &stored64, NULL) == GSASL_OK &&
        gsasl_base64_to(server, n, &server64, NULL) == GSASL_OK) {
        snprintf(text, sizeof text, "%d:%s:%s:%s", ITERATIONS, salt64, stored64, server64);
        keys = mem_copy_text(text);
        mem_wipe(text, sizeof text);
    } else if (rc == GSASL_SASLPREP_ERROR) {
        err_set(err, ERR_INPUT, "SASLprep does not permit this password: SCRAM cannot be used with it");
    } else {
        err_set(err, ERR_TEMP, "libgsasl cannot make SCRAM keys");
    }
    gsasl_free(salt64);
    gsasl_free(stored64);
    gsasl_free(server64);
    mem_wipe(salted, sizeof salted);
    mem_wipe(client, sizeof client);
    mem_wipe(server, sizeof server);
    mem_wipe(stored, sizeof stored);
    return keys;
}
