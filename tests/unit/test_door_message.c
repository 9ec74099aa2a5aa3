/* daemon/door_message: what is put in comes out of the file, sealed; the ceiling of all of them; nothing is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/door_message.h"

static char pattern(uint64_t at)
{
    return (char)(at * 31 + at / 251);
}

static void assert_holds(const struct message *m, uint64_t size)
{
    char *text = malloc(size + 1);
    assert_int_equal(m->size, size);
    assert_int_equal(lseek(m->fd, 0, SEEK_END), size);
    assert_int_equal(pread(m->fd, text, size + 1, 0), size);
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(text[i], pattern(i));
    free(text);
}

/* A message of `size` octets in pieces of `piece`. */
static void put(struct message *m, uint64_t size, size_t piece)
{
    struct err err;
    char *part = malloc(piece);
    assert_int_equal(message_begin(m, 0, false, &err), 0);
    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < piece ? (size_t)(size - at) : piece;
        for (size_t i = 0; i < n; i++)
            part[i] = pattern(at + i);
        assert_int_equal(message_add(m, (struct span){part, n}, &err), 0);
        at += n;
    }
    free(part);
}

static void any_pieces_any_size(void **state)
{
    static const uint64_t sizes[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 200000, 1 << 20};
    static const size_t pieces[] = {1, 77, 4096, 65535, 65536, 65537, 300000};
    struct message_room room = {.ceiling = 8 << 20};
    struct message m;
    struct err err;
    (void)state;
    message_init(&m, &room);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
            put(&m, sizes[i], pieces[k]);
            assert_int_equal(message_seal(&m, &err), 0);
            assert_holds(&m, sizes[i]);
            assert_true(room.used >= sizes[i] && room.used < sizes[i] + 4096);
            message_end(&m);
            assert_int_equal(room.used, 0);
        }
}

static void sealed(void **state)
{
    struct message_room room = {.ceiling = 1 << 20};
    struct message m;
    struct err err;
    (void)state;
    message_init(&m, &room);
    put(&m, 5000, 100);
    assert_int_equal(message_seal(&m, &err), 0);
    int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    assert_int_equal(fcntl(m.fd, F_GET_SEALS) & seals, seals);
    assert_true(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(pwrite(m.fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(m.fd, 0), -1);
    assert_int_equal(ftruncate(m.fd, 9000), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0), MAP_FAILED);
    message_end(&m);
}

static void small_ones_wait_for_their_end(void **state)
{
    struct message_room room = {.ceiling = 1 << 20};
    struct message m;
    struct err err;
    (void)state;
    message_init(&m, &room);
    put(&m, 60000, 78);
    assert_int_equal(m.written, 0);
    put(&m, 70000, 78); /* the first is thrown away */
    assert_int_equal(m.written, 65536);
    assert_int_equal(message_seal(&m, &err), 0);
    assert_int_equal(m.written, 70000);
    message_end(&m);
    assert_int_equal(room.used, 0);
}

static void the_ceiling(void **state)
{
    struct message_room room = {.ceiling = 1 << 20};
    struct message a, b;
    struct err err;
    char piece[10000];
    (void)state;
    memset(piece, 'x', sizeof piece);
    message_init(&a, &room);
    message_init(&b, &room);
    assert_true(message_fits(&room, 1 << 20));
    assert_false(message_fits(&room, (1 << 20) + 1));
    assert_false(message_fits(&room, UINT64_MAX));
    put(&a, 700000, 4096);
    assert_int_equal(message_begin(&b, 0, false, &err), 0);
    uint64_t taken = 0;
    while (message_add(&b, (struct span){piece, sizeof piece}, &err) == 0) {
        taken += sizeof piece;
        assert_true(room.used <= room.ceiling);
    }
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_true(taken > 100000);
    assert_int_equal(b.fd, -1); /* and what it held is free for others */
    assert_true(room.used < 800000);
    put(&b, 100000, 4096);
    message_end(&b);
    assert_int_equal(message_seal(&a, &err), 0);
    message_end(&a);
    assert_int_equal(room.used, 0);
    room.ceiling = 100; /* a reload made it less than what is there */
    room.used = 200;
    assert_false(message_fits(&room, 0));
}

/* What is promised is kept free; what strangers promise, up to a half of all. */
static void reserved(void **state)
{
    struct message_room room = {.ceiling = 1 << 20};
    struct message a, b, c;
    struct err err;
    char piece[1000] = {0};
    (void)state;
    message_init(&a, &room);
    message_init(&b, &room);
    message_init(&c, &room);
    assert_int_equal(message_begin(&a, 600000, true, &err), 0);
    assert_true(room.used >= 600000 && room.hollow == room.used);
    assert_false(message_fits(&room, 500000));
    assert_int_equal(message_begin(&b, 500000, true, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(b.fd, -1);
    for (unsigned i = 0; i < 600; i++) {
        assert_int_equal(message_add(&a, (struct span){piece, sizeof piece}, &err), 0);
        assert_true(room.used <= room.ceiling && room.hollow <= room.used);
    }
    uint64_t before = room.used;
    assert_int_equal(message_seal(&a, &err), 0);
    assert_true(room.used < before && room.hollow == 0 && room.used >= 600000);
    message_end(&a);
    assert_int_equal(room.used + room.hollow, 0);

    assert_int_equal(message_begin(&a, 300000, false, &err), 0);
    assert_int_equal(message_begin(&b, 300000, false, &err), 0); /* taken as it comes, nothing is kept free for it */
    assert_int_equal(b.claimed, 0);
    assert_int_equal(message_begin(&c, 600000, true, &err), 0);
    assert_int_equal(message_add(&b, (struct span){piece, sizeof piece}, &err), 0);
    message_end(&a);
    message_end(&b);
    message_end(&c);
    assert_int_equal(room.used + room.hollow, 0);

    assert_int_equal(message_begin(&a, 10, true, &err), 0); /* he sends more than he said */
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(message_add(&a, (struct span){piece, sizeof piece}, &err), 0);
    assert_int_equal(message_seal(&a, &err), 0);
    assert_int_equal(a.size, 300000);
    message_end(&a);
    assert_int_equal(room.used + room.hollow, 0);
}

/* The file is a deliver process's, too: its octets count until that one says that it has none any more. */
static void others_may_have_it(void **state)
{
    struct message_room room = {.ceiling = 1 << 20};
    struct message m;
    struct err err;
    (void)state;
    message_init(&m, &room);
    put(&m, 600000, 65536);
    assert_int_equal(message_seal(&m, &err), 0);
    uint64_t left = message_leave(&m);
    assert_in_range(left, 600000, 600000 + 4096);
    assert_int_equal(m.fd, -1);
    assert_int_equal(room.used, left);
    assert_false(message_fits(&room, 600000));
    message_end(&m); /* has nothing any more */
    message_left(&room, left);
    assert_int_equal(room.used, 0);
    assert_int_equal(room.hollow, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces_any_size),
        cmocka_unit_test(others_may_have_it),
        cmocka_unit_test(sealed),
        cmocka_unit_test(small_ones_wait_for_their_end),
        cmocka_unit_test(the_ceiling),
        cmocka_unit_test(reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
