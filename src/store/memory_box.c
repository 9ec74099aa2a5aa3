/* memory_box: the mailboxes of the memory store, and the words of their paths. */
#include "store/memory_box.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MADE_UP_MAX = 1000000, SLEEP_MAX = 600000 };

static const char *const call_names[MEMORY_CALLS] = {"open",   "list",  "load",  "text",  "keep",   "body", "read",
                                                     "remove", "begin", "write", "ready", "commit", "used", "sweep"};

/* ---- words */

static bool read_fail(struct memory_words *w, struct span name)
{
    for (int i = 0; i < MEMORY_CALLS; i++)
        if (span_is(name, call_names[i]))
            return w->fail[i] = true;
    return false;
}

static bool read_word(struct memory_words *w, struct span word)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"unknown", &w->unknown}, {"wire", &w->wire}, {"fd", &w->fd}, {"lazy", &w->lazy}, {"text", &w->text}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (span_is(word, flags[i].name))
            return *flags[i].flag = true;
    struct span key = span_cut(&word, '=');
    if (span_is(key, "fail"))
        return read_fail(w, word);
    if (span_is(key, "sleep"))
        return span_number(word, &w->sleep_ms) && w->sleep_ms <= SLEEP_MAX;
    if (span_is(key, "text-ends"))
        return span_number(word, &w->text_ends);
    return span_is(key, "messages") && span_number(word, &w->messages) && w->messages <= MADE_UP_MAX;
}

int memory_words_read(struct memory_words *w, struct span text, struct err *err)
{
    while (text.n) {
        struct span word = span_cut(&text, ',');
        if (!read_word(w, word))
            return err_set(err, ERR_PERM, "memory: a word that means nothing: %.*s", (int)(word.n < 80 ? word.n : 80),
                           word.p);
    }
    return 0;
}

int memory_act(const struct memory_words *w, enum memory_call call, struct err *err)
{
    if (w->sleep_ms)
        nanosleep(&(struct timespec){(time_t)(w->sleep_ms / 1000), (long)(w->sleep_ms % 1000) * 1000000}, NULL);
    if (w->fail[call])
        return err_set(err, ERR_TEMP, "memory: %s fails on request", call_names[call]);
    return 0;
}

/* ---- mailboxes */

/* What another process keeps on disk must here outlive a session: the one place where it can be kept. */
static struct memory_box *boxes;
static pthread_mutex_t boxes_lock = PTHREAD_MUTEX_INITIALIZER;

void memory_lock(void)
{
    pthread_mutex_lock(&boxes_lock);
}

void memory_unlock(void)
{
    pthread_mutex_unlock(&boxes_lock);
}

static struct memory_box *find_box(struct span path)
{
    for (struct memory_box *b = boxes; b; b = b->next)
        if (span_is(path, b->path))
            return b;
    return NULL;
}

static struct memory_box *make_box(struct span path)
{
    struct memory_box *b = mem_alloc(sizeof *b);
    b->path = mem_copy(path.p, path.n);
    b->next = boxes;
    boxes = b;
    return b;
}

void memory_box_add(struct memory_box *b, char *text, size_t size, const char *key)
{
    if (b->count == b->room) {
        b->room = b->room ? 2 * b->room : 16;
        b->messages = mem_resize(b->messages, b->room * sizeof *b->messages);
    }
    b->messages[b->count++] = (struct memory_message){
        .text = text, .size = size, .number = b->numbers++, .key = key ? mem_copy_text(key) : NULL};
}

struct memory_box *memory_box_of(struct span path, uint64_t messages)
{
    struct memory_box *b = find_box(path);
    if (b)
        return b;
    b = make_box(path);
    for (uint64_t i = 0; i < messages; i++)
        memory_box_add(b, NULL, 0, NULL);
    return b;
}

void memory_uid(const struct memory_message *m, char out[STORE_UID])
{
    snprintf(out, STORE_UID, "memory.%llu", (unsigned long long)m->number);
}

static void free_message(struct memory_message *m)
{
    mem_free(m->text);
    mem_free(m->key);
}

void memory_boxes_forget(void)
{
    memory_lock();
    while (boxes) {
        struct memory_box *b = boxes;
        boxes = b->next;
        for (unsigned i = 0; i < b->count; i++)
            free_message(&b->messages[i]);
        mem_free(b->messages);
        mem_free(b->path);
        mem_free(b);
    }
    memory_unlock();
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
char *memory_text(const struct memory *m, const struct memory_message *msg, size_t *size)
{
    if (!msg->text)
        return make_up(msg->number, m->words.wire, size);
    *size = msg->size;
    return mem_copy(msg->text, msg->size);
}
