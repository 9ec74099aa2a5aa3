/* backoff: when an account is checked next. Pure. */
#ifndef FETCH_BACKOFF_H
#define FETCH_BACKOFF_H

#include <stdint.h>

#include "base/err.h"

/* s since 1970. `interval`: ms between checks; `failures` in a row, the last of kind `kind`; `random`: any number, so that not all come at
 * once. After failures the pause doubles; longest where a password was refused, as a lock-out is worse than late mail. */
int64_t backoff_next(int64_t now, uint64_t interval, uint64_t failures, enum err_kind kind, uint32_t random);

#endif
