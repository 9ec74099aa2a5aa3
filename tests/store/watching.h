/* watching: a large maildrop to which messages come between two sessions, beside a kernel that may do what a test asks
 * of it. For the tests of maildir_watch. */
#ifndef WATCHING_H
#define WATCHING_H

#include <sys/types.h>

#include "place.h"
#include "store/maildir_watch.h"

enum { MANY = MAILDIR_WATCH_LEAST, TEXT = 1 << 20 };

/* ---- the kernel, as it may be */

extern struct kernel {
    unsigned readings; /* of names: one entry alone is read to pass a lock */
    int no_group;      /* errno */
    int no_mark[2];    /* that of FAN_MARK_ADD, of FAN_MARK_REMOVE */
    bool other_handles;
    unsigned marks;                               /* that were added since the last flush */
    bool junk;                                    /* in the queue: once */
    void (*after_reading)(const struct place *p); /* the queue: once */
    void (*before_mark)(const struct place *p);   /* is set: once */
    const struct place *changes_in;
} kernel;

enum { SKIPPED = 77 }; /* for meson */

/* Of what comes to a directory below TMPDIR. If it does not, it is said why. */
bool kernel_tells(void);
/* These in memory too, where another file system stamps and names directories: how many failed. */
int in_memory(const struct CMUnitTest *tests, size_t n);
/* What main returns. */
int verdict(int failed, bool told);

/* The marks of this process, as the kernel counts them. */
unsigned kernel_marks(void);

/* ---- a maildrop */

extern unsigned next_time; /* in the name of the next message */

void settle(void); /* stamps are older than what comes now: a session does not wait for the tick */
void put(const struct place *p, const char *dir, const char *text);
/* Large, and watched: its second session sets the marks. */
void fill(const struct place *p);
/* Two more beside it. */
void make_three(const struct place *p, struct place each[3]);

/* ---- sessions */

enum way { HEARD, READ, EITHER };
/* One that must hear what is there; with `bodies` it asks for the last three messages, too. */
void session(const struct place *p, enum way way, bool bodies);

/* For cmocka: a Maildir as the state of a test, of four that may be watched. */
int watching_set_up(void **state);
int watching_tear_down(void **state);
#define WATCHED(name) cmocka_unit_test_setup_teardown(test_##name, watching_set_up, watching_tear_down)

#endif
