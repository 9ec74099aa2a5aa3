/* maildir_name: see the header. */
#include "store/maildir_name.h"

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
