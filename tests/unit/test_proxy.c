/* net/proxy: the header is the same however it is cut, what is behind it is not touched, and what is wrong in any part is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/proxy.h"

#define BEHIND "PROXY \r\nCAPA\r\n"

struct header {
    size_t n;
    unsigned char octets[PROXY_MAX + 512];
};

/* Feeds it in pieces of `step`, with something behind it; all of it must be taken when it is right, and nothing more. */
static enum proxy_result feed(struct proxy *p, const struct header *h, size_t step)
{
    unsigned char all[sizeof h->octets + sizeof BEHIND];
    size_t at = 0, end = h->n + sizeof BEHIND - 1, took;
    enum proxy_result r = PROXY_MORE;
    memcpy(all, h->octets, h->n);
    memcpy(all + h->n, BEHIND, sizeof BEHIND - 1);
    proxy_init(p);
    while (r == PROXY_MORE && at < end) {
        size_t n = end - at < step ? end - at : step;
        r = proxy_feed(p, all + at, n, &took);
        assert_true(took <= n && (took == n || r != PROXY_MORE));
        at += took;
    }
    if (r == PROXY_DONE)
        assert_int_equal(at, h->n);
    return r;
}

static enum proxy_result feed_all_ways(struct proxy *p, const struct header *h)
{
    struct proxy again;
    enum proxy_result r = feed(p, h, SIZE_MAX);
    for (size_t step = 1; step < 20; step++) {
        assert_int_equal(feed(&again, h, step), r);
        assert_string_equal(again.address, p->address);
        assert_string_equal(again.why, p->why);
        assert_int_equal(again.tls, p->tls);
    }
    return r;
}

static void lines(void **state)
{
    static const struct {
        const char *line, *said; /* said: the address, or "!" and why it is refused */
    } rows[] = {
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 110\r\n", "192.0.2.7"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n", "192.0.2.7"},
        {"PROXY TCP6 2001:DB8::1 ::1 4711 110\r\n", "2001:db8::1"},
        {"PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 110\r\n", "192.0.2.7"},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"PROXY UNKNOWN\r\n", ""},
        {"PROXY UNKNOWN 192.0.2.7 who knows\r\n", ""},
        {"PROXY UNKNOWNS\r\n", "!it names another protocol than TCP4, TCP6 and UNKNOWN"},
        {"PROXY UDP4 192.0.2.7 198.51.100.1 4711 110\r\n", "!it names another protocol than TCP4, TCP6 and UNKNOWN"},
        {"PROXY tcp4 192.0.2.7 198.51.100.1 4711 110\r\n", "!it names another protocol than TCP4, TCP6 and UNKNOWN"},
        {"PROXY \r\n", "!it names another protocol than TCP4, TCP6 and UNKNOWN"},
        {"PROXY  TCP4 192.0.2.7 198.51.100.1 4711 110\r\n", "!it names another protocol than TCP4, TCP6 and UNKNOWN"},
        {"PROXY TCP4 192.0.2.07 198.51.100.1 4711 110\r\n", "!it has no two addresses"},
        {"PROXY TCP4 192.0.2 198.51.100.1 4711 110\r\n", "!it has no two addresses"},
        {"PROXY TCP4 2001:db8::1 ::1 4711 110\r\n", "!it has no two addresses"},
        {"PROXY TCP6 192.0.2.7 198.51.100.1 4711 110\r\n", "!it has no two addresses"},
        {"PROXY TCP4 192.0.2.7  4711 110\r\n", "!it has no two addresses"},
        {"PROXY TCP4\r\n", "!it has no two addresses"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", "!it has no two ports"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n", "!it has no two ports"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 04711 110\r\n", "!it has no two ports"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 -1 110\r\n", "!it has no two ports"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 110 \r\n", "!it has no two ports"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 110 x\r\n", "!it has no two ports"},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 110\n", "!its line does not end with CRLF"},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", ""},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535 \r\n",
         "!its line is too long"},
        {"QUIT\r\n", "!there is none"},
        {"PROXX TCP4\r\n", "!there is none"},
        {"\x16\x03\x01", "!there is none"},
        {"\r\n\r\n\r\n", "!there is none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct header h = {.n = strlen(rows[i].line)};
        struct proxy p;
        memcpy(h.octets, rows[i].line, h.n);
        bool refused = rows[i].said[0] == '!';
        assert_int_equal(feed_all_ways(&p, &h), refused ? PROXY_BAD : PROXY_DONE);
        assert_string_equal(refused ? p.why : p.address, rows[i].said + refused);
        assert_false(p.local || p.tls);
    }
}

