/* sasl: see the header. Runs in auth; what it reads comes from strangers, through the door.
 *
 * libgsasl does SCRAM, SASLprep and the keys. PLAIN and LOGIN are taken apart here, because its own server halves do
 * what this server may not: PLAIN refuses what SASLprep does not permit, so that a password that works with PASS would
 * not work here, and forgets the bytes as sent, which an imported verifier may need; LOGIN prompts "User Name" where
 * clients know "Username:" (draft-murchison-sasl-login-00 §2). */
#include "user/sasl.h"

#include <gsasl.h>
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

typedef enum sasl_result step_fn(struct sasl_session *x, struct span in, struct span *out, struct err *err);
static step_fn step_plain, step_login, step_scram;

enum { MECHANISMS = 4 };

static const struct mechanism {
    const char *name;
    step_fn *step;
    enum sasl_hash hash; /* SCRAM's */
} mechanisms[MECHANISMS] = {
    {"PLAIN", step_plain, SASL_SHA1},
    {"LOGIN", step_login, SASL_SHA1},
    {"SCRAM-SHA-1", step_scram, SASL_SHA1},
    {"SCRAM-SHA-256", step_scram, SASL_SHA256},
};

struct sasl {
    Gsasl *gsasl;
    bool allowed[MECHANISMS];
    unsigned char salt_key[USERS_KEY];
};

enum progress { FIRST, SECOND, THIRD, OVER };

struct sasl_session {
    const struct sasl *sasl;
    const struct mechanism *mechanism;
    enum progress progress;
    char *user, *password;
    /* SCRAM's */
    Gsasl_session *gsasl;
    sasl_find_fn *find;
    void *arg;
    char *out;          /* libgsasl's, until the next step */
    struct err trouble; /* of find, not for the peer to tell from a wrong password unless it is the server's own */
};

static int mechanism_of(struct span name)
{
    for (int i = 0; i < MECHANISMS; i++)
        if (span_is_nocase(name, mechanisms[i].name))
            return i;
    return -1;
}

/* ---- the process's half */

static int answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property);

int sasl_new(struct sasl **s, const char *list, struct err *err)
{
    struct sasl *made = mem_alloc(sizeof *made);
    struct span rest = span_of(list);
    while (rest.n) {
        struct span word = span_cut(&rest, ' ');
        int which = mechanism_of(word);
        if (which >= 0) {
            made->allowed[which] = true;
        } else if (word.n) {
            mem_free(made);
            return err_set(err, ERR_CONFIG, "\"%.*s\" is no SASL mechanism of this server", (int)word.n, word.p);
        }
    }
    if (gsasl_init(&made->gsasl) != GSASL_OK) {
        mem_free(made);
        return err_set(err, ERR_TEMP, "libgsasl cannot start");
    }
    gsasl_callback_set(made->gsasl, answer);
    digest_random(made->salt_key, sizeof made->salt_key);
    *s = made;
    return 0;
}

void sasl_free(struct sasl *s)
{
    if (!s)
        return;
    gsasl_done(s->gsasl);
    mem_wipe(s, sizeof *s);
    mem_free(s);
}

bool sasl_has(const struct sasl *s, struct span mechanism)
{
    int which = mechanism_of(mechanism);
    return which >= 0 && s->allowed[which];
}

void sasl_salt_key(struct sasl *s, const unsigned char key[USERS_KEY])
{
    memcpy(s->salt_key, key, USERS_KEY);
}

/* ---- one exchange */

struct sasl_session *sasl_begin(struct sasl *s, struct span mechanism, sasl_find_fn *find, void *arg, struct err *err)
{
    if (!sasl_has(s, mechanism)) {
        err_set(err, ERR_INPUT, "no such SASL mechanism here");
        return NULL;
    }
    struct sasl_session *x = mem_alloc(sizeof *x);
    *x = (struct sasl_session){.sasl = s, .mechanism = &mechanisms[mechanism_of(mechanism)], .find = find, .arg = arg};
    if (x->mechanism->step == step_scram) {
        int rc = gsasl_server_start(s->gsasl, x->mechanism->name, &x->gsasl);
        if (rc != GSASL_OK) {
            err_set(err, ERR_TEMP, "libgsasl: %s", gsasl_strerror(rc));
            sasl_end(x);
            return NULL;
        }
        gsasl_session_hook_set(x->gsasl, x);
    }
    return x;
}

enum sasl_result sasl_step(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    *out = (struct span){"", 0};
    if (x->progress == OVER) {
        err_set(err, ERR_INPUT, "the exchange is over");
        return SASL_FAILED;
    }
    enum sasl_result result = x->mechanism->step(x, in, out, err);
    if (result != SASL_CHALLENGE)
        x->progress = OVER;
    return result;
}

const char *sasl_user(const struct sasl_session *x)
{
    return x->user;
}

const char *sasl_password(const struct sasl_session *x)
{
    return x->password;
}

void sasl_end(struct sasl_session *x)
{
    if (!x)
        return;
    if (x->gsasl)
        gsasl_finish(x->gsasl);
    gsasl_free(x->out);
    user_wipe(x->user);
    user_wipe(x->password);
    mem_wipe(x, sizeof *x);
    mem_free(x);
}

static enum sasl_result fail(enum err_kind kind, const char *why, struct err *err)
{
    err_set(err, kind, "%s", why);
    return SASL_FAILED;
}

static bool has_nul(struct span s)
{
    return s.n && memchr(s.p, '\0', s.n);
}

