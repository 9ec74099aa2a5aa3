/* control: `bustia who` and `bustia kick USER`: asks the running server over its control socket (base/control.h). */
#ifndef TOOL_CONTROL_H
#define TOOL_CONTROL_H

#include "tool/tool.h"

int tool_who(const struct tool *t, int argc, char **argv);
int tool_kick(const struct tool *t, int argc, char **argv);

#endif
