/* auth_again: who has shown who he is, and has waited since, for a maildrop or for a mail process, is judged by what he is then: whoever
 * was disabled or deleted meanwhile, or has another password, comes in no more than one who shows the old one now. */
#include "daemon/auth_state.h"

#include <string.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "user/app_password.h"

/* ---- who may log in */

int auth_find_enabled(void *arg, struct span name, struct user *u, struct err *err)
{
    struct users *db = auth_users(arg, err);
    if (!db || users_find(db, name, u, err) < 0)
        return -1;
    if (!u->disabled)
        return 0;
    user_free(u);
    return err_set(err, ERR_GONE, "disabled");
}

int auth_find_able(void *arg, struct span name, struct user *u, struct err *err)
{
    if (auth_find_enabled(arg, name, u, err) < 0)
        return -1;
    if (!u->no_pop3)
        return 0;
    auth_tell_off(u);
    user_free(u);
    return err_set(err, ERR_GONE, "POP3 is off");
}

void auth_tell_off(const struct user *u)
{
    log_info("off", "user=%s may not log in over POP3", log_quote_text(u->name));
}

/* ---- what he has shown */

/* With its NUL: no two rows of texts give the same bytes. */
static void add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text) + 1);
}

struct sought {
    const char *label;
    int64_t created;
    bool found;
};

static int is_sought(void *arg, const struct app_password *p)
{
    struct sought *x = arg;
    x->found = strcmp(p->label, x->label) == 0;
    x->created = p->created;
    return x->found;
}

/* One of the same label that was made anew is another. */
static int add_app_password(struct auth *a, const char *user, const char *label, struct buf *b, struct err *err)
{
    struct sought x = {.label = label};
    struct users *db = auth_users(a, err);
    if (!db || app_password_each(db, span_of(user), is_sought, &x, err) < 0)
        return -1;
    if (!x.found)
        return err_set(err, ERR_GONE, "the app password is revoked");
    buf_add(b, &x.created, sizeof x.created);
    return 0;
}

/* Of all that he may show, as each tells that another has been set; an app password stands for itself. */
static int proof_of(struct auth *a, const struct auth_session *s, const struct user *u, unsigned char mac[DIGEST_SHA256], struct err *err)
{
    struct buf b;
    int result = 0;
    buf_init(&b, 65536, NULL);
    if (s->app) {
        result = add_app_password(a, u->name, s->app, &b, err);
    } else {
        add_text(&b, u->verifier);
        add_text(&b, u->scram1);
        add_text(&b, u->scram256);
        add_text(&b, u->apop);
        buf_add(&b, &u->external, sizeof u->external);
    }
    digest_hmac_sha256((struct span){(const char *)a->remember_key, sizeof a->remember_key}, buf_span(&b), mac);
    buf_wipe(&b);
    buf_fini(&b);
    return result;
}

/* ---- who waits */

/* As he was when he showed it. No secrets. */
struct auth_shown {
    char *name, *where;
    uint32_t uid, gid;
    bool known; /* what follows: */
    unsigned char proof[DIGEST_SHA256];
};

void auth_begin_wait(struct auth *a, struct auth_session *s, const struct user *u)
{
    struct auth_shown *w = mem_alloc(sizeof *w);
    struct err err = {0};
    *w = (struct auth_shown){.name = mem_copy_text(u->name), .where = mem_copy_text(u->where), .uid = u->uid, .gid = u->gid};
    w->known = proof_of(a, s, u, w->proof, &err) == 0;
    auth_end_wait(s);
    s->shown = w;
}

void auth_end_wait(struct auth_session *s)
{
    struct auth_shown *w = s->shown;
    s->shown = NULL;
    if (!w)
        return;
    mem_free(w->name);
    mem_free(w->where);
    mem_free(w);
}

uint32_t auth_waits_as(const struct auth_session *s)
{
    return s->shown->uid;
}

/* ERR_GONE: it was right, and is not any more. ERR_TEMP: also who has moved, and may come again: somebody else may be there. */
static int judge(struct auth *a, const struct auth_session *s, struct user *u, struct err *err)
{
    const struct auth_shown *w = s->shown;
    unsigned char proof[DIGEST_SHA256];
    if (auth_find_able(a, span_of(w->name), u, err) < 0 || proof_of(a, s, u, proof, err) < 0)
        return -1;
    if (!w->known)
        return err_set(err, ERR_TEMP, "what he has shown could not be read");
    if (!digest_same(proof, w->proof, sizeof proof))
        return err_set(err, ERR_GONE, "another password");
    if (u->uid != w->uid || u->gid != w->gid || strcmp(u->where, w->where) != 0)
        return err_set(err, ERR_TEMP, "moved");
    return 0;
}

bool auth_still(struct auth *a, struct auth_session *s, struct user *u)
{
    struct err err = {0};
    *u = (struct user){0};
    int result = judge(a, s, u, &err);
    auth_end_wait(s);
    if (result == 0)
        return true;
    user_free(u);
    log_info("waited", "user=%s addr=%s does not come in any more: %s", log_quote_text(s->user), talk_word(s->address), err.text);
    if (err.kind != ERR_GONE) {
        auth_refuse(a, s, ERR_TEMP);
        return false;
    }
    if (s->step == AUTH_NEED) /* he has not logged in; where the answer is at once, auth_drop sees to that */
        auth_delay_back(a, s);
    auth_refuse(a, s, ERR_AUTH);
    return false;
}
