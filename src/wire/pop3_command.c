/* pop3_command: the table of commands (RFC 1939, 2449, 2595, 5034, 6856), and those that need no file of their own.
 * Runs in the door for AUTHORIZATION, in the mail worker for TRANSACTION. */
#include "wire/pop3_parts.h"

#include <string.h>

/* What needs the drop's messages is done at once, or as soon as they are there. */
static void with_messages(struct pop3_server *m, struct buf *out, void (*act)(struct pop3_server *m, struct buf *out))
{
    if (drop_loaded(m->drop)) {
        act(m, out);
        return;
    }
    m->loaded = act;
    m->step = STEP_LOAD;
}

/* The message a command names: its number counted from 0 in *msg, or "-ERR" and false. Needs no message: where one may be
 * marked they are loaded. A number that is too
 * large for 64 bits is no number; nothing wraps. */
static bool find_message(struct pop3_server *m, struct span text, unsigned *msg, struct buf *out)
{
    uint64_t n;
    if (!span_number(text, &n)) {
        pop3_err(m, out, "", SAY_NO_NUMBER);
        return false;
    }
    if (n == 0 || n > m->drop->count) {
        pop3_err(m, out, "", SAY_NO_MESSAGE);
        return false;
    }
    if (!drop_has(m->drop, (unsigned)(n - 1))) {
        pop3_err(m, out, "", SAY_IS_DELETED);
        return false;
    }
    *msg = (unsigned)(n - 1);
    return true;
}

static void do_capa(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    pop3_ok(m, out, SAY_CAPABILITIES);
    pop3_list_begin(m, STEP_CAPA);
}

/* Who may leave nothing on the server: whatever RETR has sent to its end counts as deleted (RFC 2449 §6.7). */
static void mark_read(struct drop *d)
{
    for (unsigned i = 0; d->messages && i < d->count; i++)
        if (d->messages[i].read)
            drop_mark(d, i);
}

static void do_quit(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (m->state == POP3_TRANSACTION) {
        if (m->offer.expire_read)
            mark_read(m->drop);
        m->state = POP3_UPDATE; /* RFC 1939 §6: the answer waits for the removal */
        m->step = STEP_COMMIT;
        return;
    }
    pop3_ok(m, out, SAY_BYE);
    m->state = POP3_ENDED;
    m->step = STEP_CLOSE;
}

static void do_stat(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    pop3_data(out, "+OK %u %llu", m->drop->count - m->drop->deleted, (unsigned long long)m->drop->octets);
}

void pop3_listing_status(struct pop3_server *m, struct buf *out)
{
    if (m->uidl)
        pop3_ok(m, out, SAY_UIDS);
    else
        pop3_ok(m, out, SAY_COUNT, .n1 = m->drop->count - m->drop->deleted, .n2 = m->drop->octets);
}

void pop3_listing(struct pop3_server *m, struct buf *out)
{
    pop3_listing_status(m, out);
    pop3_list_begin(m, m->uidl ? STEP_UIDL : STEP_LIST);
}

static void one_size(struct pop3_server *m, struct buf *out)
{
    pop3_data(out, "+OK %u %llu", m->msg + 1, (unsigned long long)m->drop->messages[m->msg].octets);
    m->step = STEP_COMMAND;
}

static void one_uid(struct pop3_server *m, struct buf *out)
{
    pop3_data(out, "+OK %u %s", m->msg + 1, m->drop->messages[m->msg].uid);
    m->step = STEP_COMMAND;
}

/* LIST and UIDL: of all, or of one. */
static void list(struct pop3_server *m, const struct pop3_args *a, struct buf *out, bool uidl)
{
    if (a->count) {
        if (find_message(m, a->arg[0], &m->msg, out))
            with_messages(m, out, uidl ? one_uid : one_size);
        return;
    }
    m->uidl = uidl;
    if (drop_loaded(m->drop))
        pop3_listing(m, out);
    else
        m->step = STEP_STORED;
}

static void do_list(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    list(m, a, out, false);
}

static void do_uidl(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    list(m, a, out, true);
}

static void open_it(struct pop3_server *m, struct buf *out)
{
    m->step = STEP_OPEN;
}

static void do_retr(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (!find_message(m, a->arg[0], &m->msg, out))
        return;
    m->top = false;
    with_messages(m, out, open_it);
}

static void do_top(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (!find_message(m, a->arg[0], &m->msg, out))
        return;
    if (!span_number(a->arg[1], &m->top_lines)) {
        pop3_err(m, out, "", SAY_NO_LINES);
        return;
    }
    m->top = true;
    with_messages(m, out, open_it);
}

static void mark(struct pop3_server *m, struct buf *out)
{
    drop_mark(m->drop, m->msg);
    pop3_ok(m, out, SAY_DELETED, .n1 = (uint64_t)m->msg + 1);
    m->step = STEP_COMMAND;
}

static void do_dele(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (find_message(m, a->arg[0], &m->msg, out))
        with_messages(m, out, mark);
}

