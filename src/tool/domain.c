/* domain: see the header. */
#include "tool/domain.h"

#include <string.h>

#include "base/log.h"
#include "tool/column.h"
#include "tool/sub.h"
#include "tool/user_place.h"
#include "user/address.h"

static enum domain_names names_of(const struct sub_call *call)
{
    return call->flag ? DOMAIN_FULL : DOMAIN_ALL;
}

/* Domains may be set up before there is anybody: makes the database, too. */
static int run_add(struct sub_call *call, struct err *err)
{
    return user_place_open(&call->job, true, err)
               ? -1
               : domain_add(call->job.db, span_of(call->argv[0]), names_of(call), err);
}

static int run_set(struct sub_call *call, struct err *err)
{
    return user_place_open(&call->job, false, err)
               ? -1
               : domain_change(call->job.db, span_of(call->argv[0]), names_of(call), err);
}

struct rest {
    struct span domain;
    unsigned aliases;
};

static int count_aliases(void *arg, const char *address, const char *target)
{
    struct rest *r = arg;
    const char *at = strrchr(address, '@');
    r->aliases += at && span_is_nocase(r->domain, at + 1);
    return 0;
}

static int run_del(struct sub_call *call, struct err *err)
{
    struct rest r = {.domain = span_of(call->argv[0])};
    if (user_place_open(&call->job, false, err) || domain_del(call->job.db, r.domain, err) ||
        alias_each(call->job.db, count_aliases, &r, err))
        return -1;
    if (span_is_nocase(r.domain, call->job.conf->hostname))
        fprintf(stderr, "bustia: note: mail to it is still taken, as it is this server's hostname\n");
    else if (r.aliases)
        fprintf(stderr, "bustia: note: the aliases at it stay (%u), and get no mail; `bustia alias del` removes them\n",
                r.aliases);
    return 0;
}

struct listing {
    const char *hostname;
    int width;
    bool has_hostname;
};

static int widest(void *arg, const char *domain, enum domain_names names)
{
    struct listing *l = arg;
    int w = column_width(log_escape(span_of(domain)));
    l->width = w > l->width ? w : l->width;
    return 0;
}

static int row(void *arg, const char *domain, enum domain_names names)
{
    struct listing *l = arg;
    l->has_hostname |= span_is_nocase(span_of(domain), l->hostname);
    column_print(log_escape(span_of(domain)), l->width);
    printf(" %s\n", names == DOMAIN_FULL ? "users with the whole address as their name" : "all users");
    return 0;
}

static int run_list(struct sub_call *call, struct err *err)
{
    struct listing l = {.hostname = call->job.conf->hostname, .width = column_width(call->job.conf->hostname)};
    if (user_place_open(&call->job, false, err) || domain_each(call->job.db, widest, &l, err) ||
        domain_each(call->job.db, row, &l, err))
        return -1;
    if (!l.has_hostname) {
        column_print(l.hostname, l.width);
        printf(" all users (hostname)\n");
    }
    return 0;
}

/* clang-format off */
static const struct sub_command commands[] = {
    {"add",  "DOMAIN [--full]", "--full", 1, 1, run_add,  "mail to DOMAIN is taken, for its users and aliases"},
    {"set",  "DOMAIN [--full]", "--full", 1, 1, run_set,  "changes whether bare names count there"},
    {"del",  "DOMAIN",          NULL,     1, 1, run_del,  "mail to DOMAIN is refused"},
    {"list", "",                NULL,     0, 0, run_list, "all domains"},
};
/* clang-format on */

int tool_domain(const struct tool *t, int argc, char **argv)
{
    static const struct sub domain = {"domain", commands, sizeof commands / sizeof *commands,
                                      "anna@DOMAIN is the user \"anna@DOMAIN\", or else the user \"anna\"; with --full "
                                      "only the first. The configuration's\n"
                                      "hostname is a domain without being added."};
    return sub_run(&domain, t, argc, argv);
}
