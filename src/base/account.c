/* account: see the header. The master and the tool; before any jail. */
#include "base/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/span.h"

static bool id_of(struct span s, uint32_t *id)
{
    uint64_t n;
    if (!span_number(s, &n) || n >= UINT32_MAX)
        return false;
    *id = (uint32_t)n;
    return true;
}

int account_find(const char *name, uint32_t *uid, uint32_t *gid, struct err *err)
{
    struct span rest = span_of(name);
    struct span first = span_cut(&rest, ':');
    if (id_of(first, uid)) {
        if (rest.p ? id_of(rest, gid) : id_of(first, gid))
            return 0;
        return err_set(err, ERR_CONFIG, "\"%s\" is not UID:GID", name);
    }
    errno = 0;
    const struct passwd *p = getpwnam(name);
    if (!p)
        return err_set(err, ERR_CONFIG, "there is no account \"%s\"%s%s", name, errno ? ": " : "", errno ? strerror(errno) : "");
    *uid = p->pw_uid;
    *gid = p->pw_gid;
    return 0;
}

int account_group(const char *name, uint32_t *gid, struct err *err)
{
    if (id_of(span_of(name), gid))
        return 0;
    errno = 0;
    const struct group *g = getgrnam(name);
    if (!g)
        return err_set(err, ERR_CONFIG, "there is no group \"%s\"%s%s", name, errno ? ": " : "", errno ? strerror(errno) : "");
    *gid = g->gr_gid;
    return 0;
}
