/* master_may_start: the last word on whose mail is opened, whatever auth says. Runs as root. */
#include <unistd.h>

#include "base/account.h"
#include "daemon/master.h"
#include "store/open.h"

/* A mail process that ran as a role could open what is that role's: the users' database. The account is looked up each time, as it
 * is when the role is started; whom it belongs to when it cannot be found, nobody knows. */
static int check_role(const char *option, const char *account, uint32_t uid, uint32_t gid, struct err *err)
{
    uint32_t role_uid, role_gid;
    struct err why;
    if (account_find(account, &role_uid, &role_gid, &why) < 0)
        return err_set(err, ERR_TEMP, "%s: %s", option, why.text);
    if (uid != role_uid && gid != role_gid)
        return 0;
    return err_set(err, ERR_PERM, "no mailbox is opened for uid %u, gid %u: %s has the same %s", uid, gid, option,
                   uid == role_uid ? "uid" : "gid");
}

/* Without root there is one user only, whom the roles too run as. */
static int check_accounts(const struct conf *c, uint32_t uid, uint32_t gid, struct err *err)
{
    if (geteuid() != 0 && uid != geteuid())
        return err_set(err, ERR_PERM, "without root only the mail of uid %u can be served, not uid %u", geteuid(), uid);
    if (geteuid() != 0)
        return 0;
    if (check_role("door_user", c->door_user, uid, gid, err) < 0 || check_role("auth_user", c->auth_user, uid, gid, err) < 0)
        return -1;
    if (check_role("control_user", c->control_user, uid, gid, err) < 0)
        return -1;
    return *c->metrics_listen ? check_role("metrics_user", c->metrics_user, uid, gid, err) : 0;
}

int master_may_start(const struct conf *c, uint32_t uid, uint32_t gid, const char *where, struct err *err)
{
    struct store_root roots[CONF_ROOTS];
    /* The highest number is setresuid's and setresgid's "leave it as it is": root. */
    if (uid == 0 || gid == 0 || uid == UINT32_MAX || gid == UINT32_MAX || uid < c->first_uid)
        return err_set(err, ERR_PERM, "no mailbox is opened for uid %u, gid %u (first_uid = %llu)", uid, gid,
                       (unsigned long long)c->first_uid);
    if (check_accounts(c, uid, gid, err) < 0)
        return -1;
    for (unsigned i = 0; i < c->mail_roots; i++)
        roots[i] = (struct store_root){c->mail_root[i], -1, c->allow_memory_store};
    return store_where_check(roots, c->mail_roots, where, NULL, err);
}
