/* mail_to: see the header. */
#include "tool/mail_to.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool/user_place.h"

static int as_root(struct mail_out **o, const struct conf *c, const char *name, struct err *err)
{
    struct user_job job = {.word = name};
    struct user u = {0};
    user_place_begin(&job, c);
    int result = user_place_open(&job, false, err);
    if (result == 0)
        result = users_find(job.db, span_of(name), &u, err);
    users_close(job.db); /* the child has nothing of it */
    if (result < 0)
        return -1;
    if (u.disabled)
        result = err_set(err, ERR_PERM, "%s is disabled", name);
    else if (user_place_check(&job, &u, err) < 0)
        result = -1;
    else
        result = mail_out_store(o, c, &u, err);
    user_free(&u);
    return result;
}

int mail_to_open(struct mail_out **o, const struct conf *c, const char *user, const char *sender, bool *keys,
                 struct err *err)
{
    bool root = geteuid() == 0;
    if (keys)
        *keys = root;
    return root ? as_root(o, c, user, err) : mail_out_lmtp(o, c, user, sender, err);
}

int mail_to_status(const struct err *err)
{
    switch (err->kind) {
    case ERR_NONE:
        return EX_OK;
    case ERR_GONE:
        return EX_NOUSER;
    case ERR_PERM:
    case ERR_LIMIT:
        return EX_UNAVAILABLE;
    case ERR_INPUT:
        return EX_DATAERR;
    case ERR_USAGE:
        return EX_USAGE;
    case ERR_CONFIG:
        return EX_CONFIG;
    case ERR_TEMP:
    case ERR_BUSY:
    case ERR_AUTH:
    case ERR_UNKNOWN:
    case ERR_KINDS:
        break;
    }
    return EX_TEMPFAIL;
}
