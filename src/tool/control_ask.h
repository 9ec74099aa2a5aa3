/* control_ask: asks the running server through its control socket. */
#ifndef TOOL_CONTROL_ASK_H
#define TOOL_CONTROL_ASK_H

#include "base/conf.h"
#include "base/control.h"

/* Sends the request; returns the descriptor, to be closed, or -1. */
int control_ask(const struct conf *c, const struct control_request *q, struct err *err);
/* Gives each row to `fn` until DONE, whose count is *count. */
int control_rows(int fd, void (*fn)(void *arg, const struct control_row *r), void *arg, uint32_t *count, struct err *err);

#endif