static enum sasl_result take_user(struct sasl_session *x, struct span name, struct err *err)
{
    if (name.n == 0 || has_nul(name))
        return fail(ERR_INPUT, "no user name in the message", err);
    if (name.n > USER_NAME_MAX)
        return fail(ERR_AUTH, "a name that nobody has", err);
    x->user = mem_copy(name.p, name.n);
    return SASL_CHALLENGE;
}

static enum sasl_result take_password(struct sasl_session *x, struct span password, struct err *err)
{
    if (password.n == 0 || has_nul(password))
        return fail(ERR_INPUT, "no password in the message", err);
    x->password = mem_copy(password.p, password.n);
    return SASL_PASSWORD;
}

/* RFC 4616 §2: [authzid] NUL authcid NUL passwd. */
static enum sasl_result step_plain(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == FIRST && !in.p) {
        x->progress = SECOND;
        return SASL_CHALLENGE;
    }
    struct span as = span_cut(&in, '\0');
    if (!in.p)
        return fail(ERR_INPUT, "not PLAIN's message", err);
    struct span name = span_cut(&in, '\0');
    if (!in.p)
        return fail(ERR_INPUT, "not PLAIN's message", err);
    if (as.n && !span_equal(as, name))
        return fail(ERR_AUTH, "nobody may act for another user", err);
    enum sasl_result result = take_user(x, name, err);
    return result == SASL_CHALLENGE ? take_password(x, in, err) : result;
}

/* draft-murchison-sasl-login-00 §2; a name as an initial response is taken too, as clients send it. */
static enum sasl_result step_login(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == FIRST && !in.p) {
        *out = span_of("Username:");
        x->progress = SECOND;
        return SASL_CHALLENGE;
    }
    if (x->user)
        return take_password(x, in, err);
    *out = span_of("Password:");
    return take_user(x, in, err);
}

/* ---- SCRAM (RFC 5802, 7677) */

static void set_base64(Gsasl_session *session, Gsasl_property property, const unsigned char *bytes, size_t n)
{
    char *text;
    size_t length;
    if (gsasl_base64_to((const char *)bytes, n, &text, &length) != GSASL_OK)
        return;
    gsasl_property_set_raw(session, property, text, length);
    gsasl_free(text);
}

/* What is shown for a name without keys: a salt that stays the same for the name, and keys that no proof fits. */
static void set_false(struct sasl_session *x, struct span name)
{
    unsigned char keys[2][GSASL_HASH_MAX_SIZE], salt[DIGEST_SHA256];
    char text[USER_NAME_MAX + 32], rounds[16];
    size_t n = gsasl_hash_length(x->mechanism->hash == SASL_SHA1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256);
    int length = snprintf(text, sizeof text, "%s %.*s", x->mechanism->name, (int)name.n, name.p);
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
    if (!name || take_user(x, span_of(name), &x->trouble) == SASL_FAILED)
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
static int answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
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
    int want = x->progress == FIRST ? GSASL_NEEDS_MORE : GSASL_OK;
    gsasl_free(x->out);
    x->out = NULL;
    int rc = gsasl_step(x->gsasl, in.p, in.n, &x->out, &n);
    if (x->trouble.kind != ERR_NONE)
        return fail(x->trouble.kind, x->trouble.text, err);
    if (rc == GSASL_MECHANISM_PARSE_ERROR || rc == GSASL_BASE64_ERROR)
        return fail(ERR_INPUT, "not SCRAM's message", err);
    if (rc != want || !x->user)
        return fail(rc == GSASL_MALLOC_ERROR || rc == GSASL_CRYPTO_ERROR ? ERR_TEMP : ERR_AUTH, gsasl_strerror(rc),
                    err);
    const char *as = gsasl_property_fast(x->gsasl, GSASL_AUTHZID);
    if (as && *as && strcmp(as, x->user) != 0)
        return fail(ERR_AUTH, "nobody may act for another user", err);
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

static enum sasl_result step_scram(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == FIRST && !in.p)
        return SASL_CHALLENGE; /* an empty one: SCRAM's client begins (RFC 5802 §5) */
    if (x->progress == THIRD)  /* success is said only after the client has seen the signature (RFC 5034 §4) */
        return in.n == 0 ? SASL_DONE : fail(ERR_INPUT, "not SCRAM's message", err);
    if (in.n == 0 || has_nul(in))
        return fail(ERR_INPUT, "not SCRAM's message", err);
    if (x->progress == FIRST && in.n > SCRAM_FIRST_MAX)
        return fail(ERR_AUTH, "a name that nobody has", err);
    /* 'n': the client knows no channel binding; 'y': it does, and sees that we offer none (RFC 5802 §6). */
    if (x->progress == FIRST && in.p[0] != 'n' && in.p[0] != 'y')
        return fail(ERR_AUTH, "channel binding is not offered here", err);
    if (x->progress == FIRST && !names_sound(in))
        return fail(ERR_INPUT, "not SCRAM's message", err);
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
    if (gsasl_scram_secrets_from_password(which, prepared, ITERATIONS, salt, sizeof salt, salted, client, server,
                                          stored) == GSASL_OK &&
        gsasl_base64_to(salt, sizeof salt, &salt64, NULL) == GSASL_OK &&
        gsasl_base64_to(stored, n, &stored64, NULL) == GSASL_OK &&
        gsasl_base64_to(server, n, &server64, NULL) == GSASL_OK) {
        snprintf(text, sizeof text, "%d:%s:%s:%s", ITERATIONS, salt64, stored64, server64);
        keys = mem_copy_text(text);
        mem_wipe(text, sizeof text);
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
