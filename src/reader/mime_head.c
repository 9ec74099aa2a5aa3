/* mime_head: see the header; and the rows of a list (mime.h). */
#include "reader/mime_head.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reader/mime.h"
#include "reader/mime_walk.h"

enum { LINE_MAX_OCTETS = 2000 };

/* By the C library, which has the zone of time already; GLib reads it from its file (mime_ready.h). */
void mime_date(GMimeMessage *m, char out[32])
{
    GDateTime *date = g_mime_message_get_date(m);
    time_t when = date ? (time_t)g_date_time_to_unix(date) : 0;
    struct tm local;
    if (!date || !localtime_r(&when, &local) || strftime(out, 32, "%Y-%m-%d %H:%M", &local) == 0)
        *out = '\0';
}

/* From, where no address can be made out in it: better what it says than nothing. */
static const char *as_it_is(GMimeMessage *m)
{
    const char *text = g_mime_object_get_header(GMIME_OBJECT(m), "From");
    return text ? text : "";
}

char *mime_author(GMimeMessage *m)
{
    InternetAddressList *from = g_mime_message_get_from(m);
    if (!from || internet_address_list_length(from) == 0)
        return g_strdup(as_it_is(m));
    InternetAddress *first = internet_address_list_get_address(from, 0);
    const char *name = internet_address_get_name(first);
    if (name && *name)
        return g_strdup(name);
    const char *address =
        INTERNET_ADDRESS_IS_MAILBOX(first) ? internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(first)) : NULL;
    return g_strdup(address && *address ? address : as_it_is(m));
}

/* What is decoded may hold the end of a line: it would look like another field. */
static void put_field(const char *name, const char *value, FILE *to)
{
    size_t n = 0;
    if (!value || !*value)
        return;
    fprintf(to, "%s: ", name);
    for (; *value && n < LINE_MAX_OCTETS; value++, n++)
        putc((unsigned char)*value < ' ' ? ' ' : *value, to);
    fputs(*value ? " …\n" : "\n", to);
}

static void put_list(const char *name, InternetAddressList *list, FILE *to)
{
    char *text = list ? internet_address_list_to_string(list, NULL, FALSE) : NULL;
    put_field(name, text, to);
    g_free(text);
}

static void put_from(GMimeMessage *m, FILE *to)
{
    InternetAddressList *list = g_mime_message_get_from(m);
    char *text = list ? internet_address_list_to_string(list, NULL, FALSE) : NULL;
    put_field("From", text && *text ? text : as_it_is(m), to);
    g_free(text);
}

void mime_put_head(GMimeMessage *m, FILE *to)
{
    char date[32];
    mime_date(m, date);
    put_from(m, to);
    put_list("To", g_mime_message_get_to(m), to);
    put_list("Cc", g_mime_message_get_cc(m), to);
    put_field("Date", date, to);
    put_field("Subject", g_mime_message_get_subject(m), to);
}

/* ---- rows */

static size_t add_field(char *row, size_t n, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len > MIME_FIELD)
        len = MIME_FIELD;
    if (len)
        memcpy(row + n, text, len);
    row[n + len] = '\0';
    return n + len + 1;
}

static void say_row(GMimeMessage *m, struct apart_out *o)
{
    char row[3 * (MIME_FIELD + 1)], date[32] = "";
    size_t n;
    char *author = m ? mime_author(m) : NULL;
    if (m)
        mime_date(m, date);
    n = add_field(row, 0, date);
    n = add_field(row, n, author);
    n = add_field(row, n, m ? g_mime_message_get_subject(m) : NULL);
    apart_say(o, APART_ROW, (struct span){row, n});
    g_free(author);
}

int mime_rows(int message, struct apart_out *o, const void *arg, struct err *err)
{
    uint32_t n;
    int64_t at = 0;
    (void)arg;
    (void)err;
    while (!o->broken && pread(message, &n, sizeof n, at) == (ssize_t)sizeof n) {
        at += (int64_t)sizeof n;
        GMimeMessage *m = n ? mime_message(message, at, at + n) : NULL;
        say_row(m, o);
        if (m)
            g_object_unref(m);
        at += n;
    }
    return 0;
}
