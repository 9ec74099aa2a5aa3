/* mime_head: what a head says, for a person. */
#ifndef READER_MIME_HEAD_H
#define READER_MIME_HEAD_H

#include <gmime/gmime.h>
#include <stdio.h>

/* "2026-11-24 15:00", where we are; "" if there is none. */
void mime_date(GMimeMessage *m, char out[32]);
/* The name of who wrote it, or the address. Free with g_free. */
char *mime_author(GMimeMessage *m);
/* From, To, Cc, Date and Subject, a line for each that is there. */
void mime_put_head(GMimeMessage *m, FILE *to);

#endif
