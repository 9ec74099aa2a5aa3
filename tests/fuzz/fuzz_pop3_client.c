/* fuzz_pop3_client: what a server may say to pop3_client: greeting, CAPA, log-in, answers, listings and messages.
 * Fuzzes: src/wire/pop3_client_feed.c src/wire/pop3_client_login.c src/wire/pop3_client_capa.c
 * src/wire/pop3_client_ask.c src/wire/pop3_client_answer.c
 *
 * Input: two bytes of what the owner does, then the server's octets. What the client says and tells must not depend on
 * how they were cut; what it tells must be what its header promises. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pop3_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte. */
enum { SECURE = 1, STLS = 2, LIMITS = 4, AT_ONCE = 8, CANCEL = 16, WAIT = 32 };
enum { TRIES = 4, ASKS = 20, MESSAGE_MAX = 300, ROWS_MAX = 6, TOKEN = 300 };

struct owner {
    struct pop3_client c;
    struct buf in, out, story, message;
    char token[TOKEN];
    unsigned how, way, tries, asks, rows, responses;
    bool over;
};

static void begin(struct owner *o, const uint8_t *data, size_t room)
{
    struct pop3_client_limits limits = {.message = MESSAGE_MAX, .rows = ROWS_MAX, .window = 3};
    *o = (struct owner){.how = data[0], .way = data[1]};
    memset(o->token, 't', sizeof o->token);
    buf_init(&o->in, 1 << 16, NULL);
    buf_init(&o->out, room, NULL);
    buf_init(&o->story, 1 << 26, NULL);
    buf_init(&o->message, 1 << 26, NULL);
    pop3_client_init(&o->c, o->how & SECURE, o->how & LIMITS ? &limits : NULL);
}

static void end(struct owner *o)
{
    pop3_client_fini(&o->c);
    assert(!o->c.secret.p && !o->c.later.p);
    buf_fini(&o->in);
    buf_fini(&o->out);
    buf_fini(&o->story);
    buf_fini(&o->message);
}

static void drain(struct owner *o)
{
    buf_add_span(&o->story, buf_span(&o->out));
    buf_take(&o->out, o->out.len);
}

