/* sasl_line: see the header. */
#include "wire/sasl_line.h"

#include <stdio.h>
#include <string.h>

#include "wire/base64.h"

enum { NAME_MAX_OCTETS = 20 };

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_mechanism(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = upper(name.p[i]);
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return name.n >= 1 && name.n <= NAME_MAX_OCTETS;
}

void sasl_line_mechanisms(char *list, size_t size, struct span words)
{
    size_t n = strlen(list);
    while (words.n) {
        struct span word = span_cut(&words, ' ');
        if (!is_mechanism(word) || n + 1 + word.n >= size)
            continue;
        if (n)
            list[n++] = ' ';
        for (size_t i = 0; i < word.n; i++)
            list[n++] = upper(word.p[i]);
        list[n] = '\0';
    }
}

bool sasl_line_begin(struct secret_line *now, struct secret_line *later, const char *mechanism, struct span initial,
                     size_t max, bool own_line)
{
    char head[sizeof "AUTH " + NAME_MAX_OCTETS + sizeof " "];
    const struct span none = {"", 0};
    if (!is_mechanism(span_of(mechanism)))
        return false;
    snprintf(head, sizeof head, "AUTH %s%s", mechanism, initial.p ? " " : "");
    size_t n = strlen(head) + base64_length(initial.n) + 2;
    if (!initial.p) {
        secret_line_set(now, head, none);
    } else if (own_line || n > max) {
        head[strlen(head) - 1] = '\0';
        secret_line_set(now, head, none);
        secret_line_set_base64(later, "", initial, "");
    } else {
        secret_line_set_base64(now, head, initial, "=");
    }
    return true;
}

/* Four characters are read before three octets are written: what is written never reaches what is still to be read. */
bool sasl_line_challenge(struct span *text)
{
    char *to = (char *)text->p;
    size_t n = 0;
    if (text->n && !base64_decode(*text, to, &n))
        return false;
    *text = (struct span){text->n ? text->p : "", n};
    return true;
}
