/* conn: a peer on a stream socket: bytes in, bytes out, limits of time and memory. Plain, TLS, or our own socketpair:
 * the owner does not see which. Gives its buffers back when they are empty.
 *
 * A peer that does not read is not read from: input stops while more than half of `out_max` waits to go out. A peer that closes
 * its half still gets the answers to what it sent: CONN_EOF follows once conn_out is empty. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "net/tls.h"

enum conn_end {
    CONN_EOF,     /* the peer closed */
    CONN_RESET,   /* the connection broke */
    CONN_TIMEOUT, /* conn_deadline passed */
    CONN_STALLED, /* the peer took nothing for write_stall_ms */
    CONN_TLS,     /* the handshake or a record failed */
    CONN_DONE     /* conn_finish has done its work */
};
const char *conn_end_text(enum conn_end end); /* "eof", "reset", … for the log */

/* All of them are called from the loop, never inside a call of conn_*. */
struct conn_events {
    void (*input)(void *arg);   /* there are (more) bytes in conn_in; called again only when more arrive */
    void (*drained)(void *arg); /* conn_out was flushed and is empty now, also if conn_flush emptied it at once */
    void (*secure)(void *arg);  /* the handshake is done */
    void (*ended)(void *arg, enum conn_end end); /* once; the owner then frees the conn (here or later) */
};

struct conn_limits {
    size_t in_max;  /* ceiling of conn_in */
    size_t out_max; /* ceiling of conn_out */
    unsigned write_stall_ms;
    struct budget *budget; /* shared by all conns of the process, or NULL */
};

struct conn;
/* `fd` is taken over, as it is: no call here waits for it, blocking or not; where it is TCP it is without delay (sock_accept). Starts
 * reading. */
struct conn *conn_new(struct loop *l, int fd, const struct conn_limits *limits, const struct conn_events *ev, void *arg);
void conn_free(struct conn *c); /* closes at once; safe inside its own handlers; NULL is allowed */
/* The sentence behind `ended`, for the log ("tls: no shared cipher"), or "". Lives as long as the conn. */
const char *conn_trouble(const struct conn *c);

struct buf *conn_in(struct conn *c);
struct buf *conn_out(struct conn *c);
int conn_fd(const struct conn *c);
bool conn_is_tls(const struct conn *c);
const struct tls_stream *conn_tls(const struct conn *c); /* NULL when plain */

/* Call after adding to conn_out: writes what the socket takes now; the rest goes when it can. */
void conn_flush(struct conn *c);
/* The same where more is to be added at once: goes with that in one piece, or by itself in some 20 ms. */
void conn_flush_soon(struct conn *c);
/* Sends `s` from where it is, without a stay in conn_out, which must be empty. Returns how much of it the socket took: 0 where
 * conn_out is not empty, or the socket takes nothing now. What it did not take may be added to conn_out, or sent again once
 * `drained` says that the socket takes something again. */
size_t conn_send(struct conn *c, struct span s);
/* Octets of a file, between what is in conn_out and a short text. Start it, let conn_file_work run in a call of the loop (meanwhile the
 * owner adds nothing to conn_out), then conn_file_done; if there are more, again: at once (MORE), or when `drained` says so (BLOCKED). */
enum { CONN_FILE_HEAD = 128, CONN_FILE_TAIL = 8 };
enum conn_file_how {
    CONN_FILE_ALL,
    CONN_FILE_MORE,       /* others have their turn */
    CONN_FILE_BLOCKED,    /* the socket took no more */
    CONN_FILE_RESET,      /* the connection broke: `ended` follows */
    CONN_FILE_SHORT,      /* the file ends earlier */
    CONN_FILE_UNREADABLE, /* it cannot be read; `error` says why */
    CONN_FILE_CANNOT      /* not by this way, though by reading, perhaps */
};
struct conn_file {
    int file;
    uint64_t at, left; /* in the file; move with what is sent */
    char tail[CONN_FILE_TAIL];
    size_t n_tail;
    /* what became of it */
    enum conn_file_how how;
    int error;
    /* conn's */
    int socket;
    uint64_t sent;
    char head[CONN_FILE_HEAD];
    size_t n_head;
};
bool conn_file_start(struct conn *c, struct conn_file *f); /* false: it must be read; no plain socket, or too much in conn_out */
void conn_file_work(struct conn_file *f);
void conn_file_done(struct conn *c, struct conn_file *f);
bool conn_is_blocked(const struct conn *c); /* the socket took no more */
/* Around what the owner does for it outside its handlers: what becomes due thereby (`drained`, `ended`) is done in conn_release, and
 * not by way of the loop. After that the owner may be gone. */
void conn_hold(struct conn *c);
void conn_release(struct conn *c);
/* Stops and resumes `input` (e.g. while auth decides); conn_in stays as it is meanwhile. With `watch` a peer that goes away is
 * still noticed: `ended` with CONN_EOF or CONN_RESET. (If he sent more commands before, it is noticed behind them.) */
void conn_pause(struct conn *c, bool watch);
void conn_resume(struct conn *c);
/* The owner is at work for the peer, and will answer: until he is not, a peer who closes his half has not ended. */
void conn_occupy(struct conn *c, bool occupied);

/* `ended(CONN_TIMEOUT)` unless set anew within ms; 0 = none. */
void conn_deadline(struct conn *c, uint64_t ms);

/* Drops everything read so far (clear text that follows STLS is never executed), then the
 * handshake begins once conn_out is empty (RFC 2595 §4). `secure` follows, or `ended(CONN_TLS)`. */
void conn_start_tls(struct conn *c, struct tls_context *ctx);

/* Somebody waits for what this peer holds: for some seconds his system is asked whether he is still there; `ended(CONN_RESET)` within 5 s
 * if nothing answers. Does nothing where the socket is not TCP. */
void conn_probe(struct conn *c);

/* Sends what waits, then close_notify if TLS, then shutdown, then `ended(CONN_DONE)`; input is thrown away meanwhile, so that an
 * unread pipelined command does not turn the close into a reset that overtakes the reply. It lasts until the peer closes; at most until
 * he has taken nothing for write_stall_ms or, once his system has acknowledged all, has said nothing for 2 s; and no longer than that all is in
 * the socketpair where a relay was told little (conn_end.c). */
void conn_finish(struct conn *c);

/* Plain conns only, conn_out empty: takes the descriptor out of the loop and returns it: a copy of it may be passed on. The conn keeps
 * its own and its conn_in, and neither reads nor writes until conn_resume (a refusal) or conn_free. */
int conn_lend(struct conn *c);

/* TLS conns: joins the stream with `fd` (a socketpair's end, taken over): bytes pass both ways with bounded memory until one side ends;
 * what is in conn_in is NOT sent (it travels with the hand-over). When fd's peer ends in good order (conn_relayed): the rest is sent,
 * close_notify, and `ended(CONN_DONE)`; when it ends otherwise: the rest, no close_notify, so that the client can tell that something may
 * be missing, and `ended(CONN_RESET)`; when the client goes away: fd is closed and `ended` says how. No deadline but the write stall. */
void conn_relay(struct conn *c, int fd);
/* The process at the other end of the socketpair, before it writes: conn_finish and the ends EOF and TIMEOUT are marked as in good order,
 * all others look like a process that died. Whether the client takes anything is the relay's to judge: none of our ends comes of it. */
void conn_relayed(struct conn *c);
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);

#endif
