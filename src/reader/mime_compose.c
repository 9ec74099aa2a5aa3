/* mime_compose: see the header. */
#include "reader/mime_compose.h"

#include <errno.h>
#include <fcntl.h>
#include <gmime/gmime.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const char *domain_of(const char *sender)
{
    const char *at = strrchr(sender, '@');
    return at ? at + 1 : "localhost";
}

void mime_fresh_fields(const char *sender, char date[MIME_DATE], char id[MIME_ID])
{
    g_mime_init();
    GDateTime *now = g_date_time_new_now_local();
    char *text = g_mime_utils_header_format_date(now), *fresh = g_mime_utils_generate_message_id(domain_of(sender));
    g_snprintf(date, MIME_DATE, "Date: %s\n", text);
    g_snprintf(id, MIME_ID, "Message-ID: <%s>\n", fresh);
    g_free(text);
    g_free(fresh);
    g_date_time_unref(now);
}

/* ---- what is attached */

/* By its name; NULL: that says nothing. */
static const char *type_of(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".pdf", "application/pdf"}, {".png", "image/png"},        {".jpg", "image/jpeg"},
                 {".jpeg", "image/jpeg"},     {".gif", "image/gif"},        {".txt", "text/plain"},
                 {".html", "text/html"},      {".csv", "text/csv"},         {".zip", "application/zip"},
                 {".gz", "application/gzip"}, {".json", "application/json"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (g_ascii_strcasecmp(dot, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}

/* UTF-8 without NUL, to its end. A character may be cut by the end of a piece. */
static bool is_text(int fd)
{
    char piece[64 * 1024];
    size_t held = 0;
    off_t at = 0;
    for (;;) {
        const char *end;
        ssize_t n = pread(fd, piece + held, sizeof piece - held, at);
        if (n <= 0)
            return n == 0 && held == 0;
        at += n;
        g_utf8_validate(piece, (gssize)held + n, &end);
        held = (size_t)(piece + held + n - end);
        if (held > 3)
            return false;
        memmove(piece, end, held);
    }
}

static GMimePart *new_part(const char *path, int fd)
{
    const char *type = type_of(path);
    bool text = is_text(fd);
    if (text && !type)
        type = "text/plain";
    else if (!type)
        type = "application/octet-stream";
    char *major = g_strndup(type, strcspn(type, "/"));
    GMimePart *part = g_mime_part_new_with_type(major, strchr(type, '/') + 1);
    if (text && strcmp(major, "text") == 0)
        g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
    g_free(major);
    return part;
}

static GMimePart *part_of(const char *path, uint64_t most, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        err_set(err, ERR_GONE, "%.180s cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        err_set(err, ERR_INPUT, "%.180s is not a file", path);
        return NULL;
    }
    if ((uint64_t)st.st_size > most) {
        close(fd);
        err_set(err, ERR_LIMIT, "%.180s is larger than what is sent", path);
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    GMimePart *part = new_part(path, fd);
    GMimeStream *stream = g_mime_stream_fs_new(fd);
    GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
    g_mime_part_set_content(part, content);
    g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_BASE64);
    g_mime_object_set_disposition(GMIME_OBJECT(part), "attachment");
    g_mime_part_set_filename(part, slash ? slash + 1 : path);
    g_object_unref(content);
    g_object_unref(stream);
    return part;
}

/* ---- the message */

/* In lines that end with LF, whatever they ended with: a lone CR would be a line's end to one and none to another. Text
 * that is no UTF-8 is taken as Latin-1, in which everything is something. */
static char *text_lines(const struct letter *l, size_t *n)
{
    const struct span in = {l->text ? l->text : "", l->text ? l->text_n : 0};
    bool utf8 = g_utf8_validate(in.p, (gssize)in.n, NULL);
    char *text = mem_alloc(2 * in.n + 1);
    *n = 0;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        bool pair = c == '\r' && i + 1 < in.n && in.p[i + 1] == '\n';
        if (!utf8 && c > 0x7F) {
            text[(*n)++] = (char)(0xC0 | c >> 6);
            text[(*n)++] = (char)(0x80 | (c & 0x3F));
        } else if (!pair) {
            text[(*n)++] = (char)(c == '\r' ? '\n' : c);
        }
    }
    return text;
}

static GMimePart *text_of(const struct letter *l)
{
    size_t n;
    char *text = text_lines(l, &n);
    bool ascii = true;
    for (size_t i = 0; i < n; i++)
        ascii = ascii && (unsigned char)text[i] < 0x80;
    GMimePart *part = g_mime_part_new_with_type("text", "plain");
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", ascii ? "us-ascii" : "utf-8");
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(text, n);
    GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
    g_mime_part_set_content(part, content);
    g_mime_part_set_content_encoding(part, g_mime_part_get_best_content_encoding(part, GMIME_ENCODING_CONSTRAINT_7BIT));
    g_object_unref(content);
    g_object_unref(stream);
    mem_free(text);
    return part;
}

static GMimeObject *body_of(const struct letter *l, uint64_t most, struct err *err)
{
    GMimePart *text = text_of(l);
    if (!l->attached)
        return GMIME_OBJECT(text);
    GMimeMultipart *mixed = g_mime_multipart_new_with_subtype("mixed");
    g_mime_multipart_add(mixed, GMIME_OBJECT(text));
    g_object_unref(text);
    for (unsigned i = 0; i < l->attached; i++) {
        GMimePart *part = part_of(l->attach[i], most, err);
        if (!part) {
            g_object_unref(mixed);
            return NULL;
        }
        g_mime_multipart_add(mixed, GMIME_OBJECT(part));
        g_object_unref(part);
    }
    return GMIME_OBJECT(mixed);
}

static void put_addresses(InternetAddressList *to, const char *list)
{
    InternetAddressList *parsed = list && *list ? internet_address_list_parse(NULL, list) : NULL;
    if (!parsed)
        return;
    internet_address_list_append(to, parsed);
    g_object_unref(parsed);
}

static GMimeMessage *message_of(const struct letter *l, const char *sender)
{
    GMimeMessage *m = g_mime_message_new(TRUE);
    GDateTime *now = g_date_time_new_now_local();
    char *id = g_mime_utils_generate_message_id(domain_of(sender));
    put_addresses(g_mime_message_get_from(m), l->from);
    put_addresses(g_mime_message_get_to(m), l->to);
    put_addresses(g_mime_message_get_cc(m), l->cc);
    if (l->subject && *l->subject)
        g_mime_message_set_subject(m, l->subject, "utf-8");
    g_mime_message_set_date(m, now);
    g_mime_message_set_message_id(m, id);
    if (l->in_reply_to && *l->in_reply_to)
        g_mime_object_set_header(GMIME_OBJECT(m), "In-Reply-To", l->in_reply_to, NULL);
    if (l->references && *l->references)
        g_mime_object_set_header(GMIME_OBJECT(m), "References", l->references, NULL);
    g_free(id);
    g_date_time_unref(now);
    return m;
}

int mime_compose(const struct letter *l, const char *sender, struct spool *to, struct err *err)
{
    g_mime_init();
    GMimeObject *body = body_of(l, to->most, err);
    if (!body)
        return -1;
    GMimeMessage *m = message_of(l, sender);
    g_mime_message_set_mime_part(m, body);
    g_object_unref(body);
    GMimeStream *stream = g_mime_stream_fs_new(to->fd);
    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    ssize_t n = g_mime_object_write_to_stream(GMIME_OBJECT(m), NULL, stream);
    bool failed = n < 0 || g_mime_stream_flush(stream) < 0;
    g_object_unref(stream);
    g_object_unref(m);
    if (failed)
        return err_set(err, ERR_TEMP, "the message cannot be put together");
    to->size = (uint64_t)n;
    return to->size > to->most ? err_set(err, ERR_LIMIT, "the message is larger than what is sent") : 0;
}
