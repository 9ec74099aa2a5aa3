/* loop_call: a call that may block, for base/loop.h and the files behind it. */
#ifndef BASE_LOOP_CALL_H
#define BASE_LOOP_CALL_H

struct loop_call {
    void (*work)(struct loop_call *);
    void (*done)(struct loop_call *);
    void *arg;
    struct loop_call *next; /* the loop's */
};

#endif
