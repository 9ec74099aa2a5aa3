/* alias: `bustia alias add|del|list`: addresses that lead to users. */
#ifndef TOOL_ALIAS_H
#define TOOL_ALIAS_H

#include "tool/tool.h"

int tool_alias(const struct tool *t, int argc, char **argv);

#endif
