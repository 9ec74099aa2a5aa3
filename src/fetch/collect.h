/* collect: one check of one account, from the connection to QUIT, in a process of its own: the collector has one per
 * account, so that nothing that happens to one ever stops another. */
#ifndef FETCH_COLLECT_H
#define FETCH_COLLECT_H

#include "base/accounts.h"
#include "fetch/event.h"

enum collect_what { COLLECT_FETCH, COLLECT_PLAN, COLLECT_TEST, COLLECT_MARK_SEEN };

struct collect_job {
    const struct account *account;
    const char *state_folder, *conf_file;
    enum collect_what what;
    bool ask;          /* a password may be asked for at the terminal */
    bool by_hand;      /* a person started it: it does not wait for a back-off (but for LOGIN-DELAY it does) */
    bool moved;        /* a person says that it is the same maildrop, though server or user have another name now */
    const char *whole; /* uid of a message to fetch whatever its size, or NULL */
};

/* The result is EVENT_DONE's err, which has been told too. `tell` is called often and must not wait long. What it is
 * too early for (a back-off; LOGIN-DELAY unless by_hand: then ERR_LIMIT) ends well with nothing fetched, and an
 * EVENT_STEP says until when. */
int collect_run(const struct collect_job *job, void (*tell)(void *arg, const struct event *e), void *arg,
                struct err *err);

#endif
