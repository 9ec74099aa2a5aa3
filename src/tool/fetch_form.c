/* fetch_form: what all forms of showing (fetch_show.h) have in common. */
#include "tool/fetch_show.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tool/fetch_form.h"

struct fetch_show *fetch_show_new(const struct fetch_show_rules *rules)
{
    struct fetch_show *s = mem_alloc(sizeof *s);
    s->rules = *rules;
    return s;
}

void fetch_show_free(struct fetch_show *s)
{
    if (!s)
        return;
    fetch_show_hold(s, false);
    mem_free(s);
}

void fetch_show_begin(struct fetch_show *s, struct fetch_line *l, const char *name, uint64_t now)
{
    fetch_line_begin(l, name);
    l->said = now;
    if (s->at_work < FETCH_LINES)
        s->line[s->at_work++] = l;
}

static void forget(struct fetch_show *s, const struct fetch_line *l)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->at_work; i++)
        if (s->line[i] != l)
            s->line[kept++] = s->line[i];
    s->at_work = kept;
}

void fetch_show_event(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now)
{
    struct event clean = *e;
    log_shown(e->text, clean.text, sizeof clean.text);
    log_shown(e->uid, clean.uid, sizeof clean.uid);
    log_shown(e->err.text, clean.err.text, sizeof clean.err.text);
    fetch_line_event(l, &clean, now);
    if (e->kind == EVENT_DONE) {
        forget(s, l);
        if (!l->listed && !*clean.text && clean.err.kind == ERR_NONE) /* then its last step says why nothing came */
            snprintf(clean.text, sizeof clean.text, "%s", l->step);
    }
    s->rules.form->event(s, l, &clean, now);
}

void fetch_show_tick(struct fetch_show *s, uint64_t now)
{
    if (s->rules.form->paint && !s->held)
        s->rules.form->paint(s, now);
}

void fetch_show_sum(struct fetch_show *s, const struct fetch_sum *sum, int status)
{
    fetch_show_hold(s, false);
    if (s->rules.form->sum)
        s->rules.form->sum(s, sum, status);
}

/* What is told in the meantime goes to memory in the place of both outputs. */
void fetch_show_hold(struct fetch_show *s, bool hold)
{
    if (hold && !s->held)
        s->held = open_memstream(&s->held_text, &s->held_size);
    if (hold || !s->held)
        return;
    fclose(s->held);
    s->held = NULL;
    fwrite(s->held_text, 1, s->held_size, s->rules.out);
    fflush(s->rules.out);
    free(s->held_text); /* open_memstream's */
    s->held_text = NULL;
}
