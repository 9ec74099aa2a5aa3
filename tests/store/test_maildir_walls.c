/* Deliveries by a process that can open no file for reading, as the kernel sees to it (landlock(7)): counting, keys and
 * sweeping too. Skipped where the kernel has no Landlock that lets files move between directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "place.h"
#include "store/maildir.h"
#include "store/maildir_kept.h"

/* The kernel's numbers: the installed header may be older. */
enum {
    RIGHT_WRITE_FILE = 1 << 1,
    RIGHT_READ_DIR = 1 << 3,
    RIGHT_REMOVE_FILE = 1 << 5,
    RIGHT_MAKE_DIR = 1 << 7,
    RIGHT_MAKE_REG = 1 << 8,
    RIGHT_MAKE_SYM = 1 << 12,
    RIGHT_REFER = 1 << 13,
    RIGHTS_ALL = (1 << 14) - 1, /* of its second version */
    RIGHTS = RIGHT_WRITE_FILE | RIGHT_READ_DIR | RIGHT_REMOVE_FILE | RIGHT_MAKE_DIR | RIGHT_MAKE_REG | RIGHT_MAKE_SYM |
             RIGHT_REFER
};

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1);
}

static void enter_landlock(const char *top)
{
    const uint64_t handled = RIGHTS_ALL;
    struct {
        uint64_t allowed;
        int32_t parent;
    } __attribute__((packed)) rule = {RIGHTS, open(top, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    int set = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (set < 0 || rule.parent < 0 || syscall(SYS_landlock_add_rule, set, 1, &rule, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, set, 0) < 0)
        abort();
    close(set);
    close(rule.parent);
}

static bool can_read(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    return open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES;
}

static void deliver(struct store *s, const char *key)
{
    struct store_draft *d = NULL;
    struct err err = {0};
    if (s->ops->begin(s, &(struct store_about){.wire = true, .key = key}, &d, &err) < 0 ||
        s->ops->write(d, span_of("Subject: x\r\n\r\nbody\r\n"), &err) < 0 || s->ops->ready(d, &err) < 0 ||
        s->ops->commit(&d, 1, &err) != 1)
        abort();
}

/* In a process of its own. */
static void behind_walls(const struct place *p)
{
    struct store *s = NULL;
    struct store_used used;
    struct err err;
    enter_landlock(p->top);
    if (can_read(p, "new/1.a") || can_read(p, "cur/2.a:2,S"))
        abort();
    if (store_maildir.open(&s, &p->root, p->drop, STORE_DELIVER, &err) < 0 || s->ops->used(s, true, &used, &err) < 0 ||
        used.messages != 2)
        abort();
    deliver(s, NULL);
    deliver(s, "key");
    deliver(s, "key");
    if (s->ops->used(s, false, &used, &err) < 0 || used.messages != 4 || s->ops->sweep(s, &err) < 0)
        abort();
    s->ops->close(s);
    struct place other = *p; /* one that has to be made */
    other.drop = "bea";
    if (store_maildir.open(&s, &other.root, other.drop, STORE_DELIVER, &err) < 0)
        abort();
    deliver(s, NULL);
    s->ops->close(s);
}

static void test_delivers_without_reading(void **state)
{
    (void)state;
    if (landlock_version() < 2)
        skip();
    struct place p;
    place_maildir(&p);
    place_text(&p, "new/1.a", "x\n");
    place_text(&p, "cur/2.a:2,S", "x\n");
    pid_t pid = place_beside(&p, behind_walls);
    place_wait(1, &pid);
    assert_int_equal(place_count(&p, "new"), 3);
    assert_int_equal(place_count(&p, "tmp"), 0);
    assert_true(place_has(&p, MAILDIR_RECORD));
    p.drop = "bea";
    assert_int_equal(place_count(&p, "new"), 1);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_delivers_without_reading)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
