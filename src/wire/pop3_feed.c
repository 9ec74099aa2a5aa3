/* pop3_server: see the header. Runs in the door for AUTHORIZATION, in the mail worker from TRANSACTION on. */
#include "wire/pop3_parts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"

static void begin(struct pop3_server *m, const struct pop3_offer *offer, enum pop3_state state)
{
    *m = (struct pop3_server){.state = state, .language = offer->language, .utf8 = offer->utf8, .offer = *offer, .step = STEP_COMMAND};
    line_init(&m->line);
}

void pop3_server_init(struct pop3_server *m, const struct pop3_offer *offer, struct buf *out)
{
    begin(m, offer, POP3_AUTHORIZATION);
    char stamp[POP3_REPLY_MAX] = "";
    if (offer->stamp)
        snprintf(stamp, sizeof stamp, " %s", offer->stamp);
    pop3_ok(m, out, SAY_READY, .s = stamp);
}

void pop3_server_resume(struct pop3_server *m, const struct pop3_offer *offer, struct span user, struct drop *drop,
                        struct buf *out)
{
    begin(m, offer, POP3_TRANSACTION);
    m->drop = drop;
    char name[POP3_NAME_MAX + 1] = "";
    struct span shown = pop3_name(user);
    memcpy(name, shown.p, shown.n);
    pop3_ok(m, out, shown.n ? SAY_HAS : SAY_HAS_UNNAMED, .s = name, .n1 = drop->count - drop->deleted, .n2 = drop->octets);
}

void pop3_server_fini(struct pop3_server *m)
{
    pop3_forget_secret(m);
    pop3_forget_user(m);
    m->state = POP3_ENDED;
    m->step = STEP_CLOSE;
}

/* ---- feed */

/* A line of AUTHORIZATION may hold a secret: it is overwritten where it stood, and all of the queue's memory if
 * nothing else waits there (the queue may have moved its bytes). */
static void take_line(struct pop3_server *m, struct buf *in, size_t used)
{
    if (m->state != POP3_TRANSACTION) {
        mem_wipe(in->mem + in->start, used);
        if (used == in->len) {
            buf_wipe(in);
            return;
        }
    }
    buf_take(in, used);
}

/* One line is read and answered, if there is a whole one and room for a reply. */
static bool run_line(struct pop3_server *m, struct buf *in, struct buf *out, enum pop3_want *want)
{
    bool response = m->step == STEP_RESPONSE;
    if (buf_room(out) < POP3_REPLY_MAX) {
        *want = POP3_WANT_ROOM;
        return false;
    }
    struct span line;
    size_t used, got;
    enum line_result r = line_next(&m->line, in, response ? POP3_AUTH_LINE_MAX : POP3_LINE_MAX, &line, &used);
    if (r == LINE_NONE) {
        *want = POP3_WANT_INPUT;
        return false;
    }
    /* From here on the room is ours: a budget that others use up later cannot take it away. */
    buf_reserve(out, POP3_REPLY_MAX, &got);
    if (r == LINE_TOO_LONG && response)
        pop3_response_too_long(m, out);
    else if (r == LINE_TOO_LONG)
        pop3_err(m, out, "", SAY_LINE_LONG, .n1 = POP3_LINE_MAX);
    else if (response)
        pop3_response(m, line, out);
    else
        pop3_command(m, line, out);
    if (r == LINE_WHOLE)
        take_line(m, in, used);
    return true;
}