static void no_octet_of_null_in_an_address(void **state)
{
    static const char line[] = "PROXY TCP4 192.0.2.7\0 198.51.100.1 4711 110\r\n";
    struct header h = {.n = sizeof line - 1};
    struct proxy p;
    memcpy(h.octets, line, h.n);
    assert_int_equal(feed(&p, &h, SIZE_MAX), PROXY_BAD);
}

/* ---- version 2 */

static void put(struct header *h, const void *octets, size_t n)
{
    memcpy(h->octets + h->n, octets, n);
    h->n += n;
}

static void set_length(struct header *h, size_t n)
{
    h->octets[14] = (unsigned char)(n >> 8);
    h->octets[15] = (unsigned char)n;
}

static struct header binary(unsigned char command, unsigned char family, size_t addresses)
{
    struct header h = {0};
    put(&h, "\r\n\r\n\0\r\nQUIT\n", 12);
    put(&h, (unsigned char[]){command, family, 0, 0}, 4);
    for (size_t i = 0; i < addresses; i++)
        put(&h, &(unsigned char){(unsigned char)(i + 1)}, 1);
    set_length(&h, addresses);
    return h;
}

static void field(struct header *h, unsigned char type, const void *value, size_t n)
{
    put(h, (unsigned char[]){type, (unsigned char)(n >> 8), (unsigned char)n}, 3);
    put(h, value, n);
    set_length(h, h->n - 16);
}

