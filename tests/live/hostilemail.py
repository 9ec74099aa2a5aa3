"""hostilemail: messages that POP3 may carry and that programs stumble over, always the same; lines end with LF, as in a Maildir."""
import functools
import random

import messages

# Buffers are of such sizes: what is interesting is put just before, at and behind their ends.
EDGES = [n + d for n in (512, 1000, 1024, 2048, 4096, 8192, 16384, 32768, 65536) for d in (-2, -1, 0, 1, 2)]


def head(i, what):
    return b"From: anna@example.test\nTo: anna@example.test\nSubject: %d %s\nMessage-ID: <%d@hostile.example.test>\n" % (i, what.encode(), i)


def filler(r, octets):
    """lines that have nothing special"""
    out = b""
    while len(out) < octets:
        out += messages.words(r, 9).encode() + b"\n"
    return out[:octets - 1] + b"\n" if octets else b""


# Each gives what follows the common header fields.

def dots(r):
    return b"\n.\n..\n...\n.x\n" + b"".join(b"." * r.randint(0, 5) + b"y" * r.randint(0, 3) + b"\n" for _ in range(60))


def only_dots(r):
    return b"\n" + b".\n" * r.randint(1, 3000)


def dot_is_all(r):
    return b"\n.\n"


def dot_without_end(r):
    return b"\n" + filler(r, 300) + b"."


def dots_at_edges(r):
    """a line that begins with a dot, at each edge"""
    out = b"\n"
    for edge in EDGES:
        out += b"z" * max(0, edge - len(out) - 1) + b"\n" + b"." * r.randint(1, 2) + b"\n"
    return out


def like_the_end(r):
    """what would be the end of the message if dots were not doubled, and replies behind it"""
    return b"\nabc\n.\n+OK 1 message\n.\n-ERR no\n+OK\n1 uid\n.\nQUIT\n" + filler(r, 200)


def no_last_line_end(r):
    return b"\n" + filler(r, r.choice(EDGES)) + b"the last line has no end"


def cr_is_last(r):
    return b"\n" + filler(r, 100) + b"ends with CR\r"


def crs(r):
    return b"\na\rb\n\rc\nd\r\r\n\r\r\r\n\r.\r\n\r.\n" + filler(r, 100) + b"\r\n.\r\r\n"


def cr_at_edges(r):
    out = b"\n"
    for edge in EDGES:
        out += b"z" * max(0, edge - len(out)) + b"\r" + b"q" * r.randint(0, 1)
    return out + b"\n"


def crlf_file(r):
    """as some programs leave them: with the wire's line ends"""
    return (b"\n" + filler(r, 2000) + b".\n..\nend\n").replace(b"\n", b"\r\n")


def mixed_line_ends(r):
    return b"\n" + b"".join(b"line%d" % k + r.choice([b"\n", b"\r\n", b"\r\r\n", b"\n\n", b"\n.\n"]) for k in range(300))


def nul(r):
    return b"\na\0b\n\0\n" + b"\0" * r.randint(1, 5000) + b"\n.\0\nlast\n"


def every_octet(r):
    """but NUL, CR and LF, which have shapes of their own"""
    return b"\n" + bytes(o for o in range(1, 256) if o not in (10, 13)) + b"\n" + bytes(
        r.choice([o for o in range(1, 256) if o not in (10, 13)]) for _ in range(3000)) + b"\n"


def latin1(r):
    return b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n" + bytes(range(0xa0, 0x100)) + b"\n" + filler(r, 100)


def utf8_header(r):
    return "X-Raw: Größe 日本語 \U0001f4ec\n\nЗдравствуйте\n".encode()


def torn_utf8(r):
    return b"X-Torn: \xe6\x97\n\n\xf0\x9f\n\xff\xfe\xc0\x80\n\xed\xa0\x80\n"


def controls(r):
    return b"X-Title: \x1b]0;owned\x07\x1b[2J\n\n\x1b[31mred\x1b[0m\x08\x08\x7f\x9b2J\x0c\x0b\x00"[:-1] + b"\n"


