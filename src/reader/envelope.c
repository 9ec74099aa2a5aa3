/* envelope: see the header. */
#include "reader/envelope.h"

#include <string.h>

#include "base/mem.h"

static bool ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7E)
            return false;
    return true;
}

static bool has(const struct envelope *e, const char *address)
{
    for (unsigned i = 0; i < e->count; i++)
        if (strcmp(e->rcpts[i].address, address) == 0)
            return true;
    return false;
}

int envelope_add(struct envelope *e, const char *address, struct err *err)
{
    if (has(e, address))
        return 0;
    if (e->count == ENVELOPE_MAX)
        return err_set(err, ERR_LIMIT, "more than %d recipients", ENVELOPE_MAX);
    e->rcpts = mem_resize(e->rcpts, (e->count + 1) * sizeof *e->rcpts);
    e->rcpts[e->count++] = (struct smtp_client_rcpt){.address = mem_copy_text(address)};
    e->utf8 = e->utf8 || !ascii(address);
    return 0;
}

int envelope_keep(struct envelope *e, const struct envelope *few, struct err *err)
{
    unsigned left = 0;
    for (unsigned i = 0; i < few->count; i++)
        if (!has(e, few->rcpts[i].address))
            return err_set(err, ERR_USAGE, "%.150s is none of the message's recipients", few->rcpts[i].address);
    for (unsigned i = 0; i < e->count; i++)
        if (has(few, e->rcpts[i].address))
            e->rcpts[left++] = e->rcpts[i];
        else
            mem_free((char *)e->rcpts[i].address);
    e->count = left;
    return 0;
}

void envelope_free(struct envelope *e)
{
    for (unsigned i = 0; i < e->count; i++)
        mem_free((char *)e->rcpts[i].address);
    mem_free(e->rcpts);
    mem_free(e->from);
    *e = (struct envelope){.from = NULL};
}
