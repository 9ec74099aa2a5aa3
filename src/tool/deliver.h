/* deliver: `bustia deliver USER < message`: one message into one mailbox, for scripts and for programs that deliver by
 * a command. */
#ifndef TOOL_DELIVER_H
#define TOOL_DELIVER_H

#include "tool/tool.h"

int tool_deliver(const struct tool *t, int argc, char **argv);

/* What a script is told: sysexits.h, as a mail transfer agent reads it: 75 try again, 67 nobody, 69 and 65 give up. */
int deliver_status(const struct err *err);

#endif
