/* fuzz_command: what a client may say, commands and SASL responses, through pop3_server.
 * Fuzzes: src/wire/pop3_feed.c src/wire/pop3_command.c src/wire/pop3_auth.c src/wire/pop3_list.c src/wire/pop3_offer.c
 * src/wire/pop3_lang.c src/wire/pop3_text.c src/wire/pop3_reply.c src/wire/line.c src/wire/base64.c
 *
 * Input: a byte of what is offered, one from which the owner's decisions follow, then the client's bytes. They are
 * given whole, and cut into small pieces with the least room for output, to owners of a drop that is loaded, or is not, with
 * and without listings as text; all must be answered the same, and well. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pop3_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STAMP = 1, SASL = 2, CLEAR = 4, TLS = 8, ACTIVE = 16, LOGGED_IN = 32, MANY = 64, UTF8 = 128 };

struct session {
    struct pop3_offer offer;
    struct pop3_server m;
    struct drop drop;
    struct buf in, out, got;
    unsigned chance; /* the owner's decisions, one after the other */
    bool over;
    bool text; /* the owner has listings as text */
};

static unsigned decide(struct session *s, unsigned ways)
{
    s->chance = s->chance * 1103515245u + 12345u;
    return (s->chance >> 16) % ways;
}

static void drain(struct session *s)
{
    buf_add_span(&s->got, buf_span(&s->out));
    buf_take(&s->out, s->out.len);
}

static void on_auth(struct session *s)
{
    static const char huge[5000];
    const struct pop3_auth *a = &s->m.auth;
    bool sasl = a->how == POP3_AUTH_SASL_BEGIN || a->how == POP3_AUTH_SASL_STEP;
    struct span said[] = {a->user, a->secret, a->mechanism};
    for (unsigned i = 0; i < 3; i++) /* every byte may be read */
        mem_free(mem_copy(said[i].p, said[i].n));
    if (a->how == POP3_AUTH_SASL_CANCEL)
        return;
    unsigned way = decide(s, sasl ? 8 : 3);
    if (way == 0) {
        pop3_server_granted(&s->m);
        pop3_server_fini(&s->m);
        pop3_server_resume(&s->m, &s->offer, span_of("ann"), &s->drop, &s->out);
    } else if (way < 3) {
        pop3_server_denied(&s->m, (enum err_kind)decide(s, ERR_KINDS + 1), &s->out);
    } else if (way == 3) {
        pop3_server_challenge(&s->m, (struct span){huge, sizeof huge}, &s->out);
    } else {
        pop3_server_challenge(&s->m, (struct span){"Username:", decide(s, 10)}, &s->out);
    }
}

static void on_body(struct session *s)
{
    assert(drop_has(&s->drop, s->m.msg));
    if (decide(s, 3) == 0) {
        pop3_server_body_failed(&s->m, (enum err_kind)decide(s, ERR_KINDS), &s->out);
        return;
    }
    pop3_server_body_begin(&s->m, s->drop.messages[s->m.msg].octets, &s->out);
    if (decide(s, 10) == 0) {
        pop3_server_abort(&s->m, ERR_TEMP, SAY_UNREADABLE, &s->out);
        return;
    }
    drain(s);
    buf_add_text(&s->out, ".\r\n");
    pop3_server_body_end(&s->m);
}

static void load(struct session *s)
{
    unsigned count = s->drop.count;
    drop_load(&s->drop);
    for (unsigned i = 0; i < count; i++)
        drop_add(&s->drop, i * 1000, span_of("uid"));
}

/* Rows that the owner has, or none: what is answered must be the same. */
static void on_listing(struct session *s)
{
    assert(!drop_loaded(&s->drop) && s->drop.deleted == 0);
    if (!s->text) {
        pop3_server_listing_render(&s->m);
        return;
    }
    pop3_server_listing_begin(&s->m, &s->out);
    for (unsigned i = 0; i < s->drop.count; i++) {
        drain(s);
        if (s->m.uidl)
            buf_addf(&s->out, "%u uid\r\n", i + 1);
        else
            buf_addf(&s->out, "%u %u\r\n", i + 1, i * 1000);
    }
    drain(s);
    buf_add_text(&s->out, ".\r\n");
    pop3_server_listing_end(&s->m);
}

