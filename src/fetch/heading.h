/* heading: a message's header that stands alone (RFC 1939 §7, TOP n 0). Its fields about the body that is not there
 * (RFC 2045: Content-…) get another name, so that what follows instead is shown as the text it is. Pure. */
#ifndef FETCH_HEADING_H
#define FETCH_HEADING_H

#include <stdbool.h>

#include "base/span.h"

enum { HEADING_FIELD = sizeof "content-" - 1 };

struct heading {
    char held[HEADING_FIELD]; /* what could be the beginning of such a field */
    unsigned char n;
    bool within; /* a line whose beginning was looked at */
};

/* Begins with a zeroed struct. In pieces as they come; `put` is given what is to be kept. */
void heading_add(struct heading *h, struct span in, void (*put)(void *arg, struct span out), void *arg);
void heading_end(struct heading *h, void (*put)(void *arg, struct span out), void *arg);

#endif
