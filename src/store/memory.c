/* memory: see the header. Test programs, and mail processes of a test server. */
#include "store/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MADE_UP_MAX = 1000000, SLEEP_MAX = 600000 };

enum call { OPEN, LIST, BODY, READ, REMOVE, CALLS };
static const char *const call_names[CALLS] = {"open", "list", "body", "read", "remove"};

struct message {
    char *text; /* NULL: made up from its number */
    size_t size;
    uint64_t number; /* of all that were ever in the box */
    bool gone;
};

struct box {
    struct box *next;
    char *path;
    struct message *messages;
    unsigned count, room;
    uint64_t numbers;
    bool open;
};

/* What another process keeps on disk must here outlive a session: the one place where it can be kept. */
static struct box *boxes;
static pthread_mutex_t boxes_lock = PTHREAD_MUTEX_INITIALIZER;

struct words {
    uint64_t messages, sleep_ms;
    bool fail[CALLS];
    bool unknown, wire, fd;
};

struct memory {
    struct store store;
    struct box *box;
    struct words words;
    unsigned *listed; /* message of the box for each of the drop */
    unsigned count;
};

static struct memory *self(struct store *s)
{
    return (struct memory *)s;
}

/* ---- words */

static bool read_fail(struct words *w, struct span name)
{
    for (int i = 0; i < CALLS; i++)
        if (span_is(name, call_names[i]))
            return w->fail[i] = true;
    return false;
}

static bool read_word(struct words *w, struct span word)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"unknown", &w->unknown}, {"wire", &w->wire}, {"fd", &w->fd}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (span_is(word, flags[i].name))
            return *flags[i].flag = true;
    struct span key = span_cut(&word, '=');
    if (span_is(key, "fail"))
        return read_fail(w, word);
    if (span_is(key, "sleep"))
        return span_number(word, &w->sleep_ms) && w->sleep_ms <= SLEEP_MAX;
    return span_is(key, "messages") && span_number(word, &w->messages) && w->messages <= MADE_UP_MAX;
}

static int read_words(struct words *w, struct span text, struct err *err)
{
    while (text.n) {
        struct span word = span_cut(&text, ',');
        if (!read_word(w, word))
            return err_set(err, ERR_PERM, "memory: a word that means nothing: %.*s", (int)(word.n < 80 ? word.n : 80),
                           word.p);
    }
    return 0;
}

static int act(const struct words *w, enum call call, struct err *err)
{
    if (w->sleep_ms)
        nanosleep(&(struct timespec){(time_t)(w->sleep_ms / 1000), (long)(w->sleep_ms % 1000) * 1000000}, NULL);
    if (w->fail[call])
        return err_set(err, ERR_TEMP, "memory: %s fails on request", call_names[call]);
    return 0;
}

/* ---- mailboxes */

static struct box *find_box(struct span path)
{
    for (struct box *b = boxes; b; b = b->next)
        if (span_is(path, b->path))
            return b;
    return NULL;
}

static struct box *make_box(struct span path)
{
    struct box *b = mem_alloc(sizeof *b);
    b->path = mem_copy(path.p, path.n);
    b->next = boxes;
    boxes = b;
    return b;
}

static void add_message(struct box *b, char *text, size_t size)
{
    if (b->count == b->room) {
        b->room = b->room ? 2 * b->room : 16;
        b->messages = mem_resize(b->messages, b->room * sizeof *b->messages);
    }
    b->messages[b->count++] = (struct message){.text = text, .size = size, .number = b->numbers++};
}

void store_memory_put(const char *path, struct span text)
{
    pthread_mutex_lock(&boxes_lock);
    struct box *b = find_box(span_of(path));
    if (!b)
        b = make_box(span_of(path));
    add_message(b, mem_copy(text.p, text.n), text.n);
    pthread_mutex_unlock(&boxes_lock);
}

void store_memory_forget(void)
{
    pthread_mutex_lock(&boxes_lock);
    while (boxes) {
        struct box *b = boxes;
        boxes = b->next;
        for (unsigned i = 0; i < b->count; i++)
            mem_free(b->messages[i].text);
        mem_free(b->messages);
        mem_free(b->path);
        mem_free(b);
    }
    pthread_mutex_unlock(&boxes_lock);
}

/* Mail of several shapes: lines that begin with dots and end in LF alone, or wire form; some end without a
 * line end. The same for the same number. */
