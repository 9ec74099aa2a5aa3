/* memory_draft: deliveries into the memory store. */
#include <string.h>

#include "base/clock.h"
#include "store/ends.h"
#include "store/memory_box.h"

struct store_draft {
    struct memory *memory;
    char *key, *uid;
    bool *had;
    char *text;
    size_t size, room;
    bool strip, only_known;
    struct ends ends;
};

int memory_begin(struct store *s, const struct store_about *about, struct store_draft **d, struct err *err)
{
    struct memory *m = (struct memory *)s;
    if (memory_act(&m->words, MEMORY_BEGIN, err) < 0)
        return -1;
    *d = mem_alloc(sizeof **d);
    **d = (struct store_draft){.memory = m,
                               .key = about->key ? mem_copy_text(about->key) : NULL,
                               .uid = about->uid,
                               .had = about->had,
                               .only_known = about->only_known,
                               .strip = about->wire && !about->keep_crlf && !m->wire_ends};
    return 0;
}

static void make_room(struct store_draft *d, size_t n)
{
    if (d->room - d->size >= n)
        return;
    d->room = 2 * (d->size + n);
    d->text = mem_resize(d->text, d->room);
}

int memory_write(struct store_draft *d, struct span in, struct err *err)
{
    if (memory_act(&d->memory->words, MEMORY_WRITE, err) < 0)
        return -1;
    make_room(d, in.n + 1);
    if (d->strip) {
        d->size += ends_strip(&d->ends, &in, d->text + d->size, in.n + 1);
    } else if (in.n) {
        memcpy(d->text + d->size, in.p, in.n);
        d->size += in.n;
    }
    return 0;
}

int memory_ready(struct store_draft *d, struct err *err)
{
    if (memory_act(&d->memory->words, MEMORY_READY, err) < 0)
        return -1;
    make_room(d, 1);
    d->size += ends_finish(&d->ends, d->text + d->size);
    return 0;
}

void memory_abort(struct store_draft *d)
{
    mem_free(d->key);
    mem_free(d->text);
    mem_free(d);
}

/* NULL: there is none. */
static const struct memory_message *of_key(const struct memory_box *b, const char *key)
{
    for (unsigned i = 0; key && i < b->count; i++)
        if (!b->messages[i].gone && b->messages[i].key && strcmp(b->messages[i].key, key) == 0)
            return &b->messages[i];
    return NULL;
}

static void place(struct store_draft *d, struct err *err)
{
    struct memory_box *b = d->memory->box;
    memory_lock();
    const struct memory_message *there = of_key(b, d->key);
    if (there && d->had)
        *d->had = true;
    if (!there && d->only_known)
        err_set(err, ERR_GONE, "no message has this key");
    else if (!there) {
        memory_box_add(b, d->text, d->size, d->key);
        d->text = NULL;
        there = &b->messages[b->count - 1];
    }
    if (there && d->uid)
        memory_uid(there, d->uid);
    memory_unlock();
}

unsigned memory_commit(struct store_draft **d, unsigned n, struct err *errs)
{
    unsigned durable = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct memory_words *w = &d[i]->memory->words;
        errs[i] = (struct err){0};
        if (memory_act(w, MEMORY_COMMIT, &errs[i]) == 0) {
            place(d[i], &errs[i]);
            if (errs[i].kind == ERR_NONE && w->unknown)
                err_set(&errs[i], ERR_UNKNOWN, "memory: whether it was delivered is unknown on request");
            durable += errs[i].kind == ERR_NONE;
        }
        memory_abort(d[i]);
    }
    return durable;
}

int memory_used(struct store *s, bool afresh, struct store_used *used, struct err *err)
{
    struct memory *m = (struct memory *)s;
    if (memory_act(&m->words, MEMORY_USED, err) < 0)
        return -1;
    *used = (struct store_used){0};
    memory_lock();
    for (unsigned i = 0; i < m->box->count; i++) {
        const struct memory_message *msg = &m->box->messages[i];
        size_t size = 0;
        if (msg->gone)
            continue;
        mem_free(memory_text(m, msg, &size));
        used->octets += size;
        used->messages++;
    }
    if (afresh || !m->box->counted)
        m->box->counted = clock_wall().tv_sec;
    used->counted = m->box->counted;
    memory_unlock();
    return 0;
}

int memory_sweep(struct store *s, struct err *err)
{
    return memory_act(&((struct memory *)s)->words, MEMORY_SWEEP, err);
}
