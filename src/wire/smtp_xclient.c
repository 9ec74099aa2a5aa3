/* smtp_xclient: XCLIENT, by which a proxy that is trusted says for whom it speaks (Postfix, XCLIENT_README). Values are
 * in xtext (RFC 3461 §4). Runs in the door. */
#include "wire/smtp_parts.h"

#include <string.h>

/* ---- xtext */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool smtp_xtext(struct span in, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int c = (unsigned char)in.p[i];
        if (c == '+') {
            int high = in.n - i > 2 ? hex(in.p[i + 1]) : -1, low = in.n - i > 2 ? hex(in.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < ' ' || c > '~' || n + 1 >= room)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

/* ---- addresses */

static bool is_ipv4(struct span s)
{
    unsigned parts = 0;
    while (s.p) {
        uint64_t n;
        struct span part = span_cut(&s, '.');
        if (part.n > 3 || !span_number(part, &n) || n > 255)
            return false;
        parts++;
    }
    return parts == 4;
}

static bool is_group(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789abcdefABCDEF", s.p[i]))
            return false;
    return s.n >= 1 && s.n <= 4;
}

/* Groups between colons; `last`: the final two may be written as IPv4. TOO_MANY: one of them is none. */
enum { TOO_MANY = 99 };

static unsigned count_groups(struct span s, bool last)
{
    unsigned n = 0;
    while (s.n || (n && s.p)) {
        struct span part = span_cut(&s, ':');
        if (!s.p && last && is_ipv4(part))
            n += 2;
        else if (is_group(part))
            n++;
        else
            return TOO_MANY;
    }
    return n;
}

/* RFC 4291 §2.2: eight groups, or fewer and one "::". */
static bool is_ipv6(struct span s)
{
    const char *gap = memmem(s.p, s.n, "::", 2);
    if (!gap)
        return count_groups(s, true) == 8;
    size_t head = (size_t)(gap - s.p);
    return count_groups((struct span){s.p, head}, false) + count_groups(span_from(s, head + 2), true) < 8;
}

/* ---- attributes: each looks at its value, "" if it is not available. false: it is not well formed. */

typedef bool attribute(struct smtp_peer *peer, struct span value);

static bool on_name(struct smtp_peer *peer, struct span value)
{
    memcpy(peer->name, value.p, value.n + 1);
    return value.n == 0 || smtp_is_name(value);
}

static bool on_address(struct smtp_peer *peer, struct span value)
{
    bool six = value.n > 5 && span_is_nocase((struct span){value.p, 5}, "IPV6:");
    if (six)
        value = span_from(value, 5);
    if (value.n >= sizeof peer->address || (value.n && !(six ? is_ipv6(value) : is_ipv4(value))))
        return false;
    memcpy(peer->address, value.p, value.n + 1);
    return true;
}

static bool on_helo(struct smtp_peer *peer, struct span value)
{
    memcpy(peer->helo, value.p, value.n + 1);
    return value.n == 0 || smtp_is_name(value);
}

static bool on_proto(struct smtp_peer *peer, struct span value)
{
    peer->esmtp = span_is_nocase(value, "ESMTP");
    return peer->esmtp || span_is_nocase(value, "SMTP");
}

static bool on_port(struct smtp_peer *peer, struct span value)
{
    uint64_t port;
    return value.n == 0 || (span_number(value, &port) && port <= 65535);
}

static bool on_other(struct smtp_peer *peer, struct span value)
{
    return true;
}

enum { NAME, ADDR, PORT, PROTO, HELO, LOGIN, DESTADDR, DESTPORT, ATTRIBUTES };

static const struct {
    const char *word;
    attribute *act;
} attributes[ATTRIBUTES] = {
    [NAME] = {"NAME", on_name},          [ADDR] = {"ADDR", on_address},      [PORT] = {"PORT", on_port},
    [PROTO] = {"PROTO", on_proto},       [HELO] = {"HELO", on_helo},         [LOGIN] = {"LOGIN", on_other},
    [DESTADDR] = {"DESTADDR", on_other}, [DESTPORT] = {"DESTPORT", on_port},
};

/* One "NAME=value". Its number, or ATTRIBUTES. */
static unsigned take_attribute(struct span text, struct smtp_peer *peer)
{
    char value[SMTP_NAME_MAX + 1];
    struct span word = span_cut(&text, '=');
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        if (!span_is_nocase(word, attributes[i].word))
            continue;
        if (!text.p || !smtp_xtext(text, value, sizeof value))
            break;
        if (strcasecmp(value, "[UNAVAILABLE]") == 0 || strcasecmp(value, "[TEMPUNAVAIL]") == 0)
            *value = '\0';
        return attributes[i].act(peer, span_of(value)) ? i : ATTRIBUTES;
    }
    return ATTRIBUTES;
}

void smtp_do_xclient(struct smtp_server *m, struct span rest, struct buf *out)
{
    struct smtp_peer peer = m->peer;
    unsigned said = 0;
    if (!m->offer.xclient) {
        smtp_err(m, out, "550 5.7.1 You may not speak for others");
        return;
    }
    for (struct span word = smtp_next_word(&rest); word.n; word = smtp_next_word(&rest)) {
        unsigned i = take_attribute(word, &peer);
        if (i == ATTRIBUTES) {
            smtp_err(m, out, "501 5.5.4 An attribute is not known or not well formed");
            return;
        }
        said |= 1u << i;
    }
    m->peer = peer;
    if (said & 1u << HELO)
        m->helo_given = *peer.helo;
    if (said & 1u << PROTO)
        m->proto_given = true;
    m->count.unknown = m->reached = 0; /* somebody else's */
    smtp_end_transaction(m, false);
    m->state = STATE_NEW;
    smtp_greet(m, out);
}
