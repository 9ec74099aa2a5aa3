/* stage: see the header. */
#include "stage.h"

#include <stdarg.h>
#include <stdio.h>

void stage_init(struct stage *s, const struct stage_way *way, const char *path)
{
    s->way = way;
    s->path = path;
    buf_init(&s->in, 1 << 20, NULL);
    buf_init(&s->out, way->out_max, NULL);
    buf_init(&s->got, 1 << 24, NULL);
    buf_init(&s->expected, 1 << 24, NULL);
}

void stage_fini(struct stage *s)
{
    buf_fini(&s->in);
    buf_fini(&s->out);
    buf_fini(&s->got);
    buf_fini(&s->expected);
}

void stage_drain(struct stage *s)
{
    buf_add_span(&s->got, buf_span(&s->out));
    buf_take(&s->out, s->out.len);
}

void stage_event(struct stage *s, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    stage_drain(s);
    buf_addf(&s->got, "\001%s\n", text);
}

void stage_expect(struct stage *s, const struct script_item *item)
{
    if (item->what == SCRIPT_EVENT)
        buf_add_text(&s->expected, "\001");
    buf_add(&s->expected, item->bytes, item->n);
    if (item->what == SCRIPT_EVENT)
        buf_add_text(&s->expected, "\n");
}

static void show(const char *title, struct span s)
{
    fprintf(stderr, "  %s: \"", title);
    for (size_t i = 0; i < s.n && i < 300; i++)
        fprintf(stderr, s.p[i] < ' ' || s.p[i] > '~' ? "\\x%02x" : "%c", (unsigned char)s.p[i]);
    fprintf(stderr, "\"\n");
}

bool stage_check(const struct stage *s, unsigned line)
{
    struct span got = buf_span(&s->got), want = buf_span(&s->expected);
    if (span_equal(got, want))
        return true;
    size_t same = 0;
    while (same < got.n && same < want.n && got.p[same] == want.p[same])
        same++;
    while (same && (same == got.n || same == want.n || got.p[same - 1] != '\n'))
        same--;
    fprintf(stderr, "%s:%u: %s:\n", s->path, line, s->way->name);
    show("got ", span_from(got, same));
    show("want", span_from(want, same));
    return false;
}

int stage_main(int argc, char **argv, const struct stage_way *ways, size_t count, stage_play *play)
{
    bool good = argc > 1;
    for (int i = 1; i < argc; i++) {
        struct script s;
        script_read(&s, argv[i]);
        for (size_t k = 0; k < count; k++)
            good = play(&s, argv[i], &ways[k]) && good;
        script_free(&s);
    }
    return good ? 0 : 1;
}
