/* ends: see the header. Deliver processes and the tool. */
#include "store/ends.h"

#include <string.h>

size_t ends_strip(struct ends *e, struct span *in, char *out, size_t room)
{
    size_t wrote = 0;
    while (in->n && wrote < room) {
        if (e->cr) {
            e->cr = false;
            if (in->p[0] != '\n' || e->twice) {
                out[wrote++] = '\r';
                e->twice = in->p[0] == '\r';
                continue;
            }
        }
        size_t most = in->n < room - wrote ? in->n : room - wrote;
        const char *cr = memchr(in->p, '\r', most);
        size_t run = cr ? (size_t)(cr - in->p) : most;
        memcpy(out + wrote, in->p, run);
        wrote += run;
        *in = (struct span){in->p + run, in->n - run};
        if (cr) {
            e->cr = true;
            *in = (struct span){in->p + 1, in->n - 1};
        }
    }
    return wrote;
}

size_t ends_finish(struct ends *e, char out[1])
{
    if (!e->cr)
        return 0;
    e->cr = false;
    out[0] = '\r';
    return 1;
}
