/* maildir_list: see the header. Mail processes; blocking. */
#include "store/maildir_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/maildir_count.h"
#include "store/maildir_hear.h"
#include "store/maildir_open.h"
#include "store/maildir_uid.h"
#include "store/maildir_watch.h"

enum { TOLD = 10 /* strange entries named in the log at each listing; then only their number */ };

/* What was removed by another program meanwhile goes in silence; what is strange is told: true. */
static bool pass_over(struct maildir_box *m)
{
    unsigned strange = 0;
    for (unsigned i = 0; i < m->table.count; i++) {
        struct maildir_entry *e = &m->table.entries[i];
        if (e->wanted && e->seen)
            e->odd = "it is renamed without end";
        e->gone = e->gone || (e->wanted && !e->seen);
        e->wanted = false;
        if (e->odd && ++strange <= TOLD)
            log_warning("maildir", "maildrop=%s entry=\"%s/%s\" passed over: %s", log_quote_text(m->where),
                        maildir_dir_name(e->dir), log_escape(span_of(maildir_table_name(&m->table, e))), e->odd);
    }
    if (strange > TOLD)
        log_warning("maildir", "maildrop=%s passed over %u more strange entries", log_quote_text(m->where),
                    strange - TOLD);
    maildir_table_sift(&m->table);
    return strange > 0;
}

/* Where the disk is full, or may not be written to, all is served as well, by counting: said once, not at each log-in. */
static void tell_unkept(const struct maildir *m, int error)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        log_warning("maildir", "maildrop=%s %s cannot be written: %s; messages are counted at each log-in",
                    log_quote_text(m->box.where), MAILDIR_INDEX, strerror(error));
}

/* It is not what was written, or not true. Where it cannot be removed it will be found at each log-in. */
static void remove_index(const struct maildir *m, const char *what)
{
    if (maildir_index_remove(m->box.dir) == 0)
        log_warning("maildir", "maildrop=%s %s %s, and made anew", log_quote_text(m->box.where), MAILDIR_INDEX, what);
    else if (errno != ENOENT)
        tell_unkept(m, errno);
}

static void drop_index(struct maildir *m)
{
    remove_index(m, "is damaged");
    maildir_index_close(&m->index);
}

/* What an index knows of a file is not read again: one of the same name and inode is the same message. */
static void recall(struct maildir *m)
{
    struct maildir_table *t = &m->box.table;
    maildir_table_fini(t);
    if (m->index.fd >= 0 && !maildir_index_load(&m->index, t, NULL))
        drop_index(m);
    for (unsigned i = 0; i < t->count; i++)
        t->entries[i].recalled = t->entries[i].counted = t->entries[i].ctime != 0;
    for (unsigned i = 0; i < MAILDIR_DIRS && maildir_index_past(&m->index); i++)
        m->box.known[i] = m->index.head.state[i];
}

