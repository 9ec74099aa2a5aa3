/* talk: the table of messages and their frame. Every role. */
#include "daemon/talk.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_kept.h"
#include "base/mem.h"

#define TO(role) (1u << (role))

enum fd_rule { FD_NO, FD_YES };

enum {
    NAME = 256, WHERE = 1024, ADDRESS = 64, SECRET = 16384, UNREAD = 20480, PATH = 4096, TRACE = TALK_TRACE_MAX
};

struct row {
    const char *name;
    unsigned from, to; /* sets of roles */
    enum fd_rule fd;
    uint16_t max[TALK_TEXTS]; /* bytes of each text */
};

enum {
    M = TO(ROLE_MASTER), D = TO(ROLE_DOOR), A = TO(ROLE_AUTH), W = TO(ROLE_MAIL), L = TO(ROLE_DELIVER), C = TO(ROLE_CONTROL),
    X = TO(ROLE_METRICS), CHILDREN = D | A | W | L | C | X
};

/* clang-format off */
static const struct row rows[TALK_TYPES] = {
    /*                    name         from      to             fd       texts */
    [TALK_LOG]        = { "LOG",       M,        CHILDREN,      FD_YES,  {0} },
    [TALK_CONF]       = { "CONF",      M,        CHILDREN,      FD_YES,  {0} },
    [TALK_LISTEN]     = { "LISTEN",    M,        D | C | X,     FD_YES,  {NAME} },
    [TALK_CLIENT_CA]  = { "CLIENT_CA", M,        D,             FD_YES,  {0} },
    [TALK_CERT]       = { "CERT",      M,        D,             FD_YES,  {0} },
    [TALK_KEY]        = { "KEY",       M,        D,             FD_YES,  {0} },
    [TALK_METRIC]     = { "METRIC",    M,        D | A | W | L | X, FD_YES, {0} },
    [TALK_ROOT]       = { "ROOT",      M,        W | L,         FD_YES,  {PATH} },
    [TALK_STORE]      = { "STORE",     M,        W,             FD_NO,   {WHERE} },
    [TALK_GO]         = { "GO",        M,        CHILDREN,      FD_NO,   {0} },
    [TALK_STOP]       = { "STOP",      M,        CHILDREN,      FD_NO,   {0} },
    [TALK_AUTH]       = { "AUTH",      M,        D | W | L | C, FD_YES,  {0} },
    [TALK_DOOR]       = { "DOOR",      M,        A | W | L,     FD_YES,  {0} },
    [TALK_WORKER]     = { "WORKER",    M,        A | D,         FD_YES,  {0} },
    [TALK_CONTROL]    = { "CONTROL",   M,        A,             FD_YES,  {0} },
    [TALK_NO_WORKER]  = { "NO_WORKER", M,        A,             FD_NO,   {0} },
    [TALK_READY]      = { "READY",     CHILDREN, M,             FD_NO,   {NAME} },
    [TALK_LOG_LOST]   = { "LOG_LOST",  CHILDREN, M,             FD_NO,   {0} },
    [TALK_PING]       = { "PING",      M,        CHILDREN,      FD_NO,   {0} },
    [TALK_PONG]       = { "PONG",      CHILDREN, M,             FD_NO,   {0} },
    [TALK_NEED]       = { "NEED",      A,        M,             FD_NO,   {WHERE} },
    [TALK_VERIFY]     = { "VERIFY",    D,        A,             FD_NO,   {NAME, SECRET, ADDRESS, NAME} },
    [TALK_GONE]       = { "GONE",      D,        A,             FD_NO,   {0} },
    [TALK_CHALLENGE]  = { "CHALLENGE", A,        D,             FD_NO,   {SECRET} },
    [TALK_DENIED]     = { "DENIED",    A,        D,             FD_NO,   {0} },
    [TALK_EXPECT]     = { "EXPECT",    A,        W,             FD_NO,   {NAME, WHERE, ADDRESS} },
    [TALK_GRANTED]    = { "GRANTED",   A,        D,             FD_NO,   {0} },
    [TALK_COUNT]      = { "COUNT",     A,        D,             FD_NO,   {0} },
    [TALK_TERMS]      = { "TERMS",     A,        D,             FD_NO,   {0} },
    [TALK_TAKE]       = { "TAKE",      D,        W,             FD_YES,  {ADDRESS, UNREAD, ADDRESS} },
    [TALK_TAKEN]      = { "TAKEN",     W,        D,             FD_NO,   {0} },
    [TALK_REFUSED]    = { "REFUSED",   W,        D,             FD_NO,   {0} },
    [TALK_ENDED]      = { "ENDED",     W,        A,             FD_NO,   {0} },
    [TALK_YIELD]      = { "YIELD",     A,        W,             FD_NO,   {0} },
    [TALK_FREED]      = { "FREED",     W,        A,             FD_NO,   {0} },
    [TALK_PROBE]      = { "PROBE",     A,        D,             FD_NO,   {0} },
    [TALK_RUNNING]    = { "RUNNING",   W,        A,             FD_NO,   {NAME, ADDRESS, WHERE} },
    [TALK_REPORT]     = { "REPORT",    A,        W,             FD_NO,   {0} },
    [TALK_REPORTED]   = { "REPORTED",  W,        A,             FD_NO,   {0} },
    [TALK_END]        = { "END",       A,        W,             FD_NO,   {0} },
    [TALK_RETIRE]     = { "RETIRE",    A,        W | L,         FD_NO,   {0} },
    [TALK_WHOSE]      = { "WHOSE",     D,        A,             FD_NO,   {NAME, NAME} },
    [TALK_TARGET]     = { "TARGET",    A,        D,             FD_NO,   {0} },
    [TALK_RECIPIENT]  = { "RECIPIENT", A,        D,             FD_NO,   {0} },
    [TALK_ADMIT]      = { "ADMIT",     A,        L,             FD_NO,   {NAME, WHERE} },
    [TALK_ROOM]       = { "ROOM",      L,        D,             FD_NO,   {0} },
    [TALK_MESSAGE]    = { "MESSAGE",   D,        L,             FD_YES,  {0} },
    [TALK_DELIVER]    = { "DELIVER",   D,        L,             FD_NO,   {TRACE} },
    [TALK_PREPARED]   = { "PREPARED",  L,        D,             FD_NO,   {0} },
    [TALK_COMMIT]     = { "COMMIT",    D,        L,             FD_NO,   {0} },
    [TALK_DELIVERED]  = { "DELIVERED", L,        D,             FD_NO,   {0} },
    [TALK_FORGET]     = { "FORGET",    D,        L,             FD_NO,   {0} },
    [TALK_FORGOTTEN]  = { "FORGOTTEN", L,        D,             FD_NO,   {0} },
    [TALK_IDLE]       = { "IDLE",      L,        A,             FD_NO,   {0} },
    [TALK_WHO]        = { "WHO",       C,        A,             FD_NO,   {0} },
    [TALK_KICK]       = { "KICK",      C,        A,             FD_NO,   {NAME} },
    [TALK_TEST]       = { "TEST",      C,        A,             FD_NO,   {NAME, SECRET, ADDRESS, NAME} },
    [TALK_TESTED]     = { "TESTED",    A,        C,             FD_NO,   {NAME} },
    [TALK_ROW]        = { "ROW",       A,        C,             FD_NO,   {NAME, ADDRESS} },
    [TALK_DONE]       = { "DONE",      A,        C,             FD_NO,   {0} },
    [TALK_ERRORS]     = { "ERRORS",    C,        M,             FD_NO,   {0} },
    [TALK_LINES]      = { "LINES",     M,        CHILDREN & ~C, FD_NO,   {0} },
    [TALK_LINE]       = { "LINE",      CHILDREN & ~C, M,       FD_NO,   {LOG_KEPT_TEXT} },
    [TALK_LINE_OF]    = { "LINE_OF",   M,        C,             FD_NO,   {LOG_KEPT_TEXT} },
    [TALK_AUTH_LOST]  = { "AUTH_LOST", D,        M,             FD_NO,   {0} },
};
/* clang-format on */

