/* link_impl: what the files of link share; nobody else includes it. */
#ifndef CLIENT_LINK_IMPL_H
#define CLIENT_LINK_IMPL_H

#include <stdint.h>

#include "client/link.h"

/* clock_ms in so many ms; 0 for 0: never. */
uint64_t link_after(uint64_t ms);
/* The earlier of `until` (0: never) and the link's end. */
uint64_t link_nearer(const struct link *l, uint64_t until);
/* Is it `until` (0: never), or the link's end? */
bool link_past(const struct link *l, uint64_t until);
/* What poll says of the socket, asked at least once; 0: nothing, and it is `until`, or the link's end. */
short link_poll(const struct link *l, short events, uint64_t until);
/* It is over: "HOST:PORT: " and why, in `err` and for all later calls. Returns -1. */
int link_end(struct link *l, struct err *err, enum err_kind kind, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for time: the link's as a whole, or that of a step: "the server does not answer". */
int link_late(struct link *l, struct err *err, const char *what);

#endif
