/* remove: see the header. Only after "+OK" to QUIT is it said that they are gone. */
#include "reader/remove.h"

#include <string.h>

#include "base/mem.h"
#include "reader/ask.h"
#include "reader/mime.h"
#include "reader/terminal.h"

/* What is to go is shown before it goes: numbers may have changed since they were seen. */
struct asking {
    struct spool spool;
    struct apart *apart;
    const unsigned *msgs;
    unsigned count, at;
};

static int put_row(void *arg, enum apart_kind kind, struct span row, struct err *err)
{
    struct asking *a = arg;
    (void)err;
    if (kind != APART_ROW || a->at == a->count)
        return 0;
    for (size_t i = 0; i < row.n; i++)
        if (row.p[i] == '\0')
            ((char *)row.p)[i] = '\t';
    reader_say("%5u  %.*s", a->msgs[a->at++] + 1, (int)row.n, row.p);
    return 0;
}

static bool agreed(struct asking *a, struct source *s, struct err *err)
{
    char question[64];
    if (s->ops->heads(s, a->msgs, a->count, SOURCE_HEAD_MAX, &a->spool, err) < 0 ||
        apart_run(a->apart, put_row, a, err) < 0)
        return false;
    if (a->at != a->count) {
        err_set(err, ERR_TEMP, "not all of them can be shown; nothing was deleted");
        return false;
    }
    snprintf(question, sizeof question, "Delete %s on the server?", a->count == 1 ? "it" : "them");
    if (ask_yes(question))
        return true;
    err_set(err, ERR_NONE, "nothing was deleted");
    return false;
}

/* Numbers may mean other messages in this session than in the one that listed them. Whoever is asked sees what they
 * mean now; where nobody is, they are taken only from a server that has no uids. */
static int safe(const struct source *s, const char *word, unsigned msg, bool ask, struct err *err)
{
    uint64_t number;
    if (ask || !span_number(span_of(word), &number) || !*s->drop.messages[msg].uid)
        return 0;
    return err_set(
        err, ERR_USAGE,
        "with --yes messages are named by their uid (`bustia list --uids`): numbers change; %.20s is uid:%.72s now",
        word, s->drop.messages[msg].uid);
}

static int pick_all(struct source *s, int argc, char **argv, bool ask, unsigned *msgs, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        if (reader_pick(s, argv[i], &msgs[i], err) < 0 || safe(s, argv[i], msgs[i], ask, err) < 0)
            return -1;
        drop_mark(&s->drop, msgs[i]);
    }
    return 0;
}

static int delete_picked(struct asking *a, struct source *s, bool ask, struct err *err)
{
    if (ask && !agreed(a, s, err))
        return -1;
    unsigned count = s->drop.deleted;
    if (s->ops->remove(s, err) < 0)
        return -1;
    reader_say("%u %s deleted", count, count == 1 ? "message is" : "messages are");
    return 0;
}

int reader_delete(struct reader *r, int argc, char **argv, struct err *err)
{
    struct asking a = {.spool = {.fd = -1}, .count = (unsigned)argc - 1};
    struct source *s = NULL;
    bool ask = !r->yes;
    if (ask && !ask_possible())
        return err_set(err, ERR_USAGE, "nobody can be asked here; --yes deletes without asking");
    int result = ask ? spool_open(&a.spool, (uint64_t)1 << 30, err) : 0;
    if (result == 0 && ask)
        result = apart_begin(&a.apart, a.spool.fd, mime_rows, NULL, err);
    if (result == 0)
        result = reader_source(r, argv[0], &s, err);
    if (result == 0 && !s->ops->remove) {
        err_set(err, ERR_USAGE, "files are not deleted by this: they are yours");
        result = -1;
    }
    unsigned *msgs = mem_alloc((size_t)argc * sizeof *msgs);
    a.msgs = msgs;
    if (result == 0)
        result = pick_all(s, argc - 1, argv + 1, ask, msgs, err);
    if (result == 0)
        result = delete_picked(&a, s, ask, err);
    if (s)
        s->ops->close(s);
    apart_end(a.apart);
    spool_close(&a.spool);
    mem_free(msgs);
    return result;
}
