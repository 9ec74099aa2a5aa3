"""preload: librecord.so's shared memory (record.c has its layout): what was done to files, and where a process is to end.

Needs no rights: neither strace nor root. The engine of killat, and the record for replay, where those are missing."""
import contextlib
import mmap
import os
import re
import struct
import sys
import time

import killat
from replay import Op

KINDS = {"create": 1, "data": 2, "sync": 3, "rename": 4, "link": 5, "unlink": 6, "say": 7, "close": 8}
NAMES = {n: name for name, n in KINDS.items()}
HEAD = struct.Struct("=QQQqII256s")
ENTRY = struct.Struct("=QQIIII")
COUNTDOWN = 24
SIZE = 64 << 20


def library():
    build = os.environ.get("BUSTIA_BUILD") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))) + "/build"
    return os.path.realpath(build) + "/tests/faults/librecord.so"


class Memory:
    def __init__(self, path):
        """a file of zeros: it takes no disk space where nothing is written"""
        with open(path, "wb") as f:
            f.truncate(SIZE)
        os.chmod(path, 0o666)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)
        self.map[:HEAD.size] = HEAD.pack(SIZE, HEAD.size, 0, 0, 0, 0, b"")
        self.env = {"LD_PRELOAD": library(), "FAULT": path}

    def end_at(self, kind, path, n, spared):
        """the countdown is written last: the rule holds from then on"""
        self.map[COUNTDOWN + 8:HEAD.size] = struct.pack("=II256s", KINDS[kind], spared, path.encode())
        self.map[COUNTDOWN:COUNTDOWN + 8] = struct.pack("=q", n)

    def countdown(self):
        return struct.unpack_from("=q", self.map, COUNTDOWN)[0]

    def clock(self):
        return struct.unpack_from("=Q", self.map, 16)[0]

    def entries(self):
        """(kind, first text, second text, pid, began, ended)"""
        used, at = struct.unpack_from("=Q", self.map, 8)[0], HEAD.size
        if used > SIZE:
            sys.exit("the record is full")
        while at < used:
            ended, began, pid, kind, na, nb = ENTRY.unpack_from(self.map, at)
            if not kind:
                break  # its process ended in the middle of writing it
            a = self.map[at + ENTRY.size:at + ENTRY.size + na]
            b = self.map[at + ENTRY.size + na:at + ENTRY.size + na + nb]
            if ended:
                yield NAMES[kind], a, b, pid, began, ended
            at += (ENTRY.size + na + nb + 7) & ~7


class Preload:
    """an engine of killat"""
    calls = [(kind, "") for kind in KINDS]
    cap = int(os.environ.get("KILLAT", "40"))

    def __init__(self, work, make):
        """make(env): the subject, started with this environment"""
        if not os.path.exists(library()):
            sys.exit("%s is not built" % library())
        self.memory = Memory(work + "/record")
        self.subject = make(self.memory.env)
        self.box = os.path.realpath(self.subject.box)
        self.env = dict(os.environ, **self.memory.env)
        self.since = self.memory.clock()
        self.marks, self.faults = killat.record(self.subject, lambda tag: self.subject.send(tag, (), self.env), self.memory.clock)
        time.sleep(0.2)  # the answer may be here before its entry is whole
        self.plain = self.ops()
        kinds = {o.kind for o in self.plain}
        self.reached = [c for c in self.calls if c[0] in kinds]

    def path(self, text):
        """below the Maildir by its true name, or None. A directory that a process was handed is "?": then the end tells."""
        text = text.decode("utf-8", "surrogateescape")
        if text.startswith("?/") or text.startswith("./"):
            m = re.search("/%s(/.*)?$" % re.escape(os.path.basename(self.box)), text)
            return self.box + (m[1] or "") if m else None
        text = os.path.normpath(text)
        if text != self.box and not text.startswith(self.box + "/"):
            return None
        return text

    def ops(self):
        out = []
        for kind, a, b, pid, began, ended in self.memory.entries():
            if began <= self.since:
                continue
            if kind == "say":
                if self.subject.ack and re.search(self.subject.ack, a, re.M):
                    out.append(Op("ack", a[:24].decode("latin-1").strip(), "", pid, began, ended))
            elif kind != "close" and self.path(a):
                out.append(Op(kind, self.path(a), self.path(b) or "" if b else "", pid, began, ended))
        return out

    def kind(self, call):
        return call[0]

    def first(self, call):
        return 1

    @contextlib.contextmanager
    def strike(self, call, n):
        """what is said goes to sockets, which have no path"""
        master = 0 if self.subject.traced_command else self.subject.master()
        self.what = call[0]
        self.memory.end_at(call[0], "" if call[0] == "say" else "/%s/" % os.path.basename(self.box), n, master)
        try:
            yield (), self.env
        finally:
            self.left = self.memory.countdown()
            self.memory.end_at(call[0], "", 0, master)

    def outcome(self):
        return self.left <= 0, self.left <= 0 and self.what != "say"
