/* conf_near: the known word that was probably meant. */
#include "base/conf.h"

#include <string.h>

enum { WORD_MAX = 48 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Letters to add, drop, change or swap with a neighbour; case and "-" for "_" cost nothing. Three rows of the usual
 * matrix. */
static unsigned distance(struct span a, struct span b)
{
    unsigned rows[3][WORD_MAX + 1];
    for (unsigned k = 0; k <= b.n; k++)
        rows[0][k] = k;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        char x = lower(a.p[i - 1]) == '-' ? '_' : lower(a.p[i - 1]);
        now[0] = i;
        for (unsigned k = 1; k <= b.n; k++) {
            char y = lower(b.p[k - 1]) == '-' ? '_' : lower(b.p[k - 1]);
            now[k] = min3(before[k] + 1, now[k - 1] + 1, before[k - 1] + (x != y));
            bool swapped = i > 1 && k > 1 && lower(a.p[i - 2]) == lower(b.p[k - 1]) && x == lower(b.p[k - 2]);
            if (swapped && earlier[k - 2] + 1 < now[k])
                now[k] = earlier[k - 2] + 1;
        }
    }
    return rows[a.n % 3][b.n];
}

const char *conf_nearest(struct span word, const char *const *names)
{
    const char *best = NULL;
    unsigned least = (unsigned)(word.n < 4 ? 1 : word.n / 3) + 1;
    if (!word.n || word.n > WORD_MAX)
        return NULL;
    for (unsigned i = 0; names[i]; i++) {
        struct span name = span_of(names[i]);
        unsigned d = name.n <= WORD_MAX ? distance(word, name) : least;
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

const char *conf_nearest_option(const char *word, const char *const *names)
{
    struct span name = {word, strcspn(word, "=")};
    return name.n > 3 ? conf_nearest(name, names) : NULL;
}
