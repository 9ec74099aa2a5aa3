/* collect: what is told. */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "fetch/collect_state.h"

enum { PROGRESS_MS = 100 };

void collect_say(struct collect *c, enum event_kind kind, const struct plan_row *row, const char *format, ...)
{
    struct event e = {.kind = kind};
    va_list args;
    va_start(args, format);
    vsnprintf(e.text, sizeof e.text, format, args);
    va_end(args);
    if (row) {
        snprintf(e.uid, sizeof e.uid, "%s", row->uid);
        e.at = row->msg;
        e.of_bytes = row->size;
    }
    c->tell(c->arg, &e);
}

void collect_say_listed(struct collect *c)
{
    struct event e = {.kind = EVENT_LISTED,
                      .count = c->is_quiet ? c->left : c->listing.count,
                      .todo = c->todo,
                      .bytes = c->todo_octets};
    c->tell(c->arg, &e);
}

void collect_say_progress(struct collect *c, const struct plan_row *row, uint64_t octets, bool now)
{
    uint64_t ms = clock_ms();
    if (!now && ms - c->told < PROGRESS_MS)
        return;
    c->told = ms;
    struct event e = {.kind = EVENT_PROGRESS,
                      .at = c->at,
                      .todo = c->todo,
                      .bytes = octets,
                      .of_bytes = row->size,
                      .all_bytes = c->octets};
    snprintf(e.uid, sizeof e.uid, "%s", row->uid);
    c->tell(c->arg, &e);
}

void collect_say_done(struct collect *c, const struct err *err)
{
    struct event e = {.kind = EVENT_DONE,
                      .count = c->job->what == COLLECT_MARK_SEEN ? c->marked
                               : c->is_quiet                     ? c->left
                                                                 : c->listing.count,
                      .todo = c->todo,
                      .at = c->at,
                      .fetched = c->fetched,
                      .deleted = c->deleted,
                      .failed = c->failed,
                      .left = c->left,
                      .all_bytes = c->octets,
                      .err = *err};
    snprintf(e.text, sizeof e.text, "%s", c->early);
    c->tell(c->arg, &e);
}
