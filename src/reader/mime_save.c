/* mime_save: what is in a message's parts, and what an answer to it begins with (mime.h). */
#include <string.h>
#include <unistd.h>

#include "reader/mime.h"
#include "reader/mime_head.h"
#include "reader/mime_walk.h"

struct save {
    struct apart_out *out;
    const struct mime_how *how;
    unsigned saved;
};

static bool say_data(void *arg, struct span piece)
{
    struct apart_out *o = arg;
    apart_say(o, APART_DATA, piece);
    return !o->broken;
}

static void save_message(struct save *s, GMimeMessagePart *part)
{
    GMimeMessage *inner = g_mime_message_part_get_message(part);
    GMimeStream *stream = g_mime_stream_mem_new();
    apart_say(s->out, APART_PART, span_of("message.eml"));
    if (inner) {
        g_mime_object_write_to_stream(GMIME_OBJECT(inner), NULL, stream);
        GByteArray *octets = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
        apart_say(s->out, APART_DATA, (struct span){(const char *)octets->data, octets->len});
    }
    g_object_unref(stream);
}

/* A name for what has none; by its kind. */
static const char *name_of(GMimePart *part, char *otherwise, size_t room, unsigned number)
{
    const char *name = g_mime_part_get_filename(part);
    GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    const char *ending = g_mime_content_type_is_type(type, "text", "html") ? ".html"
                         : g_mime_content_type_is_type(type, "text", "*")  ? ".txt"
                                                                           : ".bin";
    if (name && *name)
        return name;
    g_snprintf(otherwise, (gulong)room, "part-%u%s", number, ending);
    return otherwise;
}

static bool wanted(const struct save *s, const struct mime_piece *p)
{
    if (p->role == MIME_NOTE)
        return false;
    if (s->how->part)
        return p->number == s->how->part;
    return s->how->all || p->role == MIME_FILE;
}

static bool save_piece(void *arg, const struct mime_piece *p)
{
    struct save *s = arg;
    char otherwise[40];
    if (wanted(s, p)) {
        s->saved++;
        if (p->role == MIME_MESSAGE) {
            save_message(s, GMIME_MESSAGE_PART(p->object));
        } else {
            const char *name = name_of(GMIME_PART(p->object), otherwise, sizeof otherwise, p->number);
            apart_say(s->out, APART_PART, span_of(name));
            mime_content(GMIME_PART(p->object), say_data, s->out);
        }
    }
    return !s->out->broken && !(s->how->part && s->saved);
}

int mime_save(int message, struct apart_out *o, const void *arg, struct err *err)
{
    struct save s = {.out = o, .how = arg};
    GMimeMessage *m = mime_message(message, 0, -1);
    if (!m)
        return err_set(err, ERR_INPUT, "no message can be made out in it");
    mime_walk(m, false, save_piece, &s);
    g_object_unref(m);
    if (!s.saved && s.how->part)
        return err_set(err, ERR_INPUT, "it has no part %u", s.how->part);
    if (!s.saved)
        return err_set(err, ERR_INPUT, "nothing is attached to it; --all saves its text, too");
    return 0;
}
