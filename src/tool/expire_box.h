/* expire_box: what is over its age in mailboxes, and its removal, each by a process that has taken the owner's ids. */
#ifndef TOOL_EXPIRE_BOX_H
#define TOOL_EXPIRE_BOX_H

#include "base/clock_guard.h"
#include "tool/user_state.h"

struct expire_person {
    char *name, *where;
    uint32_t uid, gid;
    uint32_t days; /* 1 or more */
};

enum expire_kind {
    EXPIRE_WILL, /* of a plan: `messages` are to go at `due` */
    EXPIRE_DONE  /* the last word about a mailbox */
};

struct expire_row {
    enum expire_kind kind;
    int64_t due; /* s since 1970 */
    uint64_t messages;   /* that there were, to begin with */
    uint64_t removed;    /* for good */
    struct err err;      /* why not all that was over its age; ERR_BUSY: a session has it */
    struct err unkept;   /* why the record of ages could not be written */
};

struct expire_how {
    bool plan;               /* changes nothing */
    bool only_record;        /* there is nothing to compare the clock with: nothing is removed */
    struct clock_mark began; /* the clock when it was believed */
};

/* Calls tell_person for each in order: WILLs by time, then DONE. The database must be closed before. */
void expire_box_run(struct user_job *job, const struct expire_person *people, size_t n, const struct expire_how *how,
                    void (*tell_person)(void *arg, size_t i, const struct expire_row *row), void *arg);

#endif
