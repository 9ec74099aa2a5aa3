/* loop_call: a call that may block, for base/loop.h and the files behind it. */
#ifndef BASE_LOOP_CALL_H
#define BASE_LOOP_CALL_H

#include <stdbool.h>

struct loop_call {
    void (*work)(struct loop_call *);
    void (*done)(struct loop_call *);
    void *arg;
    struct loop_call *next; /* the loop's */
    bool hasty; /* where a call that is done asks for this one: it may run before descriptors have their turn, for a moment */
    bool slow;  /* it waits for a disk to sync, for one: another thread takes the loop over at once, not when it has lasted */
};

#endif