static void must_be_shown(const char *text)
{
    for (; *text; text++)
        assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* ---- the owner's turns */

static void log_in(struct owner *o)
{
    struct pop3_client *c = &o->c;
    const struct span token = {o->token, TOKEN}, password = {"sec ret", 7}, none = {NULL, 0};
    assert(!c->secret.p && !c->later.p);
    must_be_shown(c->capa.sasl);
    must_be_shown(c->capa.implementation);
    must_be_shown(c->stamp);
    if (++o->tries > TRIES)
        pop3_client_quit(c);
    else if (o->how & STLS && !c->secure)
        pop3_client_stls(c);
    else if (c->capa.utf8 && o->tries == 1)
        pop3_client_utf8(c);
    else
        switch ((o->way + o->tries) % 8) {
        case 0:
            pop3_client_pass(c, "anna", password);
            break;
        case 1:
            pop3_client_apop(c, "anna", password);
            break;
        case 2:
            pop3_client_sasl(c, "PLAIN", password, false);
            break;
        case 3:
            pop3_client_sasl(c, "LOGIN", none, false);
            break;
        case 4:
            pop3_client_sasl(c, "XOAUTH2", token, true);
            break;
        case 5:
            pop3_client_sasl(c, "OAUTHBEARER", token, false);
            break;
        case 6:
            pop3_client_pass(c, "anna\r\nDELE 1", password);
            break;
        default:
            pop3_client_sasl(c, "not one", password, false);
        }
}

static void respond(struct owner *o)
{
    drain(o);
    buf_add_span(&o->story, o->c.challenge);
    if (o->how & CANCEL && ++o->responses > 1)
        pop3_client_cancel(&o->c);
    else
        pop3_client_respond(&o->c, span_of("answer"));
}

static void ask(struct owner *o)
{
    struct pop3_client *c = &o->c;
    unsigned n = o->asks++, msg = n % 3 + 1;
    if (o->how & WAIT && pop3_client_waiting(c) > 1) {
        pop3_client_wait(c);
        return;
    }
    if (n >= ASKS) {
        pop3_client_quit(c);
        return;
    }
    switch ((n + o->way / 16) % 10) {
    case 0:
        pop3_client_stat(c);
        break;
    case 1:
        pop3_client_uidl(c);
        break;
    case 2:
        pop3_client_list(c);
        break;
    case 3:
    case 4:
        pop3_client_retr(c, msg);
        break;
    case 5:
        pop3_client_top(c, msg, 10);
        break;
    case 6:
        pop3_client_list_one(c, msg);
        break;
    case 7:
        pop3_client_dele(c, msg);
        break;
    case 8:
        pop3_client_rset(c);
        break;
    default:
        pop3_client_noop(c);
    }
}

/* ---- what is told */

static void check_row(struct owner *o, const struct pop3_got *g)
{
    o->rows++;
    assert(g->what == POP3_ASK_LIST || g->what == POP3_ASK_UIDL);
    assert(!g->ok || (g->msg && (g->what == POP3_ASK_LIST || g->uid.n)));
    assert(g->uid.n <= POP3_CLIENT_UID_MAX);
    for (size_t i = 0; i < g->uid.n; i++)
        assert(g->uid.p[i] >= 0x21 && g->uid.p[i] <= 0x7e);
}

static void tell_got(struct owner *o)
{
    const struct pop3_got *g = &o->c.got;
    bool message = g->what == POP3_ASK_RETR || g->what == POP3_ASK_TOP;
    drain(o);
    assert(g->msg <= 0x80000000u);
    if (g->row)
        check_row(o, g);
    else if (message && g->ok)
        assert(g->number == o->message.len && (!(o->how & LIMITS) || g->number <= MESSAGE_MAX));
    if (!g->row) {
        assert(!(o->how & LIMITS) || o->rows <= ROWS_MAX);
        buf_add_span(&o->story, buf_span(&o->message));
        buf_take(&o->message, o->message.len);
        o->rows = 0;
    }
    buf_addf(&o->story, "[%d %u %d%d%d %llu %llu]", (int)g->what, g->msg, g->ok, g->row, (int)g->code,
             (unsigned long long)g->number, (unsigned long long)g->octets);
    buf_add_span(&o->story, g->uid);
    buf_add_span(&o->story, g->text);
}

static void tell_piece(struct owner *o)
{
    drain(o);
    buf_add_span(&o->message, o->c.piece);
    assert(o->c.piece.n && (!(o->how & LIMITS) || o->message.len <= MESSAGE_MAX));
}

static void run(struct owner *o)
{
    while (!o->over) {
        switch (pop3_client_feed(&o->c, &o->in, &o->out)) {
        case POP3_CLIENT_WANT_INPUT:
            drain(o);
            return;
        case POP3_CLIENT_WANT_ROOM:
            assert(o->out.len);
            drain(o);
            break;
        case POP3_CLIENT_WANT_START:
        case POP3_CLIENT_WANT_REFUSED:
            log_in(o);
            break;
        case POP3_CLIENT_WANT_TLS:
            assert(!o->in.len);
            pop3_client_secured(&o->c);
            break;
        case POP3_CLIENT_WANT_RESPONSE:
            respond(o);
            break;
        case POP3_CLIENT_WANT_COMMAND:
            ask(o);
            break;
        case POP3_CLIENT_WANT_GOT:
            tell_got(o);
            break;
        case POP3_CLIENT_WANT_BODY:
            tell_piece(o);
            break;
        case POP3_CLIENT_WANT_CLOSE:
            o->over = true;
            must_be_shown(o->c.err.text);
            assert(o->c.err.kind != ERR_NONE || o->c.got.what == POP3_ASK_QUIT);
            assert(!o->c.secret.p && !o->c.later.p);
        }
    }
}

/* A line at a time, when the client waits for it: what comes earlier is out of turn, by how it was cut. AT_ONCE: all
 * that there is room for. */
static void play(struct owner *o, const uint8_t *data, size_t size, size_t piece, size_t room)
{
    begin(o, data, room);
    run(o);
    for (size_t at = 2; at < size && !o->over;) {
        const uint8_t *lf = o->how & AT_ONCE ? NULL : memchr(data + at, '\n', size - at);
        size_t left = lf ? (size_t)(lf - data) + 1 - at : size - at;
        size_t n = left < piece ? left : piece;
        bool added = buf_add(&o->in, data + at, n);
        assert(added);
        (void)added;
        at += n;
        run(o);
    }
    drain(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 40000)
        return 0;
    struct owner whole, cut;
    play(&whole, data, size, 8000, 4096);
    if (data[0] & AT_ONCE) {
        end(&whole);
        return 0;
    }
    play(&cut, data, size, 1, 64);
    assert(span_equal(buf_span(&whole.story), buf_span(&cut.story)));
    assert(whole.over == cut.over && whole.c.err.kind == cut.c.err.kind &&
           strcmp(whole.c.err.text, cut.c.err.text) == 0);
    /* Of a message that has more than it may have, the whole piece is withheld with which it does. */
    if (whole.c.err.kind != ERR_LIMIT)
        assert(span_equal(buf_span(&whole.message), buf_span(&cut.message)));
    end(&whole);
    end(&cut);
    return 0;
}
