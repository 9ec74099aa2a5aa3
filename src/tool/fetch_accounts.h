/* fetch_accounts: a person's accounts as `bustia fetch` and `bustia status` take them: which are meant, and which are
 * wrong. What is wrong with one is no reason to leave out the others. */
#ifndef TOOL_FETCH_ACCOUNTS_H
#define TOOL_FETCH_ACCOUNTS_H

#include "base/accounts.h"

struct fetch_accounts {
    struct accounts *all;
    struct conf_problems problems;
    char *file;
    unsigned count;
    const struct account *chosen[ACCOUNTS_MAX];
};

/* `file` NULL: where accounts_file says. Chooses those that are named, or without names all that are enabled.
 * ERR_CONFIG: the file cannot be read or is wrong as a whole; ERR_USAGE: there is no such account. Free in any case. */
int fetch_accounts_open(struct fetch_accounts *f, const char *file, char *const names[], unsigned count,
                        struct err *err);
void fetch_accounts_close(struct fetch_accounts *f); /* also one that was taken over, and is empty */

/* What is wrong with an account, and where in the file: an error of kind ERR_CONFIG, or false: nothing that stops it. */
bool fetch_accounts_wrong(const struct fetch_accounts *f, const struct account *a, struct err *err);
int fetch_accounts_width(const struct fetch_accounts *f); /* of the longest name that is chosen */

#endif
