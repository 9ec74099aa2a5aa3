/* auth_test: `bustia auth test`: would this password let this user in, and if not, why not? Asked by root alone, through control. What a
 * client would never be told is told here, so nothing of it counts: no LOGIN-DELAY, no limit, no last log-in. The dear check runs in the
 * thread for what is done aside, one at a time. No password comes into the log. */
#include "daemon/auth_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/open.h"
#include "user/app_password.h"
#include "user/secret.h"

struct auth_test {
    struct loop_call call;
    struct auth *auth;
    uint32_t token;
    unsigned against; /* what keeps him out, so far */
    const struct way *way;
    char *name, *address, *raw, *prepared;
    bool found, app, ok;
    int result;
    struct user user;
    struct err err;
};

/* ---- answers */

static void say(struct auth_test *t, bool against, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(struct auth_test *t, bool against, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t->against += against;
    if (t->auth->control)
        talk_send(t->auth->control, &(struct talk){.type = TALK_TESTED, .num = {t->token}, .text = {span_of(text)}, .fd = -1});
}

static void finish(struct auth_test *t)
{
    struct auth *a = t->auth;
    log_info("test", "user=%s addr=%s against=%u: an administrator has tried a password", log_quote_text(t->name), talk_word(t->address),
             t->against);
    if (a->control)
        talk_send(a->control, &(struct talk){.type = TALK_DONE, .num = {t->token, t->against}, .fd = -1});
    mem_free(t->name);
    mem_free(t->address);
    secret_free(t->raw);
    secret_free(t->prepared);
    user_free(&t->user);
    mem_free(t);
}

/* ---- the ways to log in */

/* In the thread: ok, or what is said against him. */
typedef void check_fn(struct auth_test *t);

static void check_verifier(struct auth_test *t)
{
    t->result = secret_verify(t->user.verifier, t->prepared, t->raw, &t->ok, &t->err);
}

static void check_clear(struct auth_test *t)
{
    size_t n = strlen(t->user.apop);
    t->ok = n == strlen(t->prepared) && digest_same(t->user.apop, t->prepared, n);
}

static void check_scram1(struct auth_test *t)
{
    t->result = sasl_scram_fits(SASL_SHA1, t->user.scram1, t->prepared, &t->ok, &t->err);
}

static void check_scram256(struct auth_test *t)
{
    t->result = sasl_scram_fits(SASL_SHA256, t->user.scram256, t->prepared, &t->ok, &t->err);
}

static const struct way {
    const char *name;
    bool sasl, shows, app; /* a mechanism of AUTH; shows the password; takes app passwords */
    size_t needs;          /* the field of struct user that must not be "" */
    const char *lacks;
    check_fn *check; /* NULL: no password */
} ways[] = {
    {"pass", false, true, true, offsetof(struct user, verifier), "he has no password", check_verifier},
    {"plain", true, true, true, offsetof(struct user, verifier), "he has no password", check_verifier},
    {"login", true, true, true, offsetof(struct user, verifier), "he has no password", check_verifier},
    {"apop", false, false, false, offsetof(struct user, apop), "he has no secret for APOP (user set NAME --apop)", check_clear},
    {"cram-md5", true, false, false, offsetof(struct user, apop), "he has no secret for CRAM-MD5 (user set NAME --apop)", check_clear},
    {"scram-sha-1", true, false, false, offsetof(struct user, scram1), "he has no SCRAM keys (user passwd NAME makes them)", check_scram1},
    {"scram-sha-256", true, false, false, offsetof(struct user, scram256), "he has no SCRAM keys (user passwd NAME makes them)",
     check_scram256},
    {"scram-sha-1-plus", true, false, false, offsetof(struct user, scram1), "he has no SCRAM keys (user passwd NAME makes them)",
     check_scram1},
    {"scram-sha-256-plus", true, false, false, offsetof(struct user, scram256), "he has no SCRAM keys (user passwd NAME makes them)",
     check_scram256},
    {"external", true, false, false, offsetof(struct user, name), "", NULL},
};

static const struct way *way_of(struct span name)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (span_is_nocase(name, ways[i].name))
            return &ways[i];
    return NULL;
}

static const char *needed(const struct auth_test *t)
{
    char *const *field = (char *const *)((const char *)&t->user + t->way->needs);
    return *field ? *field : "";
}

