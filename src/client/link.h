/* link: a connection to a server somewhere: name, connect, TLS, bytes both ways, and an end in time whatever the server does. Waits; for
 * one conversation at a time (the collector has a process per account). Never raises SIGPIPE. */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "base/buf.h"
#include "base/err.h"
#include "net/tls_client.h"

struct link_to {
    const char *host;       /* a name, an address, or the absolute path of a unix socket */
    unsigned port;
    unsigned connect_ms;    /* for all addresses of the name together, and again for the TLS handshake; 0: no limit */
    unsigned silence_ms;    /* no octet either way for so long: the server is given up (ERR_TEMP); 0: no limit. So is one that in
                               ten times as much waiting gives or takes less than 4 kB of the same */
    unsigned long long whole_ms; /* for the connection as a whole; 0: no limit */
    size_t in_max, out_max; /* ceilings of the queues; 0: 64 kB */
};

struct link {
    struct buf in, out; /* what came and was not taken; what is to go */
    struct link_to to;  /* its host is the link's own */
    struct tls_client *tls; /* NULL: in the clear */
    unsigned long long ends_at; /* ms of clock_ms; 0: never */
    unsigned long long read, sent; /* octets, for progress */
    struct err why;     /* it is over: how that came */
    unsigned long long slow_ms, slow_octets; /* private: the waiting since octets last went the other way, and what moved in it */
    int fd;
    bool slow_out;      /* private: they go out */
    bool over, closed;  /* nothing moves any more; and it ended in good order */
    bool ready;         /* the last read was as large as it could be: there may be more */
};

/* All addresses of the name are tried, one after the other, each with its part of the time that is left. ERR_TEMP, in words that name host
 * and port, as all of link's do; ERR_CONFIG: there can be no such address. */
int link_open(struct link **l, const struct link_to *to, struct err *err);
/* Drops nothing: the caller has seen to it that `in` is empty (ERR_INPUT if it is not: a stranger may have put it there). Sends `out`
 * before. Errors of tls_client_new and tls_client_handshake, ERR_TEMP for time. After an error the link is of no use. */
int link_start_tls(struct link *l, const struct tls_client_rules *rules, struct err *err);
/* Sends of `out` what goes, takes into `in` what comes; returns once something moved. 0; -1: the connection is over or stands still
 * (ERR_TEMP; a close in good order, with TLS only after close_notify, says so in link_closed). What came before the end is in `in`.
 * ERR_LIMIT: nothing can move: `in` is full and `out` empty. */
int link_move(struct link *l, struct err *err);
/* Until `out` is empty. */
int link_push(struct link *l, struct err *err);
bool link_closed(const struct link *l);
void link_close(struct link *l); /* close_notify if TLS; frees and wipes; NULL is allowed */

#endif
