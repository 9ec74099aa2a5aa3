#!/usr/bin/python3
"""Writes the seeds of fuzz_talk: a well-formed frame of each type, and some that are not. usage: corpus_talk.py DIR

Those with a name of their own are kept in corpus/talk, and are to be written anew when a row comes before theirs: a frame has its
type's number."""
import os
import re
import struct
import sys

with open(os.path.dirname(os.path.realpath(__file__)) + "/../../src/daemon/talk.h") as f:
    ENUM = re.sub(r"/\*.*?\*/", "", re.search(r"enum talk_type \{(.*?)TALK_TYPES", f.read(), re.S).group(1), flags=re.S)
KINDS = re.findall(r"TALK_(\w+)", ENUM)
ROLES = 6


def frame(kind, texts=(), zero=0, num=range(1, 11)):
    texts = (list(texts) + [b""] * 4)[:4]
    return struct.pack("=I10I4HIQQ", kind, *num, *[len(t) for t in texts], zero, 7, 9) + b"".join(texts)


def way(frm, to, fd=0):
    """the byte before a frame; fd: 128 with a descriptor, 0 without"""
    return bytes([next(b for b in range(fd, fd + 128) if b % 6 == frm and b // 6 % 6 == to)])


def named():
    master, door, auth, mail, deliver, control = range(ROLES)
    verify, take, test, terms, deliver_it = [KINDS.index(k) for k in ("VERIFY", "TAKE", "TEST", "TERMS", "DELIVER")]
    to_auth, texts = way(door, auth), (b"anna", b"secret", b"::1", b"<1@h>")
    return {
        "verify": to_auth + frame(verify, texts),
        "verify_a_name_that_is_no_word": to_auth + frame(verify, (b"an\r\nna\x1b \xc3\xa9", b"secret")),
        "verify_a_name_as_long_as_may_be": to_auth + frame(verify, (b"a" * 256,)),
        "verify_a_name_too_long": to_auth + frame(verify, (b"a" * 257,)),
        "verify_not_zero": to_auth + frame(verify, zero=1),
        "verify_short": to_auth + frame(verify)[:20],
        "verify_tail": to_auth + frame(verify, texts) + b"x",
        "verify_with_a_descriptor": way(door, auth, 128) + frame(verify, texts),
        "verify_by_mail": way(mail, auth) + frame(verify, texts),
        "no_such_type": to_auth + frame(len(KINDS)),
        "take": way(door, mail, 128) + frame(take, (b"192.0.2.1", b"STAT\r\n", b"TLSv1.3")),
        "take_without_a_descriptor": way(door, mail) + frame(take, (b"192.0.2.1", b"STAT\r\n", b"TLSv1.3")),
        "test": way(control, auth) + frame(test, (b"anna", b"secret", b"::1", b"PLAIN")),
        "terms_for_ever": way(auth, door) + frame(terms, num=[0] * 10),
        "terms_of_days": way(auth, door) + frame(terms, num=[31, 61, 901] + [0] * 7),
        "terms_the_largest": way(auth, door) + frame(terms, num=[2**32 - 1] * 10),
        "deliver": way(door, deliver) + frame(deliver_it, (b"Received: from x\r\n",)),
        "conf": way(master, door, 128) + frame(KINDS.index("CONF")),
    }


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    seeds = named()
    for kind in range(len(KINDS)):
        for frm in range(ROLES):
            for to in range(ROLES):
                if frm == to:
                    continue
                for fd in (0, 128):
                    seeds["%02d-%d-%d-%d" % (kind, frm, to, fd)] = way(frm, to, fd) + frame(kind)
    for name, data in seeds.items():
        with open(os.path.join(out, name), "wb") as f:
            f.write(data)


main()
