/* fetch_json: an object a line for each event, for programs. */
#include "tool/fetch_form.h"

#include "tool/json.h"

enum { PROGRESS_MS = 1000 };

/* Which numbers an event has. */
static void numbers(struct json *j, const struct event *e)
{
    switch (e->kind) {
    case EVENT_LISTED:
        json_number(j, "messages", e->count);
        json_number(j, "to_fetch", e->todo);
        json_number(j, "bytes", e->bytes);
        break;
    case EVENT_PROGRESS:
        json_number(j, "at", e->at);
        json_number(j, "to_fetch", e->todo);
        json_number(j, "bytes", e->bytes);
        json_number(j, "of_bytes", e->of_bytes);
        json_number(j, "all_bytes", e->all_bytes);
        break;
    case EVENT_DONE:
        json_text(j, "result", fetch_result_name(fetch_result(e)));
        json_number(j, "fetched", e->fetched);
        json_number(j, "deleted", e->deleted);
        json_number(j, "failed", e->failed);
        json_number(j, "left", e->left);
        if (e->err.kind != ERR_NONE)
            json_text(j, "error", e->err.text);
        break;
    case EVENT_DELIVERED:
    case EVENT_STEP:
    case EVENT_SKIPPED:
    case EVENT_QUARANTINED:
    case EVENT_FAILED:
    case EVENT_PLAN:
    case EVENT_FOUND:
        break;
    }
}

static void event(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now)
{
    if (s->rules.quiet && !fetch_trouble(e) && e->kind != EVENT_DONE)
        return;
    if (e->kind == EVENT_PROGRESS) {
        if (now < l->said + PROGRESS_MS)
            return;
        l->said = now;
    }
    struct json *j = json_new();
    json_text(j, "account", l->name);
    json_text(j, "event", fetch_event_name(e->kind));
    if (*e->uid)
        json_text(j, "uid", e->uid);
    if (*e->text)
        json_text(j, "text", e->text);
    numbers(j, e);
    json_line(j, s->held ? s->held : s->rules.out);
}

static void sum(struct fetch_show *s, const struct fetch_sum *total, int status)
{
    struct json *j = json_new();
    json_text(j, "event", "summary");
    json_number(j, "accounts", total->accounts);
    for (unsigned r = 0; r < FETCH_RESULTS; r++)
        json_number(j, fetch_result_name((enum fetch_result)r), total->result[r]);
    json_number(j, "fetched", total->fetched);
    json_number(j, "deleted", total->deleted);
    json_truth(j, "interrupted", total->interrupted);
    json_number(j, "status", (uint64_t)status);
    json_line(j, s->rules.out);
}

const struct fetch_form fetch_json = {event, NULL, sum};
