/* base64: see the header. Runs in the door, on what somebody says who has not logged in. */
#include "wire/base64.h"

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_length(size_t n)
{
    return (n + 2) / 3 * 4;
}

size_t base64_encode(struct span in, char *out)
{
    char *o = out;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t have = in.n - i < 3 ? in.n - i : 3;
        unsigned bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < have ? (unsigned char)in.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *o++ = k <= have ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
    }
    return (size_t)(o - out);
}

/* The six bits of a character, or -1. */
static int value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group; `digits` of its four characters are no padding. */
static bool decode_group(const char *p, unsigned digits, char **out)
{
    unsigned bits = 0;
    for (unsigned k = 0; k < 4; k++) {
        int v = k < digits ? value(p[k]) : 0;
        if (v < 0)
            return false;
        bits = bits << 6 | (unsigned)v;
    }
    unsigned bytes = digits - 1;
    if (bytes < 3 && bits & (0xffffffu >> (8 * bytes)))
        return false;
    for (unsigned k = 0; k < bytes; k++)
        *(*out)++ = (char)(bits >> (16 - 8 * k) & 255);
    return true;
}

bool base64_decode(struct span in, char *out, size_t *n)
{
    if (in.n % 4)
        return false;
    char *o = out;
    for (size_t i = 0; i < in.n; i += 4) {
        const char *p = in.p + i;
        unsigned digits = 4;
        if (i + 4 == in.n && p[3] == '=')
            digits = p[2] == '=' ? 2 : 3;
        if (!decode_group(p, digits, &o))
            return false;
    }
    *n = (size_t)(o - out);
    return true;
}
