/* quota_box: see the header. */
#include "tool/quota_box.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/open.h"
#include "post/ids.h"

struct asking {
    const struct user_job *job;
    const struct quota_person *people; /* of one owner */
    size_t n;
    bool afresh;
};

/* ---- the child */

static int look(const struct asking *q, const struct quota_person *p, struct quota_answer *a)
{
    struct store *s;
    unsigned root;
    if (store_where_check(q->job->roots, q->job->conf->mail_roots, p->where, &root, &a->err))
        return -1;
    if (q->job->roots[root].fd < 0)
        return err_set(&a->err, ERR_TEMP, "mail_root %s cannot be opened", q->job->roots[root].path);
    if (store_open(&s, q->job->roots, q->job->conf->mail_roots, p->where, STORE_DELIVER, &a->err))
        return -1;
    int ret = s->ops->used ? s->ops->used(s, q->afresh, &a->used, &a->err)
                           : err_set(&a->err, ERR_CONFIG, "such a store keeps no account of what is used");
    s->ops->close(s);
    return ret;
}

static void be_owner(const struct asking *q, int to)
{
    ids_take(q->people->uid, q->people->gid);
    for (size_t i = 0; i < q->n; i++) {
        struct quota_answer a = {.err = {.kind = ERR_NONE}};
        look(q, &q->people[i], &a);
        if (write(to, &a, sizeof a) != sizeof a) /* shorter than PIPE_BUF: whole, or not at all */
            _exit(1);
    }
    _exit(0);
}

/* ---- the parent */

static int receive(int from, struct quota_answer *a)
{
    ssize_t got;
    do
        got = read(from, a, sizeof *a);
    while (got < 0 && errno == EINTR);
    return got == sizeof *a ? 0 : -1;
}

static pid_t start(const struct asking *q, int *from, struct err *err)
{
    const struct quota_person *p = q->people;
    int ends[2];
    if (p->uid == 0 || p->gid == 0 || p->uid < q->job->conf->first_uid)
        return err_set(err, ERR_PERM, "uid %u, gid %u: no mailbox is opened for root or a uid below first_uid", p->uid,
                       p->gid);
    if (!ids_may(p->uid))
        return err_set(err, ERR_AUTH, "only root and uid %u may look into it", p->uid);
    if (pipe2(ends, O_CLOEXEC))
        return err_set(err, ERR_TEMP, "pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_owner(q, ends[1]);
    }
    close(ends[1]);
    *from = ends[0];
    if (pid > 0)
        return pid;
    close(ends[0]);
    return err_set(err, ERR_TEMP, "fork: %s", strerror(errno));
}

static void ask_owner(const struct asking *q, size_t first,
                      void (*tell)(void *arg, size_t i, const struct quota_answer *a), void *arg)
{
    int from = -1;
    struct quota_answer a = {.err = {.kind = ERR_NONE}};
    pid_t pid = start(q, &from, &a.err);
    for (size_t i = 0; i < q->n; i++) {
        if (pid > 0 && receive(from, &a)) {
            a = (struct quota_answer){0};
            err_set(&a.err, ERR_TEMP, "the process that looks into it has ended");
        }
        tell(arg, first + i, &a);
    }
    if (from >= 0)
        close(from);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static bool same_owner(const struct quota_person *a, const struct quota_person *b)
{
    return a->uid == b->uid && a->gid == b->gid;
}

void quota_box_ask(struct user_job *job, const struct quota_person *people, size_t n, bool afresh,
                   void (*tell)(void *arg, size_t i, const struct quota_answer *a), void *arg)
{
    for (unsigned i = 0; i < job->conf->mail_roots; i++)
        job->roots[i].fd = open(job->roots[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same_owner(&people[i], &people[end]);)
            end++;
        struct asking q = {job, people + i, end - i, afresh};
        ask_owner(&q, i, tell, arg);
    }
    for (unsigned i = 0; i < job->conf->mail_roots; i++)
        if (job->roots[i].fd >= 0)
            close(job->roots[i].fd);
}
