/* fetch_once: all accounts checked once, side by side. */
#ifndef TOOL_FETCH_ONCE_H
#define TOOL_FETCH_ONCE_H

#include "tool/fetch_accounts.h"
#include "tool/fetch_options.h"

/* The exit status. */
int fetch_once(const struct fetch_accounts *f, const struct fetch_options *o, const char *conf_file);

#endif