/* Where the directories are others than those it knows (a copy, a backup that was brought back) each file is looked at. */
static void verify(struct maildir *m)
{
    struct maildir_table *t = &m->box.table;
    if (m->index.fd < 0 || maildir_index_same_place(&m->index, m->box.state))
        return;
    for (unsigned i = 0; i < t->count; i++) {
        struct maildir_entry *e = &t->entries[i];
        struct stat st;
        e->counted = e->counted && !e->gone &&
                     fstatat(m->box.sub[e->dir], maildir_table_name(t, e), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                     st.st_ino == e->inode && (uint64_t)st.st_size == e->size && maildir_ns(st.st_ctim) == e->ctime;
    }
}

static void tell(const struct maildir *m, struct drop *drop)
{
    const struct maildir_index_head *head = &m->index.head;
    drop_tell(drop, (unsigned)head->messages, head->octets, head->eight_bit > 0);
    drop->downgraded = head->unmeasured ? 0 : head->downgraded;
}

/* All that the index knows is still there, as it was, and what is new comes after it: that is written behind the rest, and the
 * index tells it all again. */
static bool tell_more(struct maildir *m, struct drop *drop)
{
    const struct maildir_table *t = &m->box.table;
    unsigned first = (unsigned)m->index.head.messages;
    bool more = m->index.fd >= 0 && !m->found.gone && !m->found.renamed && !m->strange &&
                maildir_index_same_place(&m->index, m->box.state) && t->count >= first;
    for (unsigned i = 0; more && i < first; i++)
        more = t->entries[i].recalled;
    if (!more)
        return false;
    struct drop last;
    drop_init(&last);
    struct maildir_index_news news = {.table = t,
                                      .first = first,
                                      .drop = &last,
                                      .state = m->box.state,
                                      .looked = m->box.looked,
                                      .complete = m->box.still};
    m->told = maildir_number_last(t, first, &last) && maildir_index_append(&m->index, m->box.dir, &news) == 0;
    drop_fini(&last);
    if (!m->told)
        return false;
    if (m->box.still)
        maildir_watch_settled(&m->box, m->box.state, 0, m->index.head.sum);
    tell(m, drop);
    return true;
}

static int find_out(struct maildir *m, struct err *err)
{
    struct maildir_table *t = &m->box.table;
    int counted = 1;
    for (int how = MAILDIR_BELIEVE; counted == 1; how = MAILDIR_ASK) {
        recall(m);
        if (maildir_scan(&m->box, how, err) < 0)
            return -1;
        m->found = maildir_table_news(t);
        verify(m);
        maildir_table_sort(t);
        counted = maildir_count_all(&m->box, err);
    }
    if (counted < 0)
        return -1;
    m->strange = pass_over(&m->box);
    maildir_table_trim(t);
    return 0;
}

static int list_afresh(struct maildir *m, struct drop *drop, struct err *err)
{
    struct maildir_table *t = &m->box.table;
    if (find_out(m, err) < 0)
        return -1;
    if (tell_more(m, drop)) {
        maildir_table_fini(t);
        return 0;
    }
    m->scanned = m->news = true;
    maildir_number(t, drop);
    for (unsigned i = 0; i < t->count; i++)
        drop->messages[i].downgraded = t->entries[i].downgraded;
    return 0;
}

int maildir_list(struct store *s, struct drop *drop, struct err *err)
{
    struct maildir *m = maildir_of(s);
    m->listed = maildir_ns(clock_wall());
    m->scanned = m->news = m->wrong = false;
    m->settled = 0;
    m->told = maildir_index_trusted(&m->index, m->box.dir);
    if (m->told)
        maildir_hear_begin(&m->box, &m->index);
    else if (maildir_box_parts(&m->box, err) < 0)
        return -1;
    else
        m->told = maildir_hear(&m->box, &m->index);
    if (!m->told)
        return list_afresh(m, drop, err);
    maildir_table_fini(&m->box.table);
    tell(m, drop);
    return 0;
}

/* The index has told what is there and cannot say more. If nothing has changed since, a scan finds the same. */
static int load_afresh(struct maildir *m, struct drop *drop, struct err *err)
{
    const struct maildir_index told = m->index;
    uint64_t count = drop->count, octets = drop->octets;
    drop_index(m);
    m->told = false;
    m->settled = 0;
    drop_load(drop);
    if (list_afresh(m, drop, err) < 0)
        return -1;
    if (drop->count == count && drop->octets == octets && maildir_index_same_state(&told, m->box.state))
        return 0;
    return err_set(err, ERR_TEMP, "%s: its index is damaged, and messages have come or gone since the log-in", m->box.where);
}

int maildir_load(struct store *s, struct drop *drop, struct err *err)
{
    struct maildir *m = maildir_of(s);
    if (drop_loaded(drop))
        return 0;
    if (maildir_index_load(&m->index, &m->box.table, drop))
        return 0;
    return maildir_box_parts(&m->box, err) < 0 ? -1 : load_afresh(m, drop, err);
}

bool maildir_at_hand(struct store *s)
{
    struct maildir *m = maildir_of(s);
    return m->told && maildir_index_at_hand(&m->index);
}

long maildir_text(struct store *s, enum store_text which, uint64_t at, char *p, size_t n, struct err *err)
{
    struct maildir *m = maildir_of(s);
    long got = m->told ? maildir_index_text(&m->index, which, at, p, n) : -1;
    if (got >= 0)
        return got;
    if (m->told) {
        (void)maildir_index_remove(m->box.dir);
        m->news = true;
    }
    m->told = false;
    return err_set(err, ERR_TEMP, "%s: there is no listing", m->box.where);
}

void maildir_doubt(struct maildir *m, const struct maildir_entry *e)
{
    struct stat st;
    if (!m->told || m->wrong || fstat(m->box.sub[e->dir], &st) < 0)
        return;
    const struct maildir_state now = maildir_state_of(&st);
    if (!maildir_state_same(&m->index.head.state[e->dir], &now))
        return;
    remove_index(m, "tells of what is not there");
    m->wrong = true;
}

/* ---- what is kept */

static void learn(struct maildir *m, const struct drop *drop)
{
    for (unsigned i = 0; drop->eight_bit && i < drop->count; i++) {
        struct maildir_entry *e = &m->box.table.entries[i];
        if (e->recounted || drop->messages[i].downgraded == e->downgraded)
            continue;
        e->downgraded = drop->messages[i].downgraded;
        m->news = true;
    }
}

/* Whoever is gone is left out: in truth, or because he was not to be found. */
static bool is_complete(const struct maildir *m)
{
    bool complete = !m->scanned || (m->box.still && !m->strange);
    for (unsigned i = 0; complete && i < m->box.table.count; i++)
        complete = !m->box.table.entries[i].gone;
    return complete;
}

/* What is written now is true of the same as what this session has written before; else as the index with which it
 * began; or of what it has seen itself. */
static void settle(struct maildir *m, const struct maildir_state state[MAILDIR_DIRS], uint64_t sum)
{
    uint64_t from = m->settled ? m->settled : m->scanned ? 0 : m->index.head.sum;
    maildir_watch_settled(&m->box, state, from, sum);
    m->settled = sum;
}

int maildir_keep(struct store *s, const struct drop *drop, struct err *err)
{
    struct maildir *m = maildir_of(s);
    if (m->wrong || !drop_loaded(drop) || drop->count != m->box.table.count)
        return 0;
    learn(m, drop);
    if (!m->news)
        return 0;
    m->news = false;
    uint64_t sum = 0;
    struct maildir_index_news news = {.table = &m->box.table,
                                      .drop = drop,
                                      .sum = &sum,
                                      .state = m->scanned ? m->box.state : m->index.head.state,
                                      .looked = m->scanned ? m->box.looked : m->index.head.looked,
                                      .complete = is_complete(m)};
    if (maildir_index_write(m->box.dir, &news) == 0) {
        if (news.complete)
            settle(m, news.state, sum);
        return 0;
    }
    tell_unkept(m, errno);
    return err_set(err, ERR_TEMP, "%s/%s: %s", m->box.where, MAILDIR_INDEX, strerror(errno));
}
