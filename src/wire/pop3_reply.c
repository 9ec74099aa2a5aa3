/* pop3_reply: the one place where a status line is written (RFC 1939 §3, RFC 2449 §4). */
#include "wire/pop3_parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* head, text and CRLF, never more than a status line may have. */
static void write_line(struct buf *out, const char *head, const char *format, va_list args)
{
    char line[POP3_REPLY_MAX];
    size_t n = (size_t)snprintf(line, sizeof line, "%s", head), room = sizeof line - 2;
    int wanted = vsnprintf(line + n, room - n, format, args);
    assert(wanted >= 0);
    n += (size_t)wanted < room - n ? (size_t)wanted : room - n - 1;
    line[n++] = '\r';
    line[n++] = '\n';
    bool added = buf_add(out, line, n);
    assert(added);
    (void)added;
}

void pop3_ok(struct buf *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(out, "+OK ", format, args);
    va_end(args);
}

void pop3_err(struct pop3_server *m, struct buf *out, const char *code, const char *format, ...)
{
    char head[48] = "-ERR ";
    if (*code)
        snprintf(head, sizeof head, "-ERR [%s] ", code);
    m->count.errors++;
    va_list args;
    va_start(args, format);
    write_line(out, head, format, args);
    va_end(args);
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
