/* letter: a message that is being written: what a person says of it, before it has a form. */
#ifndef READER_LETTER_H
#define READER_LETTER_H

#include <stdio.h>

#include "base/err.h"
#include "base/span.h"

enum { LETTER_ATTACHED = 100 };

struct letter {
    char *from, *to, *cc, *bcc, *subject; /* as they are written, in UTF-8; NULL or "": none */
    char *in_reply_to, *references;       /* ids in "<>" */
    char *text;                           /* and what it says */
    size_t text_n;
    unsigned attached;
    char *attach[LETTER_ATTACHED]; /* paths */
};

void letter_free(struct letter *l);

/* Adds to a list of addresses. */
void letter_add(char **list, const char *more);
/* The path as it holds from any folder. */
int letter_attach(struct letter *l, const char *path, struct err *err);
/* What would end a line, or is no text at all, cannot stand in a field: ERR_INPUT names the field. */
int letter_check(const struct letter *l, struct err *err);

/* For an editor, and to be sent another time: fields, an empty line, the text. */
void letter_put(const struct letter *l, FILE *to);
/* What came back. The fields are From, To, Cc, Bcc, Subject; `own`, from a file that we wrote ourselves: In-Reply-To,
 * References and Attach, too, which names files to be sent. ERR_INPUT: another one, or a line that is no field. */
int letter_take(struct letter *l, struct span draft, bool own, struct err *err);
/* Is it a draft that letter_take would take? */
bool letter_is(struct span draft);

#endif
