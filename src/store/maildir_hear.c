/* maildir_hear: see the header. Mail processes; blocking. */
#include "store/maildir_hear.h"

#include <string.h>

#include "base/mem.h"
#include "store/maildir_count.h"
#include "store/maildir_open.h"
#include "store/maildir_uid.h"
#include "store/maildir_watch.h"

enum { LOOKS = 3 /* as often it is waited for stamps by which a later change can be told */ };

/* ---- stamps */

static bool look(struct maildir_box *m, bool *told)
{
    struct maildir_state state[MAILDIR_DIRS] = {0};
    m->looked = maildir_tick();
    *told = true;
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        struct stat st;
        if (fstat(m->sub[i], &st) < 0)
            return false;
        state[i] = maildir_state_of(&st);
        *told = *told && maildir_told(st.st_ctim, m->looked); /* so none is in the future */
    }
    memcpy(m->state, state, sizeof m->state);
    return true;
}

/* As a pass over the directories has it: who comes within the tick of a change waits for the next one. */
static bool look_well(struct maildir_box *m)
{
    bool told = false;
    for (unsigned i = 0; i < LOOKS; i++) {
        if (i)
            maildir_tick_wait();
        if (!look(m, &told))
            return false;
        if (told)
            return true;
    }
    return false;
}

static bool is_unchanged(const struct maildir_box *m)
{
    bool same = true;
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        struct stat st;
        same = same && fstat(m->sub[i], &st) == 0 && maildir_ns(st.st_ctim) == m->state[i].changed;
    }
    return same;
}

/* Between two looks at the same stamps: so all that was done to the directories up to these is in the hints, and nothing else. What has
 * changed without a word about it (its own rights, say; or what nobody thought of) is read. */
static bool ask(struct maildir_box *m, const struct maildir_index *x, struct maildir_hints *h)
{
    if (!look_well(m) || !maildir_index_same_place(x, m->state) || !maildir_watch_hints(m, x->head.sum, h) ||
        !is_unchanged(m))
        return false;
    bool explained = true;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        explained = explained && (h->of[i] || m->state[i].changed == x->head.state[i].changed);
    return explained;
}

/* ---- what has come */

struct coming {
    char *piece;
    int64_t began;
    uint64_t last; /* the time in the name of the last that is known */
};

/* By its time alone: then it is behind all others, and none of them bears the same unique id. */
static bool count_one(struct maildir_box *m, struct coming *c, enum maildir_dir dir, const char *name)
{
    struct maildir_name parts;
    if (maildir_name_read(span_of(name), &parts) != MAILDIR_NAME_MESSAGE || parts.time <= c->last)
        return false;
    long added = maildir_table_add(&m->table, dir, span_of(name), &parts, 0);
    struct maildir_entry *e = &m->table.entries[added];
    e->place = UINT32_MAX;
    return maildir_count_unseen(m, e, c->began, c->piece);
}

/* Two names with one base are one message, or two that are told apart by more than their names; two with one inode are
 * the same file, or one that was written over where a and A are one letter. All that is for a scan. */
static bool differ(const struct maildir_table *t)
{
    for (unsigned i = 0; i < t->count; i++)
        for (unsigned j = 0; j < i; j++)
            if (t->entries[i].inode == t->entries[j].inode ||
                span_equal(maildir_table_base(t, &t->entries[i]), maildir_table_base(t, &t->entries[j])))
                return false;
    return true;
}

static bool count_all(struct maildir_box *m, const struct maildir_index *x, const struct maildir_hints *h)
{
    struct coming c = {.began = maildir_tick()};
    if (!maildir_index_last(x, &c.last))
        return false;
    c.piece = mem_resize(NULL, MAILDIR_PIECE);
    bool counted = true;
    enum maildir_dir dir;
    const char *name;
    for (size_t at = 0; counted && maildir_hints_next(h, &at, &dir, &name);)
        counted = count_one(m, &c, dir, name);
    mem_free(c.piece);
    maildir_table_sort(&m->table);
    return counted && differ(&m->table);
}

static bool write_down(struct maildir_box *m, struct maildir_index *x)
{
    struct drop last;
    drop_init(&last);
    struct maildir_index_news news = {
        .table = &m->table, .drop = &last, .state = m->state, .looked = m->looked, .complete = true};
    bool wrote = maildir_number_last(&m->table, 0, &last) && maildir_index_append(x, m->dir, &news) == 0;
    drop_fini(&last);
    if (wrote)
        maildir_watch_settled(m, m->state, 0, x->head.sum);
    return wrote;
}

static bool hear(struct maildir_box *m, struct maildir_index *x)
{
    struct maildir_hints h = {0};
    maildir_table_fini(&m->table);
    bool heard = ask(m, x, &h) && count_all(m, x, &h) && write_down(m, x);
    maildir_hints_free(&h);
    maildir_table_fini(&m->table);
    return heard;
}

/* ---- */

static bool is_large(const struct maildir_index *x)
{
    return x->fd >= 0 && x->head.messages >= MAILDIR_WATCH_LEAST;
}

/* A session that only asks whether something is new goes on without them. */
void maildir_hear_begin(struct maildir_box *m, const struct maildir_index *x)
{
    struct err err;
    const bool open[] = {m->sub[MAILDIR_NEW] >= 0, m->sub[MAILDIR_CUR] >= 0};
    if (!is_large(x) || maildir_watch_knows(x->head.state, x->head.sum) || !maildir_watch_may(x->head.state))
        return;
    if (maildir_box_parts(m, &err) == 0 && maildir_watch_begin(m) && maildir_index_trusted(x, m->dir))
        maildir_watch_settled(m, x->head.state, 0, x->head.sum);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (!open[i])
            maildir_box_part_close(m, i);
}

bool maildir_hear(struct maildir_box *m, struct maildir_index *x)
{
    if (!is_large(x))
        return false;
    if (maildir_watch_knows(x->head.state, x->head.sum) && maildir_index_past(x) && hear(m, x))
        return true;
    if (maildir_watch_may(x->head.state))
        (void)maildir_watch_begin(m);
    return false;
}
