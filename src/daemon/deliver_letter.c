/* deliver_letter: what a deliver process keeps of transactions: whom auth has admitted, what the door asks for. A
 * target is delivered once, and only if auth has admitted it for that transaction. */
#include "daemon/deliver_state.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "store/open.h"

enum {
    EARLY_MS = 5000, /* a door's word waits so long for auth's */
    /* A transaction that nobody has ended by then has been lost. Whose door lives is ended by its word, and may take hours:
     * between RCPT and the last octet a slow sender has no other limit than the pauses between octets. */
    LETTER_MS = 24 * 60 * 60000,
    SWEEP_MS = 1000,
    EARLY_MAX = 1024,
    LETTERS_MAX = 65536,
    TARGETS_MAX = 262144
};

/* ---- letters */

static struct deliver_letter *find(const struct deliver *d, struct talk_id id)
{
    struct deliver_letter *l = map_get(&d->letters, talk_key(id));
    return l && l->id.door == id.door && l->id.n == id.n ? l : NULL;
}

struct deliver_letter *deliver_letter_of(struct deliver *d, struct talk_id id)
{
    struct deliver_letter *l = find(d, id);
    if (l)
        return l;
    if (d->letters.count >= LETTERS_MAX || map_get(&d->letters, talk_key(id))) {
        limit_reached(&d->crowded, "transactions");
        return NULL;
    }
    l = mem_alloc(sizeof *l);
    *l = (struct deliver_letter){.deliver = d, .id = id, .until = clock_ms() + EARLY_MS};
    map_put(&d->letters, talk_key(id), l);
    d->live++;
    loop_timer_start(d->sweep, SWEEP_MS);
    return l;
}

/* The door counts a message that it has sent until it hears this. */
static void say_forgotten(struct deliver *d, struct talk_id id)
{
    deliver_say(d, &(struct talk){.type = TALK_FORGOTTEN, .id = id, .fd = -1});
}

/* Ends it when nobody has anything to say of it any more: all that was admitted is answered. */
static void end_if_done(struct deliver_letter *l)
{
    struct deliver *d = l->deliver;
    if (l->targets.count || (!l->arrived && !l->forgotten))
        return;
    if (!l->forgotten)
        map_take(&d->letters, talk_key(l->id));
    deliver_message_free(l);
    if (l->forgotten)
        say_forgotten(d, l->id);
    map_fini(&l->targets);
    mem_free(l);
    d->live--;
    deliver_letter_over(d);
}

/* ---- targets */

static struct deliver_target *target_new(struct deliver_letter *l, uint32_t number)
{
    struct deliver *d = l->deliver;
    if (d->targets >= TARGETS_MAX) {
        limit_reached(&d->crowded, "targets");
        return NULL;
    }
    struct deliver_target *t = mem_alloc(sizeof *t);
    *t = (struct deliver_target){.letter = l, .number = number, .until = clock_ms() + EARLY_MS};
    map_put(&l->targets, number, t);
    d->targets++;
    return t;
}

void deliver_target_end(struct deliver_target *t)
{
    struct deliver_letter *l = t->letter;
    map_take(&l->targets, t->number);
    l->deliver->targets--;
    l->deliver->early -= t->step == TARGET_EARLY;
    mem_free(t->user);
    mem_free(t->trace);
    mem_free(t);
    end_if_done(l);
}

static void say(struct deliver *d, struct talk_id id, enum talk_type type, uint32_t number, enum smtp_verdict verdict)
{
    deliver_say(d, &(struct talk){.type = type, .id = id, .num = {number, verdict}, .fd = -1});
}

void deliver_answer(struct deliver_target *t, enum talk_type type, enum smtp_verdict verdict)
{
    bool last = type == TALK_DELIVERED || (type == TALK_PREPARED && verdict != SMTP_OK);
    if (last) /* before the sender hears of it. What is behind SMTP_TEMP is to come again, too */
        metric_add(METRIC_DELIVERIES + (verdict > SMTP_TEMP ? SMTP_TEMP : verdict), 1);
    if (last && t->letter->targets.count == 1) /* and before the door gives its room to another */
        deliver_message_free(t->letter);
    say(t->letter->deliver, t->letter->id, type, t->number, verdict);
    if (last)
        deliver_target_end(t);
}

/* ---- auth: who may be delivered to */

/* Whatever auth says: not for another uid than this process has, not outside the roots. */
static int check(const struct deliver *d, const struct talk *t, const char *where, struct err *err)
{
    uint32_t uid = t->num[1], gid = t->num[2];
    if (uid == 0 || uid < d->start.conf.first_uid || uid != geteuid() || gid != getegid())
        return err_set(err, ERR_PERM, "uid %u gid %u is not this process's", uid, gid);
    return store_where_check(d->roots, d->n_roots, where, NULL, err);
}

