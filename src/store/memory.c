/* memory: see the header. Test programs, and mail and deliver processes of a test server. */
#include "store/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/memory_box.h"

void store_memory_put(const char *path, struct span text)
{
    memory_lock();
    memory_box_add(memory_box_of(span_of(path), 0), mem_copy(text.p, text.n), text.n, NULL);
    memory_unlock();
}

void store_memory_forget(void)
{
    memory_boxes_forget();
}

static struct memory *self(struct store *s)
{
    return (struct memory *)s;
}

static int claim(struct memory *m, struct span path, struct err *err)
{
    int result = 0;
    memory_lock();
    m->box = memory_box_of(path, m->words.messages);
    if (m->exclusive && m->box->open)
        result = err_set(err, ERR_BUSY, "the maildrop is in use by another session");
    else if (m->exclusive)
        m->box->open = true;
    memory_unlock();
    return result;
}

static int memory_open(struct store **s, const struct store_root *root, const char *path, enum store_mode mode,
                       struct err *err)
{
    struct memory *m = mem_alloc(sizeof *m);
    m->store.ops = &store_memory;
    m->exclusive = mode != STORE_DELIVER;
    m->wire_ends = root->wire_ends;
    struct span words = span_of(path), name = span_cut(&words, '?');
    size_t root_n = strlen(root->path);
    char *full = mem_alloc(root_n + 1 + name.n + 1);
    memcpy(full, root->path, root_n);
    full[root_n] = '/';
    memcpy(full + root_n + 1, name.p, name.n);
    int result = 0;
    if (memory_words_read(&m->words, words, err) < 0 || memory_act(&m->words, MEMORY_OPEN, err) < 0)
        result = -1;
    else
        result = claim(m, span_of(full), err);
    mem_free(full);
    if (result < 0)
        mem_free(m);
    else
        *s = &m->store;
    return result;
}

static void memory_close(struct store *s)
{
    struct memory *m = self(s);
    if (m->exclusive) {
        memory_lock();
        m->box->open = false;
        memory_unlock();
    }
    mem_free(m->listed);
    buf_fini(&m->texts[STORE_LIST]);
    buf_fini(&m->texts[STORE_UIDL]);
    mem_free(m);
}

struct reader {
    struct memory_words words;
    char *text;
    size_t size;
};

static long reader_read(struct store_body *b, uint64_t at, char *p, size_t n, struct err *err)
{
    const struct reader *r = b->state;
    if (memory_act(&r->words, MEMORY_READ, err) < 0)
        return -1;
    if (at >= r->size)
        return 0;
    n = n < r->size - at ? n : r->size - (size_t)at;
    memcpy(p, r->text + at, n);
    return (long)n;
}

static void reader_close(struct store_body *b)
{
    struct reader *r = b->state;
    mem_free(r->text);
    mem_free(r);
    b->state = NULL;
}

static void fd_close(struct store_body *b)
{
    close(b->fd);
    b->fd = -1;
}

static int fd_with(const char *text, size_t size, struct err *err)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < size;) {
        ssize_t n = pwrite(fd, text + done, size - done, (off_t)done);
        if (n < 0) {
            close(fd);
            fd = -1;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fd < 0 ? err_set(err, ERR_TEMP, "memory: memfd: %s", strerror(errno)) : fd;
}

static int memory_body(struct store *s, unsigned msg, struct store_body *b, struct err *err)
{
    struct memory *m = self(s);
    if (memory_act(&m->words, MEMORY_BODY, err) < 0)
        return -1;
    struct store_count count = {0};
    size_t size = 0;
    memory_lock();
    bool there = msg < m->count && !m->box->messages[m->listed[msg]].gone;
    char *text = there ? memory_text(m, &m->box->messages[m->listed[msg]], &size) : NULL;
    memory_unlock();
    if (!there)
        return err_set(err, ERR_GONE, "the message is not there any more");
    store_count_add(&count, (struct span){text, size});
    *b = (struct store_body){.fd = -1,
                             .size = size,
                             .octets = store_count_octets(&count),
                             .wire = store_count_wire(&count),
                             .eight_bit = store_count_eight_bit(&count)};
    if (m->words.fd) {
        b->fd = fd_with(text, size, err);
        b->close = fd_close;
        mem_free(text);
        return b->fd < 0 ? -1 : 0;
    }
    struct reader *r = mem_alloc(sizeof *r);
    *r = (struct reader){m->words, text, size};
    b->state = r;
    b->read = reader_read;
    b->close = reader_close;
    return 0;
}

static int memory_remove(struct store *s, const struct drop *drop, size_t *left, struct err *err)
{
    struct memory *m = self(s);
    *left = drop->deleted;
    if (memory_act(&m->words, MEMORY_REMOVE, err) < 0)
        return -1;
    memory_lock();
    for (unsigned i = 0; i < m->count && i < drop->count; i++)
        if (drop->messages[i].deleted)
            m->box->messages[m->listed[i]].gone = true;
    memory_unlock();
    if (m->words.unknown)
        return err_set(err, ERR_UNKNOWN, "memory: whether it was removed is unknown on request");
    *left = 0;
    return 0;
}

const struct store_ops store_memory = {
    .scheme = "memory",
    .open = memory_open,
    .list = memory_list,
    .load = memory_load,
    .text = memory_listing,
    .keep = memory_keep,
    .body = memory_body,
    .remove = memory_remove,
    .begin = memory_begin,
    .write = memory_write,
    .ready = memory_ready,
    .commit = memory_commit,
    .abort = memory_abort,
    .used = memory_used,
    .sweep = memory_sweep,
    .close = memory_close,
};
