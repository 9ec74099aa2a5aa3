/* conf_problem: the list of what is wrong. */
#include "base/conf.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    char *copy = n < 0 ? mem_copy_text("out of memory") : mem_copy(text, (size_t)n);
    free(text);
    return copy;
}

void conf_problem_add(struct conf_problems *p, unsigned line, bool fatal, const char *format, ...)
{
    /* The room is the power of two at or above the count. */
    if ((p->count & (p->count - 1)) == 0)
        p->list = mem_resize(p->list, (p->count ? 2 * p->count : 1) * sizeof *p->list);
    unsigned at = p->count;
    while (at > 0 && p->list[at - 1].line > line)
        at--;
    memmove(p->list + at + 1, p->list + at, (p->count - at) * sizeof *p->list);
    va_list args;
    va_start(args, format);
    p->list[at] = (struct conf_problem){line, fatal, format_text(format, args)};
    va_end(args);
    p->count++;
    p->fatal += fatal;
}

void conf_problems_free(struct conf_problems *p)
{
    for (unsigned i = 0; i < p->count; i++)
        mem_free(p->list[i].text);
    mem_free(p->list);
    *p = (struct conf_problems){0};
}

void conf_problems_print(const struct conf_problems *p, const char *file, FILE *to)
{
    for (unsigned i = 0; i < p->count; i++) {
        const struct conf_problem *one = &p->list[i];
        fputs(file, to);
        if (one->line)
            fprintf(to, ":%u", one->line);
        fprintf(to, ": %s: %s\n", one->fatal ? "error" : "warning", one->text);
    }
}
