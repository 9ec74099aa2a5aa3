/* source_server: a maildrop on a server (source.h). Whatever is asked for many messages is asked ahead of its answers,
 * as far as the server allows. */
#include <string.h>

#include "reader/source_server_impl.h"

enum { WORDS = 100 /* octets of a server's words that are shown */ };

static struct pop3_client *machine(struct server *v)
{
    return &v->session->machine;
}

int server_next(struct server *v, enum pop3_client_want *want, struct err *err)
{
    int result = pop3_next(v->session, want, err);
    if (result == 0 && *want == POP3_CLIENT_WANT_CLOSE)
        result = err_set(err, ERR_TEMP, "the server has ended the session");
    v->silent = v->silent || result < 0;
    return result;
}

/* The server's "-ERR" as an error. */
static int refused(struct server *v, const char *what, unsigned msg, struct err *err)
{
    struct span text = machine(v)->got.text;
    int n = (int)(text.n < WORDS ? text.n : WORDS);
    if (msg)
        return err_set(err, ERR_GONE, "the server refuses %s of message %u: %.*s", what, msg, n, text.p);
    return err_set(err, ERR_TEMP, "the server refuses %s: %.*s", what, n, text.p);
}

/* ---- the list */

enum { ROWS_MAX = 1000000 };

struct rows {
    struct server_row {
        uint64_t octets;
        const char *uid; /* in the drop's arena, or NULL */
    } * row;
    unsigned room, last; /* the highest number */
};

static struct server_row *row_of(struct rows *r, unsigned msg)
{
    if (msg == 0 || msg > ROWS_MAX)
        return NULL;
    if (msg > r->room) {
        unsigned room = msg > 2 * r->room ? msg + 64 : 2 * r->room;
        r->row = mem_resize(r->row, room * sizeof *r->row);
        memset(r->row + r->room, 0, (room - r->room) * sizeof *r->row);
        r->room = room;
    }
    r->last = msg > r->last ? msg : r->last;
    return &r->row[msg - 1];
}

static void take_row(struct server *v, struct rows *r)
{
    const struct pop3_got *got = &machine(v)->got;
    struct server_row *row = row_of(r, got->msg);
    if (!row)
        return;
    if (got->what == POP3_ASK_LIST)
        row->octets = got->number;
    else if (got->uid.n)
        row->uid = arena_copy(&v->source.drop.arena, got->uid.p, got->uid.n);
}

/* LIST, then UIDL, which not every server has. */
static int read_rows(struct server *v, struct rows *r, struct err *err)
{
    unsigned asked = 0, answered = 0;
    while (answered < 2) {
        enum pop3_client_want want;
        const struct pop3_got *got = &machine(v)->got;
        if (server_next(v, &want, err) < 0)
            return -1;
        if (want == POP3_CLIENT_WANT_COMMAND && asked == 2) {
            pop3_client_wait(machine(v));
        } else if (want == POP3_CLIENT_WANT_COMMAND) {
            if (asked++ == 0)
                pop3_client_list(machine(v));
            else
                pop3_client_uidl(machine(v));
        } else if (want == POP3_CLIENT_WANT_GOT && got->row) {
            take_row(v, r);
        } else if (want == POP3_CLIENT_WANT_GOT) {
            if (!got->ok && got->what == POP3_ASK_LIST)
                return refused(v, "LIST", 0, err);
            answered++;
        }
    }
    return 0;
}

static void fill_drop(struct drop *d, const struct rows *r)
{
    for (unsigned i = 0; i < r->last; i++)
        drop_add(d, r->row[i].octets, span_of(r->row[i].uid ? r->row[i].uid : ""));
}

static int read_list(struct server *v, struct err *err)
{
    struct rows r = {0};
    int result = read_rows(v, &r, err);
    if (result == 0)
        fill_drop(&v->source.drop, &r);
    mem_free(r.row);
    return result;
}

/* ---- a message */

static int server_fetch(struct source *s, unsigned msg, struct spool *to, struct err *err)
{
    struct server *v = (struct server *)s;
    bool asked = false;
    if (s->drop.messages[msg].octets > to->most) /* what LIST says is only a hint, but why wait for so much */
        return spool_add(to, (struct span){NULL, (size_t)-1}, err);
    for (;;) {
        enum pop3_client_want want;
        if (server_next(v, &want, err) < 0)
            return -1;
        if (want == POP3_CLIENT_WANT_COMMAND && !asked)
            pop3_client_retr(machine(v), msg + 1);
        else if (want == POP3_CLIENT_WANT_COMMAND)
            pop3_client_wait(machine(v));
        asked = asked || want == POP3_CLIENT_WANT_COMMAND;
        if (want == POP3_CLIENT_WANT_BODY && spool_add(to, machine(v)->piece, err) < 0) {
            v->silent = true; /* the rest of the message is not waited for */
            return -1;
        }
        if (want == POP3_CLIENT_WANT_GOT)
            return machine(v)->got.ok ? 0 : refused(v, "RETR", msg + 1, err);
    }
}

/* ---- removing */

static int server_remove(struct source *s, struct err *err)
{
    struct server *v = (struct server *)s;
    unsigned at = 0, awaited = 0;
    struct err before = {.kind = ERR_NONE};
    v->silent = true;
    for (;;) {
        enum pop3_client_want want;
        while (at < s->drop.count && !s->drop.messages[at].deleted)
            at++;
        if (at == s->drop.count && awaited == 0)
            return pop3_quit(v->session, err);
        if (server_next(v, &want, &before) < 0) /* RFC 1939 §6: without QUIT nothing goes */
            return err_set(err, before.kind, "nothing was deleted: %.200s", before.text);
        if (want == POP3_CLIENT_WANT_COMMAND && at < s->drop.count) {
            pop3_client_dele(machine(v), ++at);
            awaited++;
        } else if (want == POP3_CLIENT_WANT_COMMAND) {
            pop3_client_wait(machine(v));
        } else if (want == POP3_CLIENT_WANT_GOT) {
            awaited--;
            if (!machine(v)->got.ok)
                return refused(v, "DELE", machine(v)->got.msg, err);
        }
    }
}

/* QUIT is what enters the UPDATE state, so who has marked something and failed does not say it. */
static void server_close(struct source *s)
{
    struct server *v = (struct server *)s;
    struct err ignored;
    if (v->session && !v->silent)
        (void)pop3_quit(v->session, &ignored);
    pop3_close(v->session);
    drop_fini(&s->drop);
    mem_free(v);
}

static const struct source_ops server_ops = {
    .heads = server_heads, .fetch = server_fetch, .remove = server_remove, .close = server_close};

int source_server(struct source **s, const struct account *a, struct err *err)
{
    struct server *v = mem_alloc(sizeof *v);
    v->source.ops = &server_ops;
    v->source.account = a;
    drop_init(&v->source.drop);
    if (pop3_open(&v->session, a, true, NULL, err) < 0 || read_list(v, err) < 0) {
        v->silent = true;
        server_close(&v->source);
        return -1;
    }
    *s = &v->source;
    return 0;
}
