/* sending: a message on its way out: what the files of send share; nobody else includes it. */
#ifndef READER_SENDING_H
#define READER_SENDING_H

#include "reader/draft.h"
#include "reader/envelope.h"
#include "reader/letter.h"
#include "reader/reader.h"

struct sending {
    struct reader *r;
    const struct account *account;
    const char *word; /* a file, "-", or NULL */
    struct letter letter;
    struct draft draft;
    struct envelope envelope;
    struct spool message;
    char *text; /* as it was read */
    size_t text_n;
    bool fewer; /* some of the recipients have it */
    bool whole; /* `text` is the message, and `letter` only says from whom */
    enum sending_kept {
        SENDING_NOTHING, /* the draft is empty, */
        SENDING_TEXT,    /* has what was read, */
        SENDING_DRAFT,   /* or what can be sent as it is, with --draft */
        SENDING_WHOLE    /* or without */
    } kept;
};

/* Does the command line say what the head is to be? Then what is read is the text, whatever it begins with. */
bool sending_said(const struct reader *r);
/* The letter, or the whole message, from where the command line says; it is in the draft then. ERR_NONE: a person does
 * not want it. */
int sending_read(struct sending *s, struct err *err);
/* The envelope, and the octets that go. */
int sending_form(struct sending *s, struct err *err);

#endif
