/* source_server_impl: what the files of source_server share; nobody else includes it. */
#ifndef READER_SOURCE_SERVER_IMPL_H
#define READER_SOURCE_SERVER_IMPL_H

#include "client/pop3.h"
#include "reader/source.h"

struct server {
    struct source source;
    struct pop3_session *session;
    bool silent; /* left without QUIT: DELE was sent and is taken back by that, or nothing can be said any more */
};

/* What the session wants next; that it closes is an error. */
int server_next(struct server *v, enum pop3_client_want *want, struct err *err);
/* source.h: heads */
int server_heads(struct source *s, const unsigned *msgs, unsigned count, size_t most, struct spool *to,
                 struct err *err);

#endif
