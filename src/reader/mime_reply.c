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

/* An address as it is written, if that reads as this one address again, whatever its name is. */
static char *written(InternetAddressMailbox *one)
{
    const char *address = internet_address_mailbox_get_addr(one);
    char *text = internet_address_to_string(INTERNET_ADDRESS(one), NULL, FALSE);
    InternetAddressList *read = internet_address_list_parse(NULL, text);
    InternetAddress *same =
        read && internet_address_list_length(read) == 1 ? internet_address_list_get_address(read, 0) : NULL;
    bool good = same && INTERNET_ADDRESS_IS_MAILBOX(same) && address &&
                g_strcmp0(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(same)), address) == 0;
    if (read)
        g_object_unref(read);
    if (good)
        return text;
    g_free(text);
    return g_strdup(address ? address : "");
}

/* Whole addresses, as many as there is room for. */
static void add_list(GString *to, InternetAddressList *list, const char *own)
{
    for (int i = 0; list && i < internet_address_list_length(list); i++) {
        InternetAddress *one = internet_address_list_get_address(list, i);
        const char *address =
            INTERNET_ADDRESS_IS_MAILBOX(one) ? internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one)) : NULL;
        if (!address || !strchr(address, '@') || (own && g_ascii_strcasecmp(address, own) == 0))
            continue;
        char *text = written(INTERNET_ADDRESS_MAILBOX(one));
        if (to->len + strlen(text) + 2 < MIME_LIST)
            g_string_append_printf(to, "%s%s", to->len ? ", " : "", text);
        g_free(text);
    }
}

static char *to_whom(GMimeMessage *m)
{
    GString *text = g_string_new(NULL);
    add_list(text, g_mime_message_get_reply_to(m), NULL);
    if (!text->len)
        add_list(text, g_mime_message_get_from(m), NULL);
    return g_string_free(text, FALSE);
}

static char *to_whom_else(GMimeMessage *m, const char *own)
{
    GString *text = g_string_new(NULL);
    add_list(text, g_mime_message_get_to(m), own);
    add_list(text, g_mime_message_get_cc(m), own);
    return g_string_free(text, FALSE);
}

static char *subject(GMimeMessage *m)
{
    const char *text = g_mime_message_get_subject(m);
    if (!text)
        text = "";
    return g_ascii_strncasecmp(text, "Re:", 3) == 0 ? g_strdup(text) : g_strconcat("Re: ", text, NULL);
}

static void add(GString *row, char *text, size_t most)
{
    g_string_append_len(row, text, (gssize)strnlen(text, most));
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
    add(row, to_whom(m), MIME_LIST);
    add(row, subject(m), MIME_FIELD);
    add(row, g_string_free(id, FALSE), MIME_FIELD);
    add(row, references(m), MIME_FIELD);
    add(row, mime_author(m), MIME_FIELD);
    add(row, g_strdup(date), MIME_FIELD);
    add(row, to_whom_else(m, how->own), MIME_LIST);
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