enum pop3_want pop3_server_feed(struct pop3_server *m, struct buf *in, struct buf *out)
{
    enum pop3_want want;
    for (;;) {
        switch ((enum pop3_step)m->step) {
        case STEP_COMMAND:
        case STEP_RESPONSE:
            if (!run_line(m, in, out, &want))
                return want;
            break;
        case STEP_LIST:
        case STEP_UIDL:
        case STEP_CAPA:
        case STEP_MECHANISMS:
        case STEP_LANGUAGES:
            if (!pop3_list_run(m, out))
                return POP3_WANT_ROOM;
            m->step = STEP_COMMAND;
            break;
        case STEP_CANCELLED:
            pop3_forget_secret(m);
            m->auth.how = POP3_AUTH_SASL_CANCEL;
            m->step = STEP_COMMAND;
            return POP3_WANT_AUTH;
        case STEP_AUTH:
            return POP3_WANT_AUTH;
        case STEP_TLS: /* what came with STLS in the clear is never read (RFC 2595 §4) */
            buf_wipe(in);
            line_init(&m->line);
            return POP3_WANT_TLS;
        case STEP_LOAD:
            return POP3_WANT_DROP;
        case STEP_LOADED: /* the room that the command had may have gone meanwhile */
            if (buf_room(out) < POP3_REPLY_MAX)
                return POP3_WANT_ROOM;
            m->loaded(m, out);
            break;
        case STEP_STORED:
        case STEP_TEXT:
            return POP3_WANT_LISTING;
        case STEP_OPEN:
        case STEP_BODY:
            return POP3_WANT_BODY;
        case STEP_COMMIT:
            return POP3_WANT_COMMIT;
        case STEP_CLOSE:
            return POP3_WANT_CLOSE;
        }
    }
}

bool pop3_server_in_line(const struct pop3_server *m, const struct buf *in)
{
    return (m->step == STEP_COMMAND || m->step == STEP_RESPONSE) && (m->line.discarding || in->len > 0);
}

/* ---- the owner's answers */

void pop3_server_challenge(struct pop3_server *m, struct span challenge, struct buf *out)
{
    assert(m->step == STEP_AUTH);
    pop3_forget_secret(m);
    size_t length = base64_length(challenge.n), got;
    if (buf_room(out) < length + 4) { /* it grows with what the client sends, and so has a ceiling */
        pop3_err(m, out, "", SAY_EXCHANGE_LONG);
        m->step = STEP_CANCELLED;
        return;
    }
    char *p = buf_reserve(out, length + 4, &got);
    p[0] = '+';
    p[1] = ' ';
    base64_encode(challenge, p + 2);
    p[length + 2] = '\r';
    p[length + 3] = '\n';
    buf_commit(out, length + 4);
    m->step = STEP_RESPONSE;
}

/* What a refused log-in is told. */
static const enum pop3_text denials[ERR_KINDS] = {
    [ERR_NONE] = SAY_REFUSED,         [ERR_TEMP] = SAY_REFUSED_NOW, [ERR_PERM] = SAY_REFUSED_ASK, [ERR_BUSY] = SAY_IN_USE,
    [ERR_AUTH] = SAY_WRONG,           [ERR_GONE] = SAY_REFUSED,     [ERR_UNKNOWN] = SAY_REFUSED_NOW,
    [ERR_INPUT] = SAY_MALFORMED,      [ERR_LIMIT] = SAY_TOO_MUCH,   [ERR_CONFIG] = SAY_REFUSED_ASK,
    [ERR_USAGE] = SAY_REFUSED,        [ERR_DELAY] = SAY_TOO_SOON,
};

void pop3_server_denied(struct pop3_server *m, enum err_kind kind, struct buf *out)
{
    pop3_forget_secret(m);
    pop3_forget_user(m);
    const struct err_row *row = err_row(kind);
    pop3_err(m, out, row->pop3, denials[row->kind]);
    m->state = POP3_AUTHORIZATION;
    m->step = STEP_COMMAND;
}

void pop3_server_granted(struct pop3_server *m)
{
    assert(m->step == STEP_AUTH);
    pop3_forget_secret(m);
    m->state = POP3_ENDED;
    m->step = STEP_CLOSE;
}

void pop3_server_secured(struct pop3_server *m)
{
    assert(m->step == STEP_TLS);
    pop3_forget_secret(m);
    pop3_forget_user(m);
    line_init(&m->line);
    m->offer.tls_active = true;
    m->step = STEP_COMMAND;
}

