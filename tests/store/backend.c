/* backend: see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "fault.h"
#include "store/maildir.h"
#include "store/memory.h"

static void maildir_put(const struct place *p, unsigned n, struct span text)
{
    char name[64]; /* by turns in new/ and in cur/; the order of creation is not that of the names */
    snprintf(name, sizeof name, "%s/%u.M%uP7.host%s", n % 3 ? "new" : "cur", 1700000000 + n, (n * 7919) % 100,
             n % 3 ? "" : ":2,S");
    place_write(p, name, text);
}

static void maildir_trouble(struct place *p, enum trouble t)
{
    static const char *const rules[] = {
        [NO_TROUBLE] = "",
        [LIST_FAILS] = "readdir:EIO:/anna/cur:1",
        [BODY_FAILS] = "openat:EIO:/17000:2", /* the first opening is for the listing */
        [REMOVE_FAILS] = "unlinkat:EIO:/anna/:1",
        [REMOVE_UNKNOWN] = "fsync:EIO:/anna/:1",
        [BEGIN_FAILS] = "openat:ENOSPC:/anna/tmp/:1",
        [WRITE_FAILS] = "write:ENOSPC:/anna/tmp/:1",
        [READY_FAILS] = "fsync:EIO:/anna/tmp/:1",
        [COMMIT_FAILS] = "rename:EIO:/anna/new/:1",
        [COMMIT_UNKNOWN] = "fsync:EIO:/anna/new:1",
    };
    (void)p;
    fault_rules(rules[t]);
}

static void maildir_clean(struct place *p)
{
    fault_rules("");
    place_free(p);
}

static void memory_put(const struct place *p, unsigned n, struct span text)
{
    (void)n;
    char path[PLACE_PATH];
    place_path(p, "", path);
    path[strcspn(path, "?")] = '\0';
    size_t length = strlen(path);
    path[path[length - 1] == '/' ? length - 1 : length] = '\0';
    store_memory_put(path, text);
}

static void memory_trouble(struct place *p, enum trouble t)
{
    static const char *const drops[] = {
        [NO_TROUBLE] = "anna",
        [LIST_FAILS] = "anna?fail=list",
        [BODY_FAILS] = "anna?fail=read",
        [REMOVE_FAILS] = "anna?fail=remove",
        [BEGIN_FAILS] = "anna?fail=begin",
        [WRITE_FAILS] = "anna?fail=write",
        [READY_FAILS] = "anna?fail=ready",
        [COMMIT_FAILS] = "anna?fail=commit",
        [COMMIT_UNKNOWN] = "anna?unknown",
        [REMOVE_UNKNOWN] = "anna?unknown",
    };
    p->drop = drops[t];
}

static void memory_fd_make(struct place *p)
{
    place_make(p);
    p->drop = "anna?fd";
}

static void memory_fd_trouble(struct place *p, enum trouble t)
{
    static const char *const drops[] = {
        [NO_TROUBLE] = "anna?fd",
        [LIST_FAILS] = "anna?fd,fail=list",
        [BODY_FAILS] = "anna?fd,fail=body",
        [REMOVE_FAILS] = "anna?fd,fail=remove",
        [BEGIN_FAILS] = "anna?fd,fail=begin",
        [WRITE_FAILS] = "anna?fd,fail=write",
        [READY_FAILS] = "anna?fd,fail=ready",
        [COMMIT_FAILS] = "anna?fd,fail=commit",
        [COMMIT_UNKNOWN] = "anna?fd,unknown",
        [REMOVE_UNKNOWN] = "anna?unknown,fd",
    };
    p->drop = drops[t];
}

static void memory_clean(struct place *p)
{
    store_memory_forget();
    place_free(p);
}

const struct backend backends[] = {
    {"maildir", &store_maildir, place_maildir, maildir_put, maildir_trouble, maildir_clean},
    {"memory", &store_memory, place_make, memory_put, memory_trouble, memory_clean},
    {"memory with descriptors", &store_memory, memory_fd_make, memory_put, memory_fd_trouble, memory_clean},
};

/* ---- each promise for each back-end */

const unsigned n_backends = sizeof backends / sizeof *backends;
const struct backend *backend_current;

int backend_set_up(void **state)
{
    struct test *t = mem_alloc(sizeof *t);
    t->backend = backend_current;
    t->backend->make(&t->place);
    *state = t;
    return 0;
}

int backend_tear_down(void **state)
{
    struct test *t = *state;
    t->backend->clean(&t->place);
    mem_free(t);
    return 0;
}
