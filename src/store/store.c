/* store: what every back-end needs: unique ids (sizes on the wire: store_count.c). Mail processes. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"

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
