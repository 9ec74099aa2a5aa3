/* marks: see the header. */
#include "reader/marks.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/seen.h"

static char mark_of(enum seen_state state)
{
    switch (state) {
    case SEEN_DELIVERED:
    case SEEN_FETCHED:
    case SEEN_DELETED:
        return 'c';
    case SEEN_HEADERS:
        return 'h';
    case SEEN_MARKED:
        return 's';
    case SEEN_QUARANTINED:
        return 'q';
    case SEEN_SEEN:
        return '-';
    case SEEN_NEW:
    case SEEN_STATES:
        break;
    }
    return ' ';
}

struct by_uid {
    const char *uid;
    unsigned msg;
};

struct marking {
    struct by_uid *sorted;
    unsigned count;
    char *marks;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct by_uid *)a)->uid, ((const struct by_uid *)b)->uid);
}

static void mark(void *arg, const struct seen_row *row)
{
    struct marking *m = arg;
    const struct by_uid key = {.uid = row->uid};
    const struct by_uid *found = m->count ? bsearch(&key, m->sorted, m->count, sizeof key, compare) : NULL;
    if (found)
        m->marks[found->msg] = mark_of(row->state);
}

char *marks_of(const struct accounts *all, const struct account *a, const struct drop *d, struct err *err)
{
    struct seen *seen = NULL;
    if (seen_open(&seen, all->state_folder, a->name, false, err) < 0)
        return NULL;
    struct marking m = {
        .sorted = mem_alloc(d->count * sizeof *m.sorted), .count = d->count, .marks = mem_alloc(d->count + 1)};
    memset(m.marks, ' ', d->count);
    for (unsigned i = 0; i < d->count; i++)
        m.sorted[i] = (struct by_uid){d->messages[i].uid, i};
    qsort(m.sorted, m.count, sizeof *m.sorted, compare);
    int result = seen_each(seen, mark, &m, err);
    seen_close(seen);
    mem_free(m.sorted);
    if (result < 0) {
        mem_free(m.marks);
        return NULL;
    }
    return m.marks;
}
