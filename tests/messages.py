#!/usr/bin/python3
"""messages: a maildrop of real messages of many shapes, always the same.

    messages.py MAILDIR COUNT [UID GID]      writes them into MAILDIR/new, as an MTA would

For the demo and for the tests with real clients. Lines end with LF, as in a Maildir.
"""
import base64
import os
import quopri
import random
import sys

T0 = 1750000000
WORDS = ("the quick mail server reads a letter and sends it on to whoever asks for it with the right word at the door while "
         "nobody else may look inside or count the pages because that is what a letter box is for").split()


def words(r, n):
    return " ".join(r.choice(WORDS) for _ in range(n))


def text(r, lines):
    return "".join(words(r, r.randint(5, 12)) + "\n" for _ in range(lines)).encode()


def blob(r, size):
    return base64.encodebytes(r.randbytes(size))


def part(kind, body, *more):
    return b"".join([b"Content-Type: " + kind + b"\n"] + [m + b"\n" for m in more] + [b"\n", body])


def multipart(kind, boundary, parts):
    out = [b"MIME-Version: 1.0\nContent-Type: multipart/%s; boundary=\"%s\"\n\nThis is a message in several parts.\n" % (kind, boundary)]
    out += [b"\n--" + boundary + b"\n" + p for p in parts]
    return b"".join(out) + b"\n--" + boundary + b"--\n"


# Each shape returns what follows the common header lines.

def plain(r):
    return b"Content-Type: text/plain; charset=us-ascii\n\n" + text(r, r.randint(3, 40))


def dots(r):
    return b"\n.\n..\n...\n.hidden\n" + text(r, 3) + b". alone\nthe end.\n.\n"


def first_line_dot(r):
    return b"\n.begins with a dot\n" + text(r, 2)


def eight_bit(r):
    return (b"MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n"
            + "Això és una bústia: café, naïve, Größe, señor.\n".encode("latin-1") + text(r, 4))


def utf8(r):
    return (b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
            + "日本語 Ελλάδα zażółć привет “quoted” — € 12,50\n".encode() + text(r, 4))


def long_lines(r):
    return b"\n" + b"\n".join([words(r, 170).encode(), b"x" * 998, b"y" * 5000, b"short"]) + b"\n"


def alternative(r):
    return multipart(b"alternative", b"=_alt_1", [
        part(b"text/plain; charset=utf-8", text(r, 5)),
        part(b"text/html; charset=utf-8", b"<html><body><p>" + text(r, 5) + b"</p></body></html>\n")])


def attachment(r):
    return multipart(b"mixed", b"=_mixed_2", [
        part(b"text/plain; charset=us-ascii", text(r, 4)),
        part(b"application/pdf; name=\"report.pdf\"", blob(r, 60000), b"Content-Transfer-Encoding: base64",
             b"Content-Disposition: attachment; filename=\"report.pdf\"")])


def large(r):
    return multipart(b"mixed", b"=_large_3", [
        part(b"text/plain; charset=us-ascii", text(r, 2)),
        part(b"application/octet-stream; name=\"photographs.tar\"", blob(r, 4000000), b"Content-Transfer-Encoding: base64",
             b"Content-Disposition: attachment; filename=\"photographs.tar\"")])


def quoted(r):
    body = quopri.encodestring(("Línia amb = i accents, " + words(r, 30) + " \n").encode())
    return b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + body


def forwarded(r):
    inner = header(r, 900, "inside") + plain(r)
    return multipart(b"mixed", b"=_fwd_4", [part(b"text/plain", text(r, 2)), part(b"message/rfc822", inner)])


def from_lines(r):
    return b"\nFrom here on it looks like an mbox.\n>From there too.\n\nFrom someone@example.org Mon Jan  1 00:00:00 2024\n" + text(r, 3)


def blank_end(r):
    return b"\n" + text(r, 2) + b"\n\n\n\n"


def folded(r):
    return (b"References: " + b"\n\t".join(b"<%d.%d@example.org>" % (i, r.randrange(10 ** 9)) for i in range(40))
            + b"\nX-Long: " + b"v" * 700 + b"\n\n" + text(r, 3))


def empty_body(r):
    return b"\n"


def no_final_line_end(r):
    return b"\n" + text(r, 2) + b"the last line has no end"


def list_mail(r):
    return (b"List-Id: <talk.example.org>\nPrecedence: list\nMIME-Version: 1.0\nContent-Type: text/plain; format=flowed\n\n"
            b"> quoted \n> text\n" + text(r, 8) + b"-- \nsignature\n")


SHAPES = [plain, dots, eight_bit, alternative, attachment, long_lines, utf8, from_lines, quoted, forwarded, first_line_dot,
          blank_end, folded, empty_body, no_final_line_end, list_mail]


def header(r, i, what):
    return (b"Return-Path: <anna@example.org>\nReceived: from mx.example.org (mx.example.org [192.0.2.25])\n\tby mail.example.org"
            b" with ESMTP id %08X\n\tfor <demo@example.org>; Mon, 16 Jun 2025 10:%02d:%02d +0000\n" % (r.randrange(2 ** 32), i // 60 % 60, i % 60)
            + b"Date: Mon, 16 Jun 2025 10:%02d:%02d +0000\nFrom: Anna Example <anna@example.org>\nTo: demo@example.org\n" % (i // 60 % 60, i % 60)
            + b"Subject: %03d %s\nMessage-ID: <%d.%d@example.org>\n" % (i, what.encode(), i, r.randrange(10 ** 12)))


def message(i):
    """the message number i, from 1"""
    r = random.Random(i)
    shape = large if i == 7 else SHAPES[(i - 1) % len(SHAPES)]
    return header(r, i, shape.__name__.replace("_", " ")) + shape(r)


def messages(count):
    return [message(i) for i in range(1, count + 1)]


def write(maildir, count, uid=None, gid=None):
    for sub in ("", "/tmp", "/new", "/cur"):
        os.makedirs(maildir + sub, mode=0o700, exist_ok=True)
        if uid is not None:
            os.chown(maildir + sub, uid, gid)
    for i, m in enumerate(messages(count), 1):
        path = "%s/new/%d.M%06dP1.demo" % (maildir, T0 + i, i)
        with open(path, "wb") as f:
            f.write(m)
        if uid is not None:
            os.chown(path, uid, gid)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    write(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:]))
