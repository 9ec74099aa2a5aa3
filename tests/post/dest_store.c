/* A Maildir, and the mailbox of a user of the server, which is one too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest_mailbox.h"
#include "post/out_mailbox.h"
#include "post/out_maildir.h"
#include "store/maildir.h"
#include "user/users.h"

static unsigned count(const struct dest_test *t)
{
    struct drop drop;
    struct store *s = place_open_list(&t->place, &store_maildir, &drop);
    unsigned n = drop.count;
    drop_fini(&drop);
    s->ops->close(s);
    return n;
}

static char *read_one(const struct dest_test *t, unsigned i, size_t *n)
{
    struct drop drop;
    struct store_body b;
    struct err err = {0};
    struct store *s = place_open_list(&t->place, &store_maildir, &drop);
    char *text = place_body(s, i, n, &b, &err);
    if (!text)
        fail_msg("body: %s", err.text);
    drop_fini(&drop);
    s->ops->close(s);
    return text;
}

/* ---- a Maildir */

static void maildir_make(struct dest_test *t)
{
    place_make(&t->place);
}

static int maildir_open(struct dest_test *t, struct out **o, struct err *err)
{
    char path[PLACE_PATH];
    place_path(&t->place, "", path);
    path[strlen(path) - 1] = '\0';
    return out_maildir(o, path, err);
}

static void maildir_clean(struct dest_test *t)
{
    place_free(&t->place);
}

const struct dest dest_maildir = {.name = "maildir",
                                  .keys = true,
                                  .own_end = true,
                                  .make = maildir_make,
                                  .open = maildir_open,
                                  .count = count,
                                  .read = read_one,
                                  .disk_full = "write:ENOSPC:/tmp/:1",
                                  .clean = maildir_clean};

/* ---- a mailbox */

/* Whose it is: root's tests give it away. */
static uint32_t owner(void)
{
    return geteuid() ? geteuid() : DEST_UID;
}

static void give(const char *path)
{
    assert_int_equal(chown(path, owner(), geteuid() ? getegid() : DEST_UID), 0);
}

void dest_mailbox_person(const struct dest_test *t, uint64_t octets, uint64_t messages, bool disabled)
{
    char db[PLACE_PATH + 16], where[PLACE_PATH + 16], empty[] = "", name[] = "anna";
    struct users *users = NULL;
    struct err err = {0};
    snprintf(db, sizeof db, "%s/users.db", t->place.top);
    snprintf(where, sizeof where, "maildir:%s/anna", t->place.top);
    struct user u = {.name = name,
                     .verifier = empty,
                     .scram1 = empty,
                     .scram256 = empty,
                     .apop = empty,
                     .where = where,
                     .uid = owner(),
                     .gid = geteuid() ? getegid() : DEST_UID,
                     .disabled = disabled,
                     .quota_octets = octets,
                     .quota_messages = messages};
    if (users_open(&users, db, true, &err) < 0)
        fail_msg("%s", err.text);
    if (users_add(users, &u, &err) < 0 && users_change(users, &u, &err) < 0)
        fail_msg("%s", err.text);
    users_close(users);
}

static void mailbox_make(struct dest_test *t)
{
    static const char *const parts[] = {"", "new", "cur", "tmp"};
    struct conf *c = mem_alloc(sizeof *c);
    struct conf_problems problems = {0};
    char text[3 * PLACE_PATH];
    place_maildir(&t->place);
    assert_int_equal(chmod(t->place.top, 0755), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[PLACE_PATH];
        place_path(&t->place, parts[i], path);
        give(path);
    }
    snprintf(text, sizeof text, "mail_root = %s\nusers_db = %s/users.db\n", t->place.top, t->place.top);
    conf_read(c, span_of(text), &problems);
    conf_problems_free(&problems);
    t->own = c;
    dest_mailbox_person(t, 0, 0, false);
}

static int mailbox_open(struct dest_test *t, struct out **o, struct err *err)
{
    return out_mailbox(o, t->own, "anna", "", err);
}

static void mailbox_clean(struct dest_test *t)
{
    conf_free(t->own);
    mem_free(t->own);
    place_free(&t->place);
}

const struct dest dest_mailbox = {.name = "mailbox",
                                  .root = true,
                                  .keys = true,
                                  .own_end = true,
                                  .make = mailbox_make,
                                  .open = mailbox_open,
                                  .count = count,
                                  .read = read_one,
                                  .disk_full = "write:ENOSPC:/anna/tmp/:1",
                                  .clean = mailbox_clean};

const struct dest dest_mailbox_owner = {.name = "mailbox as its owner",
                                        .owner = true,
                                        .keys = true,
                                        .own_end = true,
                                        .make = mailbox_make,
                                        .open = mailbox_open,
                                        .count = count,
                                        .read = read_one,
                                        .disk_full = "write:ENOSPC:/anna/tmp/:1",
                                        .clean = mailbox_clean};
