/* play: plays a dialogue (see script.h) against pop3_server, as its owner does: it decides about log-ins, sends
 * bodies, removes, and hands over from the machine of AUTHORIZATION to that of TRANSACTION.
 *
 *     play FILE...
 *
 * Each file is played whole (all that the client says at once), in pieces of seven bytes, and one byte at a time with
 * the smallest room for output; each of these with a drop that is loaded, and with one that is not before it must be. The
 * server's bytes must be the same, and must be those of the file. */
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "stage.h"
#include "wire/dot.h"
#include "wire/pop3_server.h"

/* What the owner has of the maildrop before a message of it is needed. */
enum { LOADED, RENDERED, KEPT };

static const struct stage_way ways[] = {
    {"whole", 1 << 20, 1 << 16, false, LOADED},
    {"seven bytes at a time", 7, 700, true, LOADED},
    {"one byte at a time", 1, POP3_REPLY_MAX, true, LOADED},
    {"whole, not loaded, listings rendered", 1 << 20, 1 << 16, false, RENDERED},
    {"seven bytes at a time, not loaded, listings rendered", 7, 700, true, RENDERED},
    {"one byte at a time, not loaded, listings rendered", 1, POP3_REPLY_MAX, true, RENDERED},
    {"whole, not loaded, listings kept as text", 1 << 20, 1 << 16, false, KEPT},
    {"seven bytes at a time, not loaded, listings kept as text", 7, 700, true, KEPT},
    {"one byte at a time, not loaded, listings kept as text", 1, POP3_REPLY_MAX, true, KEPT},
};

struct play {
    const struct script *s;
    struct stage stage;
    struct pop3_offer offer;
    struct pop3_server m;
    struct drop drop;
    char name[256]; /* of LOGIN's first step, then of who is logged in */
    char mechanism[24];
    bool shaking, closed;
};

/* ---- who it is */

static void decide(struct play *p, struct span name, bool right)
{
    struct script_user *u = script_user(p->s, name);
    enum err_kind kind = !right ? ERR_AUTH : u ? u->fault : ERR_NONE;
    if (kind != ERR_NONE) {
        pop3_server_denied(&p->m, kind, &p->stage.out);
        return;
    }
    if (name.p != p->name)
        snprintf(p->name, sizeof p->name, "%.*s", (int)name.n, name.p);
    p->offer.tls_active = p->m.offer.tls_active;
    p->offer.login_delay = script_fact(p->s, "login-delay-own");
    p->offer.expire = p->s->expire_own;
    p->offer.expire_read = p->offer.expire && strcmp(p->offer.expire, "0") == 0;
    p->offer.language = p->m.language;
    p->offer.utf8 = p->m.utf8;
    pop3_server_granted(&p->m);
    pop3_server_fini(&p->m);
    pop3_server_resume(&p->m, &p->offer, span_of(p->name), &p->drop, &p->stage.out);
}

static bool password_right(struct play *p, struct span name, struct span password)
{
    struct script_user *u = script_user(p->s, name);
    return u && u->password && span_is(password, u->password);
}

static bool digest_right(struct play *p, struct span name, struct span hex)
{
    struct script_user *u = script_user(p->s, name);
    unsigned char md5[DIGEST_MD5];
    char text[2 * DIGEST_MD5 + 1];
    if (!u || !u->secret)
        return false;
    digest_md5(span_of(p->s->stamp), span_of(u->secret), md5);
    digest_hex(md5, sizeof md5, text);
    return span_is(hex, text);
}

static void on_plain(struct play *p, struct span text)
{
    span_cut(&text, '\0'); /* the authorization identity */
    struct span name = span_cut(&text, '\0');
    if (name.n == 0 || !text.p)
        pop3_server_denied(&p->m, ERR_INPUT, &p->stage.out);
    else
        decide(p, name, password_right(p, name, text));
}

static void on_login(struct play *p, struct span text)
{
    if (!*p->name) {
        snprintf(p->name, sizeof p->name, "%.*s", (int)text.n, text.p);
        pop3_server_challenge(&p->m, span_of("Password:"), &p->stage.out);
        return;
    }
    struct span name = span_of(p->name);
    decide(p, name, password_right(p, name, text));
}

/* Stands for SCRAM: says back what it hears, until "done NAME" or "refuse". */
static void on_echo(struct play *p, struct span text)
{
    static const char huge[70000];
    struct span name = text, word = span_cut(&name, ' ');
    if (span_is(word, "huge"))
        pop3_server_challenge(&p->m, (struct span){huge, sizeof huge}, &p->stage.out);
    else if (span_is(word, "done") || span_is(word, "refuse"))
        decide(p, name, span_is(word, "done"));
    else
        pop3_server_challenge(&p->m, text, &p->stage.out);
}

