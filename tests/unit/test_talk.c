/* talk: what one role may say to another, and that nothing else is understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/talk.h"
#include "guard.h"

enum { HEAD = 72, LENGTHS = 44, ZERO = 52 }; /* bytes of a frame before its texts */

static char frame[CHAN_MAX];

/* The frame of a message, as it leaves talk_send_now. */
static size_t frame_of(const struct talk *m)
{
    int pair[2], fd;
    size_t n;
    struct err err;
    assert_int_equal(chan_pair(pair, &err), 0);
    assert_int_equal(talk_send_now(pair[0], m), 0);
    assert_int_equal(chan_receive(pair[1], frame, sizeof frame, &n, &fd, &err), 1);
    if (fd >= 0)
        close(fd);
    close(pair[0]);
    close(pair[1]);
    return n;
}

static bool accepted(size_t n, bool with_fd, enum role from, enum role to)
{
    struct talk m;
    char *copy = guard_copy(frame, n);
    int fd = with_fd ? open("/dev/null", O_RDONLY) : -1;
    bool ok = talk_parse(copy, n, fd, from, to, &m) == 0;
    if (with_fd && ok)
        close(fd);
    if (with_fd)
        assert_int_equal(fcntl(fd, F_GETFD), -1); /* handed on or closed, never lost */
    guard_free(copy);
    return ok;
}

static void every_message_has_one_road(void **state)
{
    (void)state;
    for (int type = 0; type < TALK_TYPES; type++) {
        struct talk m = {.type = (enum talk_type)type, .id = {1, 2}, .fd = -1};
        size_t n = frame_of(&m);
        int roads = 0, with = 0, without = 0;
        for (int from = 0; from < ROLES; from++)
            for (int to = 0; to < ROLES; to++) {
                bool a = accepted(n, true, (enum role)from, (enum role)to);
                bool b = accepted(n, false, (enum role)from, (enum role)to);
                roads += a || b;
                with += a;
                without += b;
                if (a || b)
                    assert_int_not_equal(from, to);
            }
        assert_true(roads > 0);
        assert_true(with == 0 || without == 0); /* a descriptor is needed or forbidden, never optional */
    }
}

static void strangers_cannot_grant(void **state)
{
    (void)state;
    struct talk m = {.type = TALK_EXPECT, .id = {1, 2}, .fd = -1};
    size_t n = frame_of(&m);
    assert_false(accepted(n, false, ROLE_DOOR, ROLE_MAIL));
    assert_true(accepted(n, false, ROLE_AUTH, ROLE_MAIL));
    m.type = TALK_ADMIT;
    n = frame_of(&m);
    assert_false(accepted(n, false, ROLE_DOOR, ROLE_DELIVER));
    assert_false(accepted(n, false, ROLE_AUTH, ROLE_MAIL)); /* who holds sessions delivers nothing */
    assert_true(accepted(n, false, ROLE_AUTH, ROLE_DELIVER));
    m.type = TALK_NEED;
    n = frame_of(&m);
    assert_false(accepted(n, false, ROLE_DOOR, ROLE_MASTER));
    assert_false(accepted(n, false, ROLE_MAIL, ROLE_MASTER));
    assert_false(accepted(n, false, ROLE_DELIVER, ROLE_MASTER));
    assert_true(accepted(n, false, ROLE_AUTH, ROLE_MASTER));
}

static void lengths(void **state)
{
    (void)state;
    struct talk m = {.type = TALK_KICK, .text = {span_of("anna")}, .fd = -1};
    size_t n = frame_of(&m);
    assert_int_equal(n, HEAD + 4);
    for (size_t cut = 0; cut < n; cut++)
        assert_false(accepted(cut, false, ROLE_CONTROL, ROLE_AUTH));
    assert_true(accepted(n, false, ROLE_CONTROL, ROLE_AUTH));
    assert_false(accepted(n + 1, false, ROLE_CONTROL, ROLE_AUTH));
    uint16_t *len = (uint16_t *)(void *)(frame + LENGTHS);
    assert_int_equal(len[0], 4);
    len[0] = 300; /* a name longer than any */
    assert_false(accepted(HEAD + 300, false, ROLE_CONTROL, ROLE_AUTH));
    len[0] = 2;
    len[1] = 2; /* a text this message has not */
    assert_false(accepted(n, false, ROLE_CONTROL, ROLE_AUTH));
}

