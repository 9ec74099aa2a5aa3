/* maildir_index_write: see maildir_index.h. Mail processes; blocking. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sum.h"
#include "store/maildir_index.h"
#include "store/maildir_index_out.h"

enum { FEW = 4 /* to so many one: parts that are joined, to the first */ };

/* ---- sections */

struct writing {
    const struct maildir_index_news *news;
    const struct maildir_index_news *tail; /* what comes before them in the same part, and is in the totals already; or NULL */
    struct maildir_index_out out;
};

static struct span uid_of(const struct maildir_index_news *news, unsigned i)
{
    return (struct span){news->drop->messages[i - news->first].uid, news->drop->messages[i - news->first].uid_n};
}

/* Stands it in the name? */
static bool is_plain(struct span base, struct span uid)
{
    return uid.n <= base.n && memcmp(base.p, uid.p, uid.n) == 0;
}

static size_t name_length(const struct maildir_index_news *news, const struct maildir_entry *e)
{
    const char *name = maildir_table_name(news->table, e);
    return e->base_n + strlen(name + e->base_n);
}

static void put_rows(struct writing *w, const struct maildir_index_news *news, uint64_t *name)
{
    const struct maildir_table *t = news->table;
    for (unsigned i = news->first; i < t->count; i++) {
        const struct maildir_entry *e = &t->entries[i];
        struct span uid = uid_of(news, i);
        if (e->gone)
            continue;
        bool plain = is_plain(maildir_table_base(t, e), uid);
        struct maildir_index_row row = {
            .inode = e->inode,
            .size = e->size,
            .octets = e->octets,
            .changed = e->ctime,
            .downgraded = e->downgraded,
            .place = e->place,
            .name = (uint32_t)*name,
            .name_n = (uint8_t)name_length(news, e),
            .base_n = e->base_n,
            .uid_n = (uint8_t)uid.n,
            .flags = (uint8_t)((e->dir == MAILDIR_CUR ? MAILDIR_INDEX_CUR : 0) | (e->wire ? MAILDIR_INDEX_WIRE : 0) |
                               (e->eight_bit ? MAILDIR_INDEX_EIGHT_BIT : 0) | (plain ? 0 : MAILDIR_INDEX_OWN_UID)),
        };
        *name += row.name_n + 1u + (plain ? 0 : uid.n + 1);
        maildir_index_put(&w->out, &row, sizeof row);
    }
}

static void put_names(struct writing *w, const struct maildir_index_news *news)
{
    const struct maildir_table *t = news->table;
    for (unsigned i = news->first; i < t->count; i++) {
        const struct maildir_entry *e = &t->entries[i];
        struct span uid = uid_of(news, i);
        if (e->gone)
            continue;
        maildir_index_put(&w->out, maildir_table_name(t, e), name_length(news, e) + 1);
        if (is_plain(maildir_table_base(t, e), uid))
            continue;
        maildir_index_put(&w->out, uid.p, uid.n);
        maildir_index_put(&w->out, "", 1);
    }
}

static void put_listing(struct writing *w, const struct maildir_index_news *news, enum maildir_index_section which,
                        uint64_t *number)
{
    const struct maildir_table *t = news->table;
    for (unsigned i = news->first; i < t->count; i++) {
        if (t->entries[i].gone)
            continue;
        maildir_index_put_number(&w->out, ++*number);
        maildir_index_put(&w->out, " ", 1);
        if (which == MAILDIR_INDEX_UIDL)
            maildir_index_put(&w->out, uid_of(news, i).p, uid_of(news, i).n);
        else
            maildir_index_put_number(&w->out, t->entries[i].octets);
        maildir_index_put(&w->out, "\r\n", 2);
    }
}

static void put_section(struct writing *w, enum maildir_index_section which, uint64_t before)
{
    const struct maildir_index_news *both[] = {w->tail ? w->tail : w->news, w->tail ? w->news : NULL};
    uint64_t name = 0, number = before;
    for (unsigned i = 0; i < 2 && both[i]; i++) {
        const struct maildir_index_news *news = both[i];
        if (which == MAILDIR_INDEX_ROWS)
            put_rows(w, news, &name);
        else if (which == MAILDIR_INDEX_NAMES)
            put_names(w, news);
        else
            put_listing(w, news, which, &number);
    }
}

/* `before`: so many messages stand in other parts. */
static void put_part(struct writing *w, uint64_t before, struct maildir_index_part *part)
{
    for (unsigned i = 0; i < MAILDIR_INDEX_SECTIONS; i++) {
        maildir_index_section_begin(&w->out);
        part->section[i].at = w->out.at;
        put_section(w, i, before);
        part->section[i].n = w->out.at - part->section[i].at;
        part->section[i].sum = maildir_index_section_end(&w->out);
    }
}

/* ---- the file */

/* With the totals of what is in other parts already. */
static void fill_head(const struct maildir_index_news *news, struct maildir_index_head *head)
{
    head->looked = news->looked;
    for (unsigned i = news->first; i < news->table->count; i++) {
        const struct maildir_entry *e = &news->table->entries[i];
        if (e->gone)
            continue;
        head->messages++;
        head->octets += e->octets;
        head->eight_bit += e->eight_bit;
        head->unmeasured += e->eight_bit && !e->downgraded;
        head->downgraded += e->eight_bit ? e->downgraded : e->octets;
    }
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        head->state[i] = news->state[i];
        if (!news->complete)
            head->state[i].changed = 0;
    }
}

