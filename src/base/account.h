/* account: names of the system's accounts to numbers. A number stands for itself, so that roles need no account in passwd. */
#ifndef BASE_ACCOUNT_H
#define BASE_ACCOUNT_H

#include <stdint.h>

#include "base/err.h"

/* "bustia-door", "990" (its group is the same number) or "990:991". ERR_CONFIG: no such account. */
int account_find(const char *name, uint32_t *uid, uint32_t *gid, struct err *err);
/* "postfix" or "115". ERR_CONFIG: no such group. */
int account_group(const char *name, uint32_t *gid, struct err *err);

#endif
