#!/usr/bin/python3
"""Writes the seeds of fuzz_maildir_index: indexes that are sound, and some with one mistake. usage: corpus_maildir_index.py DIR

To be run anew when the format changes (src/store/maildir_index_format.h). Sums are left 0: the target puts in the right ones."""
import os
import struct
import sys

MAGIC, VERSION, HEAD = 0x0A1D71A974737562, 2, 1024
CUR, WIRE, EIGHT, OWN = 1, 2, 4, 8
DIGEST = b":" + b"0123456789abcdef" * 4


def row(name, at, n=None, base_n=None, uid_n=None, flags=0, octets=100):
    base = name.split(b":")[0]
    plain = base.split(b",")[0]
    return struct.pack("=3QqQIBBBBI12x", 77, 90, octets, 5, 0, at, len(name) if n is None else n,
                       len(base) if base_n is None else base_n, (len(DIGEST) if flags & OWN else len(plain)) if uid_n is None else uid_n,
                       flags, 3)


def part(messages, first=1, break_row=None, names_tail=b""):
    """the four sections"""
    rows = names = text_list = text_uidl = b""
    for i, (name, flags) in enumerate(messages):
        args = dict(break_row or {}) if i == len(messages) - 1 else {}
        flags = args.pop("flags", flags)
        at = args.pop("at", len(names))
        rows += row(name, at, flags=flags, **args)
        names += name + b"\0" + (DIGEST + b"\0" if flags & OWN else b"")
        uid = DIGEST if flags & OWN else name.split(b":")[0].split(b",")[0]
        text_list += b"%d 100\r\n" % (first + i)
        text_uidl += b"%d %s\r\n" % (first + i, uid)
    return [text_list, text_uidl, rows, names + names_tail]


def index(parts, magic=MAGIC, version=VERSION, count=None, eight=None, octets=None, n_parts=None, shift=0, sums=(0, 0, 0, 0)):
    at, table, body, messages, eights = HEAD, b"", b"", 0, 0
    for sections in parts:
        for j, s in enumerate(sections):
            table += struct.pack("=3Q", at + shift, len(s), sums[j])
            body += s
            at += len(s)
        messages += len(sections[2]) // 64
        eights += sum(1 for i in range(47, len(sections[2]), 64) if sections[2][i] & EIGHT)
    head = struct.pack("=2Q2I3Q2QqQ2QqQq16x", magic, 0, version, len(parts) if n_parts is None else n_parts,
                       messages if count is None else count, 100 * messages if octets is None else octets,
                       eights if eight is None else eight, 1, 2, 3, 7, 1, 4, 5, 8, 6)
    return b"r" + (head + table).ljust(HEAD, b"\0") + body


def seeds():
    one, two = (b"1.a", 0), (b"2.b,S=5:2,S", CUR | WIRE)
    own = (b"3 with blanks", OWN | EIGHT)
    small = [one, two, own]
    broken = {
        "at_behind_the_end": dict(at=9999), "name_too_long": dict(n=200), "name_empty": dict(n=0), "name_cut": dict(n=2),
        "base_wrong": dict(base_n=1), "uid_empty": dict(uid_n=0), "uid_beyond_the_base": dict(uid_n=60), "own_uid_cut": dict(flags=OWN, uid_n=9),
        "own_uid_beyond": dict(flags=OWN, uid_n=70), "uid_of_own_beyond_the_names": dict(uid_n=255, flags=OWN),
    }
    out = {
        "empty": index([]), "small": index([part(small)]), "two_parts": index([part(small), part([(b"4.d", 0)], 4)]),
        "an_empty_part": index([part([])]), "hidden_name": index([part([(b".x", 0)])]), "path": index([part([(b"a/b", 0)])]),
        "blank_in_uid": index([part([(b"a b", 0)])]), "other_magic": index([part(small)], magic=1), "other_version": index([part(small)], version=1),
        "parts_too_many": index([part(small)], n_parts=10), "count_wrong": index([part(small)], count=7), "octets_wrong": index([part(small)], octets=7),
        "eight_wrong": index([part(small)], eight=2), "eight_too_many": index([part(small)], eight=9), "below_the_head": index([part(small)], shift=-8),
        "behind_the_end": index([part(small)], shift=8), "far_behind": index([part(small)], shift=1 << 40), "row_cut": index([[b"", b"", b"x" * 65, b""]], count=1),
        "names_unsound": index([part(small)], sums=(0, 0, 0, 9)), "rows_unsound": index([part(small)], sums=(0, 0, 9, 0)),
        "list_unsound": index([part(small)], sums=(9, 0, 0, 0)), "uidl_unsound": index([part(small)], sums=(0, 9, 0, 0)),
        "as_it_is": b"w" + index([part(small)])[1:], "nothing": b"r", "half_a_head": index([part(small)])[:500],
        "names_end_in_a_uid": index([[b"", b"", row(b"a b", 0, flags=OWN), b"a b\0"]]),
    }
    for name, how in broken.items():
        out["row_" + name] = index([part(small, break_row=how)])
    return out


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, data in seeds().items():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
