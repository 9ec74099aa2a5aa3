#!/usr/bin/python3
"""Writes the seeds of fuzz_talk: a well-formed frame of each type, and some that are not. usage: corpus_talk.py DIR"""
import os
import re
import struct
import sys

with open(os.path.dirname(os.path.realpath(__file__)) + "/../../src/daemon/talk.h") as f:
    ENUM = re.sub(r"/\*.*?\*/", "", re.search(r"enum talk_type \{(.*?)TALK_TYPES", f.read(), re.S).group(1), flags=re.S)
TYPES = len(re.findall(r"TALK_\w+", ENUM))
ROLES = 6


def frame(kind, texts=(b"", b"", b"", b""), zero=0):
    return (struct.pack("=I10I4HIQQ", kind, *range(1, 11), *[len(t) for t in texts], zero, 7, 9) + b"".join(texts))


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    seeds = {}
    for kind in range(TYPES):
        for frm in range(ROLES):
            for to in range(ROLES):
                if frm == to:
                    continue
                for fd in (0, 128):
                    way = next(b for b in range(fd, fd + 128) if b % 6 == frm and b // 6 % 6 == to)
                    seeds["%02d-%d-%d-%d" % (kind, frm, to, fd)] = bytes([way]) + frame(kind)
    verify = next(b for b in range(128) if b % 6 == 1 and b // 6 % 6 == 2)
    seeds["texts"] = bytes([verify]) + frame(18, (b"anna", b"secret", b"::1", b"<1@h>"))
    seeds["long"] = bytes([verify]) + frame(18, (b"a" * 300, b"", b"", b""))
    seeds["zero"] = bytes([verify]) + frame(18, zero=1)
    seeds["short"] = bytes([verify]) + frame(18)[:20]
    seeds["type"] = bytes([verify]) + frame(99)
    seeds["tail"] = bytes([verify]) + frame(18) + b"x"
    for name, data in seeds.items():
        with open(os.path.join(out, name), "wb") as f:
            f.write(data)


main()
