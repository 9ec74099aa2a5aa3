/* fetch_watch: `bustia fetch --watch`: checks the accounts again and again, in the foreground, for a service manager.
 */
#ifndef TOOL_FETCH_WATCH_H
#define TOOL_FETCH_WATCH_H

#include "tool/fetch_accounts.h"
#include "tool/fetch_options.h"

/* `f` is taken over; left empty. Until SIGTERM or SIGINT. The exit status. */
int fetch_watch(struct fetch_accounts *f, const struct fetch_options *o, const char *conf_file);

#endif
