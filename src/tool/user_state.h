/* user_state: what the parts of `bustia user` share: the command line taken apart, the database, the mail roots. */
#ifndef TOOL_USER_STATE_H
#define TOOL_USER_STATE_H

#include "base/conf.h"
#include "store/store.h"
#include "user/users.h"

struct user_options {
    bool stdin_password, generate;
    bool apop, no_apop;
    bool disable, enable;
    bool external, no_external;
    bool maildir, no_maildir;
    bool replace, keep_going;
    const char *store, *uid, *gid, *quota, *pop3, *login_delay, *expire, *unused;
};

struct user_job {
    const struct conf *conf;
    struct user_options option;
    const char *word; /* the user's name, or the file of an import; "" = none */
    struct users *db;
    struct store_root roots[CONF_ROOTS]; /* paths only, no descriptors */
};

#endif
