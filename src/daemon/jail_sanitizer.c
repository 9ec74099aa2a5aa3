/* jail_sanitizer: a build with sanitizers changes its user and sets limits, and says that the rest is missing. */
#include "daemon/jail_build.h"

const struct jail_build jail_build = {.walls = false};
