/* deliver: `bustia deliver USER < message`: one message into one mailbox, for scripts and for programs that deliver by
 * a command. */
#ifndef TOOL_DELIVER_H
#define TOOL_DELIVER_H

#include "tool/tool.h"

int tool_deliver(const struct tool *t, int argc, char **argv);

#endif
