/* smtp_owner: see the header. */
#include "smtp_owner.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum { LMTP = 1, TLS = 2, ACTIVE = 4, XCLIENT = 8, TINY = 16, FRIENDLY = 32, STOPPED = 64 };

static unsigned decide(struct smtp_owner *o, unsigned ways)
{
    o->chance = o->chance * 1103515245u + 12345u;
    return (o->chance >> 16) % ways;
}

static enum smtp_verdict verdict(struct smtp_owner *o, bool friendly)
{
    return friendly || decide(o, 3) ? SMTP_OK : (enum smtp_verdict)decide(o, SMTP_VERDICTS + 1);
}

static void drain(struct smtp_owner *o)
{
    buf_add_span(&o->said, buf_span(&o->out));
    buf_add_span(&o->story, buf_span(&o->out));
    buf_take(&o->out, o->out.len);
}

static void tell(struct smtp_owner *o, const char *event, const char *text)
{
    drain(o);
    assert(buf_addf(&o->story, "[%s %s]\n", event, text));
}

/* Never has a control octet in it, ends in time, and is read again as the same. */
static void check_address(const struct smtp_address *a)
{
    char text[SMTP_ADDRESS_TEXT], path[SMTP_ADDRESS_TEXT + 2];
    struct smtp_address again;
    size_t n = smtp_address_text(a, text);
    assert(n == strlen(text) && n < sizeof text);
    for (size_t i = 0; i < n; i++)
        assert((unsigned char)text[i] >= ' ' && text[i] != 0x7F);
    path[0] = '<';
    memcpy(path + 1, text, n);
    path[n + 1] = '>';
    struct span in = {path, n + 2};
    assert(smtp_address_take(&in, &again) && in.n == 0);
    assert(strcmp(again.local, a->local) == 0 && strcmp(again.domain, a->domain) == 0 && again.utf8 == a->utf8);
}

static void check_name(const char *name)
{
    for (; *name; name++)
        assert(*name > ' ' && *name <= '~' && !strchr("()<>\"\\", *name));
}

static void on_mail(struct smtp_owner *o, bool friendly)
{
    char text[SMTP_ADDRESS_TEXT];
    assert(!o->in_transaction);
    check_address(&o->m.mail.from);
    check_name(o->m.peer.helo);
    check_name(o->m.peer.name);
    check_name(o->m.peer.address);
    smtp_address_text(&o->m.mail.from, text);
    tell(o, "mail", text);
    enum smtp_verdict v = verdict(o, friendly);
    o->in_transaction = v == SMTP_OK;
    smtp_server_mail(&o->m, v, &o->out);
}

static void on_rcpt(struct smtp_owner *o, bool friendly)
{
    char text[SMTP_ADDRESS_TEXT];
    assert(o->in_transaction);
    check_address(&o->m.rcpt);
    smtp_address_text(&o->m.rcpt, text);
    tell(o, "rcpt", text);
    smtp_server_rcpt(&o->m, verdict(o, friendly), &o->out);
}

/* How often it is asked depends on the cut, and so its answer may not depend on chance: a message is refused where it
 * has more than so many octets. */
static void on_piece(struct smtp_owner *o, bool friendly)
{
    assert(o->in_transaction && o->m.piece.n > 0 && o->m.mail.octets <= o->offer.size_max);
    buf_add(&o->message, o->m.piece.p, o->m.piece.n);
    assert(o->message.len == o->m.mail.octets);
    smtp_server_piece(&o->m, friendly || o->message.len < 1500 ? SMTP_OK : SMTP_NO_ROOM, &o->out);
}

static void on_deliver(struct smtp_owner *o, bool friendly)
{
    assert(o->in_transaction && o->m.mail.recipients > 0);
    assert(o->message.len == o->m.mail.octets);
    tell(o, "deliver", o->m.mail.eight_bit ? "8" : "7");
    buf_add_span(&o->story, buf_span(&o->message));
    unsigned answers = o->offer.dialect == SMTP_IS_LMTP ? o->m.mail.recipients : 1;
    while (answers--) {
        assert(smtp_server_feed(&o->m, &o->in, &o->out) != SMTP_WANT_INPUT);
        smtp_server_delivered(&o->m, verdict(o, friendly), "id", &o->out);
    }
    o->in_transaction = false;
}

