/* fetch: `bustia fetch` and `bustia mark-seen`: the mail of a person's POP3 accounts, all side by side. */
#ifndef TOOL_FETCH_H
#define TOOL_FETCH_H

#include "tool/tool.h"

tool_fn tool_fetch, tool_mark_seen;

#endif
