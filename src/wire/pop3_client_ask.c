/* pop3_client_ask: what TRANSACTION is asked, and how far ahead of the answers (RFC 2449 §6.8). Runs in the collector
 * and in the reader. */
#include "wire/pop3_client_parts.h"

#include <assert.h>

enum { COMMAND_MAX = sizeof "TOP 4294967295 4294967295\r\n" - 1 };

/* RFC 2449 §6.8: no more ahead than what a TCP window has room for. */
_Static_assert(POP3_CLIENT_WINDOW *COMMAND_MAX <= POP3_CLIENT_AHEAD, "too much is asked ahead");

static const struct {
    const char *word;
    bool msg; /* has a message's number */
} commands[] = {
    [POP3_ASK_STAT] = {"STAT", false}, [POP3_ASK_LIST] = {"LIST", false}, [POP3_ASK_LIST_ONE] = {"LIST", true},
    [POP3_ASK_UIDL] = {"UIDL", false}, [POP3_ASK_RETR] = {"RETR", true},  [POP3_ASK_TOP] = {"TOP", true},
    [POP3_ASK_DELE] = {"DELE", true},  [POP3_ASK_RSET] = {"RSET", false}, [POP3_ASK_NOOP] = {"NOOP", false},
    [POP3_ASK_QUIT] = {"QUIT", false},
};

bool pop3_client_may_ask(const struct pop3_client *m)
{
    unsigned window = m->capa.pipelining ? m->limits.window : 1;
    return !m->quitting && !m->waiting && !m->unsent && m->count < window;
}

bool pop3_client_send_command(struct pop3_client *m, struct buf *out)
{
    const struct pop3_asked *a = &m->asked[(m->first + m->count - 1) % POP3_CLIENT_WINDOW];
    const char *word = commands[a->what].word;
    bool added = a->what == POP3_ASK_TOP ? buf_addf(out, "%s %u %u\r\n", word, a->msg, m->lines)
                 : commands[a->what].msg ? buf_addf(out, "%s %u\r\n", word, a->msg)
                                         : buf_addf(out, "%s\r\n", word);
    m->unsent = !added;
    return added;
}

static void add(struct pop3_client *m, enum pop3_ask what, unsigned msg)
{
    m->asked[(m->first + m->count++) % POP3_CLIENT_WINDOW] =
        (struct pop3_asked){.what = (unsigned char)what, .msg = msg};
    m->unsent = true;
}

static void ask(struct pop3_client *m, enum pop3_ask what, unsigned msg)
{
    assert(m->step >= STEP_OPEN && pop3_client_may_ask(m) && commands[what].msg == (msg > 0));
    add(m, what, msg);
}

void pop3_client_stat(struct pop3_client *m)
{
    ask(m, POP3_ASK_STAT, 0);
}

void pop3_client_list(struct pop3_client *m)
{
    ask(m, POP3_ASK_LIST, 0);
}

void pop3_client_list_one(struct pop3_client *m, unsigned msg)
{
    ask(m, POP3_ASK_LIST_ONE, msg);
}

void pop3_client_uidl(struct pop3_client *m)
{
    ask(m, POP3_ASK_UIDL, 0);
}

void pop3_client_retr(struct pop3_client *m, unsigned msg)
{
    ask(m, POP3_ASK_RETR, msg);
}

void pop3_client_top(struct pop3_client *m, unsigned msg, unsigned lines)
{
    m->lines = lines;
    ask(m, POP3_ASK_TOP, msg);
}

void pop3_client_dele(struct pop3_client *m, unsigned msg)
{
    ask(m, POP3_ASK_DELE, msg);
}

void pop3_client_rset(struct pop3_client *m)
{
    ask(m, POP3_ASK_RSET, 0);
}

void pop3_client_noop(struct pop3_client *m)
{
    ask(m, POP3_ASK_NOOP, 0);
}

void pop3_client_wait(struct pop3_client *m)
{
    assert(m->step >= STEP_OPEN && m->count);
    m->waiting = true;
}

unsigned pop3_client_waiting(const struct pop3_client *m)
{
    return m->count;
}

void pop3_client_quit(struct pop3_client *m)
{
    assert(m->step == STEP_START || m->step == STEP_REFUSED || (m->step >= STEP_OPEN && pop3_client_may_ask(m)));
    if (m->step < STEP_OPEN)
        m->step = STEP_OPEN;
    m->err = (struct err){0};
    m->quitting = true;
    add(m, POP3_ASK_QUIT, 0);
}
