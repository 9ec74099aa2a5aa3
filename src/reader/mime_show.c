/* mime_show: a message as a person reads it (mime.h). */
#include <stdlib.h>

#include "reader/mime.h"
#include "reader/mime_head.h"
#include "reader/mime_walk.h"
#include "reader/size.h"

struct show {
    FILE *to;
    FILE *list; /* of what is attached, for the end */
    unsigned listed;
    bool separate; /* something was written that what comes stands apart from */
};

static void stand_apart(struct show *s)
{
    if (s->separate)
        putc('\n', s->to);
    s->separate = true;
}

static void list(struct show *s, const struct mime_piece *p)
{
    GMimeContentType *type = g_mime_object_get_content_type(p->object);
    char *kind = g_mime_content_type_get_mime_type(type), size[SIZE_TEXT];
    const char *name = GMIME_IS_PART(p->object) ? g_mime_part_get_filename(GMIME_PART(p->object)) : NULL;
    char *clean = g_strdup(name ? name : "");
    g_strdelimit(clean, "\r\n\t", ' ');
    fprintf(s->list, "[%u] %s%s%.200s", p->number, clean, *clean ? ", " : "", kind);
    if (GMIME_IS_PART(p->object)) {
        size_text(mime_size(GMIME_PART(p->object)), size);
        fprintf(s->list, ", %s", size);
    }
    fputs(p->role == MIME_FORM ? " (the same text in another form)\n" : "\n", s->list);
    s->listed++;
    g_free(clean);
    g_free(kind);
}

static void put_enclosed(struct show *s, const struct mime_piece *p)
{
    GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(p->object));
    stand_apart(s);
    fprintf(s->to, "---- [%u] an enclosed message:\n", p->number);
    if (inner)
        mime_put_head(inner, s->to);
    list(s, p);
}

static bool put_piece(void *arg, const struct mime_piece *p)
{
    struct show *s = arg;
    switch (p->role) {
    case MIME_TEXT:
        stand_apart(s);
        mime_readable(GMIME_PART(p->object), s->to);
        break;
    case MIME_MESSAGE:
        put_enclosed(s, p);
        break;
    case MIME_NOTE:
        stand_apart(s);
        fprintf(s->to, "[%s]\n", p->note);
        break;
    case MIME_FILE:
    case MIME_FORM:
        list(s, p);
        break;
    }
    return !ferror(s->to);
}

int mime_show(int message, struct apart_out *o, const void *arg, struct err *err)
{
    const struct mime_how *how = arg;
    char *listing = NULL;
    size_t n;
    GMimeMessage *m = mime_message(message, 0, -1);
    if (!m)
        return err_set(err, ERR_INPUT, "no message can be made out in it; --raw shows it as it is");
    struct show s = {.to = apart_text(o), .list = open_memstream(&listing, &n), .separate = true};
    if (!s.to || !s.list)
        abort();
    mime_put_head(m, s.to);
    mime_walk(m, how->html, put_piece, &s);
    fclose(s.list);
    if (s.listed)
        fprintf(s.to, "\nParts, to be saved by their number:\n%s", listing);
    fclose(s.to);
    free(listing);
    g_object_unref(m);
    return 0;
}
