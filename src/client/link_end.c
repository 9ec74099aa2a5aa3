/* link_end: waiting, and its end. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/link_impl.h"

uint64_t link_after(uint64_t ms)
{
    return ms ? clock_ms() + ms : 0;
}

uint64_t link_nearer(const struct link *l, uint64_t until)
{
    return l->ends_at && (!until || l->ends_at < until) ? l->ends_at : until;
}

bool link_past(const struct link *l, uint64_t until)
{
    until = link_nearer(l, until);
    return until && clock_ms() >= until;
}

/* The ms that poll may take; -1: any number. */
static int left(uint64_t until)
{
    uint64_t now = clock_ms();
    if (!until)
        return -1;
    return until <= now ? 0 : until - now < INT_MAX ? (int)(until - now) : INT_MAX;
}

short link_poll(const struct link *l, short events, uint64_t until)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    until = link_nearer(l, until);
    for (;;) {
        int n = poll(&p, 1, left(until));
        if (n > 0)
            return p.revents;
        if (n < 0 && errno != EINTR)
            return POLLERR; /* the socket's own call says which */
        if (until && clock_ms() >= until)
            return 0;
    }
}

/* "pop.example.org:995", "[2001:db8::1]:995", "/run/pop3.socket"; a name that is too long for a sentence is cut. */
static int name(const struct link *l, char out[128])
{
    const char *host = log_escape(span_of(l->to.host));
    const char *v6 = strchr(host, ':') ? "[]" : "";
    if (*l->to.host == '/')
        return snprintf(out, 128, "%.90s", host);
    return snprintf(out, 128, "%.1s%.90s%s:%u", v6, host, *v6 ? v6 + 1 : "", l->to.port);
}

int link_end(struct link *l, struct err *err, enum err_kind kind, const char *format, ...)
{
    char who[128], text[ERR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    name(l, who);
    err_set(&l->why, kind, "%s: %s", who, text);
    l->over = true;
    return err_set(err, kind, "%s", l->why.text);
}

int link_late(struct link *l, struct err *err, const char *what)
{
    if (link_past(l, 0))
        return link_end(l, err, ERR_TEMP, "it took longer than %llu s as a whole", (l->to.whole_ms + 999) / 1000);
    return link_end(l, err, ERR_TEMP, "%s", what);
}
