/* control: what `bustia` and the daemon's control role say to each other, over the unix stream socket run_dir/control.sock.
 *
 * One request, then rows until one that is DONE or ERROR, then the end. Every message has a fixed size, so that neither side
 * counts bytes that the other names; whoever reads one asks control_*_ok before he looks into it. */
#ifndef BASE_CONTROL_H
#define BASE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CONTROL_SOCKET "control.sock" /* below run_dir */

enum { CONTROL_VERSION = 2, CONTROL_USER = 252, CONTROL_ADDRESS = 64, CONTROL_TEXT = 160, CONTROL_SECRET = 512, CONTROL_METHOD = 32 };

enum control_what {
    CONTROL_WHO = 1, /* every session: a ROW each, then DONE with count = how many */
    CONTROL_KICK,    /* ends the sessions of `user`: DONE with count = how many were told to end */
    CONTROL_TEST,    /* would this password let `user` in? ROWs that say what keeps him out, and what else is of note; then DONE
                        with count = how many keep him out */
    CONTROL_ERRORS   /* the last errors and warnings of all roles: ROWs, then DONE with count = how many did not answer */
};

struct control_request {
    uint32_t version; /* CONTROL_VERSION */
    uint32_t what;    /* enum control_what */
    char user[CONTROL_USER]; /* NUL-terminated, zeroes after it; "" for WHO and ERRORS */
    char secret[CONTROL_SECRET], address[CONTROL_ADDRESS], method[CONTROL_METHOD]; /* of TEST, the same way; else "" */
};

enum control_kind { CONTROL_ROW = 1, CONTROL_DONE, CONTROL_ERROR };

struct control_row {
    uint32_t version;        /* CONTROL_VERSION */
    uint32_t kind;           /* enum control_kind */
    uint64_t started_ms_ago; /* since the log-in */
    uint64_t read, deleted;  /* messages so far; what is not known yet is 0 */
    char user[CONTROL_USER]; /* these three NUL-terminated, zeroes after it */
    char address[CONTROL_ADDRESS];
    char text[CONTROL_TEXT]; /* ERROR, and a ROW of TEST: a sentence for a person; else "" */
    uint32_t uid;            /* the mailbox's */
    uint32_t tls;            /* 1: the client's connection is encrypted */
    uint32_t count;          /* DONE: how many; ERROR: enum err_kind; ROW: 1: it waits for its maildrop, which another has */
};
/* A ROW of ERRORS is a piece of a line: user: the role; text; read: s since 1970; deleted: enum log_level; uid: the process;
 * count: 1: the next row goes on with it, else 0. */

/* Version and kind known, every text ended inside its room, nothing behind the end, WHO and ERRORS without and the others with a user. */
bool control_request_ok(const struct control_request *q);
bool control_row_ok(const struct control_row *r);

/* Zeroes, then fills. Text that does not fit: false for a user (nothing may be cut from a name), cut elsewhere. */
bool control_request_make(struct control_request *q, enum control_what what, const char *user);
void control_row_make(struct control_row *r, enum control_kind kind);
void control_row_error(struct control_row *r, const struct err *e);

#endif
