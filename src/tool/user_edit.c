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
    warn_apop(&u);
    ret = 0;
out:
    secret_free(password);
    user_free(&u);
    return ret;
}

int user_edit_passwd(struct user_job *job, struct err *err)
{
    struct user u = {0};
    char *password = NULL;
    int ret = find(job, &u, err);
    if (ret == 0) {
        /* Who has an APOP secret keeps one, of the new password. */
        bool apop = job->option.apop || (!job->option.no_apop && *u.apop);
        password = user_password_get(job, true, err);
        ret = password && secret_make(&u, password, apop, err) == 0 ? users_change(job->db, &u, err) : -1;
    }
    if (ret == 0) {
        user_password_tell(job, password);
        warn_apop(&u);
    }
    secret_free(password);
    user_free(&u);
    return ret;
}

/* APOP's secret is the password, which the database does not have: it is asked for again, and must be the right one, or
 * the user would have two. */
static int set_apop(struct user_job *job, struct user *u, struct err *err)
{
    bool ok = false;
    if (job->option.no_apop) {
        secret_free(u->apop);
        u->apop = mem_copy_text("");
    }
    if (!job->option.apop)
        return 0;
    char *password = user_password_get(job, false, err);
    int ret = password ? secret_verify(u->verifier, password, password, &ok, err) : -1;
    if (ret == 0 && !ok)
        ret = err_set(err, ERR_AUTH, "that is not the password of %s; nothing was changed", u->name);
    if (ret) {
        secret_free(password);
        return -1;
    }
    secret_free(u->apop);
    u->apop = password;
    return 0;
}

int user_edit_set(struct user_job *job, struct err *err)
{
    struct user u = {0};
    int ret = find(job, &u, err);
    if (ret == 0 && job->option.store) {
        mem_free(u.where);
        u.where = user_place_fill(job->option.store, u.name);
    }
    if (ret == 0 && (job->option.disable || job->option.enable))
        u.disabled = job->option.disable;
    if (ret == 0 && (job->option.external || job->option.no_external))
        u.external = job->option.external;
    if (ret == 0 && job->option.quota)
        ret = quota_both_read(job->option.quota, &u.quota_octets, &u.quota_messages, err);
    if (ret == 0)
        ret = user_terms_take(&job->option, &u, err);
    if (ret == 0)
        ret = user_place_ids(job, &u.uid, &u.gid, err);
    /* Only what is changed must pass: who was placed when the roots were others can still be disabled. */
    if (ret == 0 && (job->option.store || job->option.uid || job->option.gid))
        ret = user_place_check(job, &u, err);
    if (ret == 0)
        ret = set_apop(job, &u, err);
    if (ret == 0)
        ret = users_change(job->db, &u, err);
    if (ret == 0 && job->option.apop)
        warn_apop(&u);
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
