/* fuzz_conf: the configuration's reader. Fuzzes: src/base/conf_parse.c
 *
 * Whatever was read must print as something that reads as the same, and what is wrong must be told in order of lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *printed(const struct conf *c, size_t *n)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, n);
    if (!to)
        abort();
    conf_print(c, to);
    fclose(to);
    return text;
}

static void must_be_in_order(const struct conf_problems *p)
{
    unsigned fatal = 0;
    for (unsigned i = 0; i < p->count; i++) {
        fatal += p->list[i].fatal;
        if ((i > 0 && p->list[i - 1].line > p->list[i].line) || strpbrk(p->list[i].text, "\n\x1b"))
            abort();
    }
    if (fatal != p->fatal)
        abort();
}

/* A default that does not fit is a warning; printed, it stands there as if chosen, and is an error. */
static unsigned unfit_defaults(const struct conf_problems *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->count; i++)
        n += !p->list[i].fatal && strstr(p->list[i].text, "does not hold the default of store_default");
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf c, again;
    struct conf_problems problems = {0}, after = {0};
    size_t n, n_again;
    if (size > 1 << 14)
        return 0;
    conf_read(&c, (struct span){(const char *)data, size}, &problems);
    must_be_in_order(&problems);
    char *text = printed(&c, &n);
    conf_read(&again, (struct span){text, n}, &after);
    char *text_again = printed(&again, &n_again);
    if (n != n_again || memcmp(text, text_again, n) != 0 || (problems.fatal == 0 && after.fatal > unfit_defaults(&problems)))
        abort();
    free(text);
    free(text_again);
    conf_free(&c);
    conf_free(&again);
    conf_problems_free(&problems);
    conf_problems_free(&after);
    return 0;
}
