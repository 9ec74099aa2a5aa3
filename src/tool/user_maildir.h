/* user_maildir: makes an empty Maildir for a user. */
#ifndef TOOL_USER_MAILDIR_H
#define TOOL_USER_MAILDIR_H

#include <stdint.h>

#include "base/err.h"

enum user_maildir {
    USER_MAILDIR_MADE,
    USER_MAILDIR_THERE, /* as it should be already */
    USER_MAILDIR_LEFT,  /* cannot be made now; err says why: no root directory, no parent, no rights */
    USER_MAILDIR_WRONG  /* something else is in its place, or it is another's; err says what */
};

/* Makes `path` (below the directory `root`) with cur/, new/ and tmp/, mode 0700, owned by uid and gid. Only the last
 * component is made: a parent that is missing may be a disk that is not mounted. Follows no symbolic link below the
 * root. As root, everything inside what may be the user's is done with his ids. */
enum user_maildir user_maildir_make(const char *root, const char *path, uint32_t uid, uint32_t gid, struct err *err);

#endif
