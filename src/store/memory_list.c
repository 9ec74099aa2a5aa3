/* memory_list: the maildrop of a session, loaded at once or when it is asked for; and its listings as text. */
#include <string.h>

#include "store/memory_box.h"

enum { TEXT_MAX = 1 << 27 };

static struct memory *self(struct store *s)
{
    return (struct memory *)s;
}

/* Under the lock. */
static void add(const struct memory *m, const struct memory_message *msg, struct drop *drop)
{
    size_t size;
    char *text = memory_text(m, msg, &size), uid[STORE_UID];
    struct store_count count = {0};
    store_count_add(&count, (struct span){text, size});
    mem_free(text);
    memory_uid(msg, uid);
    unsigned n = drop_add(drop, store_count_octets(&count), span_of(uid));
    struct drop_message *added = &drop->messages[n];
    added->eight_bit = store_count_eight_bit(&count);
    added->downgraded = msg->downgraded;
    drop->eight_bit = drop->eight_bit || added->eight_bit;
}

static void fill(const struct memory *m, struct drop *drop)
{
    memory_lock();
    for (unsigned i = 0; i < m->count; i++)
        add(m, &m->box->messages[m->listed[i]], drop);
    memory_unlock();
}

/* 0: that of some message is not known. */
static uint64_t downgraded(const struct drop *d)
{
    uint64_t octets = 0;
    for (unsigned i = 0; i < d->count; i++) {
        const struct drop_message *m = &d->messages[i];
        if (m->eight_bit && !m->downgraded)
            return 0;
        octets += m->eight_bit ? m->downgraded : m->octets;
    }
    return octets;
}

int memory_list(struct store *s, struct drop *drop, struct err *err)
{
    struct memory *m = self(s);
    if (memory_act(&m->words, MEMORY_LIST, err) < 0)
        return -1;
    memory_lock();
    m->listed = mem_resize(m->listed, m->box->count * sizeof *m->listed);
    m->count = 0;
    for (unsigned i = 0; i < m->box->count; i++)
        if (!m->box->messages[i].gone)
            m->listed[m->count++] = i;
    memory_unlock();
    fill(m, drop);
    if (m->words.lazy) {
        struct drop all = *drop;
        drop_init(drop);
        drop_tell(drop, all.count, all.octets, all.eight_bit);
        drop->downgraded = downgraded(&all);
        drop_fini(&all);
    }
    return 0;
}

int memory_load(struct store *s, struct drop *drop, struct err *err)
{
    struct memory *m = self(s);
    if (memory_act(&m->words, MEMORY_LOAD, err) < 0)
        return -1;
    drop_load(drop);
    fill(m, drop);
    return 0;
}

static void write_texts(struct memory *m)
{
    struct drop d;
    drop_init(&d);
    fill(m, &d);
    buf_init(&m->texts[STORE_LIST], TEXT_MAX, NULL);
    buf_init(&m->texts[STORE_UIDL], TEXT_MAX, NULL);
    for (unsigned i = 0; i < d.count; i++) {
        buf_addf(&m->texts[STORE_LIST], "%u %llu\r\n", i + 1, (unsigned long long)d.messages[i].octets);
        buf_addf(&m->texts[STORE_UIDL], "%u %s\r\n", i + 1, d.messages[i].uid);
    }
    drop_fini(&d);
}

long memory_listing(struct store *s, enum store_text which, uint64_t at, char *p, size_t n, struct err *err)
{
    struct memory *m = self(s);
    if (memory_act(&m->words, MEMORY_TEXT, err) < 0)
        return -1;
    if (!m->words.text)
        return err_set(err, ERR_TEMP, "memory: no listing is kept as text");
    if (!m->texts[which].max)
        write_texts(m);
    struct span rest = span_from(buf_span(&m->texts[which]), at < m->texts[which].len ? (size_t)at : m->texts[which].len);
    if (m->words.text_ends && at >= m->words.text_ends && rest.n)
        return err_set(err, ERR_TEMP, "memory: the listing ends early on request");
    if (m->words.text_ends && n > m->words.text_ends - at)
        n = (size_t)(m->words.text_ends - at);
    n = n < rest.n ? n : rest.n;
    if (n)
        memcpy(p, rest.p, n);
    return (long)n;
}

int memory_keep(struct store *s, const struct drop *drop, struct err *err)
{
    struct memory *m = self(s);
    if (memory_act(&m->words, MEMORY_KEEP, err) < 0)
        return -1;
    memory_lock();
    for (unsigned i = 0; drop_loaded(drop) && i < drop->count; i++)
        m->box->messages[m->listed[i]].downgraded = drop->messages[i].downgraded;
    memory_unlock();
    return 0;
}
