/* fetch_watched: accounts that are checked again and again, side by side, each by a time of its own. */
#ifndef TOOL_FETCH_WATCHED_H
#define TOOL_FETCH_WATCHED_H

#include "base/loop.h"
#include "tool/fetch_accounts.h"
#include "tool/fetch_show.h"

struct watched_all;

struct watched_rules {
    struct loop *loop; /* SIGCHLD of it is taken */
    struct fetch_show *show;
    const char *conf_file;
    void (*changed)(void *arg); /* a check has begun or ended */
    void (*ended)(void *arg);   /* after watched_end: nothing is at work any more */
    void *arg;
};

struct watched_all *watched_new(const struct watched_rules *rules);
void watched_free(struct watched_all *w); /* nothing is at work any more */

/* What the accounts file says now; taken over, `f` is left empty. New accounts are begun with, those that are gone or
 * wrong are left out. A check that is at work ends by what it began with. */
void watched_take(struct watched_all *w, struct fetch_accounts *f);
void watched_check_now(struct watched_all *w);
void watched_end(struct watched_all *w); /* ends what is at work; `ended` may be called at once */

struct watched_counts {
    unsigned accounts, at_work, failing;
};
struct watched_counts watched_count(const struct watched_all *w);

#endif
