/* smtp_command: the table of commands (RFC 5321 §4.1, RFC 2033 §4), and those that need no file of their own.
 * Runs in the door. */
#include "wire/smtp_parts.h"

#include <string.h>

struct span smtp_next_word(struct span *rest)
{
    while (rest->n && *rest->p == ' ')
        *rest = span_from(*rest, 1);
    return span_cut(rest, ' ');
}

bool smtp_is_name(struct span word)
{
    if (word.n == 0 || word.n > SMTP_NAME_MAX)
        return false;
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] <= ' ' || word.p[i] > '~' || strchr("()<>\",;\\", word.p[i]))
            return false;
    return true;
}

/* ---- who the client is. It also ends a transaction (RFC 5321 §4.1.4). */

static bool hello(struct smtp_server *m, struct span rest, struct buf *out)
{
    struct span name = smtp_next_word(&rest);
    if (!smtp_is_name(name) || smtp_next_word(&rest).n) {
        smtp_err(m, out, "501 One name or address literal is expected");
        return false;
    }
    smtp_end_transaction(m, false);
    if (!m->helo_given) {
        memcpy(m->peer.helo, name.p, name.n);
        m->peer.helo[name.n] = '\0';
    }
    m->state = STATE_READY;
    return true;
}

static void do_helo(struct smtp_server *m, struct span rest, struct buf *out)
{
    if (!hello(m, rest, out))
        return;
    if (!m->proto_given)
        m->peer.esmtp = false;
    smtp_ok(m, out, "250 %s", m->offer.hostname);
}

static void do_ehlo(struct smtp_server *m, struct span rest, struct buf *out)
{
    if (!hello(m, rest, out))
        return;
    if (!m->proto_given)
        m->peer.esmtp = true;
    smtp_list_extensions(m, out);
}

/* ---- the small ones */

static void do_rset(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_end_transaction(m, false);
    smtp_ok(m, out, "250 2.0.0 Forgotten");
}

static void do_noop(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_ok(m, out, "250 2.0.0 Still here");
}

static void do_quit(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_ok(m, out, "221 2.0.0 Bye");
    m->step = STEP_CLOSE;
}

/* RFC 5321 §7.3: who exists is told to those who bring mail. */
static void do_vrfy(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_ok(m, out, "252 2.0.0 RCPT tells");
}

static void do_expn(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_err(m, out, "502 5.5.1 Lists are not told");
}

static void do_help(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_ok(m, out, "214 2.0.0 See RFC 5321 and RFC 2033");
}

static void do_starttls(struct smtp_server *m, struct span rest, struct buf *out)
{
    if (m->offer.tls_active || !m->offer.tls_offered) {
        smtp_err(m, out, m->offer.tls_active ? "503 5.5.1 TLS is active already" : "502 5.5.1 TLS is not offered here");
        return;
    }
    if (m->tls_busy) {
        m->count.tls_put_off++;
        smtp_err(m, out, "454 4.7.0 TLS is not available now, try again later"); /* RFC 3207 §4 */
        return;
    }
    smtp_end_transaction(m, false);
    smtp_ok(m, out, "220 2.0.0 Begin TLS");
    m->step = STEP_TLS;
}

/* A browser that was lured here: what it brings is text that somebody else has chosen. */
static void do_http(struct smtp_server *m, struct span rest, struct buf *out)
{
    smtp_err(m, out, "500 5.5.1 This is no web server");
    m->step = STEP_CLOSE;
}

/* ---- the table */

enum {
    LMTP = 1 << SMTP_IS_LMTP,
    SMTP = 1 << SMTP_IS_SMTP,
    BOTH = LMTP | SMTP,
    NEW = 1 << STATE_NEW,
    READY = 1 << STATE_READY,
    MAIL = 1 << STATE_MAIL,
    CHUNKS = 1 << STATE_CHUNKS,
    ANY = NEW | READY | MAIL | CHUNKS
};

enum argument { NONE, MAYBE, SOME }; /* what may follow the word */

struct command {
    const char *word;
    unsigned dialects, states;
    enum argument argument;
    smtp_do *act;
};

/* clang-format off */
static const struct command commands[] = {
    /* word       spoken in  known in        followed by  what it does */
    {"HELO",      SMTP,      ANY,            MAYBE,       do_helo},
    {"EHLO",      SMTP,      ANY,            MAYBE,       do_ehlo},
    {"LHLO",      LMTP,      ANY,            MAYBE,       do_ehlo},
    {"MAIL",      BOTH,      READY,          MAYBE,       smtp_do_mail},
    {"RCPT",      BOTH,      MAIL,           MAYBE,       smtp_do_rcpt},
    {"DATA",      BOTH,      MAIL,           NONE,        smtp_do_data},
    {"BDAT",      BOTH,      ANY,            MAYBE,       smtp_do_bdat}, /* what follows is to be read away in any case */
    {"RSET",      BOTH,      ANY,            NONE,        do_rset},
    {"NOOP",      BOTH,      ANY,            MAYBE,       do_noop},
    {"QUIT",      BOTH,      ANY,            NONE,        do_quit},
    {"VRFY",      BOTH,      ANY,            SOME,        do_vrfy},
    {"EXPN",      BOTH,      ANY,            SOME,        do_expn},
    {"HELP",      BOTH,      ANY,            MAYBE,       do_help},
    {"STARTTLS",  BOTH,      ANY,            NONE,        do_starttls},
    {"XCLIENT",   BOTH,      NEW | READY,    SOME,        smtp_do_xclient},
    {"GET",       BOTH,      ANY,            MAYBE,       do_http},
    {"POST",      BOTH,      ANY,            MAYBE,       do_http},
    {"PUT",       BOTH,      ANY,            MAYBE,       do_http},
    {"HEAD",      BOTH,      ANY,            MAYBE,       do_http},
    {"OPTIONS",   BOTH,      ANY,            MAYBE,       do_http},
    {"CONNECT",   BOTH,      ANY,            MAYBE,       do_http},
};
/* clang-format on */

static const struct command *find_command(const struct smtp_server *m, struct span word)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].dialects & 1u << m->offer.dialect && span_is_nocase(word, commands[i].word))
            return &commands[i];
    return NULL;
}

static bool argument_fits(enum argument argument, struct span rest)
{
    return argument == MAYBE || (argument == SOME) == (rest.n > 0);
}

void smtp_close_if_chunk(struct smtp_server *m, struct span line)
{
    const struct span head = {line.p, line.n < 4 ? line.n : 4};
    if (span_is_nocase(head, "BDAT"))
        m->step = STEP_CLOSE;
}

void smtp_command(struct smtp_server *m, struct span line, struct buf *out)
{
    while (line.n && line.p[line.n - 1] == ' ')
        line.n--;
    struct span rest = line, word = span_cut(&rest, ' ');
    const struct command *c = find_command(m, word);

    m->count.commands++;
    if (line.n && (memchr(line.p, '\0', line.n) || memchr(line.p, '\r', line.n) || memchr(line.p, '\n', line.n)))
        smtp_err(m, out, "500 5.5.2 A command holds no NUL and no lone CR or LF");
    else if (!c)
        smtp_err(m, out, "500 5.5.1 Unknown command");
    else if (!(c->states & 1u << m->state))
        smtp_err_order(m, out);
    else if (!argument_fits(c->argument, rest))
        smtp_err(m, out, "501 5.5.4 %s takes %s argument", c->word, c->argument == NONE ? "no" : "an");
    else {
        c->act(m, rest, out);
        return;
    }
    smtp_close_if_chunk(m, line);
}
