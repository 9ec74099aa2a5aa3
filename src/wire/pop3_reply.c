/* pop3_reply: the one place where a status line is written (RFC 1939 §3, RFC 2449 §4). */
#include "wire/pop3_parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Feed has made sure of the room. */
static void write_line(struct buf *out, const char *line, size_t n)
{
    bool added = buf_add(out, line, n) && buf_add(out, "\r\n", 2);
    assert(added);
    (void)added;
}

/* head, text and CRLF, never more than a status line may have. */
static void write_text(const struct pop3_server *m, struct buf *out, struct span head, enum pop3_text text,
                       const struct pop3_fill *fill)
{
    char line[POP3_REPLY_MAX - 2];
    memcpy(line, head.p, head.n);
    size_t n = head.n + pop3_text_write(m->language, text, fill, line + head.n, sizeof line - head.n);
    write_line(out, line, n);
}

void pop3_ok_filled(const struct pop3_server *m, struct buf *out, enum pop3_text text, const struct pop3_fill *fill)
{
    write_text(m, out, span_of("+OK "), text, fill);
}

void pop3_err_filled(struct pop3_server *m, struct buf *out, const char *code, enum pop3_text text, const struct pop3_fill *fill)
{
    char head[48] = "-ERR ";
    if (*code)
        snprintf(head, sizeof head, "-ERR [%s] ", code);
    m->count.errors++;
    write_text(m, out, span_of(head), text, fill);
}

void pop3_data(struct buf *out, const char *format, ...)
{
    char line[POP3_REPLY_MAX - 1];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(wanted >= 0);
    write_line(out, line, (size_t)wanted < sizeof line ? (size_t)wanted : sizeof line - 1);
}

struct span pop3_name(struct span name)
{
    const struct span none = {"", 0};
    if (name.n == 0 || name.n > POP3_NAME_MAX || name.p[0] == '[' || name.p[0] == ' ')
        return none;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < ' ' || name.p[i] > '~')
            return none;
    return name;
}
