/* proxy: what a proxy says of a connection before anything else passes on it: the PROXY protocol, versions 1 and 2, as haproxy's
 * proxy-protocol.txt (2020/03/05) has it. A machine without a socket: bytes in, and how many of them belong to the header. What is
 * behind the header is the client's, and nothing of it is taken.
 *
 * Strict: a header is right in all its parts or none. Whom to believe is for the owner to say. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "net/sock.h"

enum {
    PROXY_LINE_MAX = 107, /* of version 1, with its CRLF */
    PROXY_MAX = 2048      /* of version 2, whose senders may add what they like */
};

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BAD };

struct proxy {
    const char *why; /* BAD: what is wrong */
    size_t have, need;
    unsigned version;            /* 0: not known yet */
    bool local;                  /* the proxy's own, as for checks of health: nobody is behind it */
    bool tls;                    /* between client and proxy there is TLS */
    char address[SOCK_NAME_MAX]; /* the client's, as sock_accept gives it; "": the proxy does not say */
    unsigned char octets[PROXY_MAX];
};

void proxy_init(struct proxy *p);
/* DONE: the header is whole, with *took of the bytes; BAD: there will be none. Neither is fed further. */
enum proxy_result proxy_feed(struct proxy *p, const void *bytes, size_t n, size_t *took);

#endif
