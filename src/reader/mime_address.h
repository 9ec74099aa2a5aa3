/* mime_address: addresses as they are written in fields, read and written by GMime. */
#ifndef READER_MIME_ADDRESS_H
#define READER_MIME_ADDRESS_H

#include "reader/envelope.h"

/* The addresses in a list, as it is written in a field, to the envelope's recipients. ERR_INPUT: it is none. */
int mime_recipients(const char *list, struct envelope *e, struct err *err);
/* The one address in `from`, for MAIL FROM. Freed by mem_free. */
int mime_sender(const char *from, char **address, struct err *err);

/* "From: …" with its line end, encoded. Freed by mem_free. */
char *mime_from_field(const char *from);

#endif
