/* source_server_heads: the heads of messages on a server (source.h), by TOP or, without it, by RETR. */
#include <string.h>

#include "reader/source_server_impl.h"

enum { RETR_FOR_HEAD = 1 << 20 /* octets of a message that may be fetched for its head, where there is no TOP */ };

struct heads {
    const unsigned *msgs;
    unsigned count, asked, answered;
    bool top;     /* TOP, else RETR */
    bool refused; /* the one that TOP was tried with */
    bool trying;
    size_t most;
    char *p; /* the head that comes in */
    size_t n, passed;
    struct spool *to;
};

static int add_head(struct heads *h, struct err *err)
{
    uint32_t octets = (uint32_t)h->n;
    h->n = h->passed = 0;
    if (spool_add(h->to, (struct span){(const char *)&octets, sizeof octets}, err) < 0)
        return -1;
    return spool_add(h->to, (struct span){h->p, octets}, err);
}

/* What is beyond `most` is passed over, as long as it can be a head. */
static int take_head(struct heads *h, struct span piece, struct err *err)
{
    size_t n = piece.n < h->most - h->n ? piece.n : h->most - h->n;
    memcpy(h->p + h->n, piece.p, n);
    h->n += n;
    h->passed += piece.n - n;
    return h->passed > SOURCE_HEAD_ALL
               ? err_set(err, ERR_LIMIT, "the head of message %u does not end", h->msgs[h->answered] + 1)
               : 0;
}

static void ask_head(struct server *v, struct heads *h)
{
    unsigned msg = h->msgs[h->asked++];
    if (h->top)
        pop3_client_top(&v->session->machine, msg + 1, 0);
    else
        pop3_client_retr(&v->session->machine, msg + 1);
}

static int read_heads(struct server *v, struct heads *h, struct err *err)
{
    while (h->answered < h->count) {
        enum pop3_client_want want;
        if (server_next(v, &want, err) < 0)
            return -1;
        if (want == POP3_CLIENT_WANT_COMMAND && h->asked < h->count) {
            ask_head(v, h);
        } else if (want == POP3_CLIENT_WANT_COMMAND) {
            pop3_client_wait(&v->session->machine);
        } else if (want == POP3_CLIENT_WANT_BODY) {
            v->silent = take_head(h, v->session->machine.piece, err) < 0;
            if (v->silent)
                return -1;
        } else if (want == POP3_CLIENT_WANT_GOT) {
            h->answered++;
            h->refused = h->trying && !v->session->machine.got.ok;
            if (!v->session->machine.got.ok)
                h->n = 0;
            if (!h->refused && add_head(h, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* Where nothing is known of TOP it is tried with the first of them. */
static int try_top(struct server *v, struct heads *h, struct err *err)
{
    unsigned count = h->count;
    h->trying = true;
    h->count = 1;
    int result = read_heads(v, h, err);
    h->trying = false;
    h->top = !h->refused;
    h->count = count;
    return result;
}

/* Without TOP a message that is not too large is fetched for its head. */
static int heads_without_top(struct server *v, struct heads *h, struct err *err)
{
    const unsigned *all = h->msgs;
    unsigned count = h->count;
    int result = 0;
    for (unsigned i = 0; i < count && result == 0; i++) {
        h->msgs = all + i;
        h->count = v->source.drop.messages[all[i]].octets <= RETR_FOR_HEAD;
        h->asked = h->answered = 0;
        h->n = 0;
        result = h->count ? read_heads(v, h, err) : add_head(h, err);
    }
    return result;
}

int server_heads(struct source *s, const unsigned *msgs, unsigned count, size_t most, struct spool *to, struct err *err)
{
    struct server *v = (struct server *)s;
    const struct pop3_capa *capa = &v->session->machine.capa;
    struct heads h = {.msgs = msgs, .count = count, .top = !capa->known || capa->top, .most = most, .to = to};
    h.p = mem_alloc(most);
    int result = h.top && !capa->known && count ? try_top(v, &h, err) : 0;
    if (result == 0)
        result = h.top ? read_heads(v, &h, err) : heads_without_top(v, &h, err);
    mem_free(h.p);
    return result;
}
