/* pop3_list: replies of many lines. Each row leaves as soon as there is room for it, so a maildrop of any size
 * is listed through a buffer of any size, and nothing is built up in memory. */
#include "wire/pop3_parts.h"

#include <stdio.h>
#include <string.h>

/* ---- LIST and UIDL: written straight into the queue, for there may be 100,000 rows */

enum { ROW_MAX = 96, ROWS_AT_ONCE = 65536 }; /* ROW_MAX: a number, a size or a uid, CRLF; more than the final dot's line, too */
_Static_assert(POP3_REPLY_MAX > 2 * ROW_MAX, "in the least room there is, some row fits");

/* "n ", and what is told of it. */
static char *put_row(char *p, unsigned n, const struct drop_message *msg, bool uidl)
{
    p = span_put_number(p, (uint64_t)n + 1);
    *p++ = ' ';
    if (uidl) {
        memcpy(p, msg->uid, msg->uid_n);
        p += msg->uid_n;
    } else
        p = span_put_number(p, msg->octets);
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

/* As many rows as fit; what is marked is left out. false: there is no room for one more. */
static bool put_rows(struct pop3_server *m, struct buf *out, bool uidl)
{
    const struct drop *d = m->drop;
    size_t wanted = ((size_t)(d->count - m->listed) + 1) * ROW_MAX, room;
    char *to = buf_reserve(out, wanted < ROWS_AT_ONCE ? wanted : ROWS_AT_ONCE, &room), *p = to;
    if (!to || room < ROW_MAX)
        return false;
    for (; m->listed < d->count && (size_t)(p - to) <= room - ROW_MAX; m->listed++)
        if (!d->messages[m->listed].deleted)
            p = put_row(p, m->listed, &d->messages[m->listed], uidl);
    buf_commit(out, (size_t)(p - to));
    return true;
}

static bool run_messages(struct pop3_server *m, struct buf *out, bool uidl)
{
    while (m->listed < m->drop->count)
        if (!put_rows(m, out, uidl))
            return false;
    return buf_add(out, ".\r\n", 3);
}

/* ---- the others: their rows are few.
 *
 * Writes row `n` and returns its length; 0: this row is left out; -1: there are no more. No CRLF. */
typedef int row_fn(const struct pop3_server *m, unsigned n, char row[POP3_REPLY_MAX]);

/* ---- CAPA (RFC 2449 §5): what can be done in this state must be true; what belongs to AUTHORIZATION is
 * announced in both states. */

static int always(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    return snprintf(row, POP3_REPLY_MAX, "%s", text);
}

static int if_user(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    return pop3_password_allowed(m) ? always(m, text, row) : 0;
}

static int if_sasl(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    int n = 0;
    for (unsigned i = 0; i < POP3_OFFER_LISTS; i++) {
        const char *words = pop3_offer_words(m, i);
        if (*words && n < POP3_REPLY_MAX)
            n += snprintf(row + n, POP3_REPLY_MAX - (size_t)n, "%s %s", n ? "" : text, words);
    }
    return n;
}

/* Also after the log-in: what AUTHORIZATION has is announced in both states (RFC 2449 §5). */
static int if_stls(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    return m->offer.tls_offered && !m->offer.tls_active ? always(m, text, row) : 0;
}

static int if_login_delay(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    const char *arguments = m->offer.login_delay;
    return arguments && *arguments ? snprintf(row, POP3_REPLY_MAX, "%s %s", text, arguments) : 0;
}

static int if_expire(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    const char *arguments = m->offer.expire;
    return arguments && *arguments ? snprintf(row, POP3_REPLY_MAX, "%s %s", text, arguments) : 0;
}

/* Names and passwords are taken in UTF-8 whether it was said or not (RFC 6856 §2.2). */
static int if_utf8(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    return m->offer.utf8_offered ? always(m, text, row) : 0;
}

static int implementation(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX])
{
    return snprintf(row, POP3_REPLY_MAX, "%s %s", text, m->offer.implementation);
}

static const struct {
    const char *text;
    int (*row)(const struct pop3_server *m, const char *text, char row[POP3_REPLY_MAX]);
} capabilities[] = {
    {"TOP", always},
    {"UIDL", always},
    {"RESP-CODES", always},
    {"AUTH-RESP-CODE", always},
    {"PIPELINING", always},
    {"LANG", always},
    {"UTF8 USER", if_utf8},
    {"USER", if_user},
    {"SASL", if_sasl},
    {"STLS", if_stls},
    {"LOGIN-DELAY", if_login_delay},
    {"EXPIRE", if_expire},
    {"IMPLEMENTATION", implementation},
};

static int capa_row(const struct pop3_server *m, unsigned n, char row[POP3_REPLY_MAX])
{
    if (n >= sizeof capabilities / sizeof *capabilities)
        return -1;
    return capabilities[n].row(m, capabilities[n].text, row);
}

/* Not in any RFC, but asked by clients that are older than CAPA. */
static int mechanism_row(const struct pop3_server *m, unsigned n, char row[POP3_REPLY_MAX])
{
    for (unsigned i = 0; i < POP3_OFFER_LISTS; i++) {
        struct span words = span_of(pop3_offer_words(m, i));
        for (struct span word = pop3_next_word(&words); word.n; word = pop3_next_word(&words))
            if (n-- == 0)
                return snprintf(row, POP3_REPLY_MAX, "%.*s", (int)word.n, word.p);
    }
    return -1;
}

/* A tag, a blank, and what the language is called in itself (RFC 6856 §3.2). */
static int language_row(const struct pop3_server *m, unsigned n, char row[POP3_REPLY_MAX])
{
    const struct pop3_tag *tag = pop3_tag(n);
    return tag ? snprintf(row, POP3_REPLY_MAX, "%s %s", tag->tag, tag->name) : -1;
}

static row_fn *const rows[] = {[STEP_CAPA] = capa_row,
                               [STEP_MECHANISMS] = mechanism_row,
                               [STEP_LANGUAGES] = language_row};

void pop3_list_begin(struct pop3_server *m, enum pop3_step step)
{
    m->step = (int)step;
    m->listed = 0;
}

bool pop3_list_run(struct pop3_server *m, struct buf *out)
{
    if (m->step == STEP_LIST || m->step == STEP_UIDL)
        return run_messages(m, out, m->step == STEP_UIDL);
    row_fn *row = rows[m->step];
    char text[POP3_REPLY_MAX];
    for (;; m->listed++) {
        int n = row(m, m->listed, text);
        if (n < 0)
            return buf_add(out, ".\r\n", 3);
        if (n == 0)
            continue;
        if (n > POP3_REPLY_MAX - 3)
            n = POP3_REPLY_MAX - 3;
        text[n++] = '\r';
        text[n++] = '\n';
        if (!buf_add(out, text, (size_t)n))
            return false;
    }
}
