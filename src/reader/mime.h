/* mime: what GMime makes of a message, for the process apart (apart.h): only modules that begin with reader/mime name
 * it.
 *
 * The work for apart_begin; `arg` is a struct mime_how. Parts are numbered from 1 in their order, those that bear no
 * others; an enclosed message counts as one, and what is in it after it. */
#ifndef READER_MIME_H
#define READER_MIME_H

#include "reader/apart.h"

enum {
    MIME_FIELD = 1000,  /* octets of a field of a list */
    MIME_LIST = 8000,   /* octets of a list of addresses that are answered */
    MIME_DEPTH = 50,    /* parts within parts that are looked at */
    MIME_PARTS = 20000, /* parts that are looked at */
    MIME_NOT_ALL = 0    /* mime_how.part: the attachments */
};

struct mime_how {
    bool html;       /* rather the HTML of a text that is there in several forms */
    bool all;        /* mime_save: every part */
    unsigned part;   /* mime_save: this part; 0: the attachments */
    const char *own; /* mime_reply: whose answer it is; NULL: nobody knows */
};

/* The message is a row of heads, each with its octets' number before it (uint32_t). Says a ROW for each: when, from
 * whom, about what. */
int mime_rows(int message, struct apart_out *o, const void *arg, struct err *err);
/* The text that a person reads, then what is attached. */
int mime_show(int message, struct apart_out *o, const void *arg, struct err *err);
/* PART and DATA for each of the parts that are asked for. */
int mime_save(int message, struct apart_out *o, const void *arg, struct err *err);
/* A ROW: to whom an answer goes, its subject, the message's id, its references, who wrote it,
 * when, and to whom else it went, without `own`. Then its text. */
int mime_reply(int message, struct apart_out *o, const void *arg, struct err *err);

#endif
