/* mail_granted: what Landlock is to leave to a mail process. Before it seals itself, and as root where the server is root's: nothing is
 * read here, and what is made is made with the mailbox's own ids. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/log.h"
#include "daemon/mail_state.h"
#include "store/open.h"

static int become(const struct start *s, struct err *err)
{
    if (!s->root)
        return 0;
    /* The highest number is setresuid's and setresgid's "leave it as it is": root. */
    if (s->uid == 0 || s->gid == 0 || s->uid == UINT32_MAX || s->gid == UINT32_MAX || s->uid < s->conf.first_uid)
        return err_set(err, ERR_PERM, "uid %u gid %u is nobody's mailbox", s->uid, s->gid);
    if (setgroups(0, NULL) < 0 || setegid(s->gid) < 0 || seteuid(s->uid) < 0)
        return err_set(err, ERR_PERM, "becoming uid %u, gid %u: %s", s->uid, s->gid, strerror(errno));
    return 0;
}

static void come_back(const struct start *s)
{
    if (s->root && (seteuid(0) < 0 || setegid(0) < 0))
        exit(EX_OSERR); /* nothing that follows would be right */
}

/* Behind the walls a process that has nothing but its maildrop could not make it. The store decides, as at a log-in, whether it may
 * be made, and it is durable then. */
static void make(const struct mail *m)
{
    struct err err;
    struct store *store = NULL;
    int made = become(&m->start, &err);
    if (made == 0)
        made = store_open(&store, m->roots, m->n_roots, m->single, STORE_DELIVER, &err);
    come_back(&m->start);
    if (store)
        store->ops->close(store);
    if (made < 0)
        log_error("start", "%s", err.text);
}

static int open_single(const struct mail *m)
{
    unsigned root;
    struct err err;
    if (store_where_check(m->roots, m->n_roots, m->single, &root, &err) < 0) {
        log_error("start", "%s", err.text);
        exit(EX_CONFIG);
    }
    const char *below = strchr(m->single, ':') + 1 + strlen(m->roots[root].path) + 1;
    return beneath_open(m->roots[root].fd, below, O_PATH | O_DIRECTORY, 0);
}

unsigned mail_granted(const struct mail *m, struct jail_path paths[CONF_ROOTS])
{
    for (unsigned i = 0; i < m->n_roots; i++)
        paths[i] = (struct jail_path){m->roots[i].fd, JAIL_MAILDROPS};
    if (!m->single)
        return m->n_roots;
    int fd = open_single(m);
    if (fd < 0 && errno == ENOENT) {
        make(m);
        fd = open_single(m);
    }
    if (fd < 0) /* answered at each log-in; nothing is granted */
        return 0;
    paths[0] = (struct jail_path){fd, JAIL_MAILDROPS};
    return 1;
}
