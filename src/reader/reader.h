/* reader: what every command of `bustia-reader` is given, and how it tells of trouble. */
#ifndef READER_READER_H
#define READER_READER_H

#include "base/accounts.h"
#include "reader/options.h"
#include "reader/source.h"

struct reader {
    struct accounts *accounts; /* NULL: not read so far */
    const char *file;          /* -a: of accounts; NULL: the usual one */
    const char *folder, *subject, *reply, *from;
    struct option_texts to, cc, bcc, attach, only;
    /* each command says which it knows */
    bool collected; /* what was collected for the account, not its server */
    bool all, uids, raw, html, yes, draft;
};

/* argv: the words behind the command's, without options; argv[0] is the account's (or maildir:PATH). */
typedef int reader_fn(struct reader *r, int argc, char **argv, struct err *err);

/* The account of that name, from the file of accounts, which is read for it. ERR_CONFIG; ERR_USAGE: there is none. */
int reader_account(struct reader *r, const char *name, const struct account **a, struct err *err);
/* What a word names: an account's server, with --collected what was collected for it, or maildir:PATH. Connects. */
int reader_source(struct reader *r, const char *word, struct source **s, struct err *err);

/* Which message a word means: a number of the list, or a uid ("uid:TEXT" where it could be taken for a number). */
int reader_pick(const struct source *s, const char *word, unsigned *msg, struct err *err);

/* A line to standard error, cleaned. */
void reader_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "bustia: TEXT", and the exit status of the error's kind. */
int reader_fail(const struct err *err);
void reader_end(struct reader *r);

#endif
