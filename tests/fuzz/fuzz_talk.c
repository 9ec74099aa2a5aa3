/* Messages between the roles, as a role that has been taken over might send them.
 * Fuzzes: src/daemon/talk.c
 *
 * Byte 0: who says it to whom, and whether with a descriptor; then the frame. What is understood must come out the same when it
 * is sent on, by both ways of sending. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int pair[2] = {-1, -1};
static struct chan *chan;
static struct loop *loop;

static void message(void *arg, const void *p, size_t n, int fd)
{
    (void)arg;
    (void)p;
    (void)n;
    if (fd >= 0)
        close(fd);
}

static void closed(void *arg)
{
    (void)arg;
    abort();
}

static const struct chan_events events = {message, closed};

static void set_up(void)
{
    struct err err;
    if (loop)
        return;
    log_open(open("/dev/null", O_WRONLY), LOG_TO_STREAM, "fuzz");
    loop = loop_new();
    if (chan_pair(pair, &err) < 0)
        abort();
    chan = chan_new(loop, pair[0], &events, NULL);
}

static void compare(const struct talk *m, enum role from, enum role to)
{
    static char room[CHAN_MAX];
    struct talk got;
    if (talk_receive_now(pair[1], room, from, to, &got) != 1)
        abort();
    if (got.type != m->type || got.id.door != m->id.door || got.id.n != m->id.n || memcmp(got.num, m->num, sizeof got.num) != 0)
        abort();
    for (int i = 0; i < TALK_TEXTS; i++)
        if (!span_equal(got.text[i], m->text[i]))
            abort();
    if (got.fd >= 0)
        close(got.fd);
}

/* A client is told it: a word or a number. */
static void show_term(uint32_t term)
{
    char text[TALK_TERM_TEXT];
    memset(text, 'x', sizeof text);
    talk_term(term, text);
    size_t n = strnlen(text, sizeof text);
    if (n == sizeof text || (strcmp(text, "NEVER") != 0 && (n == 0 || strspn(text, "0123456789") != n)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct talk m;
    set_up();
    if (size < 1 || size > CHAN_MAX)
        return 0;
    enum role from = data[0] % 6 % ROLES, to = data[0] / 6 % 6 % ROLES;
    int fd = data[0] >= 128 ? open("/dev/null", O_RDONLY) : -1;
    (void)talk_name((enum talk_type)size);
    if (talk_parse(data + 1, size - 1, fd, from, to, &m) < 0)
        return 0;
    uint32_t pair_of[2];
    talk_set_wide(pair_of, talk_key(m.id));
    if (talk_wide(pair_of) != talk_key(m.id))
        abort();
    show_term(m.num[0]);
    char word[16] = "";
    memcpy(word, m.text[0].p, m.text[0].n < sizeof word ? m.text[0].n : sizeof word - 1);
    const char *said = talk_word(word); /* a line of the log is not broken by it */
    for (; *said; said++)
        if ((unsigned char)*said < 0x20 || *said == 0x7F)
            abort();
    if (talk_send_now(pair[0], &m) < 0)
        abort();
    compare(&m, from, to);
    if (talk_send(chan, &m) < 0) /* closes m.fd */
        abort();
    compare(&m, from, to);
    return 0;
}