static void go_on(struct deliver_target *t)
{
    if (t->step == TARGET_REFUSED ||
        !t->letter->text) /* that, too, against the rules: a door sends the message first */
        deliver_answer(t, t->commit_now ? TALK_DELIVERED : TALK_PREPARED, SMTP_TEMP);
    else
        deliver_box_add(t, JOB_WRITE);
}

static void admit(struct deliver_target *target, const struct talk *t, bool asked)
{
    struct deliver *d = target->letter->deliver;
    struct err err;
    char *where = mem_copy(t->text[1].p, t->text[1].n);
    d->early -= asked;
    bool ok = check(d, t, where, &err) == 0;
    if (!ok)
        log_error("admit", "refused: store=%s %s", log_quote_text(where), err.text);
    target->step = ok ? TARGET_ADMITTED : TARGET_REFUSED;
    target->user = mem_copy(t->text[0].p, t->text[0].n);
    target->quota_octets = talk_wide(&t->num[3]);
    target->quota_messages = talk_wide(&t->num[5]);
    target->declared = talk_wide(&t->num[7]);
    target->box = ok ? deliver_box_of(d, where) : NULL;
    target->letter->until = clock_ms() + LETTER_MS;
    mem_free(where);
    if (asked)
        go_on(target);
    else if (t->num[9] & TALK_WAIT_ROOM && ok)
        deliver_box_add(target, JOB_ROOM);
    else if (t->num[9] & TALK_WAIT_ROOM)
        deliver_answer(target, TALK_ROOM, SMTP_TEMP);
}

void deliver_admit(struct deliver *d, const struct talk *t)
{
    if (map_get(&d->dead, talk_key(t->id)))
        return;
    struct deliver_letter *l = deliver_letter_of(d, t->id);
    struct deliver_target *target = l ? map_get(&l->targets, t->num[0]) : NULL;
    bool asked = target && target->step == TARGET_EARLY;
    if (target && !asked)
        log_error("admit", "target %u of %llu.%llu is admitted already", t->num[0], (unsigned long long)t->id.door,
                  (unsigned long long)t->id.n);
    else if (l && (target || (target = target_new(l, t->num[0]))))
        admit(target, t, asked);
    else if (t->num[9] & TALK_WAIT_ROOM)
        say(d, t->id, TALK_ROOM, t->num[0], SMTP_TEMP);
}

/* ---- doors: deliver it, make it visible, forget it */

void deliver_ask(struct deliver *d, const struct talk *t)
{
    struct deliver_letter *l = deliver_letter_of(d, t->id);
    struct deliver_target *target = l ? map_get(&l->targets, t->num[0]) : NULL;
    bool commit_now = t->num[1] & TALK_COMMIT_NOW;
    if (l && !target && d->early < EARLY_MAX && (target = target_new(l, t->num[0]))) {
        target->step = TARGET_EARLY;
        d->early++;
    } else if (!target) {
        say(d, t->id, commit_now ? TALK_DELIVERED : TALK_PREPARED, t->num[0], SMTP_TEMP);
        return;
    } else if (target->step != TARGET_ADMITTED && target->step != TARGET_REFUSED) {
        log_error("deliver", "target %u of %llu.%llu is asked for twice", t->num[0], (unsigned long long)t->id.door,
                  (unsigned long long)t->id.n);
        return;
    }
    target->trace = mem_copy(t->text[0].p, t->text[0].n);
    target->n_trace = t->text[0].n;
    target->commit_now = commit_now;
    target->asked = clock_ms();
    if (target->step == TARGET_EARLY)
        return;
    l->until = clock_ms() + LETTER_MS;
    go_on(target);
}

void deliver_commit(struct deliver *d, const struct talk *t)
{
    struct deliver_letter *l = find(d, t->id);
    struct deliver_target *target = l ? map_get(&l->targets, t->num[0]) : NULL;
    if (target && target->step == TARGET_PREPARED)
        deliver_box_add(target, JOB_COMMIT);
    else
        say(d, t->id, TALK_DELIVERED, t->num[0], SMTP_TEMP);
}

static void forget_target(struct deliver_target *t)
{
    switch (t->step) {
    case TARGET_EARLY:
    case TARGET_ADMITTED:
    case TARGET_REFUSED:
        deliver_target_end(t);
        break;
    case TARGET_WAITING: /* what has been told to commit is committed */
    case TARGET_AT_WORK:
        t->forgotten = true;
        break;
    case TARGET_PREPARED:
        deliver_box_add(t, JOB_ABORT);
        break;
    }
}

