/* user_show: see the header. */
#include "tool/user_show.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "tool/column.h"
#include "tool/user_place.h"
#include "tool/user_terms.h"
#include "user/address.h"
#include "user/secret.h"

static const char *yes(const char *text)
{
    return text && *text ? "yes" : "no";
}

static int widest(void *arg, const struct user *u)
{
    int *most = arg, w = column_width(log_escape(span_of(u->name)));
    *most = w > *most ? w : *most;
    return 0;
}

static int row(void *arg, const struct user *u)
{
    column_print(log_escape(span_of(u->name)), *(int *)arg);
    printf(" %10u %10u %-14s %-5s %-4s %-8s ", u->uid, u->gid, secret_scheme(u->verifier), yes(u->scram256),
           yes(u->apop), u->disabled ? "disabled" : "");
    printf("%s\n", log_escape(span_of(u->where)));
    return 0;
}

int user_show_list(struct user_job *job, struct err *err)
{
    int most = 4;
    if (user_place_open(job, false, err) || users_each(job->db, widest, &most, err))
        return -1;
    column_print("name", most);
    printf(" %10s %10s %-14s %-5s %-4s %-8s %s\n", "uid", "gid", "password", "SCRAM", "APOP", "", "store");
    return users_each(job->db, row, &most, err);
}

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
    print_quota(&u);
    int ret = alias_each(job->db, print_alias, u.name, err);
    struct err why;
    if (user_place_check(job, &u, &why))
        printf("fault     %s\n", why.text);
    user_free(&u);
    return ret;
}
