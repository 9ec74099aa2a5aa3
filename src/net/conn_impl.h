/* conn_impl: what the files of conn share; nobody else includes it.
 *
 *   conn_life.c    beginning and end, what is due and when, the owner's handlers
 *   conn_open.c    input and output, plain sockets
 *   conn_file.c    octets of a file
 *   conn_stall.c   whether the peer takes what is sent
 *   conn_probe.c   whether he is still there
 *   conn_end.c     the end of a connection in good order
 *   conn_relayed.c the same of a socketpair whose other end is a relay
 *   conn_tls.c     STLS and TLS records (alone, so that a process without TLS does not link it)
 *   conn_relay.c   a TLS stream joined with a socketpair (likewise)
 *
 * A conn is in one stage, which says what it waits for and what it does when that comes. Handlers of the owner run in one place,
 * conn_settle, called at the end of everything that comes from the loop; a call of the owner's only notes what is due
 * (conn_changed). So no handler ever runs inside a call, and nothing below conn_settle needs to fear that the conn is gone. */
#ifndef NET_CONN_IMPL_H
#define NET_CONN_IMPL_H

#include "net/conn.h"

struct tcp_info; /* linux/tcp.h */

enum conn_io { CONN_IO_OK, CONN_IO_AGAIN, CONN_IO_EOF, CONN_IO_RESET, CONN_IO_TLS };

/* How bytes pass: plain or TLS. */
struct conn_stream {
    enum conn_io (*read)(struct conn *c, void *p, size_t n, size_t *got);
    /* OK: all n are on their way; AGAIN: *took of them. n may be 0: sends what the stream itself still holds. */
    enum conn_io (*write)(struct conn *c, const void *p, size_t n, size_t *took);
    size_t (*unsent)(const struct conn *c); /* bytes it took, but the socket did not */
    bool (*pending)(const struct conn *c);  /* bytes to read without the socket becoming readable */
    void (*watch)(struct conn *c);          /* readable while paused: is the peer still there? */
    void (*bye)(struct conn *c);
    void (*free)(struct conn *c);
};

struct conn_stage {
    void (*ready)(struct conn *c, bool readable, bool writable);
    /* Does one thing that needs no event of the socket: true if it did. Calls the owner, hence c may be dead after it. */
    bool (*go_on)(struct conn *c);
    void (*wants)(const struct conn *c, bool *read, bool *write);
};

/* The head of what conn_relay.c keeps. */
struct conn_relay {
    void (*stop)(struct conn *c); /* closes the other side; what the stream took is still sent */
    bool whole; /* the worker has ended it in good order, and all that he said was taken */
};

struct conn {
    struct loop *loop;
    struct loop_fd *source;
    struct loop_timer *timer; /* one for all; made when first needed */
    const struct conn_events *ev;
    void *arg;
    const struct conn_stage *stage;
    const struct conn_stream *stream;
    struct tls_stream *tls;
    struct tls_context *tls_context; /* while the handshake is still to begin */
    struct conn_relay *relay;
    char *trouble; /* the sentence behind `ended`, or NULL */
    struct buf in, out;
    struct buf ahead; /* read while paused, to see whether the peer is still there */
    uint64_t bytes_in, bytes_out;
    uint64_t deadline_at, look_at, armed_at; /* clock_ms; 0: none */
    uint64_t flush_at; /* what waits to go out goes now; 0: it need not wait for that */
    uint64_t moved_at; /* when the peer was last seen to take something; counts while look_at is set */
    uint64_t acked;    /* bytes that his system had acknowledged then */
    uint64_t probe_at, probe_until; /* clock_ms: he is asked whether he is there; 0: not now */
    uint64_t silent_since; /* while he is asked: since when what is on its way to him has had no answer; 0: it has */
    unsigned write_stall_ms;
    int fd;
    unsigned short held; /* frames below that still use this struct */
    signed char end_due; /* enum conn_end to report, or NO_END */
    signed char end_later; /* what `ended` will say after lingering */
    bool dead;           /* conn_free was called while it was held */
    bool kick;           /* conn_settle is to run although no event comes */
    bool paused, watch;
    bool occupied; /* the owner is at work: an answer will come */
    bool secured; /* `secure` is due */
    bool said_bye;
    bool eof;     /* the peer sends no more */
    bool unseen;  /* bytes came that `input` was not called for */
    bool drained; /* conn_out became empty and `drained` was not called */
    bool blocked; /* the socket took no more; it will say when it does */
    bool never_waits; /* its socket: for calls that cannot be told so each time */
    bool awaited; /* `drained` is due when the socket takes something again, also with nothing in conn_out */
    bool lingers; /* all is sent and the socket is shut down */
    bool relayed; /* the other end is a relay of ours */
    bool mark_due, marked; /* relayed: the end in good order */
};

enum { CONN_NO_END = -1, CONN_PIECE = 4096, CONN_LINGER_MS = 2000, CONN_SOON_MS = 20 };

extern const struct conn_stage conn_stage_open, conn_stage_lent;
extern const struct conn_stream conn_plain;

void conn_settle(struct conn *c);          /* in a frame that holds c */
void conn_changed(struct conn *c, bool due); /* at the end of the owner's calls; due: conn_settle is to run soon */
void conn_join_loop(struct conn *c);
void conn_set_end(struct conn *c, enum conn_end end); /* the first that is set counts */
void conn_set_io_end(struct conn *c, enum conn_io io);
void conn_set_trouble(struct conn *c, const char *text);
void conn_push(struct conn *c);            /* writes what the socket takes now of conn_out */
bool conn_waits_to_send(const struct conn *c);
void conn_note_read(struct conn *c, size_t before); /* after a read: of the stream's own answers more is unsent than before it, or less */
void conn_note_progress(struct conn *c, bool progress); /* the write stall, after every try to send */
void conn_look(struct conn *c, uint64_t now);           /* look_at has come */
void conn_look_after_end(struct conn *c);               /* when it begins to linger */
bool conn_ask_kernel(const struct conn *c, struct tcp_info *info); /* false: not TCP */
void conn_probe_look(struct conn *c, uint64_t now);     /* probe_at has come */
bool conn_relay_is_stalled(const struct conn *c, uint64_t now); /* it has taken nothing for so long that it may have given up */
bool conn_pull(struct conn *c, struct buf *into); /* reads a piece: true if bytes came; notes the end */
enum conn_io conn_plain_read(struct conn *c, void *p, size_t n, size_t *got);
enum conn_io conn_plain_write(struct conn *c, const void *p, size_t n, size_t *took);
/* Throws away what the peer still says, shuts down and waits for its end, then `ended(end)`. */
void conn_linger(struct conn *c, enum conn_end end);
void conn_answered(struct conn *c); /* the peer has closed his half, and has all: the last word, then CONN_EOF */

#endif
