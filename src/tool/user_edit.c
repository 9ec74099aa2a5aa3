/* user_edit: see the header. */
#include "tool/user_edit.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tool/quota_value.h"
#include "tool/user_password.h"
#include "tool/user_place.h"
#include "tool/user_terms.h"
#include "user/address.h"
#include "user/secret.h"

/* Finds who is to be changed. */
static int find(struct user_job *job, struct user *u, struct err *err)
{
    if (users_check_name(span_of(job->word), err) || user_place_open(job, false, err))
        return -1;
    if (users_find(job->db, span_of(job->word), u, err) == 0)
        return 0;
    return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", job->word) : -1;
}

static void warn_apop(const struct user *u)
{
    if (u->apop && *u->apop)
        fprintf(stderr, "bustia: note: APOP needs the password itself: it is kept in clear in the users' database\n");
}

/* What is to be known of a new password. */
static void warn_password(const struct user *u)
{
    if (!*u->scram256)
        fprintf(stderr, "bustia: note: " USER_NO_SCRAM "\n");
    warn_apop(u);
}

static int exists(struct user_job *job, struct err *err)
{
    struct user u;
    struct err why;
    if (users_find(job->db, span_of(job->word), &u, &why) == 0) {
        user_free(&u);
        return err_set(err, ERR_INPUT, "user %s exists already", job->word);
    }
    *err = why;
    return why.kind == ERR_GONE ? 0 : -1;
}

/* Everything but the password, checked before anybody is asked for one. */
static int place(struct user_job *job, struct user *u, struct err *err)
{
    u->name = mem_copy_text(job->word);
    u->where = user_place_fill(job->option.store ? job->option.store : job->conf->store_default, job->word);
    u->disabled = job->option.disable;
    u->external = job->option.external;
    if (job->option.quota && quota_both_read(job->option.quota, &u->quota_octets, &u->quota_messages, err))
        return -1;
    if (user_terms_take(&job->option, u, err))
        return -1;
    if (!job->option.uid && user_place_default_ids(job, &u->uid, &u->gid, err))
        return -1;
    return user_place_ids(job, &u->uid, &u->gid, err) || user_place_check(job, u, err) ? -1 : 0;
}

int user_edit_add(struct user_job *job, struct err *err)
{
    struct user u = {0};
    char *password = NULL;
    int ret = -1;
    if (users_check_name(span_of(job->word), err) || place(job, &u, err) || user_place_open(job, true, err) ||
        exists(job, err))
        goto out;
    if (!(password = user_password_get(job, true, err)) || secret_make(&u, password, job->option.apop, err))
        goto out;
    if (!job->option.no_maildir && user_place_maildir(job, &u, stdout, err))
        goto out;
    if (users_add(job->db, &u, err))
        goto out;
    user_password_tell(job, password);
    warn_password(&u);
    ret = 0;
out:
    secret_free(password);
    user_free(&u);
    return ret;
}

/* Hashing is dear, and whoever is asked for a password may take minutes: what is in the database is looked at again
 * afterwards, under its lock, and nothing is written back that others have changed meanwhile. 0: to be followed by end.
 */
static int find_again(struct user_job *job, struct user *u, struct err *err)
{
    user_free(u);
    if (users_begin(job->db, err))
        return -1;
    if (users_find(job->db, span_of(job->word), u, err) == 0)
        return 0;
    users_rollback(job->db);
    return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", job->word) : -1;
}

static int end(struct user_job *job, const struct user *u, int ret, struct err *err)
{
    if (ret == 0 && users_change(job->db, u, err) == 0 && users_commit(job->db, err) == 0)
        return 0;
    users_rollback(job->db);
    return -1;
}

static void take(char **to, char **from)
{
    char *old = *to;
    *to = *from;
    *from = old;
}

/* Who has an APOP secret keeps one, of the new password. */
static void take_secrets(const struct user_job *job, struct user *u, struct user *made)
{
    bool apop = job->option.apop || (!job->option.no_apop && *u->apop);
    take(&u->verifier, &made->verifier);
    take(&u->scram1, &made->scram1);
    take(&u->scram256, &made->scram256);
    take(&u->apop, &made->apop);
    if (!apop) {
        secret_free(u->apop);
        u->apop = mem_copy_text("");
    }
}