static void unknown(void **state)
{
    (void)state;
    struct talk m = {.type = TALK_WHO, .fd = -1};
    size_t n = frame_of(&m);
    uint32_t type = TALK_TYPES;
    memcpy(frame, &type, sizeof type);
    assert_false(accepted(n, false, ROLE_CONTROL, ROLE_AUTH));
    type = UINT32_MAX;
    memcpy(frame, &type, sizeof type);
    assert_false(accepted(n, false, ROLE_CONTROL, ROLE_AUTH));
    frame_of(&m);
    frame[ZERO] = 1; /* the bytes that must be zero */
    assert_false(accepted(n, false, ROLE_CONTROL, ROLE_AUTH));
}

static void round_trip(void **state)
{
    (void)state;
    int pair[2];
    struct err err;
    char room[CHAN_MAX];
    struct talk m = {.type = TALK_VERIFY, .id = {3, 9}, .num = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, .text = {span_of("a"), span_of(""), span_of("::1"), span_of("<x@y>")}, .fd = -1}, got;
    assert_int_equal(chan_pair(pair, &err), 0);
    assert_int_equal(talk_send_now(pair[0], &m), 0);
    assert_int_equal(talk_receive_now(pair[1], room, ROLE_DOOR, ROLE_AUTH, &got), 1);
    assert_int_equal(got.type, m.type);
    assert_int_equal(got.id.door, 3);
    assert_int_equal(got.id.n, 9);
    assert_memory_equal(got.num, m.num, sizeof m.num);
    for (int i = 0; i < TALK_TEXTS; i++)
        assert_true(span_equal(got.text[i], m.text[i]));
    assert_int_equal(talk_send_now(pair[0], &m), 0);
    assert_int_equal(talk_receive_now(pair[1], room, ROLE_MAIL, ROLE_AUTH, &got), -1);
    close(pair[0]);
    assert_int_equal(talk_receive_now(pair[1], room, ROLE_DOOR, ROLE_AUTH, &got), 0);
    close(pair[1]);
}

/* A message whose descriptor found no room comes all the same, so that its transaction is answered; but a session and a message
 * alone. */
static void lost_descriptors(void **state)
{
    (void)state;
    for (int type = 0; type < TALK_TYPES; type++) {
        struct talk m = {.type = (enum talk_type)type, .id = {1, 2}, .fd = -1}, got;
        size_t n = frame_of(&m);
        int understood = 0;
        for (int from = 0; from < ROLES; from++)
            for (int to = 0; to < ROLES; to++)
                understood += talk_parse(frame, n, CHAN_FD_LOST, (enum role)from, (enum role)to, &got) == 0;
        assert_int_equal(understood, type == TALK_TAKE || type == TALK_MESSAGE);
    }
}

static void wide_numbers(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX, UINT64_C(0x0123456789ABCDEF)};
    uint32_t num[2];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        talk_set_wide(num, numbers[i]);
        assert_int_equal(num[0], numbers[i] & UINT32_MAX);
        assert_true(talk_wide(num) == numbers[i]);
    }
}

static void words_for_the_log(void **state)
{
    (void)state;
    assert_string_equal(talk_word("192.0.2.7"), "192.0.2.7");
    assert_string_equal(talk_word("2001:db8::1"), "2001:db8::1");
    assert_string_equal(talk_word("TLSv1.3"), "TLSv1.3");
    assert_string_equal(talk_word(""), "\"\"");
    assert_string_equal(talk_word("x end=quit"), "\"x end=quit\"");
    assert_string_equal(talk_word("1.2.3.4\n"), "\"1.2.3.4\\x0a\"");
    assert_string_equal(talk_word("\xff"), "\"\\xff\"");
}

int main(void)
{
    log_level_set(LOG_L_ERROR);
    log_open(open("/dev/null", O_WRONLY), LOG_TO_STREAM, "test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_for_the_log), cmocka_unit_test(every_message_has_one_road), cmocka_unit_test(strangers_cannot_grant),
        cmocka_unit_test(lengths), cmocka_unit_test(unknown), cmocka_unit_test(round_trip),
        cmocka_unit_test(lost_descriptors), cmocka_unit_test(wide_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
