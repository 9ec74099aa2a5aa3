/* sasl_exchange: see sasl.h. Runs in auth; what it reads comes from strangers, through the door.
 *
 * libgsasl does SCRAM, SASLprep and the keys. PLAIN and LOGIN are taken apart here, because its own server halves do
 * what this server may not: PLAIN refuses what SASLprep does not permit, so that a password that works with PASS would
 * not work here, and forgets the bytes as sent, which an imported verifier may need; LOGIN prompts "User Name" where
 * clients know "Username:" (draft-murchison-sasl-login-00 §2). */
#include "user/sasl_parts.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

static sasl_step_fn step_plain, step_login, step_external;

static const struct sasl_mechanism mechanisms[SASL_MECHANISMS] = {
    {"PLAIN", step_plain, .shows = true},
    {"LOGIN", step_login, .shows = true},
    {"EXTERNAL", step_external},
    {"CRAM-MD5", sasl_step_cram},
    {"SCRAM-SHA-1", sasl_step_scram, sasl_begin_scram, .hash = SASL_SHA1},
    {"SCRAM-SHA-256", sasl_step_scram, sasl_begin_scram, .hash = SASL_SHA256},
    {"SCRAM-SHA-1-PLUS", sasl_step_scram, sasl_begin_scram, .hash = SASL_SHA1, .binds = true},
    {"SCRAM-SHA-256-PLUS", sasl_step_scram, sasl_begin_scram, .hash = SASL_SHA256, .binds = true},
};

static int mechanism_of(struct span name)
{
    for (int i = 0; i < SASL_MECHANISMS; i++)
        if (span_is_nocase(name, mechanisms[i].name))
            return i;
    return -1;
}

/* ---- the process's half */

int sasl_new(struct sasl **s, const char *list, struct err *err)
{
    struct sasl *made = mem_alloc(sizeof *made);
    struct span rest = span_of(list);
    while (rest.n) {
        struct span word = span_cut(&rest, ' ');
        int which = mechanism_of(word);
        if (which >= 0) {
            made->allowed[which] = true;
            made->binds = made->binds || mechanisms[which].binds;
        } else if (word.n) {
            mem_free(made);
            return err_set(err, ERR_CONFIG, "\"%.*s\" is no SASL mechanism of this server", (int)word.n, word.p);
        }
    }
    if (gsasl_init(&made->gsasl) != GSASL_OK) {
        mem_free(made);
        return err_set(err, ERR_TEMP, "libgsasl cannot start");
    }
    gsasl_callback_set(made->gsasl, sasl_answer_scram);
    digest_random(made->salt_key, sizeof made->salt_key);
    made->host = mem_copy_text("localhost");
    *s = made;
    return 0;
}

void sasl_free(struct sasl *s)
{
    if (!s)
        return;
    gsasl_done(s->gsasl);
    mem_free(s->host);
    mem_wipe(s, sizeof *s);
    mem_free(s);
}

bool sasl_has(const struct sasl *s, struct span mechanism)
{
    int which = mechanism_of(mechanism);
    return which >= 0 && s->allowed[which];
}

bool sasl_shows_password(struct span mechanism)
{
    int which = mechanism_of(mechanism);
    return which >= 0 && mechanisms[which].shows;
}

void sasl_host(struct sasl *s, const char *host)
{
    mem_free(s->host);
    s->host = mem_copy_text(host);
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
    if (x->mechanism->begin && x->mechanism->begin(x, err) < 0) {
        sasl_end(x);
        return NULL;
    }
    return x;
}

void sasl_certificate(struct sasl_session *x, struct span name)
{
    if (x->mechanism->step == step_external && !x->certificate && name.n && !sasl_has_nul(name))
        x->certificate = mem_copy(name.p, name.n);
}

void sasl_bind(struct sasl_session *x, const char *kind, struct span octets)
{
    if (x->gsasl && x->sasl->binds && *kind)
        sasl_bind_scram(x, kind, octets);
}

