/* auth_check: is he who he says he is? PASS, APOP and SASL; the dear part (a password hash) in a bounded pool of threads.
 */
#include "daemon/auth_state.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/metric.h"
#include "user/app_password.h"
#include "user/secret.h"
#include "wire/pop3_server.h"

enum { EXCHANGES_MAX = 1000 };

/* A password that a thread checks. Belongs to the thread until `done`; the session may be gone by then. */
struct auth_check {
    struct auth_queued queued;
    struct loop_call call;
    struct auth *auth;
    struct talk_id id;
    bool exists, ok;
    char *raw, *prepared;
    size_t raw_len;
    struct user user;
    struct err err;
    int result;
};

/* ---- passwords */

static void check_free(struct auth_check *c)
{
    secret_free(c->prepared);
    if (c->raw)
        mem_wipe(c->raw, c->raw_len);
    mem_free(c->raw);
    user_free(&c->user);
    mem_free(c);
}

static void check_work(struct loop_call *call)
{
    struct auth_check *c = call->arg;
    if (c->exists && c->prepared)
        c->result = secret_verify(c->user.verifier, c->prepared, c->raw, &c->ok, &c->err);
    else
        secret_verify_nobody(c->prepared ? c->prepared : "", c->prepared ? c->raw : "");
}

static struct span password_of(const struct auth_check *c)
{
    return (struct span){c->raw, c->raw_len};
}

/* Who waits for the answer, which comes now; NULL: nobody any more. */
static struct auth_session *asker(struct auth_check *c)
{
    struct auth_session *s = c->queued.abandoned ? NULL : auth_find(c->auth, c->id);
    if (s)
        s->abandoned = NULL;
    return s;
}

/* He has waited for his answer, for seconds where many do: what counts is what is true of him now. */
static void grant_as_now(struct auth *a, struct auth_session *s, const struct user *was)
{
    struct user u = {0};
    struct err err = {0};
    int found = auth_find_enabled(a, span_of(was->name), &u, &err);
    if (found == 0 && strcmp(u.verifier, was->verifier) == 0)
        auth_grant(a, s, &u);
    else
        auth_refuse(a, s, found == 0 || err.kind == ERR_GONE ? ERR_AUTH : ERR_TEMP);
    user_free(&u);
}

static void check_done(struct loop_call *call)
{
    struct auth_check *c = call->arg;
    struct auth *a = c->auth;
    if (c->exists && c->ok)
        auth_remember(a, &c->user, password_of(c));
    struct auth_session *s = asker(c);
    metric_add(METRIC_CHECKS, 1);
    if (c->result < 0)
        log_error("verifier", "user=%s %s", log_quote_text(c->user.name), c->err.text);
    if (s && c->exists && c->ok)
        grant_as_now(a, s, &c->user);
    else if (s)
        auth_refuse(a, s, c->result < 0 ? ERR_TEMP : ERR_AUTH);
    check_free(c);
    auth_queue_done(a); /* the next may be the same password again, and comes after this one */
}

static struct auth_check *check_of(struct auth_queued *q)
{
    return q->call->arg;
}

static void drop_check(struct auth_queued *q)
{
    check_free(check_of(q));
}

static void put_off_check(struct auth_queued *q, bool slowly)
{
    struct auth_check *c = check_of(q);
    struct auth_session *s = asker(c);
    if (s && slowly) {
        auth_limit_not_failed(c->auth, s);
        auth_refuse_slowly(c->auth, s, ERR_LIMIT);
    } else if (s) {
        auth_refuse(c->auth, s, ERR_LIMIT);
    }
    check_free(c);
}

static bool answer_remembered(struct auth_queued *q)
{
    struct auth_check *c = check_of(q);
    if (!c->exists || !auth_remembers(c->auth, &c->user, password_of(c)))
        return false;
    struct auth_session *s = asker(c);
    if (s) {
        metric_add(METRIC_CHECKS + 1, 1);
        grant_as_now(c->auth, s, &c->user);
    }
    check_free(c);
    return true;
}

/* Costs at most a look into the database, and stands before the dear check: that is the same for who has app passwords and who has
 * none. If they cannot be read his own password still counts. */
static bool app_password(struct auth *a, struct users *db, struct auth_session *s, const struct user *u, struct span password)
{
    char label[APP_LABEL_MAX + 1];
    struct err err;
    if (!u->has_app)
        return false;
    int found = app_password_match(db, span_of(u->name), password, label, &err);
    if (found < 0)
        log_error("users", "%s", err.text);
    if (found > 0)
        s->app = mem_copy_text(label);
    return found > 0;
}

