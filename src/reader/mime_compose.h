/* mime_compose: from a letter to a message, by GMime: what it says is encoded as it must be. For what its own person
 * wrote. */
#ifndef READER_MIME_COMPOSE_H
#define READER_MIME_COMPOSE_H

#include "reader/letter.h"
#include "reader/spool.h"

enum { MIME_DATE = 100, MIME_ID = 400 };

/* A fresh "Date" and "Message-ID", each with its line end. */
void mime_fresh_fields(const char *sender, char date[MIME_DATE], char id[MIME_ID]);

/* The message in lines that end with LF, without Bcc. */
int mime_compose(const struct letter *l, const char *sender, struct spool *to, struct err *err);

#endif
