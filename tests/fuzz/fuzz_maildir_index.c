/* fuzz_maildir_index: the index beside a Maildir.
 * Fuzzes: src/store/maildir_index_format.c src/store/maildir_index_read.c
 *
 * Input: the file as it is (first octet 'w'), or after any other octet with its sums made right, else they would keep every
 * input out. What says that it is at hand can be loaded. What can be loaded has as many messages as was told, each with a
 * name in its directory and a unique id; written anew it says the same. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sum.h"
#include "store/maildir_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int directory = -1;
static char place[64];

static void go(void)
{
    unlinkat(directory, MAILDIR_INDEX, 0);
    rmdir(place);
}

static void come(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(place, sizeof place, "%s/fuzz-index-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert(mkdtemp(place));
    directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(directory >= 0);
    atexit(go);
}

static void put_file(const char *p, size_t n)
{
    int fd = openat(directory, MAILDIR_INDEX, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0 && pwrite(fd, p, n, 0) == (ssize_t)n);
    close(fd);
}

static void make_right(char *p, size_t n)
{
    struct maildir_index_head head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    if (n < MAILDIR_INDEX_HEAD)
        return;
    memcpy(&head, p, sizeof head);
    if (head.parts > MAILDIR_INDEX_PARTS)
        return;
    memcpy(parts, p + sizeof head, sizeof parts);
    for (unsigned i = 0; i < head.parts; i++)
        for (unsigned j = 0; j < MAILDIR_INDEX_SECTIONS; j++) {
            uint64_t at = parts[i].section[j].at, length = parts[i].section[j].n;
            if (at <= n && length <= n - at && parts[i].section[j].sum == 0)
                parts[i].section[j].sum = sum_of(p + at, length);
        }
    char block[MAILDIR_INDEX_HEAD];
    maildir_index_head_write(&head, parts, block);
    memcpy(p, block, sizeof block);
}

static void read_text(struct maildir_index *x, enum store_text which, size_t piece)
{
    char *p = mem_alloc(piece);
    uint64_t at = 0;
    long n;
    while ((n = maildir_index_text(x, which, at, p, piece)) > 0) {
        assert((size_t)n <= piece);
        at += (uint64_t)n;
    }
    mem_free(p);
}

static void check_table(const struct maildir_table *t, const struct drop *drop)
{
    uint64_t octets = 0;
    for (unsigned i = 0; i < t->count; i++) {
        const char *name = maildir_table_name(t, &t->entries[i]);
        size_t n = strlen(name);
        assert(n == t->entries[i].room && n && name[0] != '.' && !strchr(name, '/') && t->entries[i].base_n <= n);
        assert(strlen(drop->messages[i].uid) == drop->messages[i].uid_n && drop->messages[i].uid_n < STORE_UID);
        octets += t->entries[i].octets;
    }
    assert(octets == drop->octets);
}

static void write_anew(const struct maildir_index *x, const struct maildir_table *t, const struct drop *drop)
{
    struct maildir_index_news news = {
        .table = t, .drop = drop, .state = x->head.state, .looked = x->head.looked, .complete = true};
    assert(maildir_index_write(directory, &news) == 0);
    struct maildir_index again;
    struct maildir_table table;
    struct drop same;
    maildir_index_open(&again, directory);
    maildir_table_init(&table);
    drop_init(&same);
    drop_tell(&same, drop->count, drop->octets, drop->eight_bit);
    assert(again.fd >= 0 && maildir_index_load(&again, &table, &same) && same.count == drop->count);
    for (unsigned i = 0; i < drop->count; i++)
        assert(strcmp(same.messages[i].uid, drop->messages[i].uid) == 0 &&
               strcmp(maildir_table_name(&table, &table.entries[i]), maildir_table_name(t, &t->entries[i])) == 0);
    maildir_table_fini(&table);
    drop_fini(&same);
    maildir_index_close(&again);
}

/* Of its last part what all of it says. */
static void check_last(const struct maildir_index *x, const struct maildir_table *t)
{
    uint64_t time = 0;
    struct maildir_table tail;
    struct drop drop;
    bool last = maildir_index_last(x, &time);
    maildir_table_init(&tail);
    drop_init(&drop);
    if (x->head.parts && maildir_index_load_from(x, x->head.parts - 1, &tail, &drop)) {
        assert(last == (tail.count > 0) && drop.count == tail.count);
        assert(!t || (tail.count <= t->count && (!last || time == t->entries[t->count - 1].time)));
    } else {
        assert(!last && !t);
    }
    maildir_table_fini(&tail);
    drop_fini(&drop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (directory < 0)
        come();
    if (!size)
        return 0;
    char *p = mem_copy(data + 1, size - 1);
    if (data[0] != 'w')
        make_right(p, size - 1);
    put_file(p, size - 1);
    mem_free(p);
    struct maildir_index x;
    maildir_index_open(&x, directory);
    if (x.fd >= 0) {
        struct maildir_table table;
        struct drop drop;
        maildir_table_init(&table);
        drop_init(&drop);
        drop_tell(&drop, (unsigned)x.head.messages, x.head.octets, x.head.eight_bit > 0);
        bool at_hand = maildir_index_at_hand(&x), loads = maildir_index_load(&x, &table, &drop);
        assert(loads || !at_hand);
        if (loads) {
            assert(table.count == x.head.messages && drop.count == table.count);
            check_table(&table, &drop);
            write_anew(&x, &table, &drop);
        }
        check_last(&x, loads && x.head.parts ? &table : NULL);
        read_text(&x, STORE_LIST, 7);
        read_text(&x, STORE_UIDL, 65536);
        read_text(&x, STORE_UIDL, 64);
        maildir_table_fini(&table);
        drop_fini(&drop);
    }
    maildir_index_close(&x);
    return 0;
}
