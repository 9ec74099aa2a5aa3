/* master_may_start: the last word on whose mail is opened, whatever auth says. Runs as root. */
#include <unistd.h>

#include "daemon/master.h"
#include "store/open.h"

int master_may_start(const struct conf *c, uint32_t uid, uint32_t gid, const char *where, struct err *err)
{
    struct store_root roots[CONF_ROOTS];
    /* The highest number is setresuid's and setresgid's "leave it as it is": root. */
    if (uid == 0 || gid == 0 || uid == UINT32_MAX || gid == UINT32_MAX || uid < c->first_uid)
        return err_set(err, ERR_PERM, "no mailbox is opened for uid %u, gid %u (first_uid = %llu)", uid, gid,
                       (unsigned long long)c->first_uid);
    if (geteuid() != 0 && uid != geteuid())
        return err_set(err, ERR_PERM, "without root only the mail of uid %u can be served, not uid %u", geteuid(), uid);
    for (unsigned i = 0; i < c->mail_roots; i++)
        roots[i] = (struct store_root){c->mail_root[i], -1, c->allow_memory_store};
    return store_where_check(roots, c->mail_roots, where, NULL, err);
}
