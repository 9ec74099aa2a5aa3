/* fuzz_smtp_client: what a server may say to smtp_client, whole and one octet at a time.
 * Fuzzes: src/wire/smtp_client_feed.c src/wire/smtp_client_steps.c src/wire/smtp_client_reply.c
 * src/wire/smtp_client_login.c
 *
 * Input: a byte of what is sent, then the server's bytes. The owner begins TLS and logs in if the byte says so, and
 * sends a message as often as he is let, in pieces of any size; what the client asks and what it says about the
 * recipients must not depend on how the replies were cut. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/smtp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LMTP = 1, UTF8 = 2, EIGHT = 4, WRONG = 8, STARTTLS = 16, AUTH = 32, CANCEL = 64, AT_ONCE = 128, RECIPIENTS = 3 };

struct owner {
    struct smtp_client c;
    struct buf in, out, story;
    struct smtp_client_rcpt to[RECIPIENTS];
    struct smtp_client_mail mail;
    unsigned mails, tries, responses, how;
    bool over;
};

static void begin(struct owner *o, unsigned how, size_t room)
{
    *o = (struct owner){.how = how};
    o->mail = (struct smtp_client_mail){.from = how & WRONG ? "" : "ann@a.example",
                                        .rcpts = o->to,
                                        .count = RECIPIENTS,
                                        .size = 9,
                                        .eight_bit = how & EIGHT,
                                        .utf8 = how & UTF8};
    o->to[0].address = "bob@b.example";
    o->to[1].address = how & WRONG ? "c\r\nd" : "carol@b.example";
    o->to[2].address = how & UTF8 ? "j\xc3\xb6rg" : "dave";
    buf_init(&o->in, 1 << 15, NULL);
    buf_init(&o->out, room, NULL);
    buf_init(&o->story, 1 << 24, NULL);
    smtp_client_init(&o->c, how & LMTP, "c.example");
    if (how & STARTTLS)
        smtp_client_tls(&o->c, SMTP_CLIENT_STARTTLS);
}

static void end(struct owner *o)
{
    smtp_client_fini(&o->c);
    assert(!o->c.saying.p && !o->c.later.p);
    buf_fini(&o->in);
    buf_fini(&o->out);
    buf_fini(&o->story);
}

static void drain(struct owner *o)
{
    buf_add_span(&o->story, buf_span(&o->out));
    buf_take(&o->out, o->out.len);
}

static void tell_results(struct owner *o)
{
    drain(o);
    for (unsigned i = 0; i < RECIPIENTS; i++) {
        const struct smtp_client_rcpt *r = &o->to[i];
        assert(r->code == 0 || (r->code >= 200 && r->code < 600 && strlen(r->text) < sizeof r->text));
        for (const char *p = r->text; *p; p++)
            assert(*p >= ' ' && *p <= '~');
        buf_addf(&o->story, "[%u %s]\n", r->code, r->text);
    }
}

/* false: it was tried often enough. */
static bool log_in(struct owner *o)
{
    static const char token[600] = "token";
    if (!(o->how & AUTH) || o->c.authenticated || ++o->tries > 5)
        return false;
    for (const char *p = o->c.auth; *p; p++)
        assert(*p >= ' ' && *p <= '~');
    switch (o->tries) {
    case 1:
        smtp_client_auth(&o->c, "PLAIN", span_of("secret"), false);
        break;
    case 2:
        smtp_client_auth(&o->c, "LOGIN", (struct span){NULL, 0}, false);
        break;
    case 3:
        smtp_client_auth(&o->c, "XOAUTH2", (struct span){token, sizeof token}, false);
        break;
    case 4:
        smtp_client_auth(&o->c, "X", span_of(""), true);
        break;
    default:
        smtp_client_auth(&o->c, "not one", span_of(""), false);
    }
    return true;
}

static void respond(struct owner *o)
{
    drain(o);
    buf_add_span(&o->story, o->c.challenge);
    if (o->how & CANCEL && ++o->responses % 2 == 0)
        smtp_client_cancel(&o->c);
    else
        smtp_client_respond(&o->c, span_of("answer"));
}

static void run(struct owner *o)
{
    while (!o->over) {
        switch (smtp_client_feed(&o->c, &o->in, &o->out)) {
        case SMTP_CLIENT_WANT_INPUT:
            drain(o);
            return;
        case SMTP_CLIENT_WANT_ROOM:
            assert(o->out.len);
            drain(o);
            break;
        case SMTP_CLIENT_WANT_MAIL: /* once for each time the server has been heard out */
            assert(!(o->how & STARTTLS) || o->c.secure);
            if (log_in(o))
                break;
            if (++o->mails < 4)
                smtp_client_begin(&o->c, &o->mail);
            else
                smtp_client_quit(&o->c);
            break;
        case SMTP_CLIENT_WANT_BODY:
            smtp_client_body(&o->c, span_of(".x\r\n.\ny"), &o->out);
            smtp_client_body_end(&o->c);
            break;
        case SMTP_CLIENT_WANT_RESULT:
            for (unsigned i = 0; i < RECIPIENTS; i++)
                assert(o->to[i].code);
            tell_results(o);
            smtp_client_next(&o->c);
            break;
        case SMTP_CLIENT_WANT_CLOSE:
            o->over = true;
            break;
        case SMTP_CLIENT_WANT_TLS:
            assert(o->how & STARTTLS && !o->in.len);
            smtp_client_secured(&o->c);
            break;
        case SMTP_CLIENT_WANT_RESPONSE:
            respond(o);
            break;
        case SMTP_CLIENT_WANT_REFUSED:
            assert(!o->c.saying.p && !o->c.later.p);
            if (!log_in(o))
                smtp_client_quit(&o->c);
        }
    }
}

/* The server says one reply at a time, when it is asked: what came earlier would be out of turn, by how it was cut. */
static void play(struct owner *o, const uint8_t *data, size_t size, size_t piece, size_t room)
{
    begin(o, data[0], room);
    run(o);
    for (size_t at = 1; at < size && !o->over;) {
        const uint8_t *lf = o->how & AT_ONCE ? NULL : memchr(data + at, '\n', size - at);
        size_t left = lf ? (size_t)(lf - data) + 1 - at : size - at;
        size_t n = left < piece ? left : piece;
        bool added = buf_add(&o->in, data + at, n);
        assert(added);
        (void)added;
        at += n;
        run(o);
    }
    tell_results(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 20000)
        return 0;
    struct owner whole, cut;
    play(&whole, data, size, size, 4096);
    if (data[0] & AT_ONCE) {
        end(&whole);
        return 0;
    }
    play(&cut, data, size, 1, 300);
    assert(span_equal(buf_span(&whole.story), buf_span(&cut.story)));
    assert(whole.over == cut.over && whole.c.err.kind == cut.c.err.kind &&
           strcmp(whole.c.err.text, cut.c.err.text) == 0);
    end(&whole);
    end(&cut);
    return 0;
}
