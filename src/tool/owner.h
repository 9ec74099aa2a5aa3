/* owner: looks into mailboxes by processes that have taken their owners' ids. One process serves all mailboxes of one
 * owner that stand together; it answers with rows of one size. */
#ifndef TOOL_OWNER_H
#define TOOL_OWNER_H

#include "tool/user_state.h"

enum { OWNER_ROW = 4096 }; /* a row is at most so large: it is written whole or not at all */

struct owner_ids {
    uint32_t uid, gid;
};

struct owner_asking {
    struct user_job *job; /* its mail roots are opened for the child */
    size_t row;           /* octets of a row */
    struct owner_ids (*ids)(void *arg, size_t i);
    /* In the child, as the owner: mailbox i. Answers with owner_answer. */
    void (*work)(void *arg, size_t i, int to);
    /* In the parent: a row about mailbox i. true: it is the last one about it. */
    bool (*tell)(void *arg, size_t i, const void *row);
    /* In its place: there will be none. */
    void (*lost)(void *arg, size_t i, const struct err *why);
    void *arg;
};

/* For each of n mailboxes, in order. The database must be closed before. */
void owner_ask(const struct owner_asking *q, size_t n);
/* In the child. Ends it if nobody listens. */
void owner_answer(int to, const void *row, size_t size);

/* In the child: opens the store `where` names, with the reason if its mail root cannot be opened. */
int owner_open(const struct user_job *job, const char *where, enum store_mode mode, struct store **s, struct err *err);

#endif
