/* quota_box: how full mailboxes are. Each is opened by a process that has taken its owner's ids; one process serves all
 * mailboxes of one owner that stand together. */
#ifndef TOOL_QUOTA_BOX_H
#define TOOL_QUOTA_BOX_H

#include "tool/user_state.h"

struct quota_person {
    char *name, *where;
    uint32_t uid, gid;
    uint64_t octets, messages; /* the quota */
};

struct quota_answer {
    struct store_used used;
    struct err err; /* ERR_NONE: it is known */
};

/* Calls tell_person for each person in order. afresh: counts one by one; else from the mailbox's own record where there is
 * one. The database must be closed before. */
void quota_box_ask(struct user_job *job, const struct quota_person *people, size_t n, bool afresh,
                   void (*tell_person)(void *arg, size_t i, const struct quota_answer *a), void *arg);

#endif