/* The head of a frame. Same machine, same build: native byte order. */
struct head {
    uint32_t type;
    uint32_t num[TALK_NUMS];
    uint16_t len[TALK_TEXTS];
    uint32_t zero; /* keeps what follows aligned, and every byte defined */
    uint64_t door, n;
};

const char *talk_name(enum talk_type type)
{
    return (unsigned)type < TALK_TYPES ? rows[type].name : "?";
}

void talk_term(uint32_t term, char out[TALK_TERM_TEXT])
{
    if (term == TALK_FOR_EVER)
        memcpy(out, "NEVER", sizeof "NEVER");
    else
        snprintf(out, TALK_TERM_TEXT, "%u", term - 1);
}

const char *talk_word(const char *word)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.:_-";
    return *word && word[strspn(word, plain)] == '\0' ? word : log_quote_text(word);
}

uint64_t talk_key(struct talk_id id)
{
    return id.door << TALK_COUNTER_BITS ^ id.n;
}

/* Writes the frame into out (CHAN_MAX bytes); returns its length. */
static size_t frame(const struct talk *m, char *out)
{
    struct head h = {.type = m->type, .door = m->id.door, .n = m->id.n};
    memcpy(h.num, m->num, sizeof h.num);
    size_t at = sizeof h;
    for (int i = 0; i < TALK_TEXTS; i++) {
        assert(m->text[i].n <= rows[m->type].max[i]);
        h.len[i] = (uint16_t)m->text[i].n;
        if (m->text[i].n)
            memcpy(out + at, m->text[i].p, m->text[i].n);
        at += m->text[i].n;
    }
    memcpy(out, &h, sizeof h);
    return at;
}

