/* fetch: see the header.
 *
 * Exit statuses, of several the one that stands first here:
 *    64  the command line is wrong; nothing was done
 *    78  the accounts file is wrong, or what it says of an account; the other accounts were fetched
 *    77  a log-in was refused, or a server is not the one it should be
 *    75  an account, or a message, failed for now: the next time may be better
 *     1  with --exit-new: all is well, and nothing was new
 *     0  all is well, with new mail or without
 *    74  what was to be shown could not be written
 *   128 and a signal's number: interrupted by it; what was delivered stays delivered, and nothing is fetched twice */
#include "tool/fetch.h"

#include <sysexits.h>

#include "tool/fetch_once.h"
#include "tool/fetch_watch.h"

static int run(const struct tool *t, const struct fetch_options *o)
{
    struct fetch_accounts f;
    struct err err;
    int status;
    if (fetch_accounts_open(&f, o->file, o->names, o->count, &err) < 0)
        status = tool_fail(&err);
    else if (o->watch)
        status = fetch_watch(&f, o, t->file);
    else
        status = fetch_once(&f, o, t->file);
    fetch_accounts_close(&f);
    return status;
}

int tool_fetch(const struct tool *t, int argc, char **argv)
{
    struct fetch_options o;
    struct err err;
    if (fetch_options_read(&o, argc, argv, &err) == 0)
        return run(t, &o);
    return tool_wrong(fetch_usage, "%s", err.text);
}

/* What is marked is never fetched: the accounts are named one by one. */
int tool_mark_seen(const struct tool *t, int argc, char **argv)
{
    struct fetch_options o;
    struct err err;
    if (fetch_options_read(&o, argc, argv, &err) < 0)
        return tool_wrong(mark_seen_usage, "%s", err.text);
    if (o.watch || o.whole || (o.what != COLLECT_FETCH && o.what != COLLECT_MARK_SEEN))
        return tool_wrong(mark_seen_usage, "mark-seen fetches nothing: it goes with --json, --quiet and names");
    if (!o.count)
        return tool_wrong(mark_seen_usage, "what is marked is never fetched: name the accounts whose mail is meant");
    o.what = COLLECT_MARK_SEEN;
    return run(t, &o);
}
