/* user_app: `bustia user app-password`: passwords for single programs. */
#ifndef TOOL_USER_APP_H
#define TOOL_USER_APP_H

#include "base/conf.h"

/* argv[0] is "app-password". The result is the exit status. */
int tool_user_app(struct conf *conf, int argc, char **argv);

#endif
