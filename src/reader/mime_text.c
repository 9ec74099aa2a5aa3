/* mime_text: from a part's octets to text (mime_walk.h). */
#include "reader/mime_walk.h"

#include <string.h>

enum { PIECE = 16 * 1024 };

static GMimeStream *decoded(GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream *raw = content ? g_mime_data_wrapper_get_stream(content) : NULL;
    if (!raw)
        return NULL;
    g_mime_stream_reset(raw);
    GMimeStream *stream = g_mime_stream_filter_new(raw);
    GMimeContentEncoding encoding = g_mime_data_wrapper_get_encoding(content);
    if (encoding == GMIME_CONTENT_ENCODING_BASE64 || encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE ||
        encoding == GMIME_CONTENT_ENCODING_UUENCODE) {
        GMimeFilter *filter = g_mime_filter_basic_new(encoding, FALSE);
        g_mime_stream_filter_add(GMIME_STREAM_FILTER(stream), filter);
        g_object_unref(filter);
    }
    return stream;
}

static void pump(GMimeStream *stream, mime_take *take, void *arg)
{
    char piece[PIECE];
    ssize_t n;
    while ((n = g_mime_stream_read(stream, piece, sizeof piece)) > 0)
        if (!take(arg, (struct span){piece, (size_t)n}))
            return;
}

void mime_content(GMimePart *part, mime_take *take, void *arg)
{
    GMimeStream *stream = decoded(part);
    if (!stream)
        return;
    pump(stream, take, arg);
    g_object_unref(stream);
}

static bool count(void *arg, struct span piece)
{
    *(uint64_t *)arg += piece.n;
    return true;
}

uint64_t mime_size(GMimePart *part)
{
    uint64_t size = 0;
    mime_content(part, count, &size);
    return size;
}

/* ---- charsets */

struct validity {
    char tail[4]; /* the beginning of a character that the next piece ends */
    size_t n;
    bool wrong;
};

/* A character may lie across two pieces: what is left of the first is looked at with the second. */
static bool check_utf8(void *arg, struct span piece)
{
    struct validity *v = arg;
    char joined[sizeof v->tail + PIECE];
    memcpy(joined, v->tail, v->n);
    memcpy(joined + v->n, piece.p, piece.n);
    size_t n = v->n + piece.n;
    const char *end;
    v->n = 0;
    if (!g_utf8_validate(joined, (gssize)n, &end)) {
        v->n = n - (size_t)(end - joined);
        v->wrong = v->n > 3 && *end;
        v->n = v->n > 3 ? 0 : v->n;
        memcpy(v->tail, end, v->n);
    }
    return !v->wrong;
}

static bool is_utf8(GMimePart *part)
{
    struct validity v = {.n = 0};
    mime_content(part, check_utf8, &v);
    return !v.wrong && v.n == 0;
}

/* The charset to convert from; NULL: none, it is UTF-8, or will be shown as far as it is. */
static const char *charset_of(GMimePart *part)
{
    const char *charset = g_mime_object_get_content_type_parameter(GMIME_OBJECT(part), "charset");
    bool said = charset && g_ascii_strcasecmp(charset, "us-ascii") != 0;
    if (said && g_ascii_strcasecmp(charset, "utf-8") == 0)
        return NULL;
    if (said)
        return charset;
    return is_utf8(part) ? NULL : "windows-1252";
}

void mime_text(GMimePart *part, mime_take *take, void *arg)
{
    const char *charset = charset_of(part);
    GMimeStream *stream = decoded(part);
    if (!stream)
        return;
    GMimeFilter *filter = charset ? g_mime_filter_charset_new(charset, "utf-8") : NULL;
    if (charset && !filter && !is_utf8(part))
        filter = g_mime_filter_charset_new("windows-1252", "utf-8");
    if (filter) {
        g_mime_stream_filter_add(GMIME_STREAM_FILTER(stream), filter);
        g_object_unref(filter);
    }
    pump(stream, take, arg);
    g_object_unref(stream);
}