static void binary_addresses(void **state)
{
    static const struct {
        unsigned char command, family;
        size_t n;
        const char *said;
        bool local;
    } rows[] = {
        {0x21, 0x11, 12, "1.2.3.4", false},
        {0x21, 0x21, 36, "102:304:506:708:90a:b0c:d0e:f10", false},
        {0x21, 0x31, 216, "", false},
        {0x21, 0x00, 0, "", false},
        {0x21, 0x00, 5, "", false},
        {0x20, 0x00, 0, "", true},
        {0x20, 0x11, 12, "", true},
        {0x20, 0xff, 3, "", true},
        {0x21, 0x11, 11, "!it is too short for its addresses", false},
        {0x21, 0x21, 35, "!it is too short for its addresses", false},
        {0x21, 0x31, 215, "!it is too short for its addresses", false},
        {0x21, 0x12, 12, "!it names another protocol than TCP", false},
        {0x21, 0x41, 12, "!it names another protocol than TCP", false},
        {0x11, 0x11, 12, "!it has an unknown version or command", false},
        {0x31, 0x11, 12, "!it has an unknown version or command", false},
        {0x22, 0x11, 12, "!it has an unknown version or command", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct header h = binary(rows[i].command, rows[i].family, rows[i].n);
        struct proxy p;
        bool refused = rows[i].said[0] == '!';
        assert_int_equal(feed_all_ways(&p, &h), refused ? PROXY_BAD : PROXY_DONE);
        assert_string_equal(refused ? p.why : p.address, rows[i].said + refused);
        assert_int_equal(p.local, rows[i].local);
    }
}

static void mapped_addresses_are_v4(void **state)
{
    struct header h = binary(0x21, 0x21, 36);
    struct proxy p;
    memcpy(h.octets + 16, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07", 16);
    assert_int_equal(feed_all_ways(&p, &h), PROXY_DONE);
    assert_string_equal(p.address, "192.0.2.7");
}

static void tls_at_the_proxy(void **state)
{
    struct proxy p;
    for (unsigned client = 0; client < 8; client++) {
        struct header h = binary(0x21, 0x11, 12);
        field(&h, 0x04, "", 0); /* NOOP */
        field(&h, 0x20, (unsigned char[]){(unsigned char)client, 0, 0, 0, 1}, 5);
        assert_int_equal(feed_all_ways(&p, &h), PROXY_DONE);
        assert_int_equal(p.tls, client & 1);
    }
    struct header h = binary(0x21, 0x11, 12);
    field(&h, 0x20, "\1\0\0\0", 4);
    assert_int_equal(feed_all_ways(&p, &h), PROXY_BAD);
    assert_string_equal(p.why, "its field about TLS is too short");
    h = binary(0x20, 0x11, 12); /* nothing that LOCAL brings counts */
    field(&h, 0x20, "\1\0\0\0\1", 5);
    assert_int_equal(feed_all_ways(&p, &h), PROXY_DONE);
    assert_false(p.tls);
}

static void fields_end_within_it(void **state)
{
    for (size_t over = 1; over < 4; over++) {
        struct header h = binary(0x21, 0x11, 12);
        struct proxy p;
        field(&h, 0x02, "example", 7);
        h.n -= over; /* the field says more than there is */
        set_length(&h, h.n - 16);
        assert_int_equal(feed_all_ways(&p, &h), PROXY_BAD);
        h = binary(0x21, 0x11, 12 + over % 3); /* the beginning of a field */
        if (over % 3)
            assert_int_equal(feed_all_ways(&p, &h), PROXY_BAD);
    }
}

/* By the text-book's table-less way, over all but the four octets of its own. */
static uint32_t crc32c(const unsigned char *p, size_t n)
{
    uint32_t r = 0;
    for (size_t bit = 0; bit < 8 * n + 32; bit++) {
        uint32_t next = bit < 8 * n ? p[bit / 8] >> bit % 8 & 1 : 0;
        next ^= bit < 32 ? 1 : 0; /* begins with ones */
        uint32_t out = r & 1;
        r = r >> 1 | next << 31;
        if (out)
            r ^= 0x82F63B78u;
    }
    return ~r;
}

static void checksums(void **state)
{
    struct header h = binary(0x21, 0x11, 12);
    struct proxy p;
    assert_int_equal(crc32c((const unsigned char *)"123456789", 9), 0xE3069283); /* the value that everybody checks by */
    field(&h, 0x03, "\0\0\0\0", 4);
    field(&h, 0x02, "example", 7);
    uint32_t sum = crc32c(h.octets, h.n);
    for (int i = 0; i < 4; i++)
        h.octets[16 + 12 + 3 + i] = (unsigned char)(sum >> (24 - 8 * i));
    assert_int_equal(feed_all_ways(&p, &h), PROXY_DONE);
    for (size_t i = 16; i < h.n; i++) {
        struct header wrong = h;
        wrong.octets[i] ^= 0x10;
        bool no_checksum = i == 28; /* the field's type: it is none any more */
        assert_int_equal(feed(&p, &wrong, SIZE_MAX), no_checksum ? PROXY_DONE : PROXY_BAD);
    }
    h = binary(0x21, 0x11, 12);
    field(&h, 0x03, "\0\0\0", 3);
    assert_int_equal(feed(&p, &h, SIZE_MAX), PROXY_BAD);
    h = binary(0x21, 0x11, 12); /* right, and something behind it in its field */
    field(&h, 0x03, "\0\0\0\0\0", 5);
    sum = crc32c(h.octets, h.n);
    for (int i = 0; i < 4; i++)
        h.octets[16 + 12 + 3 + i] = (unsigned char)(sum >> (24 - 8 * i));
    assert_int_equal(feed(&p, &h, SIZE_MAX), PROXY_BAD);
}

static void it_has_a_ceiling(void **state)
{
    static unsigned char much[PROXY_MAX];
    struct proxy p;
    struct header h = binary(0x21, 0x11, 12);
    field(&h, 0x30, much, PROXY_MAX - 16 - 12 - 3);
    assert_int_equal(h.n, PROXY_MAX);
    assert_int_equal(feed_all_ways(&p, &h), PROXY_DONE);
    h = binary(0x21, 0x11, 12);
    field(&h, 0x30, much, PROXY_MAX - 16 - 12 - 3 + 1);
    assert_int_equal(feed_all_ways(&p, &h), PROXY_BAD);
    assert_string_equal(p.why, "it is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(no_octet_of_null_in_an_address),
        cmocka_unit_test(binary_addresses),
        cmocka_unit_test(mapped_addresses_are_v4),
        cmocka_unit_test(tls_at_the_proxy),
        cmocka_unit_test(fields_end_within_it),
        cmocka_unit_test(checksums),
        cmocka_unit_test(it_has_a_ceiling),
    };
    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