static void on_sasl(struct play *p, struct span text)
{
    if (strcmp(p->mechanism, "PLAIN") == 0)
        on_plain(p, text);
    else if (strcmp(p->mechanism, "LOGIN") == 0)
        on_login(p, text);
    else
        on_echo(p, text);
}

static void on_auth(struct play *p)
{
    const struct pop3_auth *a = &p->m.auth;
    char secret[POP3_AUTH_LINE_MAX];
    memcpy(secret, a->secret.n ? a->secret.p : "", a->secret.n);
    struct span text = {secret, a->secret.n};
    switch (a->how) {
    case POP3_AUTH_PASS:
        decide(p, a->user, password_right(p, a->user, text));
        break;
    case POP3_AUTH_APOP:
        decide(p, a->user, digest_right(p, a->user, text));
        break;
    case POP3_AUTH_SASL_BEGIN:
        *p->name = '\0';
        snprintf(p->mechanism, sizeof p->mechanism, "%.*s", (int)a->mechanism.n, a->mechanism.p);
        if (a->has_initial)
            on_sasl(p, text);
        else
            pop3_server_challenge(&p->m, span_of(strcmp(p->mechanism, "LOGIN") ? "" : "Username:"), &p->stage.out);
        break;
    case POP3_AUTH_SASL_STEP:
        on_sasl(p, text);
        break;
    case POP3_AUTH_SASL_CANCEL:
        stage_event(&p->stage, "cancelled");
        break;
    }
}

/* ---- the maildrop */

/* Octets in wire form, counted the plain way (RFC 1939 §11). */
static uint64_t wire_octets(struct span text)
{
    uint64_t octets = text.n;
    for (size_t i = 0; i < text.n; i++)
        octets += text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r');
    return octets + (text.n && text.p[text.n - 1] != '\n' ? 2 : 0);
}

static uint64_t octets_of(const struct play *p, unsigned msg)
{
    return wire_octets(buf_span(&p->s->messages[msg].text));
}

static void load_drop(struct play *p)
{
    drop_load(&p->drop);
    for (unsigned i = 0; i < p->s->message_count; i++)
        drop_add(&p->drop, octets_of(p, i), span_of(p->s->messages[i].uid));
}

static void fill_drop(struct play *p)
{
    uint64_t octets = 0;
    for (unsigned i = 0; i < p->s->message_count; i++)
        octets += octets_of(p, i);
    drop_init(&p->drop);
    drop_tell(&p->drop, p->s->message_count, octets, false);
    if (p->stage.way->owner == LOADED)
        load_drop(p);
}

/* An owner's rows are no work of the machine's, and written the plain way. */
static void on_listing(struct play *p)
{
    if (drop_loaded(&p->drop) || p->drop.deleted)
        stage_event(&p->stage, "a listing is wanted of a drop that is loaded");
    if (p->stage.way->owner != KEPT) {
        pop3_server_listing_render(&p->m);
        return;
    }
    pop3_server_listing_begin(&p->m, &p->stage.out);
    for (unsigned i = 0; i < p->s->message_count; i++) {
        stage_drain(&p->stage);
        if (p->m.uidl)
            buf_addf(&p->stage.out, "%u %s\r\n", i + 1, p->s->messages[i].uid);
        else
            buf_addf(&p->stage.out, "%u %llu\r\n", i + 1, (unsigned long long)octets_of(p, i));
    }
    stage_drain(&p->stage);
    buf_add_text(&p->stage.out, ".\r\n");
    pop3_server_listing_end(&p->m);
}

static void on_body(struct play *p)
{
    const struct script_message *message = &p->s->messages[p->m.msg];
    if (message->fault != ERR_NONE) {
        pop3_server_body_failed(&p->m, message->fault, &p->stage.out);
        return;
    }
    struct dot d;
    if (p->m.top)
        dot_init_top(&d, false, p->m.top_lines);
    else
        dot_init(&d, false);
    pop3_server_body_begin(&p->m, p->drop.messages[p->m.msg].octets, &p->stage.out);
    struct span text = buf_span(&message->text);
    while (text.n && !d.done) {
        struct span piece = {text.p, text.n < p->stage.way->piece ? text.n : p->stage.way->piece};
        size_t room, wrote = 0, took = 0;
        char *to = buf_reserve(&p->stage.out, p->stage.way->out_max, &room);
        if (to)
            took = dot_encode(&d, piece, to, room, &wrote);
        if (to && took + wrote)
            buf_commit(&p->stage.out, wrote);
        else
            stage_drain(&p->stage);
        text = span_from(text, took);
    }
    char end[5];
    size_t n = dot_finish(&d, end);
    if (buf_room(&p->stage.out) < n)
        stage_drain(&p->stage);
    buf_add(&p->stage.out, end, n);
    pop3_server_body_end(&p->m);
}