int talk_send(struct chan *c, const struct talk *m)
{
    char out[CHAN_MAX];
    size_t n = frame(m, out);
    int result = m->lent ? chan_lend(c, out, n, m->fd) : chan_send(c, out, n, m->fd);
    if (m->type == TALK_VERIFY || m->type == TALK_TAKE || m->type == TALK_TEST)
        mem_wipe(out, n); /* passwords pass in these */
    return result;
}

int talk_send_now(int sock, const struct talk *m)
{
    char out[CHAN_MAX];
    return chan_send_now(sock, out, frame(m, out), m->fd, NULL);
}

static bool fits(const struct head *h, size_t n, int fd, enum role from, enum role to)
{
    if (h->type >= TALK_TYPES || h->zero != 0)
        return false;
    const struct row *row = &rows[h->type];
    if (!(row->from & TO(from)) || !(row->to & TO(to)))
        return false;
    /* A session or a message whose descriptor found no room is refused like any that cannot be served; all else needs what it
     * brings. */
    bool lost = fd == CHAN_FD_LOST && (h->type == TALK_TAKE || h->type == TALK_MESSAGE);
    if ((row->fd == FD_YES) != (fd >= 0 || lost) || (fd == CHAN_FD_LOST && !lost))
        return false;
    size_t sum = sizeof *h;
    for (int i = 0; i < TALK_TEXTS; i++) {
        if (h->len[i] > row->max[i])
            return false;
        sum += h->len[i];
    }
    return sum == n;
}

int talk_parse(const void *p, size_t n, int fd, enum role from, enum role to, struct talk *m)
{
    struct head h = {.type = TALK_TYPES};
    if (n >= sizeof h)
        memcpy(&h, p, sizeof h);
    if (n < sizeof h || !fits(&h, n, fd, from, to)) {
        if (fd >= 0)
            close(fd);
        log_error("talk", "refused message %s (%u) of %zu bytes from %s to %s%s", talk_name((enum talk_type)h.type), h.type, n,
                  role_name(from), role_name(to), fd >= 0 ? " with a descriptor" : "");
        return -1;
    }
    *m = (struct talk){.type = (enum talk_type)h.type, .id = {h.door, h.n}, .fd = fd};
    memcpy(m->num, h.num, sizeof m->num);
    const char *at = (const char *)p + sizeof h;
    for (int i = 0; i < TALK_TEXTS; i++) {
        m->text[i] = (struct span){at, h.len[i]};
        at += h.len[i];
    }
    return 0;
}

int talk_receive_now(int sock, char *room, enum role from, enum role to, struct talk *m)
{
    size_t n;
    int fd, got = chan_receive(sock, room, CHAN_MAX, &n, &fd, NULL);
    if (got <= 0)
        return got;
    return talk_parse(room, n, fd, from, to, m) < 0 ? -1 : 1;
}
