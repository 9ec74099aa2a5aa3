/* domain: `bustia domain add|set|del|list`: for which domains mail is taken. */
#ifndef TOOL_DOMAIN_H
#define TOOL_DOMAIN_H

#include "tool/tool.h"

int tool_domain(const struct tool *t, int argc, char **argv);

#endif
