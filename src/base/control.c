/* control: see the header. The tool and the control role, which trust each other's frames no further than this. */
#include "base/control.h"

#include <string.h>

_Static_assert(sizeof(struct control_request) == 868, "no padding: both sides must agree on every byte");
_Static_assert(sizeof(struct control_row) == 520, "no padding: both sides must agree on every byte");

/* A text that ends inside its room, with nothing hidden behind its end. */
static bool ended(const char *text, size_t room)
{
    const char *end = memchr(text, '\0', room);
    if (!end)
        return false;
    for (const char *p = end; p < text + room; p++)
        if (*p != '\0')
            return false;
    return true;
}

bool control_request_ok(const struct control_request *q)
{
    if (q->version != CONTROL_VERSION || !ended(q->user, sizeof q->user) || !ended(q->secret, sizeof q->secret) ||
        !ended(q->address, sizeof q->address) || !ended(q->method, sizeof q->method))
        return false;
    if (q->what == CONTROL_TEST)
        return q->user[0] && q->method[0];
    bool plain = !q->secret[0] && !q->address[0] && !q->method[0];
    return plain && ((q->what == CONTROL_KICK && q->user[0]) ||
                     ((q->what == CONTROL_WHO || q->what == CONTROL_ERRORS) && !q->user[0]));
}

bool control_row_ok(const struct control_row *r)
{
    return r->version == CONTROL_VERSION && r->kind >= CONTROL_ROW && r->kind <= CONTROL_ERROR && r->tls <= 1 &&
           ended(r->user, sizeof r->user) && ended(r->address, sizeof r->address) && ended(r->text, sizeof r->text);
}

bool control_request_make(struct control_request *q, enum control_what what, const char *user)
{
    memset(q, 0, sizeof *q);
    q->version = CONTROL_VERSION;
    q->what = what;
    size_t n = strlen(user);
    if (n >= sizeof q->user)
        return false;
    memcpy(q->user, user, n);
    return true;
}

void control_row_make(struct control_row *r, enum control_kind kind)
{
    memset(r, 0, sizeof *r);
    r->version = CONTROL_VERSION;
    r->kind = kind;
}

void control_row_error(struct control_row *r, const struct err *e)
{
    control_row_make(r, CONTROL_ERROR);
    r->count = e->kind;
    memcpy(r->text, e->text, strnlen(e->text, sizeof r->text - 1));
}
