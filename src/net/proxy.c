/* proxy: see the header. Numbers in parentheses are sections of proxy-protocol.txt. Door. */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static const unsigned char line_begin[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const unsigned char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

enum { HEAD = 16 /* of version 2: signature, command, family, length */, CHECKSUM = 4 };

static enum proxy_result bad(struct proxy *p, const char *why)
{
    p->why = why;
    return PROXY_BAD;
}

void proxy_init(struct proxy *p)
{
    p->why = "";
    p->have = p->need = 0;
    p->version = 0;
    p->local = p->tls = false;
    p->address[0] = '\0';
}

/* IPv4 inside of IPv6 counts as IPv4, as everywhere here (sock.h). */
static void set_address(struct proxy *p, int family, const void *octets)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = family == AF_INET6 && memcmp(octets, mapped, sizeof mapped) == 0;
    inet_ntop(v4 ? AF_INET : family, (const char *)octets + (v4 ? sizeof mapped : 0), p->address, sizeof p->address);
}

/* ---- version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 4711 110" (2.1) */

static bool read_address(struct span word, int family, struct in6_addr *to)
{
    char text[INET6_ADDRSTRLEN];
    if (!word.n || word.n >= sizeof text || memchr(word.p, '\0', word.n))
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    return inet_pton(family, text, to) == 1;
}

static bool is_port(struct span word)
{
    uint64_t port;
    return span_number(word, &port) && port <= 65535 && (word.n == 1 || word.p[0] != '0');
}

static enum proxy_result read_line(struct proxy *p)
{
    struct span rest = {(const char *)p->octets + sizeof line_begin, p->have - sizeof line_begin - 2};
    struct span protocol = span_cut(&rest, ' ');
    struct in6_addr from = {0}, to = {0};
    if (span_is(protocol, "UNKNOWN")) /* whatever follows is to be ignored */
        return PROXY_DONE;
    int family = span_is(protocol, "TCP4") ? AF_INET : span_is(protocol, "TCP6") ? AF_INET6 : AF_UNSPEC;
    if (family == AF_UNSPEC)
        return bad(p, "it names another protocol than TCP4, TCP6 and UNKNOWN");
    if (!read_address(span_cut(&rest, ' '), family, &from) || !read_address(span_cut(&rest, ' '), family, &to))
        return bad(p, "it has no two addresses");
    if (!is_port(span_cut(&rest, ' ')) || !is_port(rest))
        return bad(p, "it has no two ports");
    set_address(p, family, &from);
    return PROXY_DONE;
}

static enum proxy_result line_step(struct proxy *p)
{
    if (p->octets[p->have - 1] == '\n')
        return p->octets[p->have - 2] == '\r' ? read_line(p) : bad(p, "its line does not end with CRLF");
    return p->have < PROXY_LINE_MAX ? PROXY_MORE : bad(p, "its line is too long");
}

/* ---- version 2 (2.2) */

static unsigned wide(const unsigned char *octets)
{
    return (unsigned)octets[0] << 8 | octets[1];
}

/* CRC-32C (RFC 3720 appendix B.4) of the header, with zeroes where it stands itself (2.2.3). */
static bool checksum_fits(const struct proxy *p, size_t at)
{
    uint32_t sum = UINT32_MAX, said = 0;
    for (size_t i = 0; i < p->need; i++) {
        bool own = i >= at && i < at + CHECKSUM;
        said = own ? said << 8 | p->octets[i] : said;
        sum ^= own ? 0 : p->octets[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0x82F63B78u : 0);
    }
    return said == ~sum;
}

/* What follows the addresses, each a type, a length and a value. Of these the TLS of the client's side matters, and the checksum. */
static enum proxy_result read_more(struct proxy *p, size_t at)
{
    enum { TYPE_CRC32C = 0x03, TYPE_SSL = 0x20, SSL_LEAST = 5, CLIENT_SSL = 0x01 };
    while (at < p->need) {
        size_t n = p->need - at < 3 ? p->need : wide(p->octets + at + 1);
        unsigned type = p->octets[at];
        at += 3;
        if (at > p->need || n > p->need - at)
            return bad(p, "one of its fields reaches beyond it");
        const unsigned char *value = p->octets + at;
        if (type == TYPE_CRC32C && (n != CHECKSUM || !checksum_fits(p, at)))
            return bad(p, "its checksum is wrong");
        if (type == TYPE_SSL && n < SSL_LEAST)
            return bad(p, "its field about TLS is too short");
        if (type == TYPE_SSL)
            p->tls = (value[0] & CLIENT_SSL) != 0;
        at += n;
    }
    return PROXY_DONE;
}

static enum proxy_result read_head(struct proxy *p)
{
    enum { LOCAL = 0x20, PROXY = 0x21 };
    p->local = p->octets[12] == LOCAL;
    if (!p->local && p->octets[12] != PROXY)
        return bad(p, "it has an unknown version or command");
    p->need = HEAD + wide(p->octets + 14);
    return p->need <= PROXY_MAX ? PROXY_MORE : bad(p, "it is too long");
}

static enum proxy_result read_whole(struct proxy *p)
{
    static const struct {
        unsigned char id;
        int family;
        unsigned length; /* of the addresses */
    } rows[] = {{0x11, AF_INET, 12}, {0x21, AF_INET6, 36}, {0x31, AF_UNIX, 216}};
    if (p->local || p->octets[13] == 0) /* nobody is behind it; or it does not know who: all else is to be ignored */
        return PROXY_DONE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].id != p->octets[13])
            continue;
        if (p->need < HEAD + rows[i].length)
            return bad(p, "it is too short for its addresses");
        if (rows[i].family != AF_UNIX)
            set_address(p, rows[i].family, p->octets + HEAD);
        return read_more(p, HEAD + rows[i].length);
    }
    return bad(p, "it names another protocol than TCP");
}

static enum proxy_result binary_step(struct proxy *p)
{
    enum proxy_result r = PROXY_MORE;
    if (p->have == HEAD)
        r = read_head(p);
    return r == PROXY_MORE && p->have >= HEAD && p->have == p->need ? read_whole(p) : r;
}

/* ---- both */

static bool begins_like(const struct proxy *p, const unsigned char *begin, size_t n)
{
    return memcmp(p->octets, begin, p->have < n ? p->have : n) == 0;
}

static enum proxy_result begin_step(struct proxy *p)
{
    bool line = begins_like(p, line_begin, sizeof line_begin), binary = begins_like(p, signature, sizeof signature);
    if (!line && !binary)
        return bad(p, "there is none");
    if (p->have == (line ? sizeof line_begin : sizeof signature))
        p->version = line ? 1 : 2;
    return PROXY_MORE;
}

enum proxy_result proxy_feed(struct proxy *p, const void *bytes, size_t n, size_t *took)
{
    const unsigned char *from = bytes;
    enum proxy_result r = PROXY_MORE;
    for (*took = 0; *took < n && r == PROXY_MORE; ++*took) {
        p->octets[p->have++] = from[*took];
        r = p->version == 0 ? begin_step(p) : p->version == 1 ? line_step(p) : binary_step(p);
    }
    return r;
}
