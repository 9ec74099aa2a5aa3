/* accounts_impl: between the files of accounts. */
#ifndef BASE_ACCOUNTS_IMPL_H
#define BASE_ACCOUNTS_IMPL_H

#include "base/accounts.h"
#include "base/conf_table.h"

extern const struct conf_kind ACCOUNT_KIND_NAME, ACCOUNT_KIND_SERVER, ACCOUNT_KIND_PATH, ACCOUNT_KIND_FINGERPRINT,
    ACCOUNT_KIND_ADDRESS, ACCOUNT_KIND_DELETE, ACCOUNT_KIND_DELIVER;

/* What is wrong with a value that begins with a quote. */
extern const char account_quoted[];

/* accounts_fit: what does not fit together. A row of `wrong` per account: options whose values were refused, about which there is
 * nothing more to say. */
typedef bool accounts_wrong[CONF_OPTIONS];
void accounts_fit(const struct accounts *a, const accounts_wrong *wrong, struct conf_problems *p);

#endif