static void on_reset(struct smtp_owner *o)
{
    assert(o->in_transaction);
    o->in_transaction = false;
    buf_take(&o->message, o->message.len);
    tell(o, "reset", "");
}

static void run(struct smtp_owner *o, bool friendly)
{
    while (!o->over) {
        switch (smtp_server_feed(&o->m, &o->in, &o->out)) {
        case SMTP_WANT_INPUT:
            drain(o);
            return;
        case SMTP_WANT_ROOM:
            assert(o->out.len);
            drain(o);
            break;
        case SMTP_WANT_MAIL:
            on_mail(o, friendly);
            break;
        case SMTP_WANT_RCPT:
            on_rcpt(o, friendly);
            break;
        case SMTP_WANT_MESSAGE:
            assert(o->in_transaction);
            buf_take(&o->message, o->message.len);
            smtp_server_message(&o->m, verdict(o, friendly), &o->out);
            break;
        case SMTP_WANT_PIECE:
            on_piece(o, friendly);
            break;
        case SMTP_WANT_DELIVER:
            on_deliver(o, friendly);
            break;
        case SMTP_WANT_RESET:
            on_reset(o);
            break;
        case SMTP_WANT_TLS: /* what is read after it depends on the cut, and comes from another stream */
            assert(o->in.len == 0 && !o->in_transaction);
            smtp_server_secured(&o->m, &o->offer);
            o->over = true;
            break;
        case SMTP_WANT_CLOSE:
            o->over = true;
            break;
        }
    }
    drain(o);
}

static void begin(struct smtp_owner *o, const uint8_t *data, size_t room)
{
    unsigned how = data[0];
    *o = (struct smtp_owner){.chance = data[1]};
    o->offer = (struct smtp_offer){.dialect = how & LMTP ? SMTP_IS_LMTP : SMTP_IS_SMTP,
                                   .hostname = "mx.example",
                                   .tls_offered = how & TLS,
                                   .tls_active = how & ACTIVE,
                                   .xclient = how & XCLIENT,
                                   .size_max = how & TINY ? 100 : 4000,
                                   .recipients_max = how & TINY ? 2 : 50,
                                   .unknown_max = how & TINY ? 3 : 0,
                                   .received_max = 3,
                                   .header_max = how & TINY ? 60 : 500};
    buf_init(&o->in, 1 << 17, NULL);
    buf_init(&o->out, room, NULL);
    buf_init(&o->said, 1 << 26, NULL);
    buf_init(&o->story, 1 << 26, NULL);
    buf_init(&o->message, 1 << 17, NULL);
    smtp_server_init(&o->m, &o->offer, &o->out);
}

void smtp_owner_end(struct smtp_owner *o)
{
    smtp_server_fini(&o->m);
    buf_fini(&o->in);
    buf_fini(&o->out);
    buf_fini(&o->said);
    buf_fini(&o->story);
    buf_fini(&o->message);
}

void smtp_owner_play(struct smtp_owner *o, const uint8_t *data, size_t size, size_t piece, size_t room)
{
    bool friendly = data[0] & FRIENDLY;
    begin(o, data, room);
    run(o, friendly);
    for (size_t at = 2; at < size && !o->over; at += piece) {
        bool added = buf_add(&o->in, data + at, size - at < piece ? size - at : piece);
        assert(added);
        (void)added;
        run(o, friendly);
    }
    if (!o->over && data[0] & STOPPED)
        smtp_server_stop(&o->m, "Too long", &o->out);
    drain(o);
}

void smtp_owner_compare(const struct smtp_owner *a, const struct smtp_owner *b)
{
    assert(span_equal(buf_span(&a->story), buf_span(&b->story)));
    assert(a->m.count.commands == b->m.count.commands && a->m.count.errors == b->m.count.errors);
    assert(a->m.count.messages == b->m.count.messages && a->m.step == b->m.step && a->m.state == b->m.state);
    assert(smtp_server_in_message(&a->m) == smtp_server_in_message(&b->m));
}
