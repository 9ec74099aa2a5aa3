/* Where a Maildir may lie, what is made when it is missing, the lock, and the walls it is opened behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"
#include "store/maildir.h"

enum { NOBODY = 65534 };

static enum err_kind try_open(const struct place *p, const char *drop, char text[ERR_TEXT])
{
    struct store *s = NULL;
    struct err err = {0};
    if (store_maildir.open(&s, &p->root, drop, STORE_EXCLUSIVE, &err) == 0)
        s->ops->close(s);
    else
        assert_null(s);
    if (text)
        memcpy(text, err.text, ERR_TEXT);
    return err.kind;
}

static void make_directory(const struct place *p, const char *name, mode_t mode)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(mkdir(path, mode), 0);
}

static void remove_directory(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(rmdir(path), 0);
}

static void make_link(const struct place *p, const char *name, const char *to)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(symlink(to, path), 0);
}

/* ---- what is made */

static void test_a_missing_maildrop_is_made(void **state)
{
    struct place *p = *state;
    assert_int_equal(try_open(p, "ben", NULL), ERR_NONE);
    assert_true(place_has(p, "../ben/new") && place_has(p, "../ben/cur") && place_has(p, "../ben/tmp"));
    assert_int_equal(try_open(p, "ben/Maildir", NULL), ERR_NONE);
    assert_true(place_has(p, "../ben/Maildir/new"));
    struct stat st;
    char path[PLACE_PATH];
    place_path(p, "../ben/Maildir", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

/* Its disk may not be mounted: making the way to it would hide all mail behind an empty maildrop. */
static void test_a_missing_parent_is_not_made(void **state)
{
    struct place *p = *state;
    char text[ERR_TEXT];
    assert_int_equal(try_open(p, "disk/ben", text), ERR_TEMP);
    assert_non_null(strstr(text, "disk/ben"));
    assert_false(place_has(p, "../disk"));
}

static void test_missing_parts_are_made(void **state)
{
    struct place *p = *state;
    place_text(p, "cur/1.a:2,S", "text\n");
    remove_directory(p, "new");
    remove_directory(p, "tmp");
    struct drop drop;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(drop.count, 1);
    drop_fini(&drop);
    s->ops->close(s);
    assert_true(place_has(p, "new") && place_has(p, "tmp"));
    place_remove(p, "cur/1.a:2,S");
    remove_directory(p, "new");
    remove_directory(p, "cur");
    remove_directory(p, "tmp");
    assert_int_equal(try_open(p, p->drop, NULL), ERR_NONE); /* an empty directory: its making was interrupted */
    assert_true(place_has(p, "new") && place_has(p, "cur"));
}

static void test_what_is_no_maildir_is_left_alone(void **state)
{
    struct place *p = *state;
    char text[ERR_TEXT];
    make_directory(p, "../home", 0700);
    make_directory(p, "../home/letters", 0700);
    assert_int_equal(try_open(p, "home", text), ERR_TEMP);
    assert_non_null(strstr(text, "not a Maildir"));
    assert_int_equal(place_count(p, "../home"), 1);
    place_text(p, "../file", "");
    assert_int_equal(try_open(p, "file", NULL), ERR_TEMP);
    assert_int_equal(try_open(p, "file/x", NULL), ERR_TEMP);
}

/* ---- where it may lie */

static void test_no_link_is_followed(void **state)
{
    static const char *const ways[] = {"link", "up", "link/x", "dir/link", "absolute"};
    struct place *p = *state;
    make_directory(p, "../dir", 0700);
    make_link(p, "../link", "anna");
    make_link(p, "../absolute", p->top);
    make_link(p, "../up", "../../../../../../../etc");
    make_link(p, "../dir/link", "../anna");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char text[ERR_TEXT];
        assert_int_equal(try_open(p, ways[i], text), ERR_TEMP);
        assert_non_null(strstr(text, "symbolic link"));
    }
}

/* The check by name comes before (store/open.h); here the kernel says it again. */
static void test_nothing_leads_up(void **state)
{
    static const char *const ways[] = {"..", "../anna", "anna/../../etc", "anna/../..", "/etc", "/"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        assert_int_equal(try_open(*state, ways[i], NULL), ERR_TEMP);
}

static void test_parts_are_no_links(void **state)
{
    struct place *p = *state;
    static const char *const parts[] = {"cur", "new"};
    make_directory(p, "real", 0700);
    place_text(p, "real/1.secret", "secret\n");
    for (size_t i = 0; i < 2; i++) {
        char text[ERR_TEXT];
        remove_directory(p, parts[i]);
        make_link(p, parts[i], i ? "/etc" : "real");
        assert_int_equal(try_open(p, p->drop, text), ERR_TEMP);
        assert_non_null(strstr(text, parts[i]));
        place_remove(p, parts[i]);
        make_directory(p, parts[i], 0700);
    }
    remove_directory(p, "cur");
    place_text(p, "cur", "a file\n");
    assert_int_equal(try_open(p, p->drop, NULL), ERR_TEMP);
}

/* ---- the lock */

static void test_lock_holds_across_processes(void **state)
{
    struct place *p = *state;
    struct store *s = place_open(p, &store_maildir);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(try_open(p, p->drop, NULL) == ERR_BUSY ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    s->ops->close(s);
    assert_int_equal(try_open(p, p->drop, NULL), ERR_NONE);
}

/* A session that is killed leaves no lock behind. */
static void test_lock_ends_with_its_process(void **state)
{
    struct place *p = *state;
    int pipes[2];
    char byte;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *s = NULL;
        store_maildir.open(&s, &p->root, p->drop, STORE_EXCLUSIVE, NULL);
        if (write(pipes[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(try_open(p, p->drop, NULL), ERR_BUSY);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(try_open(p, p->drop, NULL), ERR_NONE);
}

static void test_delivery_needs_no_lock(void **state)
{
    struct place *p = *state;
    struct store *s = place_open(p, &store_maildir), *other = NULL;
    assert_int_equal(store_maildir.open(&other, &p->root, p->drop, STORE_DELIVER, NULL), 0);
    other->ops->close(other);
    s->ops->close(s);
}

/* ---- without rights. In a child of its own, which drops them; what it found is its exit status. */

typedef int child_fn(struct place *p);

static void in_child(struct place *p, child_fn *fn)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fn(p));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool be_nobody(void)
{
    return geteuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static void give_to_nobody(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    if (geteuid() == 0)
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

static void change_mode(const struct place *p, const char *name, mode_t mode)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(chmod(path, mode), 0);
}

static void give_all(const struct place *p)
{
    static const char *const names[] = {"", "new", "cur", "tmp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        give_to_nobody(p, names[i]);
    change_mode(p, "..", 0755);
}

/* Opens and lists: the number of messages, or minus the kind of the error. */
static int list_count(struct place *p, struct store **s, struct drop *drop)
{
    struct err err = {0};
    if (store_maildir.open(s, &p->root, p->drop, STORE_EXCLUSIVE, &err) < 0)
        return -(int)err.kind;
    drop_init(drop);
    if ((*s)->ops->list(*s, drop, &err) < 0)
        return -(int)err.kind;
    return (int)drop->count;
}

static int child_unreadable_message(struct place *p)
{
    struct store *s;
    struct drop drop;
    return be_nobody() && list_count(p, &s, &drop) == 1 ? 0 : 1;
}

static void test_unreadable_message(void **state)
{
    struct place *p = *state;
    give_all(p);
    place_text(p, "new/1.a", "text\n");
    place_text(p, "new/2.closed", "text\n");
    give_to_nobody(p, "new/1.a");
    change_mode(p, "new/2.closed", 0);
    in_child(p, child_unreadable_message);
}

static int child_unreadable_part(struct place *p)
{
    struct store *s;
    struct drop drop;
    return be_nobody() && list_count(p, &s, &drop) == -(int)ERR_TEMP ? 0 : 1;
}

/* An empty maildrop instead of an error would make clients forget what they have seen. */
static void test_unreadable_part(void **state)
{
    static const char *const names[] = {"new", "cur", ""};
    static const mode_t modes[] = {0, 0400, 0100};
    struct place *p = *state;
    give_all(p);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            change_mode(p, names[i], modes[k]);
            in_child(p, child_unreadable_part);
            change_mode(p, names[i], 0700);
        }
}

static int child_read_only(struct place *p)
{
    struct store *s;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    if (!be_nobody() || list_count(p, &s, &drop) != 2)
        return 1;
    struct store_body b;
    if (s->ops->body(s, 0, &b, &err) < 0)
        return 2;
    b.close(&b);
    drop_mark(&drop, 0);
    drop_mark(&drop, 1);
    if (s->ops->remove(s, &drop, &left, &err) != -1 || err.kind != ERR_TEMP)
        return 3;
    return left == 1 ? 0 : 4;
}

/* Locking and reading need no right to write; what cannot be removed is counted. */
static void test_read_only_part(void **state)
{
    struct place *p = *state;
    give_all(p);
    place_text(p, "new/1.a", "text\n");
    place_text(p, "cur/2.b:2,S", "text\n");
    give_to_nobody(p, "new/1.a");
    give_to_nobody(p, "cur/2.b:2,S");
    change_mode(p, "new", 0500);
    in_child(p, child_read_only);
    change_mode(p, "new", 0700);
    assert_true(place_has(p, "new/1.a"));
    assert_false(place_has(p, "cur/2.b:2,S"));
}

static int child_may_not_make(struct place *p)
{
    if (!be_nobody())
        return 1;
    return try_open(p, "ben", NULL) == ERR_TEMP ? 0 : 2;
}

static void test_making_is_not_permitted(void **state)
{
    struct place *p = *state;
    change_mode(p, "..", 0555);
    in_child(p, child_may_not_make);
    change_mode(p, "..", 0700);
}

/* ---- behind the walls: nothing but the root's descriptor leads to the mail */

/* Reads and writes below the root, and touches nothing else. -1: this kernel has no Landlock. */
static int enter_landlock(int root)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = (1u << 13) - 1};
    uint64_t may = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG;
    struct landlock_path_beneath_attr below = {.allowed_access = may, .parent_fd = root};
    int set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (set < 0)
        return -1;
    if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &below, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, set, 0) < 0)
        _exit(100);
    return close(set);
}

static int serve(struct place *p)
{
    struct store *s;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    struct store_body b;
    if (list_count(p, &s, &drop) != 2)
        return 1;
    char path[PLACE_PATH];
    if (s->ops->body(s, 1, &b, &err) < 0 || pread(b.fd, path, sizeof path, 0) != 5)
        return 2;
    b.close(&b);
    drop_mark(&drop, 0);
    if (s->ops->remove(s, &drop, &left, &err) < 0 || left != 0)
        return 3;
    s->ops->close(s);
    drop_fini(&drop);
    return try_open(p, "anna/Made", NULL) == ERR_NONE ? 0 : 4;
}

static int child_behind_walls(struct place *p)
{
    bool root = geteuid() == 0;
    if (root && (chdir(p->top) < 0 || chroot("empty") < 0 || chdir("/") < 0))
        return 10;
    bool landlock = enter_landlock(p->root.fd) == 0;
    if (!be_nobody())
        return 11;
    if ((root || landlock) && open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0)
        return 12;
    if (!root && !landlock)
        fputs("neither chroot (no root) nor Landlock (not in this kernel): opened without walls\n", stderr);
    return serve(p);
}

static void test_behind_walls(void **state)
{
    struct place *p = *state;
    give_all(p);
    make_directory(p, "../empty", 0755);
    place_text(p, "new/1.a", "text\n");
    place_text(p, "cur/2.b:2,S", "text\n");
    give_to_nobody(p, "new/1.a");
    give_to_nobody(p, "cur/2.b:2,S");
    in_child(p, child_behind_walls);
    assert_int_equal(place_count(p, "new"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_missing_maildrop_is_made),
        TEST(a_missing_parent_is_not_made),
        TEST(missing_parts_are_made),
        TEST(what_is_no_maildir_is_left_alone),
        TEST(no_link_is_followed),
        TEST(nothing_leads_up),
        TEST(parts_are_no_links),
        TEST(lock_holds_across_processes),
        TEST(lock_ends_with_its_process),
        TEST(delivery_needs_no_lock),
        TEST(unreadable_message),
        TEST(unreadable_part),
        TEST(read_only_part),
        TEST(making_is_not_permitted),
        TEST(behind_walls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
