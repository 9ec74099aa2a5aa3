/* A large maildrop that is watched beside a program that changes it all the time; and what the kernel tells, octet by
 * octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/maildir.h"
#include "store/maildir_event.h"
#include "watching.h"

static unsigned random_of(unsigned n)
{
    static unsigned state = 20260101;
    state = state * 1103515245 + 12345;
    return (state >> 16) % n;
}

/* Some changes, each the whole of what a program does: mostly deliveries. */
static void change(const struct place *p, unsigned round)
{
    static unsigned time = 4000000;
    char from[PLACE_PATH], to[PLACE_PATH], name[64];
    for (unsigned n = 1 + random_of(4); n; n--) {
        unsigned what = random_of(round % 3 ? 8 : 14);
        place_text(p, "tmp/it", what % 2 ? "x\n" : "a longer one\n");
        place_path(p, "tmp/it", from);
        snprintf(name, sizeof name, "%s/%u.x", what % 3 ? "new" : "cur", ++time);
        place_path(p, name, to);
        if (what == 9) { /* an earlier one comes, is moved, goes */
            snprintf(name, sizeof name, "new/%u.y", 1000000 + random_of(50));
            place_path(p, name, to);
        } else if (what == 10 || what == 11) {
            unsigned which = what == 10 ? 1000000 + random_of(100) : time - 1;
            snprintf(name, sizeof name, "new/%u.x", which);
            place_path(p, name, from);
            snprintf(name, sizeof name, "cur/%u.x:2,S", which);
            place_path(p, name, to);
        } else if (what == 12) {
            snprintf(name, sizeof name, "new/%u.x", time - random_of(4));
            place_path(p, name, to);
            unlink(to);
            continue;
        }
        if (what % 2 || what == 10)
            rename(from, to);
        else if (link(from, to) == 0)
            unlink(from);
        if (random_of(3) == 0)
            usleep(random_of(3000));
    }
}

/* Whatever happens beside a session, the next one, when all is still, hears the truth. */
static void test_beside_another_program(void **state)
{
    enum { ROUNDS = 60 };
    struct place *p = *state;
    int go[2], done[2];
    char octet = 0;
    unsigned heard = 0;
    fill(p);
    assert_true(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        for (unsigned round = 0; read(go[0], &octet, 1) == 1; round++) {
            change(p, round);
            if (write(done[1], &octet, 1) != 1)
                break;
        }
        _exit(0);
    }
    close(go[0]);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct drop drop;
        struct err err;
        assert_int_equal(write(go[1], &octet, 1), 1);
        if (round % 2)
            usleep(round * 17 % 1000);
        struct store *s = place_open_list(p, &store_maildir, &drop); /* of a maildrop that is being changed */
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
        assert_int_equal(read(done[0], &octet, 1), 1);
        session(p, EITHER, round % 16 == 0);
        heard += !kernel.readings;
    }
    assert_true(heard > ROUNDS / 4);
    close(go[1]);
    place_wait(1, &pid);
    close(done[0]);
    close(done[1]);
}

/* ---- octets of the kernel */

static size_t make_event(char *p, size_t handle, const char *name, unsigned type)
{
    struct fanotify_event_metadata head = {
        .vers = FANOTIFY_METADATA_VERSION, .metadata_len = sizeof head, .mask = FAN_CREATE, .fd = FAN_NOFD};
    struct fanotify_event_info_header record = {.info_type = (uint8_t)type,
                                                .len = (uint16_t)(20 + handle + strlen(name) + 1)};
    uint32_t length = (uint32_t)handle;
    head.event_len = (uint32_t)(sizeof head + record.len);
    memset(p, 'h', head.event_len);
    memcpy(p, &head, sizeof head);
    memcpy(p + sizeof head, &record, sizeof record);
    memcpy(p + sizeof head + 12, &length, sizeof length);
    strcpy(p + sizeof head + 20 + handle, name);
    return head.event_len;
}

static void test_events(void **state)
{
    (void)state;
    char text[512];
    struct maildir_event e;
    size_t one = make_event(text, 8, "1.a", FAN_EVENT_INFO_TYPE_DFID_NAME),
           n = one + make_event(text + one, 8, "x", FAN_EVENT_INFO_TYPE_FID);
    struct span events = {text, n};
    assert_true(maildir_event_take(&events, &e));
    assert_int_equal(e.mask, FAN_CREATE);
    assert_int_equal(e.where.n, 24);
    assert_true(e.where.p == text + 28 && span_is(e.name, "1.a"));
    assert_true(maildir_event_take(&events, &e)); /* of which no directory is known */
    assert_int_equal(e.where.n, 0);
    assert_int_equal(events.n, 0);
    assert_false(maildir_event_take(&events, &e));
    for (size_t cut = 0; cut < one;
         cut++) { /* memory of that size alone: a reader beyond it is found by its sanitizer */
        char *part = mem_alloc(cut + 1);
        memcpy(part, text, cut);
        events = (struct span){part, cut};
        assert_false(maildir_event_take(&events, &e));
        if (cut >= sizeof(struct fanotify_event_metadata)) { /* it says that it is so long */
            uint32_t length = (uint32_t)cut;
            memcpy(part, &length, sizeof length);
            events = (struct span){part, cut};
            assert_int_equal(maildir_event_take(&events, &e), cut == sizeof(struct fanotify_event_metadata));
        }
        mem_free(part);
    }
    for (size_t at = 0; at < one; at++) { /* any octet another one */
        char *part = mem_alloc(one);
        for (unsigned value = 0; value < 256; value += 5) {
            memcpy(part, text, one);
            part[at] = (char)value;
            events = (struct span){part, one};
            if (maildir_event_take(&events, &e) && e.where.n)
                assert_true(e.where.p + e.where.n <= part + one && e.name.p + e.name.n < part + one && e.name.n);
        }
        mem_free(part);
    }
}

static const struct CMUnitTest watched[] = {WATCHED(beside_another_program)};

/* On what TMPDIR is on, and in memory. */
int main(void)
{
    const struct CMUnitTest events[] = {cmocka_unit_test(test_events)};
    int failed = cmocka_run_group_tests(events, NULL, NULL);
    bool told = kernel_tells();
    failed += told ? cmocka_run_group_tests_name("watched", watched, NULL, NULL) : 0;
    return verdict(failed + in_memory(watched, sizeof watched / sizeof *watched), told);
}
