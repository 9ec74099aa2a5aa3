/* mime_reply: what an answer to a message begins with (mime.h). */
#include <string.h>

#include "reader/mime.h"
#include "reader/mime_head.h"
#include "reader/mime_walk.h"

enum { REFERENCES_MAX = 900 }; /* the first and the last ones that have room in a line (RFC 5322 §2.1.1) */

/* An id as it stands between "<" and ">", if it can be one: it goes into our own head. */
static void add_id(GString *to, const char *id)
{
    if (!id || !*id)
        return;
    for (const char *p = id; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '<' || *p == '>')
            return;
    if (to->len + strlen(id) + 3 < REFERENCES_MAX)
        g_string_append_printf(to, "%s<%s>", to->len ? " " : "", id);
}

/* RFC 5322 §3.6.4: its References, or else its In-Reply-To, then its own id. */
static char *references(GMimeMessage *m)
{
    GString *text = g_string_new(NULL);
    const char *field = g_mime_object_get_header(GMIME_OBJECT(m), "References");
    if (!field)
        field = g_mime_object_get_header(GMIME_OBJECT(m), "In-Reply-To");
    GMimeReferences *ids = field ? g_mime_references_parse(NULL, field) : NULL;
    int count = ids ? g_mime_references_length(ids) : 0;
    for (int i = count > 11 ? count - 10 : 0; i < count; i++) {
        if (count > 11 && i == count - 10)
            add_id(text, g_mime_references_get_message_id(ids, 0));
        add_id(text, g_mime_references_get_message_id(ids, i));
    }
    if (ids)
        g_mime_references_free(ids);
    add_id(text, g_mime_message_get_message_id(m));
    return g_string_free(text, FALSE);
}

static char *to_whom(GMimeMessage *m)
{
    InternetAddressList *to = g_mime_message_get_reply_to(m);
    if (!to || internet_address_list_length(to) == 0)
        to = g_mime_message_get_from(m);
    return to ? internet_address_list_to_string(to, NULL, FALSE) : g_strdup("");
}

static char *subject(GMimeMessage *m)
{
    const char *text = g_mime_message_get_subject(m);
    if (!text)
        text = "";
    return g_ascii_strncasecmp(text, "Re:", 3) == 0 ? g_strdup(text) : g_strconcat("Re: ", text, NULL);
}

static void add(GString *row, char *text)
{
    size_t n = strlen(text);
    g_string_append_len(row, text, (gssize)(n < MIME_FIELD ? n : MIME_FIELD));
    g_string_append_c(row, '\0');
    g_free(text);
}

static bool first_text(void *arg, const struct mime_piece *p)
{
    if (p->role == MIME_TEXT)
        mime_readable(GMIME_PART(p->object), arg);
    return p->role == MIME_NOTE;
}

int mime_reply(int message, struct apart_out *o, const void *arg, struct err *err)
{
    const struct mime_how *how = arg;
    GMimeMessage *m = mime_message(message, 0, -1);
    if (!m)
        return err_set(err, ERR_INPUT, "no message can be made out in it");
    GString *row = g_string_new(NULL), *id = g_string_new(NULL);
    char date[32];
    mime_date(m, date);
    add_id(id, g_mime_message_get_message_id(m));
    add(row, to_whom(m));
    add(row, subject(m));
    add(row, g_string_free(id, FALSE));
    add(row, references(m));
    add(row, mime_author(m));
    add(row, g_strdup(date));
    apart_say(o, APART_ROW, (struct span){row->str, row->len});
    g_string_free(row, TRUE);
    FILE *to = apart_text(o);
    if (to) {
        mime_walk(m, how->html, first_text, to);
        fclose(to);
    }
    g_object_unref(m);
    return 0;
}