void pop3_server_loaded(struct pop3_server *m)
{
    assert(m->step == STEP_LOAD && drop_loaded(m->drop));
    m->step = STEP_LOADED;
}

void pop3_server_listing_begin(struct pop3_server *m, struct buf *out)
{
    assert(m->step == STEP_STORED);
    pop3_listing_status(m, out);
    m->step = STEP_TEXT;
}

void pop3_server_listing_end(struct pop3_server *m)
{
    assert(m->step == STEP_TEXT);
    m->step = STEP_COMMAND;
}

void pop3_server_listing_render(struct pop3_server *m)
{
    assert(m->step == STEP_STORED);
    m->loaded = pop3_listing;
    m->step = drop_loaded(m->drop) ? STEP_LOADED : STEP_LOAD;
}

void pop3_server_body_begin(struct pop3_server *m, uint64_t octets, struct buf *out)
{
    assert(m->step == STEP_OPEN);
    if (m->top)
        pop3_ok(m, out, SAY_TOP);
    else
        pop3_ok(m, out, SAY_OCTETS, .n1 = octets);
    m->step = STEP_BODY;
}

void pop3_server_body_end(struct pop3_server *m)
{
    assert(m->step == STEP_BODY);
    if (!m->top) {
        m->count.read++;
        m->drop->messages[m->msg].read = true;
    }
    m->step = STEP_COMMAND;
}

/* After log-in only trouble inside has a response code: [AUTH] and [IN-USE] are about logging in. */
static const char *inner_code(enum err_kind kind)
{
    const char *code = err_row(kind)->pop3;
    return strncmp(code, "SYS/", 4) == 0 ? code : "";
}

void pop3_server_body_failed(struct pop3_server *m, enum err_kind kind, struct buf *out)
{
    assert(m->step == STEP_OPEN);
    pop3_err(m, out, inner_code(kind), kind == ERR_GONE ? SAY_GONE : SAY_UNREADABLE);
    m->step = STEP_COMMAND;
}

void pop3_server_committed(struct pop3_server *m, enum err_kind kind, size_t left, struct buf *out)
{
    assert(m->step == STEP_COMMIT);
    const char *code = *inner_code(kind) ? inner_code(kind) : err_row(ERR_TEMP)->pop3;
    if (kind == ERR_NONE)
        pop3_ok(m, out, SAY_REMOVED, .n1 = m->drop->deleted);
    else if (left == 0)
        pop3_err(m, out, code, SAY_UNCERTAIN);
    else
        pop3_err(m, out, code, kind == ERR_UNKNOWN ? SAY_PERHAPS_LEFT : SAY_LEFT, .n1 = left);
    m->state = POP3_ENDED;
    m->step = STEP_CLOSE;
}

void pop3_server_abort(struct pop3_server *m, enum err_kind kind, enum pop3_text text, struct buf *out)
{
    bool sayable = false;
    switch ((enum pop3_step)m->step) {
    case STEP_COMMAND:
    case STEP_RESPONSE:
    case STEP_CANCELLED:
    case STEP_AUTH:
    case STEP_LOAD:
    case STEP_LOADED:
    case STEP_STORED:
    case STEP_OPEN:
    case STEP_COMMIT:
        sayable = true;
        break;
    case STEP_TLS:  /* the client awaits a handshake, */
    case STEP_LIST: /* or the rest of a list or of a message, which a line would become part of, */
    case STEP_UIDL:
    case STEP_CAPA:
    case STEP_MECHANISMS:
    case STEP_LANGUAGES:
    case STEP_TEXT:
    case STEP_BODY:
    case STEP_CLOSE: /* or nothing more */
        break;
    }
    if (sayable && buf_room(out) >= POP3_REPLY_MAX)
        pop3_err(m, out, err_row(kind)->pop3, text);
    pop3_forget_secret(m);
    pop3_forget_user(m);
    m->state = POP3_ENDED;
    m->step = STEP_CLOSE;
}