static int write_file(int fd, const struct maildir_index_news *news)
{
    struct maildir_index_head head = {.parts = 1};
    struct maildir_index_part part;
    struct writing w = {.news = news};
    char block[MAILDIR_INDEX_HEAD] = {0};
    fill_head(news, &head);
    maildir_index_out_init(&w.out, fd, 0);
    maildir_index_put(&w.out, block, sizeof block);
    put_part(&w, 0, &part);
    maildir_index_head_write(&head, &part, block);
    if (news->sum)
        *news->sum = head.sum;
    return maildir_index_out_end(&w.out, block);
}

/* A constant name: whoever writes it has the session's lock. One that is there was left by a crash. */
static int create(int maildrop)
{
    int fd = maildir_create(maildrop, MAILDIR_INDEX_FRESH);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    (void)unlinkat(maildrop, MAILDIR_INDEX_FRESH, 0);
    return maildir_create(maildrop, MAILDIR_INDEX_FRESH);
}

int maildir_index_write(int maildrop, const struct maildir_index_news *news)
{
    int fd = create(maildrop);
    if (fd < 0)
        return -1;
    int failed = write_file(fd, news) < 0 ? errno : 0;
    if (close(fd) < 0 && !failed)
        failed = errno;
    if (!failed && renameat2(maildrop, MAILDIR_INDEX_FRESH, maildrop, MAILDIR_INDEX, 0) < 0)
        failed = errno;
    if (!failed)
        return 0;
    (void)unlinkat(maildrop, MAILDIR_INDEX_FRESH, 0);
    errno = failed;
    return -1;
}

/* ---- what has come to the end */

/* The file that was read, to be written to. */
static int open_again(const struct maildir_index *x, int maildrop)
{
    struct stat read, now;
    int fd = maildir_beneath(maildrop, MAILDIR_INDEX, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || (fstat(x->fd, &read) == 0 && fstat(fd, &now) == 0 && read.st_dev == now.st_dev && read.st_ino == now.st_ino))
        return fd;
    close(fd);
    errno = ESTALE;
    return -1;
}

static uint64_t end_of(const struct maildir_index *x)
{
    uint64_t end = MAILDIR_INDEX_HEAD;
    for (unsigned i = 0; i < x->head.parts; i++)
        for (unsigned j = 0; j < MAILDIR_INDEX_SECTIONS; j++)
            if (x->parts[i].section[j].at + x->parts[i].section[j].n > end)
                end = x->parts[i].section[j].at + x->parts[i].section[j].n;
    return end;
}

/* The head last: until it is there, what stands behind the others is nothing. With a tail, that takes the place of all
 * parts but the first. */
static int append_part(int fd, struct maildir_index *x, const struct maildir_index_news *tail,
                       const struct maildir_index_news *news)
{
    struct maildir_index_head head = x->head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    char block[MAILDIR_INDEX_HEAD] = {0};
    struct writing w = {.news = news, .tail = tail};
    memcpy(parts, x->parts, head.parts * sizeof *parts);
    head.parts = tail ? 1 : head.parts;
    maildir_index_out_init(&w.out, fd, end_of(x));
    if (news->first < news->table->count)
        put_part(&w, head.messages - (tail ? tail->table->count : 0), &parts[head.parts++]);
    fill_head(news, &head);
    maildir_index_head_write(&head, parts, block);
    if (maildir_index_out_end(&w.out, block) < 0)
        return -1;
    x->parts = mem_resize(x->parts, (head.parts + 1) * sizeof *x->parts);
    memcpy(x->parts, parts, head.parts * sizeof *parts);
    x->head = head;
    mem_free(x->rest); /* it has more now */
    x->rest = NULL;
    return 0;
}

static int append(struct maildir_index *x, int maildrop, const struct maildir_index_news *tail,
                  const struct maildir_index_news *news)
{
    int fd = open_again(x, maildrop);
    if (fd < 0)
        return -1;
    int failed = append_part(fd, x, tail, news) < 0 ? errno : 0;
    if (close(fd) < 0 && !failed)
        failed = errno;
    errno = failed;
    return failed ? -1 : 0;
}

/* All parts but the first are few messages beside those in it, and what they have left behind in the file is not more than all that
 * counts: so each message is written some few times, and the file has twice its size at most. */
static bool worth_joining(const struct maildir_index *x)
{
    uint64_t first = x->parts[0].section[MAILDIR_INDEX_ROWS].n / sizeof(struct maildir_index_row), used = MAILDIR_INDEX_HEAD;
    for (unsigned i = 0; i < x->head.parts; i++)
        for (unsigned j = 0; j < MAILDIR_INDEX_SECTIONS; j++)
            used += x->parts[i].section[j].n;
    return x->head.messages - first <= first / FEW && end_of(x) <= 2 * used;
}

static int append_joined(struct maildir_index *x, int maildrop, const struct maildir_index_news *news)
{
    struct maildir_table t;
    struct drop drop;
    maildir_table_init(&t);
    drop_init(&drop);
    struct maildir_index_news tail = {.table = &t, .drop = &drop};
    errno = EINVAL;
    int result = worth_joining(x) && maildir_index_load_from(x, 1, &t, &drop) ? append(x, maildrop, &tail, news) : -1;
    maildir_table_fini(&t);
    drop_fini(&drop);
    return result;
}

int maildir_index_append(struct maildir_index *x, int maildrop, const struct maildir_index_news *news)
{
    bool room = x->head.parts < MAILDIR_INDEX_PARTS || news->first == news->table->count;
    return room ? append(x, maildrop, NULL, news) : append_joined(x, maildrop, news);
}

int maildir_index_remove(int maildrop)
{
    return unlinkat(maildrop, MAILDIR_INDEX, 0);
}
