/* quarantine: STATE_FOLDER/quarantine/ACCOUNT/DIGEST.eml, a message's octets as they came, and DIGEST.reason, why nobody took it. */
#ifndef FETCH_QUARANTINE_H
#define FETCH_QUARANTINE_H

#include "base/err.h"

/* Keeps what `fd` holds from its beginning on, durably; `name`: the digest in hexadecimal. Once more is as once. `path` (PATH_MAX): where
 * it is now. -1: ERR_TEMP; then nothing is there that could be taken for it. */
int quarantine_keep(const char *state_folder, const char *account, const char *name, int fd, const char *reason, char *path,
                    struct err *err);

#endif
