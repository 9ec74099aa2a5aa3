/* smtp_client_reply: a server's lines to replies (RFC 5321 §4.2). A server may be hostile: what is kept has a ceiling,
 * and only printable ASCII of it is kept. Runs in the tool. */
#include "wire/smtp_client_parts.h"

#include <string.h>

void smtp_client_forget_reply(struct smtp_client *m)
{
    m->code = m->lines = 0;
    m->reply_len = 0;
    m->reply[0] = '\0';
}

static void keep(struct smtp_client *m, struct span text)
{
    const size_t room = sizeof m->reply - 1;
    if (m->reply_len && m->reply_len < room)
        m->reply[m->reply_len++] = ' ';
    for (size_t i = 0; i < text.n && m->reply_len < room; i++)
        m->reply[m->reply_len++] = text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?';
    m->reply[m->reply_len] = '\0';
}

/* Three digits, the first from 2 to 5. 0: they are none. */
static unsigned code_of(struct span line)
{
    uint64_t code;
    if (line.n < 3 || !span_number((struct span){line.p, 3}, &code) || code < 200 || code > 599)
        return 0;
    return (unsigned)code;
}

enum smtp_client_got smtp_client_line(struct smtp_client *m, struct buf *in, struct span *text, size_t *used)
{
    struct span line = {"", 0};
    size_t max = m->step == STEP_AUTH ? SMTP_CLIENT_CHALLENGE_MAX : SMTP_CLIENT_LINE_MAX;
    enum line_result r = line_next(&m->line, in, max, &line, used);
    if (r == LINE_NONE)
        return GOT_NONE;
    unsigned code = r == LINE_WHOLE ? code_of(line) : 0;
    bool more = line.n > 3 && line.p[3] == '-';
    if (code == 0 || (line.n > 3 && line.p[3] != ' ' && !more) || (m->lines && code != m->code)) {
        err_set(&m->err, ERR_INPUT, "the server's reply is not well formed");
        return GOT_WRONG;
    }
    if (++m->lines > SMTP_CLIENT_LINES_MAX) {
        err_set(&m->err, ERR_LIMIT, "the server's reply does not end");
        return GOT_WRONG;
    }
    *text = span_from(line, 4);
    m->code = code;
    keep(m, *text);
    return more ? GOT_LINE : GOT_REPLY;
}
