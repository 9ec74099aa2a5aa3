/* check_accounts_impl: the parts of the check of accounts. For check/check_accounts*.c alone. */
#ifndef CHECK_CHECK_ACCOUNTS_IMPL_H
#define CHECK_CHECK_ACCOUNTS_IMPL_H

#include "base/accounts.h"

struct check_person {
    const struct accounts *all;
    const struct account *a; /* the one that is looked at */
    const char *conf_file;
    struct conf_problems *p;
    struct conf *conf;                  /* the server's; NULL: not read yet */
    struct conf_problems conf_problems; /* what is wrong with it */
    struct err conf_err;                /* why it cannot be read */
};

/* Adds a problem at the line of `option`, or where the account begins. What was said for all accounts is told once. */
void check_tell(const struct check_person *k, const char *option, bool fatal, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- check_accounts_files.c */
void check_passwords(const struct check_person *k); /* files of passwords, netrc */
void check_person_tls(const struct check_person *k);

/* ---- check_accounts_commands.c */
void check_commands(const struct check_person *k);
void check_command(const struct check_person *k, const char *option, const char *words); /* would sh find it? */

/* ---- check_accounts_deliver.c */
void check_deliver(struct check_person *k);

/* ---- check_accounts_mailbox.c */
void check_mailbox(struct check_person *k, const char *user);
void check_socket(const struct check_person *k, const char *path); /* to which mail is handed */

#endif
