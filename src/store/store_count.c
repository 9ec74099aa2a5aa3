/* store_count: octets on the wire, counted sixteen at a time: whoever opens a maildrop for the first time waits for this.
 * What matters is told by an octet and the one or two before it, so that a second look at the text, one octet earlier,
 * takes the place of every branch. (Vectors as GCC and Clang have them for every machine; without such registers they
 * make words of them.) */
#include <string.h>

#include "store/store.h"

typedef unsigned char lanes __attribute__((vector_size(16)));

enum {
    LANES = sizeof(lanes),
    BLOCK = 4 * LANES,
    FULL = 255, /* additions that a lane holds */
    FEW = 8     /* lanes after which it is mostly known how lines end here */
};
#define EIGHT_BIT UINT64_C(0x8080808080808080)

static lanes load(const char *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t either_half(lanes v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof v);
    return half[0] | half[1];
}

static unsigned sum(lanes v)
{
    unsigned all = 0;
    for (unsigned i = 0; i < LANES; i++)
        all += v[i];
    return all;
}

/* ---- the header, up to the first empty line (RFC 5322 §2.1), of which a part may have come before */

/* Goes to the end of the header, octet by octet. Returns where. */
static const char *walk(struct store_count *c, const char *p, const char *end)
{
    for (; p < end && !c->body; p++) {
        c->eight_bit = c->eight_bit || (unsigned char)*p >= 0x80;
        if (*p == '\n')
            c->body = !c->in_line;
        c->cr = *p == '\r' && !c->in_line && !c->cr;
        c->in_line = *p != '\n' && !c->cr;
    }
    return p;
}

/* Whole blocks without an empty line; and the one with it, if it is all ASCII. Two octets before p can be read. */
static const char *stride(struct store_count *c, const char *p, const char *end)
{
    lanes all = {0};
    for (; end - p >= BLOCK; p += BLOCK) {
        lanes empty = {0}, block = {0};
        for (const char *q = p; q < p + BLOCK; q += LANES) {
            lanes now = load(q), before = load(q - 1);
            lanes line = (lanes)(before == '\n') | ((lanes)(before == '\r') & (lanes)(load(q - 2) == '\n'));
            empty |= (lanes)(now == '\n') & line;
            block |= now;
        }
        if (either_half(empty)) {
            c->body = !(either_half(block) & EIGHT_BIT);
            break;
        }
        all |= block;
    }
    c->eight_bit = c->eight_bit || (either_half(all) & EIGHT_BIT);
    c->cr = c->in_line = false;
    if (!c->body) {
        c->cr = p[-1] == '\r' && p[-2] == '\n';
        c->in_line = p[-1] != '\n' && !c->cr;
    }
    return p;
}

static void look_at_header(struct store_count *c, const char *p, const char *end)
{
    if (end - p >= BLOCK + 2) {
        p = walk(c, p, p + 2);
        if (!c->body)
            p = stride(c, p, end);
    }
    walk(c, p, end);
}

/* ---- lines */

static void look_at(struct store_count *c, char before, char now)
{
    c->lone += now == '\n' && before != '\r';
    c->dot = c->dot || (now == '.' && before == '\n');
}

/* Whole lanes, from p to `stop`: dots at the begin of a line count where the message may be in wire form. */
static void look_at_lanes(struct store_count *c, const char *p, const char *stop)
{
    lanes lone = {0}, dot = {0};
    if (c->lone) {
        for (; p < stop; p += LANES)
            lone -= (lanes)(load(p) == '\n') & (lanes)(load(p - 1) != '\r'); /* true is all ones: -1 */
    } else {
        for (; p < stop; p += LANES) {
            lanes now = load(p), before = load(p - 1);
            lone -= (lanes)(now == '\n') & (lanes)(before != '\r');
            dot |= (lanes)(now == '.') & (lanes)(before == '\n');
        }
        c->dot = c->dot || either_half(dot);
    }
    c->lone += sum(lone);
}

/* The octet before p can be read. */
static void look_at_all(struct store_count *c, const char *p, const char *end)
{
    for (size_t most = FEW, n; (n = (size_t)(end - p) / LANES) > 0; most = FULL) {
        n = n < most ? n : most;
        look_at_lanes(c, p, p + n * LANES);
        p += n * LANES;
    }
    for (; p < end; p++)
        look_at(c, p[-1], *p);
}

void store_count_add(struct store_count *c, struct span in)
{
    if (!in.n)
        return;
    const char *p = in.p, *end = in.p + in.n;
    if (!c->body)
        look_at_header(c, p, end);
    char last = c->saw_cr ? '\r' : c->open_line ? ' ' : '\n'; /* as good as the octet before, whatever it was */
    look_at(c, last, *p);
    look_at_all(c, p + 1, end);
    c->open_line = end[-1] != '\n';
    c->saw_cr = end[-1] == '\r';
    c->size += in.n;
    c->octets = c->size + c->lone;
    c->dot = c->dot && !c->lone;
}

uint64_t store_count_octets(const struct store_count *c)
{
    return c->octets + (c->open_line ? 2 : 0);
}

bool store_count_eight_bit(const struct store_count *c)
{
    return c->eight_bit;
}

bool store_count_wire(const struct store_count *c)
{
    return !c->lone && !c->dot && !c->open_line;
}
