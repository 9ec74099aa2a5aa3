/* err: what went wrong, as a kind for the program and a sentence for a person.
 *
 * A function that can fail returns 0 or -1 and fills a `struct err`. Who detects an error words it; who
 * can decide handles it; nobody between logs it. One table (err.c) says what a kind means outside. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_kind {
    ERR_NONE,
    ERR_TEMP,    /* trouble inside that may pass: [SYS/TEMP] (RFC 3206 §4) */
    ERR_PERM,    /* trouble inside that an administrator must mend: [SYS/PERM] */
    ERR_BUSY,    /* the maildrop is held by another session: [IN-USE] (RFC 2449 §8.1.1) */
    ERR_AUTH,    /* who he says he is was not shown: [AUTH] (RFC 3206 §3) */
    ERR_GONE,    /* the message is not there any more */
    ERR_UNKNOWN, /* a durable change was asked for, and whether it took effect cannot be told */
    ERR_INPUT,   /* what was given is not well formed */
    ERR_LIMIT,   /* a ceiling is reached */
    ERR_CONFIG,  /* the configuration is wrong */
    ERR_USAGE,   /* the command line is wrong */
    ERR_DELAY,   /* the user has logged in a moment ago: [LOGIN-DELAY] (RFC 2449 §8.1.1) */
    ERR_KINDS    /* how many */
};

enum { ERR_TEXT = 240 };

struct err {
    enum err_kind kind;
    char text[ERR_TEXT];
};

/* A row of the table. */
struct err_row {
    enum err_kind kind;
    const char *name;  /* in logs */
    const char *pop3;  /* response code without brackets, or "" */
    const char *smtp;  /* enhanced status code (RFC 3463) */
    int exit_status;   /* sysexits.h */
    int level;         /* syslog's */
};

/* Fills `err` (NULL is allowed) and returns -1, so that a caller can `return err_set(…)`. */
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The row of a kind; kinds out of range (from a message of another process) give ERR_TEMP's. */
const struct err_row *err_row(enum err_kind kind);

#endif