def long_lines(r):
    return b"\n" + b"".join(b"%c" % r.randint(97, 122) * n + b"\n" for n in r.sample(EDGES, 8) + [998, 999])


def very_long_line(r):
    return b"\n" + b"w" * r.randint(100000, 300000) + b"\n.\n"


def long_line_of_dots(r):
    return b"\n" + b"." * r.choice(EDGES) + b"\n" + b"." * r.choice(EDGES) + b"\n"


def long_field(r):
    return b"X-Long: " + b"v" * r.randint(990, 20000) + b"\n\nbody\n"


def many_fields(r):
    return b"".join(b"X-%d: %d\n" % (k, k) for k in range(3000)) + b"\nbody\n"


def folded(r):
    return b"X-Folded: a\n" + b"\t \n" * 3 + b" b\n" * r.randint(1, 500) + b"\nbody\n"


def blank_lines(r):
    return b"\n" * r.randint(1, 2000)


def blanks(r):
    return b"\n \n\t\n" + b" " * 998 + b"\ntrailing   \n \t \n"


def exact_size(r):
    """the whole is as long as a buffer, or one more or less"""
    return b"\n" + filler(r, r.choice(EDGES))


def from_lines(r):
    return b"\nFrom anna@example.test Mon Jan  1 00:00:00 2024\n>From x\n\nFrom here\n" + filler(r, 100)


def no_body(r):
    return b""  # header fields, and not even an empty line


def empty_body(r):
    return b"\n"


def no_colon(r):
    return b"this is no field\nX: y\n\nbody\n"


def big(r):
    return b"\n" + filler(r, 20000) * r.randint(5, 25)


def ordinary(r):
    return messages.multipart(b"mixed", b"=_b", [messages.part(b"text/plain", messages.text(r, 5)),
                                                messages.part(b"image/png", messages.blob(r, 3000), b"Content-Transfer-Encoding: base64")])


# These have no common header fields: they are the whole message.

def empty(r):
    return b""


def line_end(r):
    return b"\n"


def dot(r):
    return b".\n"


def dots_first(r):
    return b".Subject: %d\n..\n\n.\n" % r.randrange(10 ** 9)


def no_header(r):
    return b"\nthe header is empty %d\n" % r.randrange(10 ** 9)


def from_first(r):
    return b"From anna@example.test Mon Jan  1 00:00:00 2024\nSubject: mbox %d\n\nbody\n" % r.randrange(10 ** 9)


def octets(r):
    """nothing that is mail at all; without NUL"""
    return r.randbytes(r.randint(1, 3000)).replace(b"\0", b"")


def one_octet(r):
    return bytes([r.choice([o for o in range(1, 256) if o != ord(".")])])


def twin(r):
    """all of them are the same"""
    return b"Subject: twin\nMessage-ID: <twin@hostile.example.test>\n\none of many that are the same\n"


WITH_HEAD = [dots, only_dots, dot_is_all, dot_without_end, dots_at_edges, like_the_end, no_last_line_end, cr_is_last, crs, cr_at_edges, crlf_file,
             mixed_line_ends, nul, every_octet, latin1, utf8_header, torn_utf8, controls, long_lines, very_long_line, long_line_of_dots, long_field,
             many_fields, folded, blank_lines, blanks, exact_size, from_lines, no_body, empty_body, no_colon, ordinary, big]
WHOLE = [empty, line_end, dot, dots_first, no_header, from_first, octets, one_octet, twin]
SHAPES = WITH_HEAD + WHOLE


@functools.lru_cache(maxsize=8192)
def message(i):
    """number i: (its shape's name, its octets)"""
    r = random.Random(i)
    shape = SHAPES[i % len(SHAPES)]
    m = shape(r)
    if shape in WITH_HEAD:
        h = head(i, shape.__name__.replace("_", " "))
        m = (h.replace(b"\n", b"\r\n") if shape is crlf_file else h) + m
    return shape.__name__, m


def hostile(count, first=1, without=()):
    """so many, from the number `first`, but none of these shapes"""
    out = []
    for i in range(first, first + 2 * count):
        if SHAPES[i % len(SHAPES)].__name__ not in without and len(out) < count:
            out.append(message(i))
    return out
