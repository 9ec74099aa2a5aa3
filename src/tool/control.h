/* control: `bustia who`, `bustia kick USER`, `bustia log errors`: asks the running server over its control socket (base/control.h). */
#ifndef TOOL_CONTROL_H
#define TOOL_CONTROL_H

#include "tool/tool.h"

int tool_who(const struct tool *t, int argc, char **argv);
int tool_kick(const struct tool *t, int argc, char **argv);
int tool_log(const struct tool *t, int argc, char **argv);

#endif
