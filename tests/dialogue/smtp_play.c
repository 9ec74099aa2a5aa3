/* smtp_play: plays a dialogue (see script.h) against smtp_server, as its owner does: it decides about senders and
 * recipients, takes the message piece by piece, and delivers.
 *
 *     smtp_play FILE...
 *
 * Each file is played whole (all that the client says at once), in pieces of seven bytes, and one byte at a time with
 * the smallest room for output. The server's bytes and what it wanted must be the same, and must be those of the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"
#include "wire/smtp_server.h"

static const struct stage_way ways[] = {
    {"whole", 1 << 20, 1 << 16, false},
    {"seven bytes at a time", 7, 1500, true},
    {"one byte at a time", 1, SMTP_REPLY_MAX, true},
};

struct play {
    const struct script *s;
    struct stage stage;
    struct smtp_offer offer;
    struct smtp_server m;
    struct buf message;
    unsigned messages, deliveries; /* asked for so far */
    bool shaking, closed;
};

/* ---- the owner's decisions */

static const char *const verdicts[SMTP_VERDICTS] = {
    [SMTP_OK] = "ok",
    [SMTP_NOBODY] = "nobody",
    [SMTP_NOT_OURS] = "not-ours",
    [SMTP_DISABLED] = "disabled",
    [SMTP_OVER_QUOTA] = "over-quota",
    [SMTP_TOO_LARGE] = "too-large",
    [SMTP_LOOP] = "loop",
    [SMTP_BARE_LF] = "bare-lf",
    [SMTP_HEADERS] = "headers",
    [SMTP_TEMP] = "temp",
    [SMTP_NO_ROOM] = "no-room",
    [SMTP_TOO_MANY] = "too-many",
    [SMTP_TOO_FAST] = "too-fast",
};

static enum smtp_verdict verdict_of(const char *word)
{
    for (unsigned v = 0; v < SMTP_VERDICTS; v++)
        if (strcmp(verdicts[v], word) == 0)
            return (enum smtp_verdict)v;
    fprintf(stderr, "unknown verdict \"%s\"\n", word);
    exit(2);
}

/* What the file says about it, or OK. */
static enum smtp_verdict decide(const struct play *p, const char *what)
{
    size_t n = strlen(what);
    for (unsigned i = 0; i < p->s->fact_count; i++) {
        const struct script_fact *f = &p->s->facts[i];
        if (strcmp(f->word, "answer") == 0 && strncmp(f->rest, what, n) == 0 && f->rest[n] == ' ')
            return verdict_of(f->rest + n + 1);
    }
    return SMTP_OK;
}

static enum smtp_verdict decide_address(const struct play *p, const char *what, const struct smtp_address *a)
{
    char text[SMTP_ADDRESS_TEXT], key[SMTP_ADDRESS_TEXT + 10];
    smtp_address_text(a, text);
    snprintf(key, sizeof key, "%s %s", what, text);
    return decide(p, key);
}

static enum smtp_verdict decide_number(const struct play *p, const char *what, unsigned n)
{
    char key[30];
    snprintf(key, sizeof key, "%s %u", what, n);
    return decide(p, key);
}

/* ---- what it wants */

static void on_mail(struct play *p)
{
    const struct smtp_mail *mail = &p->m.mail;
    const struct smtp_peer *peer = &p->m.peer;
    char from[SMTP_ADDRESS_TEXT], size[40] = "", by[2 * SMTP_NAME_MAX + 80] = "";
    smtp_address_text(&mail->from, from);
    if (mail->size)
        snprintf(size, sizeof size, " size=%llu", (unsigned long long)mail->size);
    if (*peer->name || *peer->address)
        snprintf(by, sizeof by, " by %s [%s]", peer->name, peer->address);
    stage_event(&p->stage, "mail <%s>%s%s%s from %s%s%s", from, size, mail->eight_bit ? " 8bit" : "",
                mail->utf8 ? " utf8" : "", peer->helo, peer->esmtp ? "" : " (helo)", by);
    smtp_server_mail(&p->m, decide_address(p, "mail", &mail->from), &p->stage.out);
}

static void on_rcpt(struct play *p)
{
    char to[SMTP_ADDRESS_TEXT];
    smtp_address_text(&p->m.rcpt, to);
    stage_event(&p->stage, "rcpt <%s>", to);
    smtp_server_rcpt(&p->m, decide_address(p, "rcpt", &p->m.rcpt), &p->stage.out);
}

static void on_message(struct play *p)
{
    buf_take(&p->message, p->message.len);
    smtp_server_message(&p->m, decide_number(p, "message", ++p->messages), &p->stage.out);
}

static void on_piece(struct play *p)
{
    buf_add_span(&p->message, p->m.piece);
    smtp_server_piece(&p->m, decide(p, "piece"), &p->stage.out);
}