static char *make_up(uint64_t number, bool wire, size_t *size)
{
    const char *eol = wire ? "\r\n" : "\n", *dot = wire ? "" : ".";
    unsigned lines = (unsigned)(number % 97);
    size_t room = 200 + (size_t)lines * 80, n = 0;
    char *text = mem_alloc(room);
    n += (size_t)snprintf(text + n, room - n, "From: <test@example.org>%sSubject: made up %llu%s%s", eol,
                          (unsigned long long)number, eol, eol);
    for (unsigned i = 0; i < lines; i++)
        n += (size_t)snprintf(text + n, room - n, "%sline %u of %u of message %llu%s", i % 7 ? "" : dot, i + 1, lines,
                              (unsigned long long)number, i + 1 < lines || wire || number % 3 ? eol : "");
    *size = n;
    return text;
}

/* The octets to send; the caller frees them. */
static char *text_of(const struct memory *m, const struct message *msg, size_t *size)
{
    if (!msg->text)
        return make_up(msg->number, m->words.wire, size);
    *size = msg->size;
    return mem_copy(msg->text, msg->size);
}

/* ---- the contract */

static int claim(struct memory *m, struct span path, struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&boxes_lock);
    m->box = find_box(path);
    if (!m->box) {
        m->box = make_box(path);
        for (uint64_t i = 0; i < m->words.messages; i++)
            add_message(m->box, NULL, 0);
    }
    if (m->box->open)
        result = err_set(err, ERR_BUSY, "the maildrop is in use by another session");
    m->box->open = true;
    pthread_mutex_unlock(&boxes_lock);
    return result;
}

static int memory_open(struct store **s, const struct store_root *root, const char *path, enum store_mode mode,
                       struct err *err)
{
    struct memory *m = mem_alloc(sizeof *m);
    m->store.ops = &store_memory;
    struct span words = span_of(path), name = span_cut(&words, '?');
    size_t root_n = strlen(root->path);
    char *full = mem_alloc(root_n + 1 + name.n + 1);
    memcpy(full, root->path, root_n);
    full[root_n] = '/';
    memcpy(full + root_n + 1, name.p, name.n);
    int result = 0;
    if (read_words(&m->words, words, err) < 0 || act(&m->words, OPEN, err) < 0)
        result = -1;
    else if (mode == STORE_EXCLUSIVE)
        result = claim(m, span_of(full), err);
    else
        result = err_set(err, ERR_PERM, "memory: nothing can be delivered here");
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
    pthread_mutex_lock(&boxes_lock);
    m->box->open = false;
    pthread_mutex_unlock(&boxes_lock);
    mem_free(m->listed);
    mem_free(m);
}

static int memory_list(struct store *s, struct drop *drop, struct err *err)
{
    struct memory *m = self(s);
    if (act(&m->words, LIST, err) < 0)
        return -1;
    m->listed = mem_resize(m->listed, m->box->count * sizeof *m->listed);
    m->count = 0;
    for (unsigned i = 0; i < m->box->count; i++) {
        const struct message *msg = &m->box->messages[i];
        if (msg->gone)
            continue;
        size_t size;
        char *text = text_of(m, msg, &size), uid[32];
        struct store_count count = {0};
        store_count_add(&count, (struct span){text, size});
        mem_free(text);
        int n = snprintf(uid, sizeof uid, "memory.%llu", (unsigned long long)msg->number);
        drop_add(drop, store_count_octets(&count), (struct span){uid, (size_t)n});
        m->listed[m->count++] = i;
    }
    return 0;
}

struct reader {
    struct words words;
    char *text;
    size_t size;
};

static long reader_read(struct store_body *b, uint64_t at, char *p, size_t n, struct err *err)
{
    const struct reader *r = b->state;
    if (act(&r->words, READ, err) < 0)
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
    if (act(&m->words, BODY, err) < 0)
        return -1;
    if (msg >= m->count || m->box->messages[m->listed[msg]].gone)
        return err_set(err, ERR_GONE, "the message is not there any more");
    struct store_count count = {0};
    size_t size;
    char *text = text_of(m, &m->box->messages[m->listed[msg]], &size);
    store_count_add(&count, (struct span){text, size});
    *b = (struct store_body){
        .fd = -1, .size = size, .octets = store_count_octets(&count), .wire = store_count_wire(&count)};
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
    if (act(&m->words, REMOVE, err) < 0)
        return -1;
    for (unsigned i = 0; i < m->count && i < drop->count; i++)
        if (drop->messages[i].deleted)
            m->box->messages[m->listed[i]].gone = true;
    if (m->words.unknown)
        return err_set(err, ERR_UNKNOWN, "memory: whether it was removed is unknown on request");
    *left = 0;
    return 0;
}

const struct store_ops store_memory = {
    .scheme = "memory",
    .open = memory_open,
    .list = memory_list,
    .body = memory_body,
    .remove = memory_remove,
    .close = memory_close,
};
