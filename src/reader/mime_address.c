/* mime_address: see the header. */
#include "reader/mime_address.h"

#include <gmime/gmime.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { GROUPS = 4 /* within each other */ };

/* Something before and something behind the last "@", without what cannot be in an address as it is written here. */
static bool is_address(const char *text)
{
    const char *at = text ? strrchr(text, '@') : NULL;
    if (!at || at == text || !at[1] || strlen(text) > 320)
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F || *p == '<' || *p == '>')
            return false;
    return true;
}

static int add_all(InternetAddressList *list, struct envelope *e, unsigned depth, struct err *err)
{
    for (int i = 0; i < internet_address_list_length(list); i++) {
        InternetAddress *a = internet_address_list_get_address(list, i);
        int result;
        if (INTERNET_ADDRESS_IS_GROUP(a) && depth < GROUPS) {
            result = add_all(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(a)), e, depth + 1, err);
        } else {
            const char *address = INTERNET_ADDRESS_IS_MAILBOX(a)
                                      ? internet_address_mailbox_get_idn_addr(INTERNET_ADDRESS_MAILBOX(a))
                                      : NULL;
            result = is_address(address) ? envelope_add(e, address, err)
                                         : err_set(err, ERR_INPUT, "\"%.200s\" is no address", address ? address : "");
        }
        if (result < 0)
            return -1;
    }
    return 0;
}

int mime_recipients(const char *list, struct envelope *e, struct err *err)
{
    if (!list || !*list)
        return 0;
    g_mime_init();
    InternetAddressList *parsed = internet_address_list_parse(NULL, list);
    if (!parsed || internet_address_list_length(parsed) == 0) {
        if (parsed)
            g_object_unref(parsed);
        return err_set(err, ERR_INPUT, "\"%.180s\" is no address", list);
    }
    int result = add_all(parsed, e, 0, err);
    g_object_unref(parsed);
    return result;
}

int mime_sender(const char *from, char **address, struct err *err)
{
    struct envelope e = {.from = NULL};
    int result = mime_recipients(from, &e, err);
    if (result == 0 && e.count == 1 && e.rcpts) {
        *address = mem_copy_text(e.rcpts[0].address);
    } else if (result == 0) {
        err_set(err, ERR_INPUT, "From: \"%.180s\" is not one address", from ? from : "");
        result = -1;
    }
    envelope_free(&e);
    return result;
}

char *mime_from_field(const char *from)
{
    g_mime_init();
    InternetAddressList *list = internet_address_list_parse(NULL, from);
    char *text = list ? internet_address_list_to_string(list, NULL, TRUE) : NULL;
    size_t n = (text ? strlen(text) : 0) + sizeof "From: \n";
    char *field = mem_alloc(n);
    snprintf(field, n, "From: %s\n", text ? text : "");
    g_free(text);
    if (list)
        g_object_unref(list);
    return field;
}
