/* fetch_board: what an account's check left behind for the next, and for people: its next time, and whether its owner
 * is to be told of a row of failures. */
#ifndef TOOL_FETCH_BOARD_H
#define TOOL_FETCH_BOARD_H

#include "fetch/seen.h"
#include "tool/fetch_crew.h"

/* What is remembered of an account between its checks, also where its database cannot be read. */
struct fetch_board {
    uint64_t failures; /* in a row */
    bool told;         /* its owner knows of them */
};

/* ms until the next check: what the board says, and where that is past or unreadable the interval, longer with each
 * failure. `state` is the folder; `done`: the check that just ended, NULL: none has. */
uint64_t fetch_board_next(const struct fetch_board *b, const struct account *a, const char *state,
                          const struct event *done);

/* Before a check: what is known of the row of failures. */
void fetch_board_read(struct fetch_board *b, const struct account *a, const char *state);
/* After it: tells the owner once of a row of failures, and once, without an error, that it works again. */
void fetch_board_tell(struct fetch_board *b, const struct account *a, const char *state, const struct event *done,
                      struct crew *crew);

#endif
