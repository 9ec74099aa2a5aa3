/* source_collected: what the collector has delivered for an account (source.h): its state says which messages those
 * are, and what they are called where they lie. Also where several accounts are delivered into one Maildir. */
#include <stdlib.h>
#include <string.h>

#include "fetch/seen.h"
#include "reader/source.h"

struct collected {
    struct source source;
    struct source *folder;
    unsigned *at; /* which message of the folder each of ours is */
    unsigned room;
};

static void collected_close(struct source *s)
{
    struct collected *c = (struct collected *)s;
    if (c->folder)
        c->folder->ops->close(c->folder);
    mem_free(c->at);
    drop_fini(&s->drop);
    mem_free(c);
}

static int collected_heads(struct source *s, const unsigned *msgs, unsigned count, size_t most, struct spool *to,
                           struct err *err)
{
    struct collected *c = (struct collected *)s;
    unsigned *at = mem_alloc(count * sizeof *at);
    for (unsigned i = 0; i < count; i++)
        at[i] = c->at[msgs[i]];
    int result = c->folder->ops->heads(c->folder, at, count, most, to, err);
    mem_free(at);
    return result;
}

static int collected_fetch(struct source *s, unsigned msg, struct spool *to, struct err *err)
{
    struct collected *c = (struct collected *)s;
    return c->folder->ops->fetch(c->folder, c->at[msg], to, err);
}

static const struct source_ops collected_ops = {
    .heads = collected_heads, .fetch = collected_fetch, .close = collected_close};

/* ---- which of the folder's messages are the account's */

struct by_id {
    const char *id;
    unsigned msg;
};

struct joining {
    struct collected *collected;
    struct by_id *sorted;
    unsigned count;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct by_id *)a)->id, ((const struct by_id *)b)->id);
}

static bool join(void *arg, const struct seen_kept *kept)
{
    struct joining *j = arg;
    struct collected *c = j->collected;
    const struct by_id key = {.id = kept->id};
    const struct by_id *found = *kept->id && j->count ? bsearch(&key, j->sorted, j->count, sizeof key, compare) : NULL;
    if (!found)
        return true;
    unsigned msg = drop_add(&c->source.drop, c->folder->drop.messages[found->msg].octets, span_of(kept->row.uid));
    if (msg >= c->room) {
        c->room = 2 * c->room + 64;
        c->at = mem_resize(c->at, c->room * sizeof *c->at);
    }
    c->at[msg] = found->msg;
    return true;
}

static int read_rows(struct collected *c, struct seen *seen, struct err *err)
{
    const struct drop *d = &c->folder->drop;
    struct joining j = {.collected = c, .sorted = mem_alloc(d->count * sizeof *j.sorted), .count = d->count};
    for (unsigned i = 0; i < d->count; i++)
        j.sorted[i] = (struct by_id){d->messages[i].uid, i};
    qsort(j.sorted, j.count, sizeof *j.sorted, compare);
    int result = seen_show(seen, join, &j, err);
    mem_free(j.sorted);
    return result;
}

static int open_folder(struct collected *c, const struct account *a, struct err *err)
{
    enum account_way way;
    const char *path;
    if (account_deliver(a->deliver, &way, &path) || way != ACCOUNT_MAILDIR)
        return err_set(err, ERR_CONFIG, "account %s is delivered to %.120s, and only a Maildir can be read here",
                       a->name, a->deliver);
    return source_maildir(&c->folder, path, err);
}

int source_collected(struct source **s, const struct accounts *all, const struct account *a, struct err *err)
{
    struct collected *c = mem_alloc(sizeof *c);
    struct seen *seen = NULL;
    c->source.ops = &collected_ops;
    c->source.account = a;
    drop_init(&c->source.drop);
    int result = seen_open(&seen, all->state_folder, a->name, false, err);
    if (result == 0)
        result = open_folder(c, a, err);
    if (result == 0)
        result = read_rows(c, seen, err);
    seen_close(seen);
    if (result < 0) {
        collected_close(&c->source);
        return -1;
    }
    *s = &c->source;
    return 0;
}
