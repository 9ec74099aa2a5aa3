/* maildir_name: see the header. */
#include "store/maildir_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t time_at_head(struct span base)
{
    size_t n = 0;
    while (n < base.n && base.p[n] >= '0' && base.p[n] <= '9')
        n++;
    uint64_t time = 0;
    if (n && !span_number((struct span){base.p, n}, &time))
        time = UINT64_MAX;
    return time;
}

enum maildir_name_kind maildir_name_read(struct span name, struct maildir_name *n)
{
    if (name.n > MAILDIR_NAME_MAX)
        return MAILDIR_NAME_LONG;
    const char *colon = name.n ? memchr(name.p, ':', name.n) : NULL;
    n->base = (struct span){name.p, colon ? (size_t)(colon - name.p) : name.n};
    n->time = time_at_head(n->base);
    return name.n && name.p[0] == '.' ? MAILDIR_NAME_HIDDEN : MAILDIR_NAME_MESSAGE;
}

int maildir_name_compare(const struct maildir_name *a, const struct maildir_name *b)
{
    int order = (a->time > b->time) - (a->time < b->time);
    return order ? order : span_compare(a->base, b->base);
}

/* The host is no more than a word: nobody knows its name here, and it is the random number that makes names unique. */
size_t maildir_name_make(const struct maildir_stamp *t, char out[MAILDIR_MADE])
{
    int64_t seconds = t->seconds < 0 ? 0 : t->seconds;
    int n = t->key ? snprintf(out, MAILDIR_MADE, "%" PRId64 ".M%06uK%.32sR%016" PRIx64, seconds, t->microseconds,
                              t->key, t->random)
                   : snprintf(out, MAILDIR_MADE, "%" PRId64 ".M%06uP%uR%016" PRIx64 ".bustia", seconds, t->microseconds,
                              t->pid, t->random);
    return (size_t)n;
}

struct span maildir_name_key(struct span name)
{
    const struct span none = {0};
    span_cut(&name, '.');
    size_t n = 0;
    if (name.n && name.p[0] == 'M')
        for (n = 1; n < name.n && name.p[n] >= '0' && name.p[n] <= '9'; n++)
            ;
    if (n < 2 || name.n < n + 1 + MAILDIR_KEY + 1 || name.p[n] != 'K' || name.p[n + 1 + MAILDIR_KEY] != 'R')
        return none;
    return (struct span){name.p + n + 1, MAILDIR_KEY};
}
