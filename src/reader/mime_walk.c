/* mime_walk: see the header. No depth and no number of parts that a message can have makes it go on without end. */
#include "reader/mime_walk.h"

#include <string.h>

#include "reader/mime.h"

struct walk {
    mime_piece_fn *fn;
    void *arg;
    unsigned number;
    bool html, over;
};

static void say(struct walk *w, enum mime_role role, GMimeObject *object, const char *note)
{
    const struct mime_piece p = {.object = object, .note = note, .number = w->number, .role = role};
    w->over = w->over || !w->fn(w->arg, &p);
}

/* ---- the choice between forms of a text */

static bool is_attached(GMimeObject *o)
{
    const char *disposition = g_mime_object_get_disposition(o);
    return disposition && g_ascii_strcasecmp(disposition, "attachment") == 0;
}

static bool is_text(GMimeObject *o)
{
    return GMIME_IS_PART(o) && !is_attached(o) &&
           g_mime_content_type_is_type(g_mime_object_get_content_type(o), "text", "*");
}

static bool is_html(GMimeObject *o)
{
    return g_mime_content_type_is_type(g_mime_object_get_content_type(o), "text", "html");
}

/* How gladly a form is read: 0 not at all. Of a multipart, as its first text that is some. */
static int rank(const struct walk *w, GMimeObject *o, unsigned depth)
{
    int best = 0;
    if (is_text(o)) {
        if (is_html(o))
            return w->html ? 4 : 2;
        return g_mime_content_type_is_type(g_mime_object_get_content_type(o), "text", "plain") ? 3 : 1;
    }
    if (!GMIME_IS_MULTIPART(o) || depth > 4)
        return 0;
    int count = g_mime_multipart_get_count(GMIME_MULTIPART(o));
    for (int i = 0; i < count && i < 4 && !best; i++)
        best = rank(w, g_mime_multipart_get_part(GMIME_MULTIPART(o), i), depth + 1);
    return best;
}

/* -1: all are read. The last of equals is the best (RFC 2046 §5.1.4). */
static int chosen(const struct walk *w, GMimeMultipart *m)
{
    int at = 0, best = 0, count = g_mime_multipart_get_count(m);
    GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(m));
    if (!g_mime_content_type_is_type(type, "multipart", "alternative"))
        return -1;
    for (int i = 0; i < count && i < 100; i++) {
        int r = rank(w, g_mime_multipart_get_part(m, i), 0);
        if (r >= best) {
            best = r;
            at = i;
        }
    }
    return at;
}

/* ---- the walk */

static const char *note_of(GMimeObject *o)
{
    if (GMIME_IS_MULTIPART_SIGNED(o))
        return "signed; the signature is not checked here";
    if (GMIME_IS_MULTIPART_ENCRYPTED(o))
        return "encrypted; its parts can be saved for a program that has the key";
    return NULL;
}

static void visit(struct walk *w, GMimeObject *o, bool read, unsigned depth);

static void visit_multipart(struct walk *w, GMimeMultipart *m, bool read, unsigned depth)
{
    int count = g_mime_multipart_get_count(m), choice = chosen(w, m);
    const char *note = note_of(GMIME_OBJECT(m));
    if (note)
        say(w, MIME_NOTE, NULL, note);
    if (depth == MIME_DEPTH) {
        say(w, MIME_NOTE, NULL, "more parts within parts than are looked at here");
        return;
    }
    for (int i = 0; i < count && !w->over; i++)
        visit(w, g_mime_multipart_get_part(m, i), read && (choice < 0 || i == choice), depth + 1);
}

static void visit_message(struct walk *w, GMimeMessagePart *m, bool read, unsigned depth)
{
    GMimeMessage *inner = g_mime_message_part_get_message(m);
    w->number++;
    say(w, MIME_MESSAGE, GMIME_OBJECT(m), NULL);
    if (inner && g_mime_message_get_mime_part(inner) && depth < MIME_DEPTH && !w->over)
        visit(w, g_mime_message_get_mime_part(inner), read, depth + 1);
}

static void visit(struct walk *w, GMimeObject *o, bool read, unsigned depth)
{
    if (!o || w->over)
        return;
    if (w->number >= MIME_PARTS) {
        say(w, MIME_NOTE, NULL, "more parts than are looked at here");
        w->over = true;
    } else if (GMIME_IS_MULTIPART(o)) {
        visit_multipart(w, GMIME_MULTIPART(o), read, depth);
    } else if (GMIME_IS_MESSAGE_PART(o)) {
        visit_message(w, GMIME_MESSAGE_PART(o), read, depth);
    } else if (GMIME_IS_PART(o)) {
        w->number++;
        if (GMIME_IS_APPLICATION_PKCS7_MIME(o))
            say(w, MIME_NOTE, NULL,
                "signed or encrypted by S/MIME; the part can be saved for a program that has the key");
        say(w, !is_text(o) ? MIME_FILE : read ? MIME_TEXT : MIME_FORM, o, NULL);
    }
}

void mime_walk(GMimeMessage *message, bool html, mime_piece_fn *fn, void *arg)
{
    struct walk w = {.fn = fn, .arg = arg, .html = html};
    visit(&w, g_mime_message_get_mime_part(message), true, 0);
}

/* ---- parsing */

GMimeMessage *mime_message(int fd, int64_t start, int64_t end)
{
    static const char *charsets[] = {"utf-8", "windows-1252", NULL}; /* of what says nothing of itself */
    g_mime_init();
    GMimeParserOptions *options = g_mime_parser_options_new();
    g_mime_parser_options_set_fallback_charsets(options, charsets);
    GMimeStream *stream = g_mime_stream_fs_new_with_bounds(fd, start, end);
    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    g_mime_parser_set_persist_stream(parser, TRUE);
    GMimeMessage *message = g_mime_parser_construct_message(parser, options);
    g_object_unref(parser);
    g_object_unref(stream);
    g_mime_parser_options_free(options);
    return message;
}
