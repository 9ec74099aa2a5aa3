/* expire: `bustia expire`: removes what is over the age that is set for its user (RFC 2449 §6.7). */
#ifndef TOOL_EXPIRE_H
#define TOOL_EXPIRE_H

#include "tool/tool.h"

tool_fn tool_expire;

#endif
