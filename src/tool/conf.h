/* conf: `bustia conf`: the configuration as the server reads it, a person's accounts, the sample files, the manuals' lists. */
#ifndef TOOL_CONF_H
#define TOOL_CONF_H

#include "tool/tool.h"

int tool_conf(const struct tool *t, int argc, char **argv);

#endif