int user_edit_passwd(struct user_job *job, struct err *err)
{
    struct user u = {0}, made = {0};
    char *password = NULL;
    int ret = find(job, &u, err);
    if (ret == 0)
        ret = (password = user_password_get(job, true, err)) ? secret_make(&made, password, true, err) : -1;
    if (ret == 0)
        ret = find_again(job, &u, err);
    if (ret == 0) {
        take_secrets(job, &u, &made);
        ret = end(job, &u, 0, err);
    }
    if (ret == 0) {
        user_password_tell(job, password);
        warn_password(&u);
    }
    secret_free(password);
    user_free(&made);
    user_free(&u);
    return ret;
}

/* APOP's secret is the password, which the database does not have: it is asked for again, and must be the right one, or
 * the user would have two. */
static int set_apop(struct user_job *job, struct user *u, const char *raw, struct err *err)
{
    bool ok = false;
    char *password = raw ? secret_prepare(span_of(raw)) : NULL;
    int ret = password ? secret_verify(u->verifier, password, raw, &ok, err) : 0;
    if (ret == 0 && password && !ok)
        ret = err_set(err, ERR_AUTH, "that is not the password of %s; nothing was changed", u->name);
    if (ret == 0 && (password || job->option.no_apop)) {
        secret_free(u->apop);
        u->apop = mem_copy_text(password ? password : "");
    }
    secret_free(password);
    return ret;
}

/* Everything but the password. */
static int set_rest(struct user_job *job, struct user *u, struct err *err)
{
    const struct user_options *o = &job->option;
    if (o->store) {
        mem_free(u->where);
        u->where = user_place_fill(o->store, u->name);
    }
    if (o->disable || o->enable)
        u->disabled = o->disable;
    if (o->external || o->no_external)
        u->external = o->external;
    if (o->quota && quota_both_read(o->quota, &u->quota_octets, &u->quota_messages, err))
        return -1;
    if (user_terms_take(o, u, err) || user_place_ids(job, &u->uid, &u->gid, err))
        return -1;
    /* Only what is changed must pass: who was placed when the roots were others can still be disabled. */
    return o->store || o->uid || o->gid ? user_place_check(job, u, err) : 0;
}

int user_edit_set(struct user_job *job, struct err *err)
{
    struct user u = {0};
    char *password = NULL;
    if (job->option.stdin_password && !job->option.apop)
        return err_set(err, ERR_USAGE, "--password-stdin is for --apop; \"bustia user passwd\" sets a password");
    int ret = find(job, &u, err);
    if (ret == 0)
        ret = set_rest(job, &u, err); /* what is wrong is said before anybody is asked for a password */
    if (ret == 0 && job->option.apop)
        ret = (password = user_password_raw(job, false, err)) ? 0 : -1;
    if (ret == 0)
        ret = find_again(job, &u, err);
    if (ret == 0) {
        ret = set_rest(job, &u, err);
        if (ret == 0)
            ret = set_apop(job, &u, password, err);
        ret = end(job, &u, ret, err);
    }
    if (ret == 0 && job->option.apop)
        warn_apop(&u);
    secret_free(password);
    user_free(&u);
    return ret;
}

/* The aliases that the database takes from a user who is deleted. */
struct leads {
    const char *name;
    char **addresses;
    unsigned n;
};

static int keep_alias(void *arg, const char *address, const char *target)
{
    struct leads *l = arg;
    if (strcmp(target, l->name) != 0)
        return 0;
    l->addresses = mem_resize(l->addresses, (l->n + 1) * sizeof *l->addresses);
    l->addresses[l->n++] = mem_copy_text(address);
    return 0;
}

static int del(struct user_job *job, struct leads *l, struct err *err)
{
    if (users_begin(job->db, err))
        return -1;
    if (alias_each(job->db, keep_alias, l, err) == 0 && users_del(job->db, span_of(l->name), err) == 0 &&
        users_commit(job->db, err) == 0)
        return 0;
    users_rollback(job->db);
    return -1;
}

int user_edit_del(struct user_job *job, struct err *err)
{
    struct user u = {0};
    struct leads l = {.name = job->word};
    int ret = find(job, &u, err);
    if (ret == 0)
        ret = del(job, &l, err);
    if (ret == 0)
        printf("user %s is deleted; the mail stays: %s\n", job->word, u.where);
    for (unsigned i = 0; i < l.n; i++) {
        if (ret == 0)
            printf("%s leads to %s no more\n", log_escape(span_of(l.addresses[i])), job->word);
        mem_free(l.addresses[i]);
    }
    mem_free(l.addresses);
    user_free(&u);
    return ret;
}
