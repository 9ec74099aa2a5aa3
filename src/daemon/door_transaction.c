/* door_transaction: a message from MAIL to its last answer: what is held for it, and that nothing of it stays anywhere.
 * Door. */
#include "daemon/door_reception.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct talk transaction_says(const struct reception *r, enum talk_type type)
{
    return (struct talk){.type = type, .id = {r->door->start.generation, r->mail.n}, .fd = -1};
}

const char *transaction_word(enum smtp_verdict v)
{
    /* clang-format off */
    static const char *const words[SMTP_VERDICTS] = {
        [SMTP_OK]         = "ok",         [SMTP_NOBODY]    = "nobody",    [SMTP_NOT_OURS] = "not-ours", [SMTP_DISABLED] = "disabled",
        [SMTP_OVER_QUOTA] = "over-quota", [SMTP_TOO_LARGE] = "too-large", [SMTP_LOOP]     = "loop",     [SMTP_BARE_LF]  = "bare-lf",
        [SMTP_HEADERS]    = "headers",    [SMTP_TEMP]      = "trouble",   [SMTP_NO_ROOM]  = "no-room",  [SMTP_TOO_MANY] = "too-many",
        [SMTP_TOO_FAST]   = "too-fast",
    };
    /* clang-format on */
    return (unsigned)v < SMTP_VERDICTS && words[v] ? words[v] : "?";
}

enum smtp_verdict transaction_begin(struct reception *r)
{
    struct door *d = r->door;
    const char *address = *r->smtp.peer.address ? r->smtp.peer.address : r->address;
    if (r->service == CONF_SMTP && !limit_peers_message(&d->peers, address, d->start.conf.smtp_messages))
        return SMTP_TOO_FAST;
    d->messages.ceiling = d->start.conf.messages_memory; /* which a reload may have changed */
    if (!message_fits(&d->messages, r->smtp.mail.size)) {
        limit_reached(&d->full, "messages_memory");
        return SMTP_NO_ROOM;
    }
    transaction_over(r);
    struct transaction *m = &r->mail;
    m->n = ++d->counter;
    m->started = clock_ms();
    snprintf(m->id, sizeof m->id, "%08" PRIx64 ".%" PRIx64 ".%" PRIx64, (uint64_t)clock_wall().tv_sec,
             d->start.generation, m->n);
    char from[SMTP_ADDRESS_TEXT];
    smtp_address_text(&r->smtp.mail.from, from);
    m->from = mem_copy_text(from);
    map_put(&d->transactions, m->n, r);
    door_place_busy(d, &r->place, true);
    return SMTP_OK;
}

unsigned transaction_named(const struct transaction *m)
{
    return m->named < m->targets_room ? m->named : m->targets_room;
}

struct target *transaction_target(struct transaction *m, uint32_t number)
{
    if (number >= m->named + RECEPTION_FOR_ONE || number >= RECEPTION_TARGETS + RECEPTION_FOR_ONE)
        return NULL;
    if (number >= m->targets_room) {
        unsigned room = m->targets_room ? m->targets_room : 4;
        while (number >= room)
            room *= 2;
        m->targets = mem_resize(m->targets, room * sizeof *m->targets);
        for (unsigned i = m->targets_room; i < room; i++)
            m->targets[i] = (struct target){.state = TARGET_NONE};
        m->targets_room = room;
    }
    return &m->targets[number];
}

/* Each worker that may still keep something for the transaction is told that nothing more comes of it. holders: those
 * that have the message. */
static void forget(struct reception *r, struct map *holders)
{
    struct transaction *m = &r->mail;
    struct map told;
    map_init(&told);
    map_init(holders);
    for (unsigned i = 0; i < m->targets_room; i++) {
        const struct target *t = &m->targets[i];
        uint32_t number = t->state == TARGET_NONE ? t->room_by : t->worker;
        struct door_worker *w = t->state == TARGET_DONE ? NULL : map_get(&r->door->workers, number);
        if (!w || map_get(&told, number))
            continue;
        map_put(&told, number, w);
        if (map_get(&m->told, number))
            map_put(holders, number, w);
        struct talk over = transaction_says(r, TALK_FORGET);
        talk_send(w->chan, &over);
    }
    map_fini(&told);
}

static void log_message(const struct reception *r)
{
    const struct transaction *m = &r->mail;
    uint64_t now = clock_ms();
    const char *why = m->why ? m->why : m->whole ? "" : "cut-off";
    log_info(
        "message", "id=%s service=%s from=%s size=%" PRIu64 " recipients=%u delivered=%u took=%.3f delivery=%.3f%s%s",
        m->id, conf_service_name(r->service), log_quote_text(m->from), m->message.size, m->n_rcpts, m->delivered,
        (double)(now - m->started) / 1000, m->whole ? (double)(now - m->whole) / 1000 : 0.0, *why ? " why=" : "", why);
}

void transaction_over(struct reception *r)
{
    struct transaction *m = &r->mail;
    struct message_room *room = &r->door->messages;
    if (!m->n) {
        message_init(&m->message, room);
        return;
    }
    if (m->message.fd >= 0 || m->whole || m->why)
        log_message(r);
    door_place_busy(r->door, &r->place, false);
    struct map holders;
    forget(r, &holders);
    map_take(&r->door->transactions, m->n);
    if (holders.count)
        door_left_add(r->door, m, &holders);
    else
        map_fini(&holders);
    message_end(&m->message);
    for (unsigned i = 0; i < m->n_rcpts; i++)
        mem_free(m->rcpts[i]);
    mem_free(m->rcpts);
    mem_free(m->from);
    mem_free(m->targets);
    mem_free(m->groups);
    map_fini(&m->told);
    *m = (struct transaction){0};
    message_init(&m->message, room);
}
