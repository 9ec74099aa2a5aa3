/* owner: see the header. */
#include "tool/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/whole.h"
#include "post/ids.h"
#include "store/open.h"

/* ---- the child */

void owner_answer(int to, const void *row, size_t size)
{
    if (write(to, row, size) != (ssize_t)size) /* shorter than PIPE_BUF: whole, or not at all */
        _exit(1);
}

int owner_open(const struct user_job *job, const char *where, enum store_mode mode, struct store **s, struct err *err)
{
    unsigned root;
    if (store_where_check(job->roots, job->conf->mail_roots, where, &root, err))
        return -1;
    if (job->roots[root].fd < 0)
        return err_set(err, ERR_TEMP, "mail_root %s cannot be opened", job->roots[root].path);
    return store_open(s, job->roots, job->conf->mail_roots, where, mode, err);
}

static void be_owner(const struct owner_asking *q, size_t first, size_t end, struct owner_ids ids, int to)
{
    ids_take(ids.uid, ids.gid);
    for (size_t i = first; i < end; i++)
        q->work(q->arg, i, to);
    _exit(0);
}

/* ---- the parent */

static pid_t start(const struct owner_asking *q, size_t first, size_t end, int *from, struct err *err)
{
    struct owner_ids ids = q->ids(q->arg, first);
    int ends[2];
    if (ids.uid == 0 || ids.gid == 0 || ids.uid < q->job->conf->first_uid)
        return err_set(err, ERR_PERM, "uid %u, gid %u: no mailbox is opened for root or a uid below first_uid", ids.uid,
                       ids.gid);
    if (!ids_may(ids.uid))
        return err_set(err, ERR_AUTH, "only root and uid %u may look into it", ids.uid);
    if (pipe2(ends, O_CLOEXEC))
        return err_set(err, ERR_TEMP, "pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_owner(q, first, end, ids, ends[1]);
    }
    close(ends[1]);
    *from = ends[0];
    if (pid > 0)
        return pid;
    close(ends[0]);
    *from = -1;
    return err_set(err, ERR_TEMP, "fork: %s", strerror(errno));
}

static void ask_owner(const struct owner_asking *q, size_t first, size_t end)
{
    _Alignas(max_align_t) char row[OWNER_ROW];
    int from = -1;
    struct err err = {.kind = ERR_NONE};
    pid_t pid = start(q, first, end, &from, &err);
    for (size_t i = first; i < end; i++) {
        bool last = false;
        while (pid > 0 && !last) {
            if (whole_read(from, row, q->row) < 0) {
                err_set(&err, ERR_TEMP, "the process that looks into it has ended");
                break;
            }
            last = q->tell(q->arg, i, row);
        }
        if (!last)
            q->lost(q->arg, i, &err);
    }
    if (from >= 0)
        close(from);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static bool same_owner(struct owner_ids a, struct owner_ids b)
{
    return a.uid == b.uid && a.gid == b.gid;
}

void owner_ask(const struct owner_asking *q, size_t n)
{
    struct user_job *job = q->job;
    for (unsigned i = 0; i < job->conf->mail_roots; i++)
        job->roots[i].fd = open(job->roots[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same_owner(q->ids(q->arg, i), q->ids(q->arg, end));)
            end++;
        ask_owner(q, i, end);
    }
    for (unsigned i = 0; i < job->conf->mail_roots; i++)
        if (job->roots[i].fd >= 0)
            close(job->roots[i].fd);
}
