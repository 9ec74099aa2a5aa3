/* sasl_prepare: names and passwords as they are compared. Runs in auth, on what strangers send, and in the tool. */
#include <gsasl.h>
#include <string.h>

#include "base/mem.h"
#include "user/sasl.h"

/* libidn prepares in steps of 50 bytes, each from the start, and one character may become eighteen: a long text costs
 * many milliseconds. At this length it is two or three at worst. */
enum { DEAR_MAX = 255 };

static char *prepare(struct span text)
{
    char *in = mem_copy(text.p, text.n), *out = NULL, *copy = NULL;
    if (gsasl_saslprep(in, GSASL_ALLOW_UNASSIGNED, &out, NULL) == GSASL_OK)
        copy = mem_copy_text(out);
    if (out)
        mem_wipe(out, strlen(out));
    gsasl_free(out);
    user_wipe(in);
    return copy;
}

bool sasl_scram_takes(struct span password)
{
    char *prepared = password.n && !memchr(password.p, '\0', password.n) ? prepare(password) : NULL;
    user_wipe(prepared);
    return prepared;
}

char *sasl_prepare(struct span text)
{
    bool ascii = true, control = false;
    for (size_t i = 0; i < text.n; i++) {
        ascii = ascii && (unsigned char)text.p[i] < 0x80;
        control = control || (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f;
    }
    if (text.n == 0 || control || text.n > (ascii ? SASL_PREPARE_MAX : DEAR_MAX))
        return NULL;
    if (ascii) /* stays as it is (RFC 4013 §2); libgsasl would say the same, at length */
        return mem_copy(text.p, text.n);
    char *prepared = prepare(text);
    if (!prepared || *prepared)
        return prepared;
    user_wipe(prepared);
    return NULL;
}
