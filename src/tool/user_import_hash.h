/* user_import_hash: the dear part of an import: a hash and SCRAM keys for each password in clear, on all CPUs. */
#ifndef TOOL_USER_IMPORT_HASH_H
#define TOOL_USER_IMPORT_HASH_H

#include "user/users.h"

struct user_import_entry {
    struct user user;
    char *password; /* prepared, in clear; NULL: user.verifier stays as it is */
    unsigned line;
    bool exists, skip;
    bool locked; /* by the file: no password of his own lets him in */
    bool has_store, has_uid, has_gid; /* by the file or an option; else who is there keeps his own */
    bool hashed; /* from a password in clear */
    struct err failed; /* of hashing */
};

/* Hashes for all that have a password and are not to be skipped; wipes it. Never fails: e->failed says what did. */
void user_import_hash(struct user_import_entry *entries, size_t n);

#endif
