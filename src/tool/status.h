/* status: `bustia status`: a board of a person's accounts. */
#ifndef TOOL_STATUS_H
#define TOOL_STATUS_H

#include "tool/tool.h"

tool_fn tool_status;

#endif