static void do_rset(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    drop_reset(m->drop);
    pop3_ok(m, out, SAY_COUNT, .n1 = m->drop->count, .n2 = m->drop->octets);
}

static void do_noop(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    pop3_ok(m, out, SAY_STILL_HERE);
}

/* ---- the table */

enum {
    AUTHORIZATION = 1 << POP3_AUTHORIZATION,
    TRANSACTION = 1 << POP3_TRANSACTION,
    BOTH = AUTHORIZATION | TRANSACTION
};

enum { LISTED, REST, PASSWORD = 2 }; /* how the arguments are read; PASSWORD: not without TLS (RFC 2595 §2.3) */

struct command {
    const char *word;
    unsigned states;
    unsigned min, max; /* arguments */
    unsigned flags;
    pop3_do *act;
};

/* clang-format off */
static const struct command commands[] = {
    /* word     known in        args    flags             what it does */
    {"CAPA",    BOTH,           0, 0,   LISTED,           do_capa},
    {"STLS",    AUTHORIZATION,  0, 0,   LISTED,           pop3_do_stls},
    {"USER",    AUTHORIZATION,  1, 1,   PASSWORD,         pop3_do_user},
    {"PASS",    AUTHORIZATION,  1, 1,   PASSWORD | REST,  pop3_do_pass},
    {"APOP",    AUTHORIZATION,  2, 2,   LISTED,           pop3_do_apop},
    {"AUTH",    AUTHORIZATION,  0, 2,   LISTED,           pop3_do_auth},
    {"LANG",    BOTH,           0, 1,   LISTED,           pop3_do_lang},
    {"UTF8",    AUTHORIZATION,  0, 0,   LISTED,           pop3_do_utf8},
    {"STAT",    TRANSACTION,    0, 0,   LISTED,           do_stat},
    {"LIST",    TRANSACTION,    0, 1,   LISTED,           do_list},
    {"UIDL",    TRANSACTION,    0, 1,   LISTED,           do_uidl},
    {"RETR",    TRANSACTION,    1, 1,   LISTED,           do_retr},
    {"TOP",     TRANSACTION,    2, 2,   LISTED,           do_top},
    {"DELE",    TRANSACTION,    1, 1,   LISTED,           do_dele},
    {"NOOP",    TRANSACTION,    0, 0,   LISTED,           do_noop},
    {"RSET",    TRANSACTION,    0, 0,   LISTED,           do_rset},
    {"QUIT",    BOTH,           0, 0,   LISTED,           do_quit},
};
/* clang-format on */

static const struct command *find_command(struct span word)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (span_is_nocase(word, commands[i].word))
            return &commands[i];
    return NULL;
}

/* Cuts what follows the word. One space before each argument (RFC 1939 §3); spaces at the end are forgiven.
 * REST: all of it, spaces included, is one argument. false: two spaces in a row, or more than `max`. */
static bool cut_arguments(struct span rest, const struct command *c, struct pop3_args *a)
{
    *a = (struct pop3_args){0};
    if (c->flags & REST) {
        a->count = rest.n > 0;
        a->arg[0] = rest;
        return true;
    }
    while (rest.n && rest.p[rest.n - 1] == ' ')
        rest.n--;
    while (rest.n) {
        struct span arg = span_cut(&rest, ' ');
        if (arg.n == 0 || a->count == c->max)
            return false;
        a->arg[a->count++] = arg;
    }
    return true;
}

/* A browser that was lured here brings text that somebody else has chosen, and no line of it is to be read as a command: its request is
 * a word we do not know, and what follows that is a header's field, or nothing. */
static bool is_request(struct span word)
{
    static const char *const words[] = {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is_nocase(word, words[i]))
            return true;
    return false;
}

static bool is_browser(struct pop3_server *m, struct span line, struct span word)
{
    bool field = line.n == 0 || memchr(word.p, ':', word.n);
    m->http = m->http && field;
    return m->http;
}

void pop3_command(struct pop3_server *m, struct span line, struct buf *out)
{
    struct pop3_args args;
    struct span rest = line, word = span_cut(&rest, ' ');
    const struct command *c = find_command(word);

    if (is_browser(m, line, word)) {
        m->state = POP3_ENDED;
        m->step = STEP_CLOSE;
        return;
    }
    m->count.commands++;
    if (memchr(line.p, '\0', line.n) || memchr(line.p, '\r', line.n))
        pop3_err(m, out, "", SAY_NUL);
    else if (!c)
        pop3_err(m, out, "", SAY_UNKNOWN);
    else if (!(c->states & 1u << m->state))
        pop3_err(m, out, "", m->state == POP3_AUTHORIZATION ? SAY_LOG_IN_FIRST : SAY_LOGGED_IN);
    else if (!cut_arguments(rest, c, &args) || args.count < c->min)
        pop3_err(m, out, "", SAY_ARGUMENTS, .s = c->word);
    else if (c->flags & PASSWORD && !pop3_password_allowed(m))
        pop3_err(m, out, "", SAY_NEEDS_TLS);
    else
        c->act(m, &args, out);
    m->http = !c && m->state == POP3_AUTHORIZATION && is_request(word);
}
