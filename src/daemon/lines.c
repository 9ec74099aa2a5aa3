/* lines: see the header. Every role. */
#include "daemon/lines.h"

#include "base/log_kept.h"

static void say(const struct lines_to *to, const struct log_kept *line)
{
    struct talk t = {.type = to->type, .fd = -1, .num = {to->token, line->level, 0, 0, to->role, to->pid, to->asked}};
    talk_set_wide(&t.num[2], (uint64_t)line->seconds);
    t.text[0] = span_of(line->text);
    talk_send(to->chan, &t);
}

void lines_say(const struct lines_to *to)
{
    struct log_kept line;
    for (unsigned i = 0; log_kept(i, &line); i++)
        say(to, &line);
    say(to, &(struct log_kept){.text = ""});
}
