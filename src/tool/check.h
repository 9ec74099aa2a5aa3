/* check: `bustia check`: all that is wrong with a configuration, or with a person's accounts, at once. */
#ifndef TOOL_CHECK_H
#define TOOL_CHECK_H

#include "tool/tool.h"

int tool_check(const struct tool *t, int argc, char **argv);

#endif