/* ---- what is against him, but for the password */

static void say_way(struct auth_test *t)
{
    const struct conf *c = &t->auth->start.conf;
    if (t->way->sasl && !sasl_has(t->auth->sasl, span_of(t->way->name)))
        say(t, true, "%s is not among sasl_mechanisms", t->way->name);
    if (t->way->shows && *t->address && !sock_in_networks(t->address, c->cleartext_networks))
        say(t, false, "from %.64s only over TLS (cleartext_networks)", log_escape(span_of(t->address)));
}

static void say_place(struct auth_test *t)
{
    const struct conf *c = &t->auth->start.conf;
    struct store_root roots[CONF_ROOTS];
    struct err err;
    for (unsigned i = 0; i < c->mail_roots; i++)
        roots[i] = (struct store_root){.path = c->mail_root[i], .fd = -1, .memory = c->allow_memory_store};
    if (t->user.uid == 0 || t->user.uid < c->first_uid)
        say(t, true, "his uid %u is below first_uid", t->user.uid);
    if (store_where_check(roots, c->mail_roots, t->user.where, NULL, &err) < 0)
        say(t, true, "his maildrop's place is refused: %.100s", err.text);
}

static void say_terms(struct auth_test *t)
{
    struct auth *a = t->auth;
    uint64_t delay = (uint64_t)user_delay(&t->user, a->start.conf.login_delay) * 1000;
    if (t->user.disabled)
        say(t, true, "he is disabled (user set NAME --enable)");
    if (t->user.no_pop3)
        say(t, true, "POP3 is off for him (user set NAME --pop3 on)");
    if (!limit_delay_would(&a->delays, digest_word(span_of(t->user.name)), delay, clock_ms()))
        say(t, true, "his last log-in was a moment ago (LOGIN-DELAY %llu s)", (unsigned long long)delay / 1000);
    if (!t->way->check && !t->user.external)
        say(t, true, "EXTERNAL is not permitted to him (user set NAME --external)");
}

/* ---- the password */

static void work(struct loop_call *call)
{
    struct auth_test *t = call->arg;
    t->way->check(t);
}

static void done(struct loop_call *call)
{
    struct auth_test *t = call->arg;
    if (t->result < 0)
        say(t, true, "what is kept of his password cannot be used: %.100s", t->err.text);
    else if (!t->ok)
        say(t, true, "the password is wrong");
    finish(t);
}

static bool is_app(struct auth_test *t, struct users *db)
{
    char label[APP_LABEL_MAX + 1];
    struct err err;
    if (!t->way->app || app_password_match(db, span_of(t->user.name), span_of(t->raw), label, &err) <= 0)
        return false;
    say(t, false, "it is his app password %.64s", log_escape(span_of(label)));
    return true;
}

static void check(struct auth_test *t, struct users *db)
{
    if (!t->way->check || is_app(t, db)) {
        finish(t);
    } else if (!*needed(t)) {
        say(t, true, "%s", t->way->lacks);
        finish(t);
    } else if (!t->prepared) {
        say(t, true, "the password is wrong");
        finish(t);
    } else {
        t->call = (struct loop_call){work, done, t, NULL};
        if (pool_call(t->auth->aside, &t->call))
            return;
        say(t, true, "it was not tried: the server is busy with another; try again");
        finish(t);
    }
}

void auth_test(struct auth *a, const struct talk *m)
{
    struct auth_test *t = mem_alloc(sizeof *t);
    *t = (struct auth_test){.auth = a, .token = m->num[0], .way = way_of(m->text[3])};
    t->name = mem_copy(m->text[0].p, m->text[0].n);
    t->raw = mem_copy(m->text[1].p, m->text[1].n);
    t->prepared = secret_prepare(m->text[1]);
    t->address = mem_copy(m->text[2].p, m->text[2].n);
    struct users *db = auth_users(a, &t->err);
    t->found = t->way && db && users_find(db, span_of(t->name), &t->user, &t->err) == 0;
    if (!t->way)
        say(t, true, "there is no such method");
    else if (!t->found)
        say(t, true, "%.150s", t->err.kind == ERR_GONE ? "there is no user of this name" : t->err.text);
    if (!t->found) {
        finish(t);
        return;
    }
    say_way(t);
    say_place(t);
    say_terms(t);
    check(t, db);
}
