/* letter: see the header. */
#include "reader/letter.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void letter_free(struct letter *l)
{
    char *all[] = {l->from, l->to, l->cc, l->bcc, l->subject, l->in_reply_to, l->references, l->text};
    for (size_t i = 0; i < sizeof all / sizeof(void *); i++)
        mem_free(all[i]);
    for (unsigned i = 0; i < l->attached; i++)
        mem_free(l->attach[i]);
    *l = (struct letter){.from = NULL};
}

void letter_add(char **list, const char *more)
{
    if (!more || !*more)
        return;
    size_t n = *list ? strlen(*list) : 0;
    char *whole = mem_alloc(n + strlen(more) + 3);
    snprintf(whole, n + strlen(more) + 3, "%s%s%s", n ? *list : "", n ? ", " : "", more);
    mem_free(*list);
    *list = whole;
}

int letter_attach(struct letter *l, const char *path, struct err *err)
{
    char whole[PATH_MAX];
    if (l->attached == LETTER_ATTACHED)
        return err_set(err, ERR_LIMIT, "more than %d files are to be attached", LETTER_ATTACHED);
    l->attach[l->attached++] = mem_copy_text(realpath(path, whole) ? whole : path);
    return 0;
}

/* ---- fields */

static const char attach_field[] = "Attach";

struct field {
    const char *name;
    char **value;
};

enum { FIELDS = 7, PEOPLES = 5 /* those that a person writes come first */ };

static void fields_of(struct letter *l, struct field out[FIELDS])
{
    const struct field all[FIELDS] = {{"From", &l->from},
                                      {"To", &l->to},
                                      {"Cc", &l->cc},
                                      {"Bcc", &l->bcc},
                                      {"Subject", &l->subject},
                                      {"In-Reply-To", &l->in_reply_to},
                                      {"References", &l->references}};
    memcpy(out, all, sizeof all);
}

static bool fits_in_line(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7F)
            return false;
    return true;
}

int letter_check(const struct letter *l, struct err *err)
{
    struct letter copy = *l;
    struct field fields[FIELDS];
    fields_of(&copy, fields);
    for (int i = 0; i < FIELDS; i++)
        if (!fits_in_line(*fields[i].value))
            return err_set(err, ERR_INPUT, "%s: a line end or a control character cannot stand in it", fields[i].name);
    for (unsigned i = 0; i < l->attached; i++)
        if (!fits_in_line(l->attach[i]))
            return err_set(err, ERR_INPUT, "a file with a line end or a control character in its name is not attached");
    return 0;
}

/* ---- a draft */

void letter_put(const struct letter *l, FILE *to)
{
    struct letter copy = *l;
    struct field fields[FIELDS];
    fields_of(&copy, fields);
    for (int i = 0; i < FIELDS; i++) {
        bool always = fields[i].value == &copy.to || fields[i].value == &copy.subject;
        if (*fields[i].value || always)
            fprintf(to, "%s: %s\n", fields[i].name, *fields[i].value ? *fields[i].value : "");
    }
    for (unsigned i = 0; i < l->attached; i++)
        fprintf(to, "%s: %s\n", attach_field, l->attach[i]);
    putc('\n', to);
    fwrite(l->text ? l->text : "", 1, l->text_n, to);
}

static struct span trimmed(struct span s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t'))
        s = span_from(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* false: it is no field that a draft has. */
static bool take_field(struct letter *l, struct span line, bool own, struct err *err)
{
    struct field fields[FIELDS];
    struct span value = line, name = span_cut(&value, ':');
    if (!value.p || memchr(value.p, '\0', value.n))
        return false;
    value = trimmed(value);
    fields_of(l, fields);
    for (int i = 0; i < (own ? FIELDS : PEOPLES); i++)
        if (span_is_nocase(name, fields[i].name)) {
            mem_free(*fields[i].value);
            *fields[i].value = mem_copy(value.p, value.n);
            return true;
        }
    if (!own || !span_is_nocase(name, attach_field))
        return false;
    char *path = mem_copy(value.p, value.n);
    int result = letter_attach(l, path, err);
    mem_free(path);
    return result == 0;
}

int letter_take(struct letter *l, struct span draft, bool own, struct err *err)
{
    for (unsigned i = 0; i < l->attached; i++)
        mem_free(l->attach[i]);
    l->attached = 0;
    while (draft.n) {
        struct span line = span_cut(&draft, '\n');
        if (trimmed(line).n == 0)
            break;
        err_set(err, ERR_INPUT, "the draft's head has a line that is no field of a draft: %.*s",
                (int)(line.n < 100 ? line.n : 100), line.p);
        if (!take_field(l, line, own, err))
            return -1;
    }
    mem_free(l->text);
    l->text = mem_copy(draft.n ? draft.p : "", draft.n);
    l->text_n = draft.n;
    return 0;
}

bool letter_is(struct span draft)
{
    struct letter l = {.from = NULL};
    struct err err;
    bool is = letter_take(&l, draft, false, &err) == 0 && (l.to || l.cc || l.bcc);
    letter_free(&l);
    return is;
}