static void on_deliver(struct play *p)
{
    unsigned answers = p->m.offer.dialect == SMTP_IS_LMTP ? p->m.mail.recipients : 1;
    stage_event(&p->stage, "deliver %u", p->m.mail.recipients);
    buf_add_span(&p->stage.got, buf_span(&p->message));
    while (answers--)
        smtp_server_delivered(&p->m, decide_number(p, "deliver", ++p->deliveries), "id.1", &p->stage.out);
}

/* Until more of the client is needed. */
static void run(struct play *p)
{
    while (!p->shaking && !p->closed) {
        switch (smtp_server_feed(&p->m, &p->stage.in, &p->stage.out)) {
        case SMTP_WANT_INPUT:
            stage_drain(&p->stage);
            return;
        case SMTP_WANT_ROOM:
            stage_drain(&p->stage);
            break;
        case SMTP_WANT_MAIL:
            on_mail(p);
            break;
        case SMTP_WANT_RCPT:
            on_rcpt(p);
            break;
        case SMTP_WANT_MESSAGE:
            on_message(p);
            break;
        case SMTP_WANT_PIECE:
            on_piece(p);
            break;
        case SMTP_WANT_DELIVER:
            on_deliver(p);
            break;
        case SMTP_WANT_RESET:
            stage_event(&p->stage, "reset");
            break;
        case SMTP_WANT_TLS:
            stage_event(&p->stage, "tls");
            p->shaking = true;
            break;
        case SMTP_WANT_CLOSE:
            stage_event(&p->stage, "closed");
            p->closed = true;
            break;
        }
    }
}

/* ---- the play */

/* Between "STARTTLS" and the client's wait its bytes go into the handshake. */
static void say(struct play *p, const struct script_item *item)
{
    size_t piece = p->stage.way->piece;
    for (size_t at = 0; at < item->n && !p->shaking && !p->closed; at += piece) {
        size_t left = item->n - at;
        buf_add(&p->stage.in, item->bytes + at, left < piece ? left : piece);
        if (p->stage.way->in_step)
            run(p);
    }
}

static void shake_hands(struct play *p)
{
    p->offer.tls_active = true;
    if (p->shaking && !p->closed)
        smtp_server_secured(&p->m, &p->offer);
    p->shaking = false;
}

static bool play_item(struct play *p, const struct script_item *item, bool turn)
{
    switch (item->what) {
    case SCRIPT_SERVER:
    case SCRIPT_EVENT:
    case SCRIPT_MESSAGE:
        stage_expect(&p->stage, item);
        return true;
    case SCRIPT_CLIENT:
        if (turn && p->stage.way->in_step && !stage_check(&p->stage, item->line))
            return false;
        say(p, item);
        return true;
    case SCRIPT_ABORT:
        run(p);
        smtp_server_stop(&p->m, item->bytes, &p->stage.out);
        p->shaking = false;
        run(p);
        return true;
    case SCRIPT_WAIT:
        run(p);
        if (!stage_check(&p->stage, item->line))
            return false;
        shake_hands(p);
        return true;
    case SCRIPT_OWNER:
        return false;
    }
    return false;
}

static uint64_t limit(const struct script *s, const char *word, uint64_t otherwise)
{
    const char *text = script_fact(s, word);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static bool play(const struct script *s, const char *path, const struct stage_way *way)
{
    struct play p = {.s = s,
                     .offer = {.dialect = script_fact(s, "lmtp") ? SMTP_IS_LMTP : SMTP_IS_SMTP,
                               .hostname = "mx.example",
                               .tls_offered = s->tls,
                               .tls_active = s->tls_active,
                               .xclient = script_fact(s, "xclient"),
                               .size_max = limit(s, "size", 100000),
                               .recipients_max = (unsigned)limit(s, "recipients", 100),
                               .unknown_max = (unsigned)limit(s, "unknown", 0),
                               .received_max = (unsigned)limit(s, "received", 100),
                               .header_max = limit(s, "header", 10000)}};
    stage_init(&p.stage, way, path);
    buf_init(&p.message, 1 << 20, NULL);
    smtp_server_init(&p.m, &p.offer, &p.stage.out);
    p.m.tls_busy = script_fact(s, "tls-busy");
    stage_drain(&p.stage);
    bool good = true, answered = true;
    for (unsigned i = 0; good && i < s->item_count; i++) {
        bool client = s->items[i].what == SCRIPT_CLIENT;
        good = play_item(&p, &s->items[i], client && answered);
        answered = !client;
    }
    run(&p);
    good = good && stage_check(&p.stage, s->item_count ? s->items[s->item_count - 1].line : 0);
    smtp_server_fini(&p.m);
    buf_fini(&p.message);
    stage_fini(&p.stage);
    return good;
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, ways, sizeof ways / sizeof *ways, play);
}