/* Reads the user and, unless the password was verified a moment ago, hands it to the pool. */
static void check_password(struct auth *a, struct auth_session *s, struct span name, struct span password)
{
    struct user u = {0};
    struct err err = {0};
    struct users *db = auth_users(a, &err);
    bool exists = db && users_find(db, name, &u, &err) == 0;
    if (!exists && err.kind != ERR_GONE) {
        log_error("users", "%s", err.text);
        auth_refuse(a, s, ERR_TEMP);
        return;
    }
    exists = exists && !u.disabled;
    if (exists && app_password(a, db, s, &u, password)) {
        auth_grant(a, s, &u);
        user_free(&u);
        return;
    }
    exists = exists && *u.verifier;
    if (exists && auth_remembers(a, &u, password)) {
        metric_add(METRIC_CHECKS + 1, 1);
        auth_grant(a, s, &u);
        user_free(&u);
        return;
    }
    struct auth_check *c = mem_alloc(sizeof *c);
    *c = (struct auth_check){.call = {check_work, check_done, c, NULL}, .auth = a, .id = s->id, .exists = exists, .user = u};
    c->raw = mem_copy(password.p, password.n);
    c->raw_len = password.n;
    c->prepared = secret_prepare(password);
    c->queued = (struct auth_queued){.call = &c->call, .answer = answer_remembered, .drop = drop_check, .put_off = put_off_check};
    s->abandoned = &c->queued.abandoned;
    s->step = AUTH_CHECK;
    if (!auth_queue_add(a, &c->queued, s))
        put_off_check(&c->queued, false);
}

/* ---- APOP (RFC 1939 §7): only for users who have a secret for it */

static void check_apop(struct auth *a, struct auth_session *s, const struct talk *t)
{
    struct user u = {0};
    struct err err = {0};
    unsigned char digest[DIGEST_MD5];
    char hex[2 * DIGEST_MD5 + 1];
    struct users *db = auth_users(a, &err);
    bool exists = db && users_find(db, t->text[0], &u, &err) == 0;
    if (!exists && err.kind != ERR_GONE) {
        log_error("users", "%s", err.text);
        auth_refuse(a, s, ERR_TEMP);
        return;
    }
    exists = exists && !u.disabled && *u.apop;
    digest_md5(t->text[3], span_of(exists ? u.apop : "nobody"), digest);
    digest_hex(digest, sizeof digest, hex);
    bool same = t->text[1].n == sizeof hex - 1 && digest_same(hex, t->text[1].p, sizeof hex - 1);
    if (exists && same)
        auth_grant(a, s, &u);
    else
        auth_refuse(a, s, ERR_AUTH);
    user_free(&u);
}

/* ---- SASL (RFC 5034) */

static void sasl_shown(struct auth *a, struct auth_session *s)
{
    struct user u = {0};
    struct err err = {0};
    struct span name = span_of(sasl_user(s->sasl));
    if (auth_find_enabled(a, name, &u, &err) == 0)
        auth_grant(a, s, &u);
    else
        auth_refuse(a, s, err.kind == ERR_GONE ? ERR_AUTH : ERR_TEMP);
    user_free(&u);
}

static void sasl_go(struct auth *a, struct auth_session *s, struct span in)
{
    struct span out;
    struct err err = {0};
    enum sasl_result result = sasl_step(s->sasl, in, &out, &err);
    struct sasl_session *x = s->sasl;
    if (sasl_user(x) && !s->user)
        s->user = mem_copy_text(sasl_user(x));
    if (s->user && !auth_limit_check(a, s)) {
        auth_refuse_slowly(a, s, ERR_LIMIT);
        return;
    }
    switch (result) {
    case SASL_CHALLENGE:
        auth_say(a, &(struct talk){.type = TALK_CHALLENGE, .id = s->id, .text = {out}, .fd = -1});
        break;
    case SASL_PASSWORD:
        auth_exchange_leave(a, s);
        check_password(a, s, span_of(sasl_user(x)), span_of(sasl_password(x)));
        sasl_end(x);
        break;
    case SASL_DONE:
        sasl_shown(a, s);
        break;
    case SASL_FAILED:
        if (err.kind == ERR_TEMP)
            log_error("sasl", "%s", err.text);
        auth_refuse(a, s, err.kind == ERR_TEMP ? ERR_TEMP : ERR_AUTH);
        break;
    }
}

