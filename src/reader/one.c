/* one: see the header. */
#include "reader/one.h"

#include <string.h>

int one_begin(struct one *o, unsigned most_mb, apart_work *work, const struct mime_how *how, struct err *err)
{
    *o = (struct one){.spool = {.fd = -1}};
    if (spool_open(&o->spool, (uint64_t)most_mb << 20, err) < 0)
        return -1;
    return work ? apart_begin(&o->apart, o->spool.fd, work, how, err) : 0;
}

int one_fetch(struct one *o, struct reader *r, char **argv, struct err *err)
{
    if (reader_source(r, argv[0], &o->source, err) < 0 || reader_pick(o->source, argv[1], &o->msg, err) < 0 ||
        o->source->ops->fetch(o->source, o->msg, &o->spool, err) < 0)
        return -1;
    o->source->ops->close(o->source);
    o->source = NULL;
    return 0;
}

void one_end(struct one *o)
{
    if (o->source)
        o->source->ops->close(o->source);
    apart_end(o->apart);
    spool_close(&o->spool);
}
