/* auth_seen: who has logged in when and from where, for `bustia user`. No log-in waits for it: it is gathered, and written by a thread
 * of its own over a handle of its own, all as one change and at most once a minute. What auth has gathered when it is killed is lost. */
#include "daemon/auth_state.h"

#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "user/users_login.h"

enum { SOON_MS = 1000, EVERY_MS = 60000, GATHERED_MAX = 50000 };

struct auth_seen_write {
    struct loop_call call;
    struct auth *auth;
    struct users_login *list;
    size_t n;
    int result;
    struct err err;
};

static uint64_t key_of(const char *user, const char *label)
{
    return digest_word(span_of(user)) * 31 + (*label ? digest_word(span_of(label)) : 0);
}

/* One piece of memory, which begins with the user: there is one for each log-in of a minute. */
static struct users_login login_of(const char *user, const char *label, const char *address)
{
    size_t user_n = strlen(user) + 1, label_n = strlen(label) + 1, address_n = strlen(address) + 1;
    char *p = mem_alloc(user_n + label_n + address_n);
    memcpy(p, user, user_n);
    memcpy(p + user_n, label, label_n);
    memcpy(p + user_n + label_n, address, address_n);
    return (struct users_login){p, p + user_n, p + user_n + label_n, clock_wall().tv_sec};
}

static void login_free(struct users_login *l)
{
    mem_free(l->user);
}

static void arm(struct auth *a, uint64_t least)
{
    uint64_t now = clock_ms(), due = a->seen_written ? a->seen_written + EVERY_MS : 0;
    loop_timer_set(a->seen_timer, due > now + least ? due - now : least);
}

void auth_seen_note(struct auth *a, const char *user, const char *label, const char *address)
{
    uint64_t key = key_of(user, label);
    struct users_login *l = map_get(&a->seen, key);
    if (!l && a->seen.count >= GATHERED_MAX)
        return; /* the disk has failed for long */
    if (!l) {
        if (a->seen.count == 0 && !a->seen_writing)
            arm(a, SOON_MS);
        l = mem_alloc(sizeof *l);
        map_put(&a->seen, key, l);
    }
    login_free(l);
    *l = login_of(user, label, address);
}

static void write_work(struct loop_call *call)
{
    struct auth_seen_write *w = call->arg;
    struct users *db = NULL;
    w->result = users_open(&db, w->auth->db_path, false, &w->err);
    if (w->result == 0)
        w->result = users_login_note(db, w->list, w->n, &w->err);
    users_close(db);
}

static struct auth_seen_write *take_all(struct auth *a)
{
    struct auth_seen_write *w = mem_alloc(sizeof *w);
    *w = (struct auth_seen_write){.auth = a, .list = mem_alloc(a->seen.count * sizeof *w->list)};
    size_t at = 0;
    for (struct users_login *l; (l = map_next(&a->seen, &at)); mem_free(l))
        w->list[w->n++] = *l;
    map_fini(&a->seen);
    map_init(&a->seen);
    return w;
}

/* What could not be written is gathered again, where nothing newer is. */
static void put_back(struct auth *a, struct auth_seen_write *w)
{
    for (size_t i = 0; i < w->n; i++) {
        uint64_t key = key_of(w->list[i].user, w->list[i].label);
        if (map_get(&a->seen, key)) {
            login_free(&w->list[i]);
            continue;
        }
        struct users_login *l = mem_alloc(sizeof *l);
        *l = w->list[i];
        map_put(&a->seen, key, l);
    }
    w->n = 0;
}

static void write_free(struct auth_seen_write *w)
{
    for (size_t i = 0; i < w->n; i++)
        login_free(&w->list[i]);
    mem_free(w->list);
    mem_free(w);
}

static void write_done(struct loop_call *call)
{
    struct auth_seen_write *w = call->arg;
    struct auth *a = w->auth;
    a->seen_writing = false;
    a->seen_written = clock_ms();
    if (w->result < 0) {
        log_error("users", "last log-ins: %s", w->err.text);
        put_back(a, w);
    }
    write_free(w);
    if (a->seen.count)
        arm(a, SOON_MS);
}

static void write_now(void *arg)
{
    struct auth *a = arg;
    if (a->seen.count == 0 || a->seen_writing)
        return;
    struct auth_seen_write *w = take_all(a);
    w->call = (struct loop_call){write_work, write_done, w, NULL};
    a->seen_writing = true;
    if (pool_call(a->aside, &w->call))
        return;
    a->seen_writing = false;
    put_back(a, w);
    write_free(w);
    arm(a, SOON_MS);
}

void auth_seen_end(struct auth *a)
{
    if (a->seen.count == 0)
        return;
    struct auth_seen_write *w = take_all(a);
    write_work(&(struct loop_call){.arg = w});
    if (w->result < 0)
        log_error("users", "last log-ins: %s", w->err.text);
    write_free(w);
}

void auth_seen_init(struct auth *a)
{
    map_init(&a->seen);
    a->aside = pool_new(a->loop, 1, 2); /* beside the one that checks passwords: neither waits for the other */
    a->seen_timer = loop_timer_new(a->loop, write_now, a);
}