/* A mechanism or PASS that shows the password is refused here too unless the way was safe: the door's machine has said so
 * already, and a door that has been taken over gains nothing by asking. */
static bool way_is_safe(const struct talk *t)
{
    return t->num[1] & (TALK_TLS | TALK_CLEAR_ALLOWED);
}

/* The door has the TLS, and says what there is to bind to, or whose certificate it has seen. */
static void tell_of_tls(struct sasl_session *x, const struct talk *t)
{
    struct span octets = t->text[3], kind = span_cut(&octets, ' ');
    char name[32];
    if (!(t->num[1] & TALK_TLS))
        return;
    sasl_certificate(x, t->text[3]);
    if (!octets.p || kind.n >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)kind.n, kind.p);
    sasl_bind(x, name, octets);
}

/* An exchange that was begun and is left so takes a place: the oldest of the address that has the most goes for one of fewer. His
 * next word is refused as a passing trouble. */
static bool is_longer(const struct crowd_member *m, uint64_t key, size_t line, void *arg)
{
    (void)m;
    (void)key;
    return line > *(const size_t *)arg;
}

static bool make_way(struct auth *a, const struct auth_session *s)
{
    size_t own = crowd_line(&a->exchanges, auth_line_of(s));
    struct crowd_member *m = crowd_pick(&a->exchanges, is_longer, &own);
    if (!m)
        return false;
    auth_drop(a, m->owner);
    limit_count(&a->crowded, "SASL exchanges", "made room");
    return true;
}

static void sasl_start(struct auth *a, struct auth_session *s, const struct talk *t)
{
    struct err err = {0};
    if (a->exchanges.count >= EXCHANGES_MAX && !make_way(a, s)) {
        auth_refuse(a, s, ERR_LIMIT);
        return;
    }
    if (!sasl_shows_password(t->text[0]) || way_is_safe(t))
        s->sasl = sasl_begin(a->sasl, t->text[0], auth_find_able, a, &err); /* a right proof is not told from a wrong one where POP3 is off */
    if (!s->sasl) {
        auth_refuse(a, s, ERR_AUTH);
        return;
    }
    auth_exchange_join(a, s);
    tell_of_tls(s->sasl, t);
    s->step = AUTH_SASL;
    sasl_go(a, s, t->num[1] & TALK_HAS_INITIAL ? t->text[1] : (struct span){NULL, 0});
}

/* ---- all of them */

static void step(struct auth *a, struct talk_id id, const struct talk *t)
{
    struct auth_session *s = auth_find(a, id);
    if (!s || s->step != AUTH_SASL) { /* auth has been started anew meanwhile */
        auth_say(a, &(struct talk){.type = TALK_DENIED, .id = id, .num = {ERR_TEMP}, .fd = -1});
        return;
    }
    s->started = clock_ms();
    sasl_go(a, s, t->text[1]);
}

void auth_check_begin(struct auth *a, const struct talk *t)
{
    enum pop3_auth_how how = (enum pop3_auth_how)t->num[0];
    if (how == POP3_AUTH_SASL_STEP) {
        step(a, t->id, t);
        return;
    }
    struct auth_session *s = auth_add(a, t->id);
    s->started = clock_ms();
    s->flags = t->num[1];
    snprintf(s->address, sizeof s->address, "%.*s", (int)t->text[2].n, t->text[2].p);
    if (a->stopping)
        auth_refuse(a, s, ERR_TEMP);
    else if (!auth_limit_try(a, s))
        auth_refuse_slowly(a, s, ERR_LIMIT);
    else if (how == POP3_AUTH_SASL_BEGIN)
        sasl_start(a, s, t);
    else {
        s->user = mem_copy(t->text[0].p, t->text[0].n);
        if (!auth_limit_check(a, s))
            auth_refuse_slowly(a, s, ERR_LIMIT);
        else if (how == POP3_AUTH_APOP)
            check_apop(a, s, t);
        else if (how == POP3_AUTH_PASS && way_is_safe(t))
            check_password(a, s, t->text[0], t->text[1]);
        else
            auth_refuse(a, s, ERR_AUTH);
    }
}

void auth_check_init(struct auth *a)
{
    a->pool = pool_new(a->loop, (unsigned)a->start.conf.password_threads, 1);
}
