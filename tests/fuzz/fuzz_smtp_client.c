/* fuzz_smtp_client: what a server may say to smtp_client, whole and one octet at a time.
 * Fuzzes: src/wire/smtp_client_feed.c src/wire/smtp_client_steps.c src/wire/smtp_client_reply.c
 *
 * Input: a byte of what is sent, then the server's bytes. The owner sends a message as often as he is let, in pieces of
 * any size; what the client asks and what it says about the recipients must not depend on how the replies were cut. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/smtp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LMTP = 1, UTF8 = 2, EIGHT = 4, WRONG = 8, RECIPIENTS = 3 };

struct owner {
    struct smtp_client c;
    struct buf in, out, story;
    struct smtp_client_rcpt to[RECIPIENTS];
    struct smtp_client_mail mail;
    unsigned mails;
    bool over;
};

static void begin(struct owner *o, unsigned how, size_t room)
{
    *o = (struct owner){0};
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
}

static void end(struct owner *o)
{
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
        case SMTP_CLIENT_WANT_RESPONSE:
        case SMTP_CLIENT_WANT_REFUSED:
            assert(0);
        }
    }
}

/* The server says one reply at a time, when it is asked: what came earlier would be out of turn, by how it was cut. */
static void play(struct owner *o, const uint8_t *data, size_t size, size_t piece, size_t room)
{
    begin(o, data[0], room);
    run(o);
    for (size_t at = 1; at < size && !o->over;) {
        const uint8_t *lf = memchr(data + at, '\n', size - at);
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
    if (size < 1 || size > 12000)
        return 0;
    struct owner whole, cut;
    play(&whole, data, size, size, 4096);
    play(&cut, data, size, 1, 300);
    assert(span_equal(buf_span(&whole.story), buf_span(&cut.story)));
    assert(whole.over == cut.over && whole.c.err.kind == cut.c.err.kind &&
           strcmp(whole.c.err.text, cut.c.err.text) == 0);
    end(&whole);
    end(&cut);
    return 0;
}