static void on_commit(struct play *p)
{
    char text[200] = "remove";
    for (unsigned i = 0; i < p->drop.count; i++)
        if (!drop_has(&p->drop, i))
            snprintf(text + strlen(text), sizeof text - strlen(text), " %u", i + 1);
    stage_event(&p->stage, "%s", text);
    pop3_server_committed(&p->m, p->s->commit, p->s->commit_left, &p->stage.out);
}

/* ---- the play */

/* Until more of the client is needed. */
static void run(struct play *p)
{
    while (!p->shaking && !p->closed) {
        switch (pop3_server_feed(&p->m, &p->stage.in, &p->stage.out)) {
        case POP3_WANT_INPUT:
            stage_drain(&p->stage);
            return;
        case POP3_WANT_ROOM:
            stage_drain(&p->stage);
            break;
        case POP3_WANT_AUTH:
            on_auth(p);
            break;
        case POP3_WANT_TLS:
            stage_event(&p->stage, "tls");
            p->shaking = true;
            break;
        case POP3_WANT_DROP:
            load_drop(p);
            pop3_server_loaded(&p->m);
            break;
        case POP3_WANT_LISTING:
            on_listing(p);
            break;
        case POP3_WANT_BODY:
            on_body(p);
            break;
        case POP3_WANT_COMMIT:
            on_commit(p);
            break;
        case POP3_WANT_CLOSE:
            stage_event(&p->stage, "closed");
            p->closed = true;
            break;
        }
    }
}

/* Between "STLS" and the client's wait its bytes go into the handshake. */
static void say(struct play *p, const struct script_item *item)
{
    for (size_t at = 0; at < item->n && !p->shaking && !p->closed; at += p->stage.way->piece) {
        size_t left = item->n - at;
        buf_add(&p->stage.in, item->bytes + at, left < p->stage.way->piece ? left : p->stage.way->piece);
        if (p->stage.way->in_step)
            run(p);
    }
}

/* The text whose English the file has. */
static enum pop3_text text_of(const struct script_item *item)
{
    for (unsigned i = 0; i < POP3_TEXTS; i++)
        if (strcmp(pop3_text(POP3_ENGLISH, (enum pop3_text)i), item->bytes) == 0)
            return (enum pop3_text)i;
    fprintf(stderr, "line %u: the server never says this\n", item->line);
    return SAY_REFUSED;
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
        pop3_server_abort(&p->m, item->kind, text_of(item), &p->stage.out);
        p->shaking = false;
        run(p);
        return true;
    case SCRIPT_WAIT:
        run(p);
        if (!stage_check(&p->stage, item->line))
            return false;
        if (p->shaking && !p->closed)
            pop3_server_secured(&p->m);
        p->shaking = false;
        return true;
    case SCRIPT_OWNER:
        return false;
    }
    return false;
}

static void start(struct play *p)
{
    const struct script *s = p->s;
    p->offer = (struct pop3_offer){.implementation = "bustia",
                                   .stamp = s->stamp,
                                   .sasl = s->sasl ? s->sasl : "",
                                   .sasl_clear = s->sasl_clear ? s->sasl_clear : "",
                                   .sasl_tls = s->sasl_tls,
                                   .utf8_offered = script_fact(s, "utf8"),
                                   .tls_offered = s->tls,
                                   .tls_active = s->tls_active,
                                   .clear_allowed = !s->no_clear,
                                   .login_delay = script_fact(s, "login-delay"),
                                   .expire = s->expire};
    fill_drop(p);
    pop3_server_init(&p->m, &p->offer, &p->stage.out);
    stage_drain(&p->stage);
}

static bool play(const struct script *s, const char *path, const struct stage_way *way)
{
    struct play p = {.s = s};
    stage_init(&p.stage, way, path);
    start(&p);
    bool good = true, answered = true;
    for (unsigned i = 0; good && i < s->item_count; i++) {
        bool client = s->items[i].what == SCRIPT_CLIENT;
        good = play_item(&p, &s->items[i], client && answered);
        answered = !client;
    }
    run(&p);
    good = good && stage_check(&p.stage, s->item_count ? s->items[s->item_count - 1].line : 0);
    pop3_server_fini(&p.m);
    drop_fini(&p.drop);
    stage_fini(&p.stage);
    return good;
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, ways, sizeof ways / sizeof *ways, play);
}
