/* crowd: see the header. Door, auth. */
#include "daemon/crowd.h"

#include "base/mem.h"

enum { PICK_LINES = 64 };

struct crowd_group {
    uint64_t key;
    size_t size, line;                 /* members; those who are not busy */
    struct crowd_member *first, *last; /* the line */
    struct crowd_group *prev, *next;   /* lines of the same length */
    struct crowd_group *left, *right;  /* the ring of turns, while there is a line */
};

/* ---- lines by their length */

static void size_out(struct crowd *c, struct crowd_group *g)
{
    if (g->line == 0)
        return;
    if (g->prev)
        g->prev->next = g->next;
    else
        c->by_size[g->line] = g->next;
    if (g->next)
        g->next->prev = g->prev;
    while (c->longest && !c->by_size[c->longest])
        c->longest--;
}

static void size_in(struct crowd *c, struct crowd_group *g)
{
    if (g->line == 0)
        return;
    if (g->line >= c->sizes) {
        size_t sizes = c->sizes ? c->sizes * 2 : 64;
        c->by_size = mem_resize(c->by_size, sizes * sizeof(void *));
        for (size_t i = c->sizes; i < sizes; i++)
            c->by_size[i] = NULL;
        c->sizes = sizes;
    }
    g->prev = NULL;
    g->next = c->by_size[g->line];
    if (g->next)
        g->next->prev = g;
    c->by_size[g->line] = g;
    if (g->line > c->longest)
        c->longest = g->line;
}

static void resize(struct crowd *c, struct crowd_group *g, size_t line)
{
    size_out(c, g);
    g->line = line;
    size_in(c, g);
}

/* ---- turns */

static void ring_in(struct crowd *c, struct crowd_group *g)
{
    if (!c->turn) {
        c->turn = g->left = g->right = g;
        return;
    }
    g->right = c->turn; /* behind all others */
    g->left = c->turn->left;
    g->left->right = g;
    g->right->left = g;
}

static void ring_out(struct crowd *c, struct crowd_group *g)
{
    if (c->turn == g)
        c->turn = g->right == g ? NULL : g->right;
    g->left->right = g->right;
    g->right->left = g->left;
}

/* ---- a line */

static void line_in(struct crowd *c, struct crowd_group *g, struct crowd_member *m)
{
    m->before = g->last;
    m->after = NULL;
    if (g->last)
        g->last->after = m;
    else
        g->first = m;
    g->last = m;
    if (g->line == 0)
        ring_in(c, g);
    resize(c, g, g->line + 1);
    c->count++;
}

static void line_out(struct crowd *c, struct crowd_group *g, const struct crowd_member *m)
{
    if (m->before)
        m->before->after = m->after;
    else
        g->first = m->after;
    if (m->after)
        m->after->before = m->before;
    else
        g->last = m->before;
    if (g->line == 1)
        ring_out(c, g);
    resize(c, g, g->line - 1);
    c->count--;
}

/* ---- members */

void crowd_join(struct crowd *c, uint64_t key, struct crowd_member *m)
{
    struct crowd_group *g = map_get(&c->groups, key);
    if (!g) {
        g = mem_alloc(sizeof *g);
        *g = (struct crowd_group){.key = key};
        map_put(&c->groups, key, g);
    }
    g->size++;
    m->group = g;
    m->busy = false;
    line_in(c, g, m);
}

void crowd_leave(struct crowd *c, struct crowd_member *m)
{
    struct crowd_group *g = m->group;
    if (!g)
        return;
    m->group = NULL;
    if (!m->busy)
        line_out(c, g, m);
    if (--g->size > 0)
        return;
    map_take(&c->groups, g->key);
    mem_free(g);
}

void crowd_busy(struct crowd *c, struct crowd_member *m, bool busy)
{
    if (!m->group || m->busy == busy)
        return;
    m->busy = busy;
    if (busy)
        line_out(c, m->group, m);
    else
        line_in(c, m->group, m);
}

void crowd_fini(struct crowd *c)
{
    map_fini(&c->groups);
    mem_free(c->by_size);
    *c = (struct crowd){0};
}

/* ---- questions */

size_t crowd_size(const struct crowd *c, uint64_t key)
{
    const struct crowd_group *g = map_get(&c->groups, key);
    return g ? g->size : 0;
}

size_t crowd_line(const struct crowd *c, uint64_t key)
{
    const struct crowd_group *g = map_get(&c->groups, key);
    return g ? g->line : 0;
}

struct crowd_member *crowd_first(const struct crowd *c, uint64_t key)
{
    const struct crowd_group *g = map_get(&c->groups, key);
    return g ? g->first : NULL;
}

struct crowd_member *crowd_turn(struct crowd *c)
{
    if (!c->turn)
        return NULL;
    struct crowd_member *m = c->turn->first;
    c->turn = c->turn->right;
    return m;
}

struct crowd_member *crowd_last(const struct crowd *c)
{
    return c->longest ? c->by_size[c->longest]->last : NULL;
}

struct crowd_member *crowd_pick(const struct crowd *c, crowd_fits fits, void *arg)
{
    unsigned seen = 0;
    for (size_t n = c->longest; n > 0; n--)
        for (const struct crowd_group *g = c->by_size[n]; g; g = g->next) {
            if (fits(g->first, g->key, n, arg))
                return g->first;
            if (++seen == PICK_LINES)
                return NULL;
        }
    return NULL;
}
