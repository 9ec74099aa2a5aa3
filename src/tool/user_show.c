/* user_show: see the header. */
#include "tool/user_show.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf_value.h"
#include "base/log.h"
#include "base/mem.h"
#include "tool/column.h"
#include "tool/user_place.h"
#include "tool/user_terms.h"
#include "tool/user_when.h"
#include "user/address.h"
#include "user/app_password.h"
#include "user/secret.h"
#include "user/users_login.h"

static const char *yes(const char *text)
{
    return text && *text ? "yes" : "no";
}

/* The last log-in of each, in order of name as the users are. */
struct login {
    char *user, *address;
    int64_t time;
};

struct listing {
    struct login *logins;
    size_t n, at;
    int64_t since; /* only who has not logged in since then; INT64_MAX: all */
    int width;
};

static int keep_login(void *arg, const char *user, int64_t time, const char *address)
{
    struct listing *l = arg;
    if ((l->n & (l->n - 1)) == 0)
        l->logins = mem_resize(l->logins, (l->n ? 2 * l->n : 1) * sizeof *l->logins);
    l->logins[l->n++] = (struct login){mem_copy_text(user), mem_copy_text(address), time};
    return 0;
}

/* Users come in order of name. */
static const struct login *login_of(struct listing *l, const char *user)
{
    static const struct login never = {.address = (char *)(uintptr_t) ""};
    while (l->at < l->n && strcmp(l->logins[l->at].user, user) < 0)
        l->at++;
    return l->at < l->n && strcmp(l->logins[l->at].user, user) == 0 ? &l->logins[l->at] : &never;
}

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) {
        mem_free(l->logins[i].user);
        mem_free(l->logins[i].address);
    }
    mem_free(l->logins);
}

static int widest(void *arg, const struct user *u)
{
    struct listing *l = arg;
    int w = column_width(log_escape(span_of(u->name)));
    l->width = w > l->width ? w : l->width;
    return 0;
}

static int row(void *arg, const struct user *u)
{
    struct listing *l = arg;
    char when[USER_WHEN];
    const struct login *login = login_of(l, u->name);
    if (login->time >= l->since)
        return 0;
    column_print(log_escape(span_of(u->name)), l->width);
    printf(" %10u %10u %-14s %-5s %-4s %-8s %-16s ", u->uid, u->gid, secret_scheme(u->verifier), yes(u->scram256),
           yes(u->apop), u->disabled ? "disabled" : u->no_pop3 ? "POP3 off" : "", user_when(login->time, when));
    printf("%s\n", log_escape(span_of(u->where)));
    return 0;
}

static int list(struct user_job *job, struct listing *l, struct err *err)
{
    if (user_place_open(job, false, err) || users_each(job->db, widest, l, err) ||
        users_login_each(job->db, keep_login, l, err))
        return -1;
    column_print("name", l->width);
    printf(" %10s %10s %-14s %-5s %-4s %-8s %-16s %s\n", "uid", "gid", "password", "SCRAM", "APOP", "", "last log-in", "store");
    return users_each(job->db, row, l, err);
}

int user_show_list(struct user_job *job, struct err *err)
{
    struct listing l = {.width = 4, .since = INT64_MAX};
    uint64_t ms;
    if (job->option.unused) {
        if (!conf_time_read(span_of(job->option.unused), &ms))
            return err_set(err, ERR_USAGE, "--unused: \"%.60s\" is no time; write for instance 90d", job->option.unused);
        l.since = clock_wall().tv_sec - (int64_t)(ms / 1000);
    }
    int ret = list(job, &l, err);
    listing_free(&l);
    return ret;
}

/* ---- one */

static void print_quota(const struct user *u)
{
    printf("quota     ");
    if (u->quota_octets)
        printf("%" PRIu64 " octets%s", u->quota_octets, u->quota_messages ? ", " : "");
    if (u->quota_messages)
        printf("%" PRIu64 " messages", u->quota_messages);
    printf("%s\n", u->quota_octets || u->quota_messages ? "" : "none");
}

static int print_alias(void *arg, const char *address, const char *target)
{
    if (strcmp(target, arg) == 0)
        printf("alias     %s\n", log_escape(span_of(address)));
    return 0;
}

static int count_app(void *arg, const struct app_password *p)
{
    unsigned *n = arg;
    ++*n;
    return 0;
}

static int print_login(struct user_job *job, const char *name, struct err *err)
{
    struct listing l = {0};
    char when[USER_WHEN];
    int ret = users_login_find(job->db, span_of(name), keep_login, &l, err);
    if (ret == 0) {
        const struct login *one = login_of(&l, name);
        printf("last      %s%s%s\n", user_when(one->time, when), one->time ? " UTC from " : "",
               one->time ? log_escape(span_of(one->address)) : "");
    }
    unsigned n = 0;
    if (ret == 0)
        ret = app_password_each(job->db, span_of(name), count_app, &n, err);
    if (ret == 0)
        printf("app       %u app password%s\n", n, n == 1 ? "" : "s");
    listing_free(&l);
    return ret;
}

int user_show_one(struct user_job *job, struct err *err)
{
    struct user u;
    if (user_place_open(job, false, err))
        return -1;
    if (users_find(job->db, span_of(job->word), &u, err))
        return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", log_escape(span_of(job->word))) : -1;
    printf("name      %s\n", log_escape(span_of(u.name)));
    printf("store     %s\n", log_escape(span_of(u.where)));
    printf("uid       %u\ngid       %u\n", u.uid, u.gid);
    printf("password  %s\n", secret_scheme(u.verifier));
    printf("SCRAM     %s\n", *u.scram1 && *u.scram256 ? "SHA-1 SHA-256" : "no");
    printf("APOP      %s\n", *u.apop ? "yes (the password is kept in clear)" : "no");
    printf("EXTERNAL  %s\n", u.external ? "yes (with a certificate that bears this name)" : "no");
    printf("log-in    %s\n", u.disabled ? "disabled" : "enabled");
    user_terms_print(job->conf, &u);
    int found = print_login(job, u.name, err);
    print_quota(&u);
    int ret = found ? -1 : alias_each(job->db, print_alias, u.name, err);
    struct err why;
    if (user_place_check(job, &u, &why))
        printf("fault     %s\n", why.text);
    user_free(&u);
    return ret;
}
