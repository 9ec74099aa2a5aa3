/* dest: the destinations that the contract of post/out.h is tried on, each with a place of its own that is thrown away
 * afterwards. */
#ifndef DEST_H
#define DEST_H

#include <unistd.h>

#include "../store/place.h"
#include "post/out.h"

struct dest_test;

struct dest {
    const char *name;
    bool root;    /* only root can try it */
    bool owner;   /* root tries it as somebody else */
    bool keys;    /* it can be asked */
    bool own_end; /* it keeps what is stored to the octet; else it is given lines */
    void (*make)(struct dest_test *t);
    int (*open)(struct dest_test *t, struct out **o, struct err *err);
    unsigned (*count)(const struct dest_test *t);
    char *(*read)(const struct dest_test *t, unsigned i,
                  size_t *n); /* the i-th that came, as it is there; the caller frees it */
    const char *disk_full;    /* rules for libfault: writing fails */
    void (*clean)(struct dest_test *t);
};

/* A test's *state. */
struct dest_test {
    const struct dest *dest;
    struct place place;
    void *own; /* the destination's */
};

enum { DEST_UID = 12345 }; /* somebody else */

extern const struct dest *const dests[];
extern const unsigned n_dests;
extern const struct dest *dest_current;

int dest_set_up(void **state);
int dest_tear_down(void **state);

/* Opens; fails the test if it fails. */
struct out *dest_open(struct dest_test *t);
/* A draft that was written in pieces of n octets. */
struct out_draft *dest_draft(struct out *o, const struct out_about *about, struct span text, size_t n);
/* Delivered alone; its id may be asked for. */
void dest_deliver(struct out *o, const struct out_about *about, struct span text, char *id);
/* Asserts that the i-th, in lines that end with CRLF, is this text in such lines. */
void dest_expect(const struct dest_test *t, unsigned i, struct span text);
/* Lone LFs become CRLF, and so ends the last line. The caller frees it. */
char *dest_wire(struct span text, size_t *n);

extern const struct dest dest_maildir, dest_mailbox, dest_mailbox_owner, dest_command, dest_lmtp, dest_smtp;

/* Can dest_current be tried? What is tried as somebody else goes on in a process that has become him, until dest_done.
 */
bool dest_may(void);
void dest_done(int *failed);

#define PROMISE(name) cmocka_unit_test_setup_teardown(test_##name, dest_set_up, dest_tear_down)
/* Runs all promises on each destination that can be tried here and of which `such` holds. */
#define DEST_RUN(promises, such)                                                                                       \
    int failed = 0;                                                                                                    \
    for (unsigned i = 0; i < n_dests; i++) {                                                                           \
        dest_current = dests[i];                                                                                       \
        if ((such) && dest_may())                                                                                      \
            failed += cmocka_run_group_tests_name(dest_current->name, promises, NULL, NULL);                           \
        dest_done(&failed);                                                                                            \
    }                                                                                                                  \
    return failed;

#endif
