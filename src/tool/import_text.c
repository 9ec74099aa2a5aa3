/* import_text: the text of the message at hand, as it grows while a source is read. */
#include <string.h>

#include "tool/import_state.h"

int import_add(struct import_source *s, const void *p, size_t n)
{
    if (n > s->most || s->n > s->most - n)
        return -1;
    if (s->room - s->n < n) {
        s->room = 2 * (s->n + n) + 65536;
        s->text = mem_resize(s->text, s->room);
    }
    memcpy(s->text + s->n, p, n);
    s->n += n;
    return 0;
}
