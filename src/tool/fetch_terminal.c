/* fetch_terminal: the lines of accounts at work stand below those that stay, and are written anew a few times a second.
 * Only these sequences go out: up N lines, clear to the end of the line, clear to the end of the screen. */
#include <sys/ioctl.h>

#include <stdlib.h>

#include "tool/fetch_form.h"

enum { PAINT_MS = 200, WIDTH = 80, HEIGHT = 24, NARROWEST = 20, LOWEST = 3, NAME_MAX_WIDTH = 24, LINE = 1024 };

static void measure(const struct fetch_show *s, int *width, int *height)
{
    struct winsize w = {0};
    *width = s->rules.width;
    *height = s->rules.height;
    if ((!*width || !*height) && ioctl(fileno(s->rules.out), TIOCGWINSZ, &w) == 0) {
        *width = *width ? *width : w.ws_col;
        *height = *height ? *height : w.ws_row;
    }
    if (!*width)
        *width = WIDTH;
    else if (*width < NARROWEST)
        *width = NARROWEST;
    if (!*height)
        *height = HEIGHT;
    else if (*height < LOWEST)
        *height = LOWEST;
}

/* "name    text". `width`: cut to it, 0: whole. */
static void put(const struct fetch_show *s, FILE *to, const char *name, const char *text, int width)
{
    char line[LINE], shown[ACCOUNT_NAME_MAX + 4];
    int column = s->rules.name_width < NAME_MAX_WIDTH ? s->rules.name_width : NAME_MAX_WIDTH;
    snprintf(shown, sizeof shown, "%s", name);
    if (width)
        fetch_fit(shown, sizeof shown, column);
    snprintf(line, sizeof line, "%s%*s  %s", shown, column > fetch_columns(shown) ? column - fetch_columns(shown) : 0,
             "", text);
    if (width)
        fetch_fit(line, sizeof line, width - 1); /* the last column stays free: some terminals begin a new line there */
    fprintf(to, "%s\033[K\n", line);
}

/* Back to the first of the lines that move. */
static void rewind_lines(struct fetch_show *s)
{
    if (s->painted)
        fprintf(s->rules.out, "\033[%uA\r", s->painted);
    s->painted = 0;
}

static void paint(struct fetch_show *s, uint64_t now)
{
    int width, height;
    char text[LINE];
    if (s->rules.quiet || (s->painted && now < s->painted_at + PAINT_MS))
        return;
    measure(s, &width, &height);
    rewind_lines(s);
    unsigned room = (unsigned)height - 2, lines = s->at_work <= room ? s->at_work : room - 1;
    for (unsigned i = 0; i < lines; i++) {
        fetch_line_text(s->line[i], now, text, sizeof text);
        put(s, s->rules.out, s->line[i]->name, text, width);
    }
    s->painted = lines;
    if (lines < s->at_work) {
        fprintf(s->rules.out, "and %u more\033[K\n", s->at_work - lines);
        s->painted++;
    }
    fputs("\033[J", s->rules.out);
    fflush(s->rules.out);
    s->painted_at = now;
}

/* A line that stays goes in the place of those that move, which follow at once. */
static void event(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now)
{
    char text[FETCH_SENTENCE];
    bool shown =
        e->kind != EVENT_LISTED && (!s->rules.quiet || fetch_trouble(e)) && fetch_sentence(s->rules.what, e, text);
    if (shown && s->held)
        put(s, s->held, l->name, text, 0);
    else if (shown) {
        bool moving = s->painted;
        rewind_lines(s);
        put(s, s->rules.out, l->name, text, 0);
        if (moving || e->kind == EVENT_DONE)
            paint(s, now);
        fflush(s->rules.out);
    }
}

static void sum(struct fetch_show *s, const struct fetch_sum *total, int status)
{
    char text[FETCH_SENTENCE];
    rewind_lines(s);
    fputs("\033[J", s->rules.out);
    fetch_sum_sentence(s->rules.what, total, text);
    if (total->interrupted || (total->accounts != 1 && !s->rules.quiet))
        fprintf(s->rules.out, "%s\n", text);
    fflush(s->rules.out);
}

const struct fetch_form fetch_terminal = {event, paint, sum};
