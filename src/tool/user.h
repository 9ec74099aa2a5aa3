/* user: `bustia user add|passwd|set|del|list|show|import`: who may log in. */
#ifndef TOOL_USER_H
#define TOOL_USER_H

#include "base/conf.h"

/* argv[0] is "user". The result is the exit status (sysexits.h). */
int tool_user(struct conf *conf, int argc, char **argv);

#endif