static void run(struct session *s)
{
    while (!s->over) {
        switch (pop3_server_feed(&s->m, &s->in, &s->out)) {
        case POP3_WANT_INPUT:
            drain(s);
            return;
        case POP3_WANT_ROOM:
            assert(s->out.len);
            drain(s);
            break;
        case POP3_WANT_AUTH:
            on_auth(s);
            break;
        case POP3_WANT_TLS: /* what is read after it depends on the cut, and comes from another stream */
            assert(s->in.len == 0);
            pop3_server_secured(&s->m);
            s->over = true;
            break;
        case POP3_WANT_DROP:
            load(s);
            pop3_server_loaded(&s->m);
            break;
        case POP3_WANT_LISTING:
            on_listing(s);
            break;
        case POP3_WANT_BODY:
            on_body(s);
            break;
        case POP3_WANT_COMMIT:
            pop3_server_committed(&s->m, (enum err_kind)decide(s, ERR_KINDS), decide(s, 3), &s->out);
            break;
        case POP3_WANT_CLOSE:
            s->over = true;
            break;
        }
    }
    drain(s);
}

enum owner { LOADED, RENDERS, HAS_TEXT };

static void begin(struct session *s, const uint8_t *how, size_t room, enum owner owner)
{
    unsigned o = how[0];
    s->offer = (struct pop3_offer){.implementation = "bustia",
                                   .stamp = o & STAMP ? "<1@x>" : NULL,
                                   .sasl = o & SASL ? "SCRAM-SHA-256 SCRAM-SHA-1" : "",
                                   .sasl_clear = o & SASL ? "PLAIN LOGIN" : "",
                                   .utf8_offered = o & UTF8,
                                   .preferred = (enum pop3_language)(how[1] % POP3_LANGUAGES),
                                   .language = (enum pop3_language)(o % POP3_LANGUAGES),
                                   .tls_offered = o & TLS,
                                   .tls_active = o & ACTIVE,
                                   .clear_allowed = o & CLEAR,
                                   .expire_read = o & MANY,
                                   .login_delay = o & MANY ? "600 USER" : NULL,
                                   .expire = o & MANY ? "0 USER" : NULL};
    s->chance = how[1];
    s->over = false;
    buf_init(&s->in, 1 << 17, NULL);
    buf_init(&s->out, room, NULL);
    buf_init(&s->got, 1 << 26, NULL);
    drop_init(&s->drop);
    unsigned count = o & MANY ? 150 : 3;
    drop_tell(&s->drop, count, (uint64_t)count * (count - 1) / 2 * 1000, false);
    if (owner == LOADED)
        load(s);
    s->text = owner == HAS_TEXT;
    if (o & LOGGED_IN)
        pop3_server_resume(&s->m, &s->offer, span_of("ann"), &s->drop, &s->out);
    else
        pop3_server_init(&s->m, &s->offer, &s->out);
}

static void end(struct session *s)
{
    pop3_server_fini(&s->m);
    drop_fini(&s->drop);
    buf_fini(&s->in);
    buf_fini(&s->out);
    buf_fini(&s->got);
}

static void play(struct session *s, const uint8_t *data, size_t size, size_t piece, size_t room, enum owner owner)
{
    begin(s, data, room, owner);
    run(s);
    for (size_t at = 2; at < size && !s->over; at += piece) {
        buf_add(&s->in, data + at, size - at < piece ? size - at : piece);
        run(s);
    }
    if (!s->over && size % 2)
        pop3_server_abort(&s->m, ERR_LIMIT, SAY_LINE_LONG, &s->out);
    drain(s);
}

/* RFC 1939 §3, RFC 2449 §4: lines end with CRLF, hold no other CR nor NUL, and are short but for challenges. */
static void check(struct span got)
{
    while (got.n) {
        assert(memchr(got.p, '\n', got.n));
        struct span line = span_cut(&got, '\n');
        assert(line.n && line.p[line.n - 1] == '\r');
        assert(!memchr(line.p, '\r', line.n - 1) && !memchr(line.p, '\0', line.n));
        assert(line.n < POP3_REPLY_MAX || line.p[1] == ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000)
        return 0;
    static const struct {
        size_t piece, room;
        enum owner owner;
    } ways[] = {{1, POP3_REPLY_MAX, RENDERS}, {5, 700, LOADED}, {3, 800, HAS_TEXT}};
    struct session whole, cut;
    play(&whole, data, size, size, 4096, LOADED);
    check(buf_span(&whole.got));
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        /* A challenge that does not fit ends the exchange, so the rooms differ in nothing else: none of 5,000 octets
         * fits any of them. */
        play(&cut, data, size, ways[i].piece, ways[i].room, ways[i].owner);
        assert(span_equal(buf_span(&whole.got), buf_span(&cut.got)));
        assert(cut.m.count.commands == whole.m.count.commands && cut.m.count.errors == whole.m.count.errors);
        end(&cut);
    }
    end(&whole);
    return 0;
}
