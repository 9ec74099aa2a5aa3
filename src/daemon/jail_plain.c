/* jail_plain: the normal build has every wall. */
#include "daemon/jail_build.h"

const struct jail_build jail_build = {.walls = true};