enum sasl_result sasl_step(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    *out = (struct span){"", 0};
    if (x->progress == SASL_OVER) {
        err_set(err, ERR_INPUT, "the exchange is over");
        return SASL_FAILED;
    }
    enum sasl_result result = x->mechanism->step(x, in, out, err);
    if (result != SASL_CHALLENGE)
        x->progress = SASL_OVER;
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
    mem_free(x->bound);
    mem_free(x->challenge);
    mem_free(x->certificate);
    user_wipe(x->user);
    user_wipe(x->password);
    mem_wipe(x, sizeof *x);
    mem_free(x);
}

enum sasl_result sasl_fail(enum err_kind kind, const char *why, struct err *err)
{
    err_set(err, kind, "%s", why);
    return SASL_FAILED;
}

bool sasl_has_nul(struct span s)
{
    return s.n && memchr(s.p, '\0', s.n);
}

enum sasl_result sasl_take_user(struct sasl_session *x, struct span name, struct err *err)
{
    if (name.n == 0 || sasl_has_nul(name))
        return sasl_fail(ERR_INPUT, "no user name in the message", err);
    if (name.n > USER_NAME_MAX)
        return sasl_fail(ERR_AUTH, "a name that nobody has", err);
    x->user = mem_copy(name.p, name.n);
    return SASL_CHALLENGE;
}

static enum sasl_result take_password(struct sasl_session *x, struct span password, struct err *err)
{
    if (password.n == 0 || sasl_has_nul(password))
        return sasl_fail(ERR_INPUT, "no password in the message", err);
    x->password = mem_copy(password.p, password.n);
    return SASL_PASSWORD;
}

/* RFC 4616 §2: [authzid] NUL authcid NUL passwd. */
static enum sasl_result step_plain(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == SASL_FIRST && !in.p) {
        x->progress = SASL_SECOND;
        return SASL_CHALLENGE;
    }
    struct span as = span_cut(&in, '\0');
    if (!in.p)
        return sasl_fail(ERR_INPUT, "not PLAIN's message", err);
    struct span name = span_cut(&in, '\0');
    if (!in.p)
        return sasl_fail(ERR_INPUT, "not PLAIN's message", err);
    if (as.n && !span_equal(as, name))
        return sasl_fail(ERR_AUTH, "nobody may act for another user", err);
    enum sasl_result result = sasl_take_user(x, name, err);
    return result == SASL_CHALLENGE ? take_password(x, in, err) : result;
}

/* draft-murchison-sasl-login-00 §2; a name as an initial response is taken too, as clients send it. */
static enum sasl_result step_login(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == SASL_FIRST && !in.p) {
        *out = span_of("Username:");
        x->progress = SASL_SECOND;
        return SASL_CHALLENGE;
    }
    if (x->user)
        return take_password(x, in, err);
    *out = span_of("Password:");
    return sasl_take_user(x, in, err);
}

/* RFC 4422 §A: the message is the name that the client wants, or empty: the certificate's. */
static enum sasl_result step_external(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    struct user u = {0};
    struct err why = {0};
    if (x->progress == SASL_FIRST && !in.p) {
        x->progress = SASL_SECOND;
        return SASL_CHALLENGE;
    }
    if (!x->certificate)
        return sasl_fail(ERR_AUTH, "no certificate", err);
    if (sasl_take_user(x, span_of(x->certificate), err) == SASL_FAILED)
        return SASL_FAILED;
    if (in.n && !span_is(in, x->user))
        return sasl_fail(ERR_AUTH, "nobody may act for another user", err);
    if (x->find(x->arg, span_of(x->user), &u, &why) < 0)
        return sasl_fail(why.kind == ERR_GONE ? ERR_AUTH : why.kind, why.text, err);
    bool permitted = u.external;
    user_free(&u);
    return permitted ? SASL_DONE : sasl_fail(ERR_AUTH, "the user may not log in with a certificate", err);
}
