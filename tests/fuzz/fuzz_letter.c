/* fuzz_letter: what is to be sent, as it was written: a draft, or a whole message.
 * Fuzzes: src/reader/letter.c src/reader/whole.c
 *
 * A draft that was read and is written again reads as the same; what is checked has no line's end in a field. A whole
 * message goes without Bcc and with all that is not of its head. The first octet says whose draft it is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reader/letter.h"
#include "reader/whole.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 20 };

static void must(bool so)
{
    if (!so)
        abort();
}

static char *put(const struct letter *l, size_t *n)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, n);
    must(to != NULL);
    letter_put(l, to);
    fclose(to);
    return text;
}

static void check_draft(struct span in, bool own)
{
    struct letter l = {.from = NULL}, again = {.from = NULL};
    struct err err;
    if (letter_take(&l, in, own, &err) == 0 && letter_check(&l, &err) == 0) {
        size_t n, again_n;
        char *text = put(&l, &n);
        must(letter_take(&again, (struct span){text, n}, true, &err) == 0);
        char *same = put(&again, &again_n);
        must(n == again_n && memcmp(text, same, n) == 0 && l.attached == again.attached && l.text_n == again.text_n);
        must(own || l.attached == 0);
        free(text);
        free(same);
    } else {
        must(*err.text);
    }
    letter_free(&l);
    letter_free(&again);
}

static char *sent(struct span in, size_t *n)
{
    struct spool s;
    struct err err;
    must(spool_open(&s, MOST, &err) == 0 && whole_put(in, span_of("X-More: 1\n"), &s, &err) == 0);
    char *out = mem_alloc(s.size + 1);
    must(spool_read(&s, 0, out, s.size, &err) == (long)s.size);
    *n = s.size;
    spool_close(&s);
    return out;
}

static void check_whole(struct span in)
{
    static const char *const unseen[] = {"Bcc", "Resent-Bcc"};
    struct whole_facts facts, after;
    struct err err;
    size_t n;
    if (!whole_is(in) || whole_look(in, &facts, &err) < 0)
        return;
    char *out = sent(in, &n);
    for (int i = 0; i < 2; i++)
        must(whole_field((struct span){out, n}, unseen[i]) == NULL);
    must(whole_look((struct span){out, n}, &after, &err) == 0);
    must(facts.from == after.from && facts.date == after.date && facts.eight_bit == after.eight_bit);
    char *to = whole_field(in, "To"), *same = whole_field((struct span){out, n}, "To");
    must((to == NULL) == (same == NULL) && (!to || (strcmp(to, same) == 0 && !strpbrk(to, "\r\n"))));
    mem_free(to);
    mem_free(same);
    mem_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MOST / 2)
        return 0;
    struct span in = {(const char *)data + 1, size - 1};
    check_draft(in, data[0] & 1);
    (void)letter_is(in);
    check_whole(in);
    return 0;
}
