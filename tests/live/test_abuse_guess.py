"""Who has a mailbox here? Neither the words of a refusal nor its time tell, on the server as shipped, whichever way is asked."""
import base64
import collections
import random
import selectors
import statistics
import time

import abuse
import pytest
from test_abuse_ends import connect

ROUNDS = 20 if abuse.FULL else 2
TICK = 0.1


@pytest.fixture(scope="module")
def bed():
    b = abuse.stock()
    pool = b.target["pool"]
    b.tool("user", "add", "off", "--uid", str(pool["uid"]), "--gid", str(pool["gid"]), "--password-stdin", stdin="right-pass\n")
    b.tool("user", "set", "off", "--disable")
    yield b
    b.close()


def enc(text):
    return base64.b64encode(text.encode())


# "t7" was imported: there is no SCRAM key of his; "main" has all there is, "long" a name like no other's.
NAMES = ["main", "t7", "off", "long", "nobody-here", "someone@else.example", "x" * 100, "root"]
WAYS = {
    "PASS": lambda n: b"USER %s\r\nPASS wrong\r\n" % n.encode(),
    "PLAIN": lambda n: b"AUTH PLAIN " + enc("\0%s\0wrong" % n) + b"\r\n",
    "LOGIN": lambda n: b"AUTH LOGIN\r\n" + enc(n) + b"\r\n" + enc("wrong") + b"\r\n",
    "APOP": lambda n: b"APOP %s %s\r\n" % (n.encode(), b"0" * 32),
    "CRAM-MD5": lambda n: b"AUTH CRAM-MD5\r\n" + enc("%s %s" % (n, "0" * 32)) + b"\r\n",
}


# Asked at the same moment: one way of them has the password hashed, so that also a loaded machine is done before failure_delay is over.
TOGETHER = [["PASS"], ["PLAIN", "APOP"], ["LOGIN", "CRAM-MD5"]]


class Ask:
    def __init__(self, bed, way, name):
        self.way, self.name, self.got, self.took = way, name, b"", None
        self.sock = connect(bed, "pop3")
        while b"\r\n" not in self.got:
            self.got += self.sock.recv(4096)
        self.got = b""
        self.sock.setblocking(False)
        self.data = WAYS[way](name)

    def lines(self):
        return [l for l in self.got.split(b"\r\n")[:-1] if not l.startswith(b"+ ")]


def ask_all(bed, ways):
    """all of them at the same moment, in no order; each with when its last line came"""
    asks = [Ask(bed, way, name) for way in ways for name in NAMES]
    random.shuffle(asks)
    sel = selectors.DefaultSelector()
    for a in asks:
        sel.register(a.sock, selectors.EVENT_READ, a)
    start = time.monotonic()
    for a in asks:
        a.sock.send(a.data)
    left = len(asks)
    while left:
        assert time.monotonic() - start < 60, [(a.way, a.name, a.got) for a in asks if a.took is None]
        for key, _ in sel.select(0.5):
            a = key.data
            data = a.sock.recv(4096)
            a.got += data
            now = time.monotonic() - start
            assert data, (a.way, a.name, a.got)
            if b"-ERR" in a.got and a.got.endswith(b"\r\n"):
                a.took, left = now, left - 1
                sel.unregister(a.sock)
                a.sock.close()
    return asks


def test_enumeration(bed, figure):
    """Many questions at a time: one sentence answers all; for each way the times of those who are and who are not here are the same"""
    answers, before, times = collections.Counter(), set(), collections.defaultdict(list)
    for _ in range(ROUNDS):
        for a in (a for ways in TOGETHER for a in ask_all(bed, ways)):
            *first, last = a.lines()
            before.add((a.way, tuple(first)))
            answers[last] += 1
            times[a.way, a.name].append(a.took)
    print(answers)
    assert len(before) == len(WAYS), before  # what comes before the refusal: one text for each way
    figure("different answers to %d wrong guesses" % sum(answers.values()), len(answers), 1)
    worst = 0.0
    for way in WAYS:
        medians = {name: statistics.median(times[way, name]) for name in NAMES}
        print(way, {n[:12]: "%.3f" % m for n, m in medians.items()})
        worst = max(worst, max(medians.values()) - min(medians.values()))
    figure("between the medians of any two names asked for in one way", worst, 2 * TICK, "s")
    assert min(t for l in times.values() for t in l) > 1.9  # failure_delay = 2s, and not sooner for anybody


def test_the_challenge_of_nobody(bed):
    """SCRAM asks before it knows whether the password is right: the same shape for all, the same salt each time"""
    def challenge(name):
        p = bed.connect()
        line = p.cmd(b"AUTH SCRAM-SHA-256 " + enc("n,,n=%s,r=abcdef" % name))
        p.close()
        return dict(w.split("=", 1) for w in base64.b64decode(line[2:]).decode().split(","))

    seen = {name: (challenge(name), challenge(name)) for name in NAMES}
    assert all(a["s"] == b["s"] for a, b in seen.values())
    assert len({a["s"] for a, _ in seen.values()}) == len(NAMES)
    assert len({(a["i"], len(a["s"]), len(a["r"])) for a, _ in seen.values()}) == 1, seen
