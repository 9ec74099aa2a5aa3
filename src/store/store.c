/* store: what every back-end needs: sizes on the wire and unique ids. Mail processes. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"

static bool above_ascii(const char *p, size_t n)
{
    unsigned char all = 0; /* without a branch, so that the compiler takes many octets at once */
    for (size_t i = 0; i < n; i++)
        all |= (unsigned char)p[i];
    return all >= 0x80;
}

/* Up to the first empty line (RFC 5322 §2.1), of which a part may have come before. */
static void look_at_header(struct store_count *c, const char *p, const char *end)
{
    const char *begin = p;
    bool at_line = !c->in_line;
    while (p < end && !c->body) {
        bool empty = at_line && !c->cr;
        if (*p == '\n' && (empty || c->cr)) {
            c->body = true;
        } else if (*p == '\r' && empty) {
            c->cr = true;
            p++;
        } else {
            const char *lf = memchr(p, '\n', (size_t)(end - p));
            c->cr = false;
            at_line = lf != NULL;
            p = lf ? lf + 1 : end;
        }
    }
    c->in_line = !at_line;
    c->eight_bit = c->eight_bit || above_ascii(begin, (size_t)(p - begin));
}

/* Runs from line end to line end: memchr does the walking, so a byte costs next to nothing. */
void store_count_add(struct store_count *c, struct span in)
{
    const char *p = in.p, *end = in.p + in.n;
    if (!c->body)
        look_at_header(c, p, end);
    while (p < end) {
        if (!c->open_line && *p == '.')
            c->dot = true;
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf) {
            c->open_line = true;
            c->saw_cr = end[-1] == '\r';
            break;
        }
        if (!(lf > p ? lf[-1] == '\r' : c->open_line && c->saw_cr))
            c->lone++;
        c->open_line = false;
        c->saw_cr = false;
        p = lf + 1;
    }
    c->size += in.n;
    c->octets = c->size + c->lone;
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

bool store_keeps_crlf(struct span message)
{
    return message.n && memmem(message.p, message.n, "\r\r\n", 3);
}

/* A colon cannot stand in a plain uid, so no message's name can be made to look like a digest. */
static void digest_uid(const unsigned char hash[DIGEST_SHA256], char out[71])
{
    out[0] = ':';
    digest_hex(hash, DIGEST_SHA256, out + 1);
}

void store_uid(struct span base, char out[71])
{
    struct span head = span_cut(&base, ':');
    head = span_cut(&head, ',');
    bool plain = head.n >= 1 && head.n <= 70; /* RFC 1939 §7 */
    for (size_t i = 0; plain && i < head.n; i++)
        plain = head.p[i] >= 0x21 && head.p[i] <= 0x7e;
    if (plain) {
        memcpy(out, head.p, head.n);
        out[head.n] = '\0';
        return;
    }
    unsigned char hash[DIGEST_SHA256];
    digest_sha256(head, hash);
    digest_uid(hash, out);
}

void store_uid_second(struct span base, uint64_t inode, char out[71])
{
    char number[24]; /* the NUL before it is in no name: no name can be chosen to give another's digest */
    int n = snprintf(number, sizeof number, "%c%llu", '\0', (unsigned long long)inode);
    struct digest *d = digest_new();
    digest_add(d, base.p, base.n);
    digest_add(d, number, (size_t)n);
    unsigned char hash[DIGEST_SHA256];
    digest_finish(d, hash);
    digest_uid(hash, out);
}
