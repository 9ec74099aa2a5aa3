/* send: `bustia send`: what a person wrote, or an answer, to the account's SMTP server. */
#ifndef READER_SEND_H
#define READER_SEND_H

#include "reader/reader.h"

int reader_send(struct reader *r, int argc, char **argv, struct err *err);

#endif