static void forget(struct deliver_letter *l)
{
    unsigned n = 0;
    size_t at = 0;
    struct deliver_target **all = mem_resize(NULL, (l->targets.count + 1) * sizeof(void *));
    while ((all[n] = map_next(&l->targets, &at)))
        n++;
    map_take(&l->deliver->letters, talk_key(l->id));
    l->forgotten = true;
    if (n == 0)
        end_if_done(l);
    for (unsigned i = 0; i < n; i++) /* with the last target, the letter may end */
        forget_target(all[i]);
    mem_free(all);
}

/* ---- what was forgotten before it was admitted, because the two words take different roads: else a stranger who comes
 * and goes could fill the table with what nobody ever ends */

struct deliver_dead {
    uint64_t key, until; /* ms */
    struct deliver_dead *next;
};

static void bury(struct deliver *d, struct talk_id id)
{
    if (d->dead.count >= LETTERS_MAX || map_get(&d->dead, talk_key(id)))
        return;
    struct deliver_dead *dead = mem_alloc(sizeof *dead);
    *dead = (struct deliver_dead){.key = talk_key(id), .until = clock_ms() + EARLY_MS};
    map_put(&d->dead, dead->key, dead);
    if (d->last_dead)
        d->last_dead->next = dead;
    else
        d->first_dead = dead;
    d->last_dead = dead;
    loop_timer_start(d->sweep, SWEEP_MS);
}

static void sweep_dead(struct deliver *d, uint64_t now)
{
    struct deliver_dead *dead;
    while ((dead = d->first_dead) && dead->until <= now) {
        d->first_dead = dead->next;
        if (!d->first_dead)
            d->last_dead = NULL;
        map_take(&d->dead, dead->key);
        mem_free(dead);
    }
}

void deliver_forget(struct deliver *d, struct talk_id id)
{
    struct deliver_letter *l = find(d, id);
    if (l) {
        forget(l);
        return;
    }
    bury(d, id);
    say_forgotten(d, id);
}

/* Forgets each letter that `doomed` names. */
static void forget_all(struct deliver *d, bool (*doomed)(const struct deliver_letter *l, uint64_t what), uint64_t what)
{
    unsigned n = 0;
    size_t at = 0;
    struct deliver_letter **all = mem_resize(NULL, (d->letters.count + 1) * sizeof(void *)), *l;
    while ((l = map_next(&d->letters, &at)))
        if (doomed(l, what))
            all[n++] = l;
    for (unsigned i = 0; i < n; i++)
        forget(all[i]);
    mem_free(all);
}

static bool of_door(const struct deliver_letter *l, uint64_t generation)
{
    return l->id.door == generation;
}

void deliver_forget_door(struct deliver *d, uint64_t generation)
{
    forget_all(d, of_door, generation);
}

/* ---- what nobody comes for */

static bool lives(const struct deliver *d, uint64_t generation)
{
    const struct deliver_door *door = d->doors;
    while (door && door->generation != generation)
        door = door->next;
    return door;
}

/* A new door's letter may be here before the door itself: it has the time of an early one. */
static bool lost(const struct deliver_letter *l, uint64_t now)
{
    return l->until <= now || (l->until <= now + LETTER_MS - EARLY_MS && !lives(l->deliver, l->id.door));
}

/* Doors are answered what auth has never admitted. */
static void refuse_early(struct deliver *d, uint64_t now)
{
    unsigned n = 0;
    size_t i = 0;
    struct deliver_target **due = mem_resize(NULL, (d->early + 1) * sizeof(void *)), *t;
    for (const struct deliver_letter *l; d->early && (l = map_next(&d->letters, &i));)
        for (size_t k = 0; (t = map_next(&l->targets, &k));)
            if (t->step == TARGET_EARLY && t->until <= now)
                due[n++] = t;
    for (unsigned k = 0; k < n; k++) {
        t = due[k];
        log_error("deliver", "target %u of %llu.%llu was not admitted", t->number,
                  (unsigned long long)t->letter->id.door, (unsigned long long)t->letter->id.n);
        deliver_answer(t, t->commit_now ? TALK_DELIVERED : TALK_PREPARED, SMTP_TEMP);
    }
    mem_free(due);
}

void deliver_sweep(struct deliver *d)
{
    uint64_t now = clock_ms();
    refuse_early(d, now);
    forget_all(d, lost, now);
    sweep_dead(d, now);
    if (d->letters.count || d->dead.count)
        loop_timer_start(d->sweep, SWEEP_MS);
}
