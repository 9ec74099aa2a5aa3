/* fetch_plain: a line for each event that is worth one, for files, pipes and cron; trouble goes to where errors go. */
#include "tool/fetch_form.h"

enum { PROGRESS_MS = 10000, LINE = 1024 };

static void put(struct fetch_show *s, bool trouble, const char *name, const char *text)
{
    FILE *to = s->held ? s->held : trouble ? s->rules.trouble : s->rules.out;
    fprintf(to, "%s%s: %s\n", trouble ? "bustia: " : "", name, text);
    fflush(to);
}

static void event(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now)
{
    char text[LINE];
    bool trouble = fetch_trouble(e);
    if (s->rules.quiet && !trouble)
        return;
    if (e->kind == EVENT_PROGRESS) {
        if (now < l->said + PROGRESS_MS)
            return;
        l->said = now;
        fetch_line_text(l, now, text, sizeof text);
    } else if (!fetch_sentence(s->rules.what, e, text))
        return;
    put(s, trouble, l->name, text);
}

static void sum(struct fetch_show *s, const struct fetch_sum *total, int status)
{
    char text[FETCH_SENTENCE];
    if (s->rules.quiet || (total->accounts == 1 && !total->interrupted))
        return;
    fetch_sum_sentence(s->rules.what, total, text);
    fprintf(s->rules.out, "%s\n", text);
    fflush(s->rules.out);
}

const struct fetch_form fetch_plain = {event, NULL, sum};
