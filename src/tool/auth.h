/* auth: `bustia auth test`. */
#ifndef TOOL_AUTH_H
#define TOOL_AUTH_H

#include "tool/tool.h"

tool_fn tool_auth;

#endif
