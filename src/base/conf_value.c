/* conf_value: see the header. */
#include "base/conf_value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/conf.h"
#include "base/mem.h"

/* ---- addresses */

/* An address alone. inet_pton wants a NUL after it, and a NUL inside would hide what follows. */
static bool ip_read(struct span text, bool v6, unsigned char ip[16])
{
    char copy[INET6_ADDRSTRLEN];
    if (text.n >= sizeof copy || (text.n && memchr(text.p, '\0', text.n)))
        return false;
    memset(copy, 0, sizeof copy);
    if (text.n)
        memcpy(copy, text.p, text.n);
    memset(ip, 0, 16);
    return inet_pton(v6 ? AF_INET6 : AF_INET, copy, ip) == 1;
}

static bool v4_mapped(const unsigned char ip[16])
{
    static const unsigned char head[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, head, sizeof head) == 0;
}

const char *conf_address_read(struct span text, struct conf_address *a)
{
    struct span ip = text, port = {NULL, 0};
    memset(a, 0, sizeof *a);
    for (size_t i = text.n; i > 0; i--)
        if (text.p[i - 1] == ':') {
            ip.n = i - 1;
            port = span_from(text, i);
            break;
        }
    if (!ip.n || ip.n == text.n)
        return "is no ADDRESS:PORT; write for instance 0.0.0.0:110 or [::]:110";
    uint64_t number;
    if (!span_number(port, &number) || number == 0 || number > 65535)
        return "has no port from 1 to 65535; write for instance 0.0.0.0:110 or [::]:110";
    a->port = (uint16_t)number;
    a->v6 = ip.p[0] == '[';
    if (a->v6) {
        if (ip.n < 2 || ip.p[ip.n - 1] != ']')
            return "lacks the \"]\" of an IPv6 address; write for instance [::]:110";
        ip = (struct span){ip.p + 1, ip.n - 2};
    } else if (memchr(ip.p, ':', ip.n)) {
        return "is an IPv6 address without brackets; write for instance [::]:110";
    }
    if (!ip_read(ip, a->v6, a->ip))
        return "has no numeric address; names are not looked up, write for instance 127.0.0.1:110 or [::1]:110";
    if (a->v6 && v4_mapped(a->ip))
        return "is an IPv4 address written as IPv6; write it as IPv4, for instance 127.0.0.1:110";
    return NULL;
}

