/* maildir_index_read: see maildir_index.h. Mail processes; blocking. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sum.h"
#include "store/maildir_index.h"

enum { PIECE = 65536, MORE = 64, SMALL = 4096 /* octets of a file that one read has at once: that of some 15 messages */ };

/* How many octets there are of so many; fewer only at the end. */
static size_t read_most(int fd, uint64_t at, char *p, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = pread(fd, p + have, n - have, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

/* So many octets, neither fewer nor at an end. */
static bool read_at(const struct maildir_index *x, uint64_t at, void *p, size_t n)
{
    if (!x->rest)
        return read_most(x->fd, at, p, n) == n;
    if (at < MAILDIR_INDEX_HEAD || at - MAILDIR_INDEX_HEAD > x->rest_n || n > x->rest_n - (at - MAILDIR_INDEX_HEAD))
        return false;
    memcpy(p, x->rest + (at - MAILDIR_INDEX_HEAD), n);
    return true;
}

/* ---- the head */

void maildir_index_init(struct maildir_index *x)
{
    *x = (struct maildir_index){.fd = -1};
}

/* So that a session whose maildrop is small needs no disk to tell of its messages. What does not sum up is read, and found out,
 * when it is needed. */
static void keep_rest(struct maildir_index *x, struct span rest)
{
    for (unsigned i = 0; i < x->head.parts; i++)
        for (unsigned j = 0; j < MAILDIR_INDEX_SECTIONS; j++) {
            uint64_t at = x->parts[i].section[j].at - MAILDIR_INDEX_HEAD, n = x->parts[i].section[j].n;
            if (at > rest.n || n > rest.n - at || sum_of(rest.p + at, n) != x->parts[i].section[j].sum)
                return;
        }
    x->rest = mem_copy(rest.p, rest.n);
    x->rest_n = rest.n;
}

/* What is no regular file cannot be read at a place, and has no head; what nobody may read has none either. */
void maildir_index_open(struct maildir_index *x, int maildrop)
{
    char block[SMALL];
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    maildir_index_init(x);
    int fd = maildir_beneath(maildrop, MAILDIR_INDEX, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    size_t n = read_most(fd, 0, block, sizeof block);
    if (n < MAILDIR_INDEX_HEAD || !maildir_index_head_read(block, &x->head, parts)) {
        close(fd);
        maildir_index_init(x);
        return;
    }
    x->fd = fd;
    x->parts = mem_alloc(x->head.parts * sizeof *parts);
    memcpy(x->parts, parts, x->head.parts * sizeof *parts);
    if (n < sizeof block)
        keep_rest(x, (struct span){block + MAILDIR_INDEX_HEAD, n - MAILDIR_INDEX_HEAD});
}

void maildir_index_close(struct maildir_index *x)
{
    if (x->fd >= 0)
        close(x->fd);
    mem_free(x->parts);
    mem_free(x->rest);
    sum_free(x->sum);
    maildir_index_init(x);
}

/* ---- rows */

struct loading {
    const struct maildir_index *x;
    struct maildir_table *table;
    struct drop *drop;               /* or NULL */
    struct maildir_index_row *piece; /* PIECE octets of them */
    uint64_t octets, eight_bit;
};

/* What it says is there must be there before room is made for it. */
static bool is_whole(const struct maildir_index *x)
{
    struct stat st;
    if (x->rest)
        return true;
    bool whole = fstat(x->fd, &st) == 0 && S_ISREG(st.st_mode);
    for (unsigned i = 0; whole && i < x->head.parts; i++)
        for (unsigned j = 0; j < MAILDIR_INDEX_SECTIONS; j++)
            whole = whole && x->parts[i].section[j].at + x->parts[i].section[j].n <= (uint64_t)st.st_size;
    return whole;
}

static uint64_t total(const struct maildir_index *x, unsigned first, enum maildir_index_section which)
{
    uint64_t n = 0;
    for (unsigned i = first; i < x->head.parts; i++)
        n += x->parts[i].section[which].n;
    return n;
}

static bool take_row(struct loading *l, const struct maildir_index_row *row, size_t names)
{
    struct maildir_table *t = l->table;
    struct maildir_name name;
    struct span uid;
    if (!maildir_index_row_check(row, (struct span){t->names + names, t->names_n - names}, &name, &uid))
        return false;
    t->entries[t->count++] = (struct maildir_entry){
        .inode = row->inode,
        .time = name.time,
        .size = row->size,
        .octets = row->octets,
        .ctime = row->changed,
        .downgraded = row->downgraded,
        .name = (uint32_t)(names + row->name),
        .room = row->name_n,
        .base_n = row->base_n,
        .dir = row->flags & MAILDIR_INDEX_CUR ? MAILDIR_CUR : MAILDIR_NEW,
        .wire = row->flags & MAILDIR_INDEX_WIRE,
        .eight_bit = row->flags & MAILDIR_INDEX_EIGHT_BIT,
        .place = row->place,
        .counted = true,
    };
    l->octets += row->octets;
    l->eight_bit += !!(row->flags & MAILDIR_INDEX_EIGHT_BIT);
    if (l->drop) {
        unsigned msg = drop_add(l->drop, row->octets, uid);
        l->drop->messages[msg].eight_bit = row->flags & MAILDIR_INDEX_EIGHT_BIT;
        l->drop->messages[msg].downgraded = row->downgraded;
    }
    return true;
}

/* Rows are checked one by one before their sum is: a sum is no proof. */
static bool take_part(struct loading *l, const struct maildir_index_part *part)
{
    struct maildir_table *t = l->table;
    const uint64_t names_n = part->section[MAILDIR_INDEX_NAMES].n, n = part->section[MAILDIR_INDEX_ROWS].n;
    size_t names = t->names_n;
    if (!read_at(l->x, part->section[MAILDIR_INDEX_NAMES].at, t->names + names, names_n) ||
        sum_of(t->names + names, names_n) != part->section[MAILDIR_INDEX_NAMES].sum)
        return false;
    t->names_n += names_n;
    struct sum *sum = sum_new();
    bool sound = true;
    for (uint64_t at = 0; sound && at < n; at += PIECE) {
        size_t now = n - at < PIECE ? (size_t)(n - at) : PIECE;
        sound = read_at(l->x, part->section[MAILDIR_INDEX_ROWS].at + at, l->piece, now);
        if (sound)
            sum_add(sum, l->piece, now);
        for (size_t i = 0; sound && i < now / sizeof *l->piece; i++)
            sound = take_row(l, &l->piece[i], names);
    }
    return (sum_finish(sum) == part->section[MAILDIR_INDEX_ROWS].sum) & sound;
}

/* Of the parts from `first` on. */
static bool load(struct loading *l, unsigned first)
{
    const struct maildir_index *x = l->x;
    struct maildir_table *t = l->table;
    uint64_t rows = total(x, first, MAILDIR_INDEX_ROWS) / sizeof(struct maildir_index_row);
    l->piece = mem_resize(NULL, x->rest ? x->rest_n : PIECE);
    maildir_table_fini(t);
    t->room = (unsigned)(rows + rows / MORE + 1); /* a few have come since, mostly */
    t->entries = mem_resize(NULL, t->room * sizeof *t->entries);
    t->names_room = total(x, first, MAILDIR_INDEX_NAMES);
    t->names_room += t->names_room / MORE + 2 * MAILDIR_NAME_MAX;
    t->names = mem_resize(NULL, t->names_room);
    bool sound = true;
    for (unsigned i = first; sound && i < x->head.parts; i++)
        sound = take_part(l, &x->parts[i]);
    mem_free(l->piece);
    t->sorted = t->count;
    return sound;
}

bool maildir_index_load(const struct maildir_index *x, struct maildir_table *t, struct drop *drop)
{
    struct loading l = {.x = x, .table = t, .drop = drop};
    if (x->fd < 0 || !is_whole(x))
        return false;
    if (drop)
        drop_load(drop);
    if (load(&l, 0) && l.octets == x->head.octets && l.eight_bit == x->head.eight_bit)
        return true;
    maildir_table_fini(t);
    if (drop) {
        drop_fini(drop);
        drop_tell(drop, (unsigned)x->head.messages, x->head.octets, x->head.eight_bit > 0);
    }
    return false;
}

bool maildir_index_load_from(const struct maildir_index *x, unsigned first, struct maildir_table *t, struct drop *drop)
{
    struct loading l = {.x = x, .table = t, .drop = drop};
    if (x->fd >= 0 && is_whole(x) && load(&l, first))
        return true;
    maildir_table_fini(t);
    if (drop)
        drop_fini(drop);
    return false;
}

bool maildir_index_last(const struct maildir_index *x, uint64_t *time)
{
    struct maildir_table t;
    maildir_table_init(&t);
    bool last = x->head.parts && maildir_index_load_from(x, x->head.parts - 1, &t, NULL) && t.count;
    if (last)
        *time = t.entries[t.count - 1].time;
    maildir_table_fini(&t);
    return last;
}

/* Right sums do not make rows: who computes those as well may write anything, and it takes a scan to find out what is true. So
 * they are tried first; there are some fifteen. */
bool maildir_index_at_hand(const struct maildir_index *x)
{
    struct maildir_table scratch;
    maildir_table_init(&scratch);
    bool loads = x->rest && maildir_index_load(x, &scratch, NULL);
    maildir_table_fini(&scratch);
    return loads;
}

/* ---- listings */

static bool is_sound(const struct maildir_index *x, enum maildir_index_section which, char *p, size_t n)
{
    bool sound = true;
    for (unsigned i = 0; sound && i < x->head.parts; i++) {
        uint64_t at = x->parts[i].section[which].at, end = at + x->parts[i].section[which].n;
        struct sum *sum = sum_new();
        while (sound && at < end) {
            size_t now = end - at < n ? (size_t)(end - at) : n;
            sound = read_at(x, at, p, now);
            if (sound)
                sum_add(sum, p, now);
            at += now;
        }
        sound = (sum_finish(sum) == x->parts[i].section[which].sum) & sound;
    }
    return sound;
}

/* All of it at once. */
static long whole_text(const struct maildir_index *x, enum maildir_index_section which, char *p)
{
    size_t have = 0;
    for (unsigned i = 0; i < x->head.parts; i++) {
        size_t n = x->parts[i].section[which].n;
        if (!read_at(x, x->parts[i].section[which].at, p + have, n) ||
            sum_of(p + have, n) != x->parts[i].section[which].sum)
            return -1;
        have += n;
    }
    return (long)have;
}

/* What has been given away is what had been found sound, or the session ends. */
static bool add_sent(struct maildir_index *x, const struct maildir_index_part *part, enum maildir_index_section which,
                     uint64_t begin, struct span sent)
{
    if (!x->sum)
        x->sum = sum_new();
    sum_add(x->sum, sent.p, sent.n);
    x->summed += sent.n;
    if (x->summed < begin + part->section[which].n)
        return true;
    uint64_t sum = sum_finish(x->sum);
    x->sum = NULL;
    return sum == part->section[which].sum;
}

static long next_piece(struct maildir_index *x, enum maildir_index_section which, uint64_t at, char *p, size_t n)
{
    uint64_t begin = 0; /* of the part, in the whole */
    unsigned i = 0;
    while (i < x->head.parts && at >= begin + x->parts[i].section[which].n)
        begin += x->parts[i++].section[which].n;
    if (i == x->head.parts)
        return 0;
    uint64_t left = begin + x->parts[i].section[which].n - at;
    size_t now = left < n ? (size_t)left : n;
    if (!read_at(x, x->parts[i].section[which].at + (at - begin), p, now))
        return -1;
    return add_sent(x, &x->parts[i], which, begin, (struct span){p, now}) ? (long)now : -1;
}

long maildir_index_text(struct maildir_index *x, enum store_text which, uint64_t at, char *p, size_t n)
{
    enum maildir_index_section section = which == STORE_LIST ? MAILDIR_INDEX_LIST : MAILDIR_INDEX_UIDL;
    uint64_t all = total(x, 0, section);
    if (at == all)
        return 0;
    if (x->fd < 0 || n == 0)
        return -1;
    if (at == 0) {
        sum_free(x->sum);
        x->sum = NULL;
        x->summed = 0;
        if (all <= n)
            return whole_text(x, section, p);
        if (!is_sound(x, section, p, n))
            return -1;
    }
    return at == x->summed ? next_piece(x, section, at, p, n) : -1;
}
