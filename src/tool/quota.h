/* quota: `bustia quota set|show|recount`: how much a mailbox may hold, and how much it does. */
#ifndef TOOL_QUOTA_H
#define TOOL_QUOTA_H

#include "tool/tool.h"

int tool_quota(const struct tool *t, int argc, char **argv);

#endif
