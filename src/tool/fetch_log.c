/* fetch_log: the log lines of a daemon. */
#include <inttypes.h>

#include "base/log.h"
#include "tool/fetch_form.h"

static void done(const struct fetch_line *l, const struct event *e)
{
    char numbers[160];
    int n = snprintf(numbers, sizeof numbers,
                     "account=%s result=%s fetched=%" PRIu32 " deleted=%" PRIu32 " failed=%" PRIu32, l->name,
                     fetch_result_name(fetch_result(e)), e->fetched, e->deleted, e->failed);
    if (e->err.kind == ERR_NONE && n > 0 && (size_t)n < sizeof numbers) /* else it is not known */
        snprintf(numbers + n, sizeof numbers - (size_t)n, " left=%" PRIu32, e->left);
    if (e->err.kind != ERR_NONE)
        log_warning("check", "%s error=\"%s\"", numbers, e->err.text);
    else
        log_info("check", "%s", numbers);
}

static void event(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now)
{
    if (e->kind == EVENT_DONE)
        done(l, e);
    else if (fetch_trouble(e) || e->kind == EVENT_SKIPPED)
        log_warning(fetch_event_name(e->kind), "account=%s uid=%s text=\"%s\"", l->name, e->uid, e->text);
    else if (e->kind == EVENT_DELIVERED)
        log_debug("delivered", "account=%s uid=%s id=\"%s\"", l->name, e->uid, e->text);
}

const struct fetch_form fetch_log = {event, NULL, NULL};