bool conf_address_wildcard(const struct conf_address *a)
{
    static const unsigned char zero[16];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

bool conf_address_loopback(const struct conf_address *a)
{
    static const unsigned char one[16] = {[15] = 1};
    return a->v6 ? memcmp(a->ip, one, sizeof one) == 0 : a->ip[0] == 127;
}

bool conf_address_clash(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && a->v6 == b->v6 &&
           (memcmp(a->ip, b->ip, sizeof a->ip) == 0 || conf_address_wildcard(a) || conf_address_wildcard(b));
}

const char *conf_network_read(struct span text, struct conf_address *network, unsigned *prefix)
{
    struct span rest = text;
    struct span ip = span_cut(&rest, '/');
    bool has_prefix = rest.p != NULL;
    memset(network, 0, sizeof *network);
    network->v6 = ip.n && memchr(ip.p, ':', ip.n);
    if (!ip_read(ip, network->v6, network->ip))
        return "is no network; write for instance 192.0.2.0/24, 2001:db8::/32 or ::1";
    if (network->v6 && v4_mapped(network->ip))
        return "is an IPv4 network written as IPv6; write it as IPv4, for instance 192.0.2.0/24";
    uint64_t bits = network->v6 ? 128 : 32;
    uint64_t number = bits;
    if (has_prefix && (!span_number(rest, &number) || number > bits))
        return network->v6 ? "has no prefix length from 0 to 128 after the \"/\""
                           : "has no prefix length from 0 to 32 after the \"/\"";
    *prefix = (unsigned)number;
    for (unsigned i = *prefix; i < bits; i++)
        if (network->ip[i / 8] & (0x80 >> i % 8))
            return "has bits beyond its prefix; write the first address of the network before the \"/\"";
    return NULL;
}

/* ---- times and sizes */

struct unit {
    const char *name;
    uint64_t factor;
    uint64_t from; /* the least value that is printed so */
};

/* Each from the smallest; the last that divides a value is how it is printed. A day is better known as 24h. */
static const struct unit times[] = {
    {"ms", 1, 0}, {"s", 1000, 0}, {"m", 60000, 0}, {"h", 3600000, 0}, {"d", 86400000, 2 * 86400000}, {NULL, 0, 0}};
static const struct unit sizes[] = {{"", 1, 0}, {"k", 1024, 0}, {"M", 1048576, 0}, {"G", 1073741824, 0}, {NULL, 0, 0}};

static bool unit_read(struct span text, const struct unit *units, uint64_t bare, uint64_t *value)
{
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    uint64_t number, factor = bare;
    if (!span_number((struct span){text.p, digits}, &number))
        return false;
    struct span name = span_from(text, digits);
    if (name.n) {
        unsigned i = 0;
        while (units[i].name && !span_is_nocase(name, units[i].name))
            i++;
        if (!units[i].name)
            return false;
        factor = units[i].factor;
    }
    return !__builtin_mul_overflow(number, factor, value);
}

static void unit_print(uint64_t value, const struct unit *units, FILE *to)
{
    unsigned i = 0;
    for (unsigned k = 1; units[k].name; k++)
        if (value && value >= units[k].from && value % units[k].factor == 0)
            i = k;
    fprintf(to, "%" PRIu64 "%s", value / units[i].factor, value ? units[i].name : "");
}

bool conf_time_read(struct span text, uint64_t *ms)
{
    return unit_read(text, times, 1000, ms);
}

void conf_time_print(uint64_t ms, FILE *to)
{
    unit_print(ms, times, to);
}

bool conf_days_read(struct span text, uint64_t *days)
{
    if (text.n > 1 && text.p[text.n - 1] == 'd')
        text.n--;
    return span_number(text, days);
}

void conf_days_print(uint64_t days, FILE *to)
{
    if (days == CONF_NEVER)
        fputs("never", to);
    else
        fprintf(to, "%" PRIu64 "d", days);
}

bool conf_size_read(struct span text, uint64_t *bytes)
{
    return unit_read(text, sizes, 1, bytes);
}

void conf_size_print(uint64_t bytes, FILE *to)
{
    unit_print(bytes, sizes, to);
}

/* ---- paths and words */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

char *conf_path_read(struct span text, const char **why)
{
    *why = "is not absolute; write it from the root, beginning with \"/\"";
    if (!text.n || text.p[0] != '/')
        return NULL;
    *why = "is longer than a path can be";
    if (text.n >= 4096)
        return NULL;
    *why = "has \"..\" in it; write the path without it";
    char *path = mem_alloc(text.n + 2);
    size_t n = 0;
    while (text.n) {
        struct span part = span_cut(&text, '/');
        if (span_is(part, "..")) {
            mem_free(path);
            return NULL;
        }
        if (!part.n || span_is(part, "."))
            continue;
        path[n++] = '/';
        memcpy(path + n, part.p, part.n);
        n += part.n;
    }
    if (!n)
        path[n++] = '/';
    if (blank(path[n - 1])) { /* "/srv/ /": no line could say it again */
        *why = "ends with a blank; write it without";
        mem_free(path);
        return NULL;
    }
    *why = NULL;
    return path;
}

bool conf_path_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (n == 1 && folder[0] == '/')
        return path[0] == '/';
    return n && strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

struct span conf_word(struct span *s)
{
    size_t start = 0;
    while (start < s->n && blank(s->p[start]))
        start++;
    size_t end = start;
    while (end < s->n && !blank(s->p[end]))
        end++;
    struct span word = {s->n ? s->p + start : NULL, end - start};
    *s = span_from(*s, end);
    return word;
}
