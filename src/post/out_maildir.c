/* out_maildir: see the header. A key is looked for among the names of all messages in new/ and cur/, whatever flags
 * they bear by now; a message that was moved out of both, or deleted, comes again. */
#include "post/out_maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/maildir.h"

enum { TOGETHER = 64 };

struct maildir {
    struct out out;
    struct store_root root; /* the parent folder */
    char *parent;
    struct store *store;
};

struct out_draft {
    struct maildir *maildir;
    struct store_draft *draft;
    char uid[STORE_UID];
};

/* ---- drafts */

static int begin(struct out *o, const struct out_about *about, struct out_draft **out, struct err *err)
{
    struct maildir *m = (struct maildir *)o;
    struct out_draft *d = mem_alloc(sizeof *d);
    struct store_about how = {.key = about->key, .wire = about->wire, .time = about->time, .uid = d->uid, .had = about->had};
    d->maildir = m;
    if (m->store->ops->begin(m->store, &how, &d->draft, err) < 0) {
        mem_free(d);
        return -1;
    }
    *out = d;
    return 0;
}

static int write_piece(struct out_draft *d, struct span in, struct err *err)
{
    return d->maildir->store->ops->write(d->draft, in, err);
}

static void abort_draft(struct out_draft *d)
{
    d->maildir->store->ops->abort(d->draft);
    mem_free(d);
}

/* Those that are ready are committed together; the others are not there. */
static void commit(struct out_draft **d, unsigned n, struct err *errs, char (*ids)[OUT_ID])
{
    struct store_draft **ready = mem_alloc(n * sizeof(struct store_draft *));
    struct err *fates = mem_alloc(n * sizeof *fates);
    unsigned *which = mem_alloc(n * sizeof *which), n_ready = 0;
    bool *failed = mem_alloc(n * sizeof *failed);
    const struct store_ops *ops = n ? d[0]->maildir->store->ops : NULL;
    for (unsigned i = 0; i < n; i++) {
        errs[i] = (struct err){.kind = ERR_NONE};
        failed[i] = ops->start && ops->start(d[i]->draft, &errs[i]) < 0;
    }
    for (unsigned i = 0; i < n; i++) {
        if (failed[i] || ops->ready(d[i]->draft, &errs[i]) < 0) {
            ops->abort(d[i]->draft);
        } else {
            which[n_ready] = i;
            ready[n_ready++] = d[i]->draft;
        }
    }
    if (n_ready)
        ops->commit(ready, n_ready, fates);
    for (unsigned k = 0; k < n_ready; k++)
        errs[which[k]] = fates[k];
    for (unsigned i = 0; i < n; i++) {
        if (ids)
            snprintf(ids[i], OUT_ID, "%s", d[i]->uid);
        mem_free(d[i]);
    }
    mem_free(ready);
    mem_free(fates);
    mem_free(which);
    mem_free(failed);
}

static void close_maildir(struct out *o)
{
    struct maildir *m = (struct maildir *)o;
    if (m->store)
        m->store->ops->close(m->store);
    if (m->root.fd >= 0)
        close(m->root.fd);
    mem_free(m->parent);
    mem_free(m);
}

static const struct out_ops ops = {begin, write_piece, commit, abort_draft, close_maildir};

/* ---- opening */

/* A Maildir may lie elsewhere, if the link there is our own (or root's): nobody else sends our mail anywhere. */
static int follow(char **path, struct err *err)
{
    struct stat st;
    if (lstat(*path, &st) < 0 || !S_ISLNK(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
        return 0;
    char *end = realpath(*path, NULL);
    if (!end)
        return err_set(err, ERR_TEMP, "the link %s leads nowhere: %s", log_escape(span_of(*path)), strerror(errno));
    mem_free(*path);
    *path = mem_copy_text(end);
    free(end);
    return 0;
}

static int open_below(struct maildir *m, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    m->parent = mem_copy(path, (size_t)(slash - path));
    m->root.path = m->parent;
    m->root.fd = open(*m->parent ? m->parent : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (m->root.fd < 0)
        return err_set(err, errno == EACCES ? ERR_PERM : ERR_TEMP,
                       "the folder %s, in which the Maildir %s lies, cannot be opened: %s",
                       log_escape(span_of(m->parent)), log_escape(span_of(slash + 1)), strerror(errno));
    if (store_maildir.open(&m->store, &m->root, slash + 1, STORE_DELIVER, err) < 0) {
        m->store = NULL;
        return -1;
    }
    (void)m->store->ops->sweep(m->store, NULL); /* what an earlier end left; if it stays it harms nobody */
    return 0;
}

int out_maildir(struct out **o, const char *path, struct err *err)
{
    if (path[0] != '/' || path[strspn(path, "/")] == '\0' || path[strlen(path) - 1] == '/')
        return err_set(err, ERR_CONFIG, "maildir:%s names no folder in a folder", log_escape(span_of(path)));
    char *whole = mem_copy_text(path);
    struct maildir *m = mem_alloc(sizeof *m);
    *m = (struct maildir){.out = {.ops = &ops, .keys = true, .together = TOGETHER}, .root = {.fd = -1}};
    int result = follow(&whole, err);
    if (result == 0)
        result = open_below(m, whole, err);
    mem_free(whole);
    if (result < 0) {
        close_maildir(&m->out);
        return -1;
    }
    *o = &m->out;
    return 0;
}
