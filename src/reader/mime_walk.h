/* mime_walk: the parts of a message in their order, and which of them are its text. */
#ifndef READER_MIME_WALK_H
#define READER_MIME_WALK_H

#include <gmime/gmime.h>
#include <stdio.h>

#include "base/span.h"

enum mime_role {
    MIME_TEXT,    /* is read */
    MIME_FORM,    /* the same text in another form */
    MIME_FILE,    /* is attached */
    MIME_MESSAGE, /* an enclosed message, whose parts follow */
    MIME_NOTE     /* no part: what there is to know, in `note` */
};

struct mime_piece {
    GMimeObject *object;
    const char *note;
    unsigned number;
    enum mime_role role;
};

/* Called for each; false ends the walk. */
typedef bool mime_piece_fn(void *arg, const struct mime_piece *p);

/* The message from `start` to `end` of `fd` (-1: to its end); NULL: GMime finds none. Free with g_object_unref. Its
 * parts stay in the file. */
GMimeMessage *mime_message(int fd, int64_t start, int64_t end);
void mime_walk(GMimeMessage *message, bool html, mime_piece_fn *fn, void *arg);

/* The text of a part in UTF-8, as far as its charset is known, in pieces. `take` may say false. */
typedef bool mime_take(void *arg, struct span piece);
void mime_text(GMimePart *part, mime_take *take, void *arg);
/* The same for a person: HTML as text; ends with a line end. */
void mime_readable(GMimePart *part, FILE *to);
/* What a part holds, without its transfer encoding. */
void mime_content(GMimePart *part, mime_take *take, void *arg);
uint64_t mime_size(GMimePart *part);

#endif
