/* quota_value: see the header. */
#include "tool/quota_value.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/mem.h"

int quota_octets_read(const char *text, uint64_t *octets, struct err *err)
{
    *octets = 0;
    if (strcmp(text, "none") == 0 || strcmp(text, "0") == 0)
        return 0;
    if (conf_size_read(span_of(text), octets) && *octets <= INT64_MAX)
        return 0;
    return err_set(err, ERR_USAGE, "\"%.60s\" is no quota; octets are written 500k, 200M, 2G, or none", text);
}

int quota_messages_read(const char *text, uint64_t *messages, struct err *err)
{
    *messages = 0;
    if (strcmp(text, "none") == 0 || (span_number(span_of(text), messages) && *messages <= INT64_MAX))
        return 0;
    return err_set(err, ERR_USAGE, "\"%.60s\" is no number of messages; 1000, or none", text);
}

int quota_both_read(const char *text, uint64_t *octets, uint64_t *messages, struct err *err)
{
    const char *colon = strchr(text, ':');
    char *first = mem_copy(text, colon ? (size_t)(colon - text) : strlen(text));
    int ret = quota_octets_read(first, octets, err);
    if (ret == 0 && colon)
        ret = quota_messages_read(colon + 1, messages, err);
    mem_free(first);
    return ret;
}
