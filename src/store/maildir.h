/* maildir: a Maildir beside other programs, which deliver into it and rename in it at any time. */
#ifndef STORE_MAILDIR_H
#define STORE_MAILDIR_H

#include "store/store.h"

extern const struct store_ops store_maildir;

#endif
