/* whole: see the header. */
#include "reader/whole.h"

#include <string.h>

#include "base/mem.h"

/* The next field with its continuation lines, and its name; false: the head is over. */
static bool next_field(struct span *rest, struct span *field, struct span *name)
{
    size_t n = 0, colon = 0;
    while (colon < rest->n && rest->p[colon] > ' ' && rest->p[colon] < 0x7F && rest->p[colon] != ':')
        colon++;
    *name = (struct span){rest->p, colon};
    while (colon < rest->n && (rest->p[colon] == ' ' || rest->p[colon] == '\t'))
        colon++;
    if (name->n == 0 || colon == rest->n || rest->p[colon] != ':')
        return false;
    do {
        const char *lf = memchr(rest->p + n, '\n', rest->n - n);
        n = lf ? (size_t)(lf - rest->p) + 1 : rest->n;
    } while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'));
    *field = (struct span){rest->p, n};
    *rest = span_from(*rest, n);
    return true;
}

bool whole_is(struct span text)
{
    static const char *const known[] = {"From", "To",         "Cc",           "Bcc",     "Subject",
                                        "Date", "Message-ID", "MIME-Version", "Received"};
    struct span field, name;
    bool one = false;
    while (next_field(&text, &field, &name))
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            one = one || span_is_nocase(name, known[i]);
    return one && (text.n == 0 || text.p[0] == '\n' || (text.n > 1 && text.p[0] == '\r' && text.p[1] == '\n'));
}

static bool beyond_ascii(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 0x7F)
            return true;
    return false;
}

int whole_look(struct span text, struct whole_facts *f, struct err *err)
{
    struct span field, name;
    *f = (struct whole_facts){.from = false};
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n'))
            return err_set(err, ERR_INPUT, "there is a CR in the message that is no line's end");
    if (memchr(text.p, '\0', text.n))
        return err_set(err, ERR_INPUT, "there is a NUL in the message");
    while (next_field(&text, &field, &name)) {
        f->from = f->from || span_is_nocase(name, "From");
        f->date = f->date || span_is_nocase(name, "Date");
        f->id = f->id || span_is_nocase(name, "Message-ID");
        f->mime = f->mime || span_is_nocase(name, "MIME-Version") || span_is_nocase(name, "Content-Type");
        f->utf8 = f->utf8 || beyond_ascii(field);
    }
    f->eight_bit = beyond_ascii(text);
    return 0;
}

/* Appends the value, its lines joined. */
static size_t add_value(char *to, size_t n, struct span field, size_t name_n)
{
    struct span value = span_from(field, name_n);
    const char *colon = memchr(value.p, ':', value.n);
    value = span_from(value, colon ? (size_t)(colon - value.p) + 1 : value.n);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\r' && value.p[i] != '\n')
            to[n++] = value.p[i];
    return n;
}

char *whole_field(struct span text, const char *name)
{
    struct span field, found;
    char *all = NULL;
    size_t n = 0;
    while (next_field(&text, &field, &found)) {
        if (!span_is_nocase(found, name))
            continue;
        all = mem_resize(all, n + field.n + 3);
        if (n)
            all[n++] = ',';
        n = add_value(all, n, field, found.n);
        all[n] = '\0';
    }
    return all;
}

int whole_put(struct span text, struct span more, struct spool *to, struct err *err)
{
    struct span field, name;
    int result = spool_add(to, more, err);
    while (result == 0 && next_field(&text, &field, &name))
        if (!span_is_nocase(name, "Bcc") && !span_is_nocase(name, "Resent-Bcc"))
            result = spool_add(to, field, err);
    return result < 0 ? -1 : spool_add(to, text, err);
}
