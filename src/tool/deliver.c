/* deliver: see the header. Exit status 0 only when the message is durably there. */
#include "tool/deliver.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "post/out_mailbox.h"

enum { PIECE = 64 * 1024, RECEIVED_MAX = 100 };

struct text {
    char *p;
    size_t n, room;
};

static int read_message(int fd, uint64_t most, struct text *t, struct err *err)
{
    for (;;) {
        if (t->room - t->n < PIECE) {
            t->room = 2 * t->room + PIECE;
            t->p = mem_resize(t->p, t->room);
        }
        ssize_t got = read(fd, t->p + t->n, t->room - t->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_TEMP, "the message cannot be read: %s", strerror(errno));
        if (got == 0)
            return 0;
        t->n += (size_t)got;
        if (t->n > most)
            return err_set(err, ERR_INPUT, "the message is larger than message_size (%" PRIu64 " octets)", most);
    }
}

/* Some programs hand an mbox's first line over with the message: it is none of it. */
static struct span without_separator(struct span message)
{
    const char *end = message.n > 5 && memcmp(message.p, "From ", 5) == 0 ? memchr(message.p, '\n', message.n) : NULL;
    return end ? span_from(message, (size_t)(end - message.p) + 1) : message;
}

/* A message that has been through a hundred machines goes round in a circle (RFC 5321 §6.3). */
static bool circles(struct span message)
{
    unsigned received = 0;
    while (message.n) {
        struct span line = span_cut(&message, '\n');
        if (line.n == 0 || (line.n == 1 && line.p[0] == '\r'))
            break;
        if (line.n >= 9 && span_is_nocase((struct span){line.p, 9}, "received:"))
            received++;
    }
    return received > RECEIVED_MAX;
}

/* What the server's door writes for what comes by LMTP is written here. */
static char *trace(const struct conf *c, const char *user, const char *sender)
{
    unsigned char id[8];
    char date[CLOCK_HEADER], hex[2 * sizeof id + 1];
    char *text = NULL;
    size_t n;
    clock_header(clock_wall().tv_sec, date);
    digest_random(id, sizeof id);
    digest_hex(id, sizeof id, hex);
    FILE *to = open_memstream(&text, &n);
    if (!to)
        return mem_copy_text("");
    fprintf(to, "Return-Path: <%s>\nDelivered-To: %s\nReceived: by %s (bustia deliver, uid %u)\n\tid %s; %s\n", sender,
            user, c->hostname, (unsigned)getuid(), hex, date);
    fclose(to);
    return text;
}

/* What goes into a header field must not end it. */
static bool printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F || *text == '<' || *text == '>')
            return false;
    return true;
}

static int put(struct out *o, struct span head, struct span message, struct err *err)
{
    struct out_draft *d;
    if (out_begin(o, &(struct out_about){.size = head.n + message.n}, &d, err) < 0)
        return -1;
    if (out_write(o, d, head, err) < 0 || out_write(o, d, message, err) < 0) {
        out_abort(o, d);
        return -1;
    }
    out_commit(o, &d, 1, err, NULL);
    return err->kind == ERR_NONE ? 0 : -1;
}

static int deliver(const struct conf *c, const char *user, const char *sender, struct span message, struct err *err)
{
    struct out *o = NULL;
    if (circles(message))
        return err_set(err, ERR_INPUT, "the message has more than %d Received fields: it goes round in a circle",
                       RECEIVED_MAX);
    if (out_mailbox(&o, c, user, sender, err) < 0)
        return -1;
    char *head = o->keys ? trace(c, user, sender) : NULL; /* else the server's door writes it */
    int result = put(o, span_of(head ? head : ""), message, err);
    out_close(o);
    mem_free(head);
    return result;
}

int deliver_status(const struct err *err)
{
    switch (err->kind) {
    case ERR_NONE:
        return EX_OK;
    case ERR_GONE:
        return EX_NOUSER;
    case ERR_PERM:
    case ERR_LIMIT:
        return EX_UNAVAILABLE;
    case ERR_INPUT:
        return EX_DATAERR;
    case ERR_USAGE:
        return EX_USAGE;
    case ERR_CONFIG:
        return EX_CONFIG;
    case ERR_TEMP:
    case ERR_BUSY:
    case ERR_AUTH:
    case ERR_UNKNOWN:
    case ERR_DELAY:
    case ERR_KINDS:
        break;
    }
    return EX_TEMPFAIL;
}

static int arguments(int argc, char **argv, const char **user, const char **sender)
{
    *user = *sender = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") == 0 && i + 1 < argc && !*sender)
            *sender = argv[++i];
        else if (argv[i][0] != '-' && argv[i][0] && !*user)
            *user = argv[i];
        else
            return -1;
    }
    if (!*sender)
        *sender = "";
    return *user ? 0 : -1;
}

int tool_deliver(const struct tool *t, int argc, char **argv)
{
    struct text text = {0};
    struct err err;
    const char *user, *sender;
    if (arguments(argc, argv, &user, &sender) < 0)
        return tool_usage("deliver USER [-f SENDER] < MESSAGE");
    int result =
        printable(user) && printable(sender)
            ? read_message(STDIN_FILENO, t->conf->message_size, &text, &err)
            : err_set(&err, ERR_INPUT, "a user's name and a sender have no control characters, \"<\" or \">\"");
    if (result == 0)
        result = deliver(t->conf, user, sender, without_separator((struct span){text.p, text.n}), &err);
    mem_free(text.p);
    if (result == 0)
        return 0;
    tool_fail(&err);
    return deliver_status(&err);
}
