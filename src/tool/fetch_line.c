/* fetch_line: see the header. */
#include "tool/fetch_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tool/fetch_words.h"

enum { RATE_MS = 1000 /* no rate is told of less */ };

void fetch_line_begin(struct fetch_line *l, const char *name)
{
    *l = (struct fetch_line){.name = name};
    snprintf(l->step, sizeof l->step, "starting");
}

void fetch_line_event(struct fetch_line *l, const struct event *e, uint64_t now)
{
    if (e->kind == EVENT_STEP) {
        snprintf(l->step, sizeof l->step, "%s", e->text);
        l->at = 0;
    } else if (e->kind == EVENT_LISTED) {
        l->listed = true;
        l->todo = e->todo;
        l->whole = e->bytes;
    } else if (e->kind == EVENT_PROGRESS) {
        if (!l->began)
            l->began = now;
        l->at = e->at;
        if (e->todo)
            l->todo = e->todo;
        l->octets = e->all_bytes;
    }
}

void fetch_line_text(const struct fetch_line *l, uint64_t now, char *out, size_t room)
{
    char octets[FETCH_WORD], whole[FETCH_WORD], rate[FETCH_WORD], left[FETCH_WORD];
    if (!l->at) {
        snprintf(out, room, "%s", l->step);
        return;
    }
    uint64_t ms = now - l->began, rest = l->whole > l->octets ? l->whole - l->octets : 0;
    uint64_t speed = ms >= RATE_MS ? l->octets * 1000 / ms : 0;
    fetch_size(l->octets, octets);
    fetch_size(l->whole, whole);
    fetch_size(speed, rate);
    fetch_time(speed ? rest / speed : 0, left);
    int n = snprintf(out, room, "message %" PRIu32 " of %" PRIu32 ", %s", l->at, l->todo, octets);
    if (n > 0 && (size_t)n < room && l->whole)
        n += snprintf(out + n, room - (size_t)n, " of %s", whole);
    if (n > 0 && (size_t)n < room && speed)
        n += snprintf(out + n, room - (size_t)n, ", %s/s", rate);
    if (n > 0 && (size_t)n < room && speed && rest)
        snprintf(out + n, room - (size_t)n, ", %s left", left);
}

/* ---- columns */

enum { WIDE = 0x1100 /* below it no character is wide */ };

/* The character at p: its length in bytes, and the columns it takes. The text is whole UTF-8 (log_shown). */
static size_t character(const char *p, int *columns)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4, have = strnlen(p, n);
    unsigned second = have > 1 ? (unsigned char)p[1] & 0x3F : 0;
    bool ours = strncmp(p, "…", 3) == 0;
    *columns = n < 3 || ours || (n == 3 && ((c & 0x0Fu) << 12 | second << 6) < WIDE) ? 1 : 2;
    return have;
}

int fetch_columns(const char *text)
{
    int all = 0, columns = 0;
    for (; *text; all += columns)
        text += character(text, &columns);
    return all;
}

void fetch_fit(char *text, size_t room, int width)
{
    if (fetch_columns(text) <= width)
        return;
    int used = 0, columns = 0;
    char *p = text;
    for (size_t n = character(p, &columns); used + columns <= width - 1; n = character(p, &columns)) {
        used += columns;
        p += n;
    }
    snprintf(p, room - (size_t)(p - text), "%s", width > 0 ? "…" : "");
}
