"""A real door that takes mail, and master, auth and deliver processes played by this test: who is told what in which order, what the
sender is answered, and what a process that was taken over cannot make of it."""
import array
import fcntl
import os
import re
import socket
import time

import frames
import pytest
from bed import Mail, stuffed

pytestmark = pytest.mark.asan

ROOT = os.geteuid() == 0
DOOR = 61001
LMTP, SMTP = 2, 3                                              # enum conf_service (src/base/conf.h)
OK, NOBODY, OVER_QUOTA, TEMP = 0, 1, 4, 9                      # enum smtp_verdict (src/wire/smtp_server.h)
WAIT_ROOM, COMMIT_NOW, FOR_DELIVERY = 1, 1, 2                  # src/daemon/talk.h
F_GET_SEALS, SEALS = 1034, 1 | 2 | 4 | 8
TEXT = b"Subject: x\r\n\r\n.body\r\n"


class Door:
    """bustiad --role door; the test holds all its channels"""

    def __init__(self, bed, tmp, options=""):
        program = bed.programs["bustiad"]
        os.makedirs(str(tmp / "run/empty"), exist_ok=True)
        if ROOT:
            frames.let_through(str(tmp))
        conf = "hostname = door.example\nrun_dir = %s\nlog_level = debug\n%s\n" % (tmp / "run", options)
        self.log_path = str(tmp / "log")
        self.process, self.master, log = frames.start([program, "--role", "door"], conf, self.log_path)
        self.ports = {}
        for name, service in (("lmtp", LMTP), ("smtp", SMTP)):
            s = socket.create_server(("127.0.0.1", 0))
            s.setblocking(False)
            self.ports[name] = s.getsockname()[1]
            frames.send(self.master, "LISTEN", num=[service, 1], fd=s.fileno())
            s.close()
        me = os.getuid()
        frames.send(self.master, "GO", door=7, num=[DOOR if ROOT else me, DOOR if ROOT else os.getgid(), ROOT, 0])
        assert frames.receive(self.master)[0] == "READY"
        self.workers = {}
        self.new_auth()
        os.close(log)

    def new_auth(self):
        self.auth, theirs = frames.pair()
        frames.send(self.master, "AUTH", fd=theirs.fileno())
        theirs.close()

    def worker(self, number):
        """a deliver process comes"""
        self.workers[number], theirs = frames.pair()
        frames.send(self.master, "WORKER", n=FOR_DELIVERY, num=[number, 61006, 61006, 0], fd=theirs.fileno())
        theirs.close()
        return self.workers[number]

    def mail(self, port="lmtp"):
        self.cert = None
        return Mail(self, self.ports[port] if port == "smtp" else "lmtp", hello=None)

    # ---- auth
    def asked(self):
        """(transaction, recipient, size, first free target, local part, domain)"""
        name, door, n, num, texts = frames.receive(self.auth)
        assert name == "WHOSE" and door == 7
        return n, num[0], num[1] | num[2] << 32, num[3], texts[0], texts[1]

    def target(self, n, rcpt, target, worker, wait=False, mark=None):
        frames.send(self.auth, "TARGET", door=7, n=n, num=[rcpt, target, worker, WAIT_ROOM if wait else 0, mark or 1000 + target, 0])

    def recipient(self, n, rcpt, verdict=OK, targets=1):
        frames.send(self.auth, "RECIPIENT", door=7, n=n, num=[rcpt, verdict, targets])

    # ---- deliver processes
    def say(self, worker, what, n, target, verdict=OK, door=7):
        frames.send(self.workers[worker], what, door=door, n=n, num=[target, verdict])

    def hears(self, worker, timeout=10):
        """(message, transaction, first two numbers)"""
        got = frames.receive(self.workers[worker], timeout)
        return got and (got[0], got[2], got[3][0], got[3][1])

    def message(self, worker):
        """what MESSAGE brings: (transaction, size, octets, seals)"""
        data, anc, _, _ = self.workers[worker].recvmsg(65536, 1024)
        name, _, n, num, _ = frames.parse(data)
        assert name == "MESSAGE", name
        a = array.array("i")
        a.frombytes(anc[0][2])
        fd = a[0]
        out = n, num[0] | num[1] << 32, os.pread(fd, 1 << 20, 0), fcntl.fcntl(fd, F_GET_SEALS) & SEALS
        os.close(fd)
        return out

    def silent(self, sock, secs=0.3):
        try:
            got = frames.receive(sock, secs)
        except (TimeoutError, socket.timeout):
            return True
        return got

    def close(self):
        for s in [self.master, self.auth, *self.workers.values()]:
            s.close()
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture
def door(bed, tmp_path):
    made = []

    def make(options="", workers=(1,)):
        made.append(Door(bed, tmp_path, options))
        for w in workers:
            made[-1].worker(w)
        return made[-1]

    yield make
    for d in made:
        d.close()


def begin(d, port="lmtp", size=None):
    m = d.mail(port)
    m.hello() if port == "lmtp" else m.ok("EHLO tester")
    m.ok("MAIL FROM:<a@example.org>" + (" SIZE=%d" % size if size else ""))
    return m


def accept(d, m, name, *targets, mark=None):
    """one recipient with targets of these workers; the transaction's number and the targets'"""
    m.send("RCPT TO:<%s>\r\n" % name)
    n, rcpt, _, first, _, _ = d.asked()
    for i, worker in enumerate(targets):
        d.target(n, rcpt, first + i, worker, mark=mark)
    d.recipient(n, rcpt, targets=len(targets))
    assert m.reply().startswith(b"250")
    return n, list(range(first, first + len(targets)))


def give(m):
    m.ok("DATA", b"354")
    m.send(stuffed(TEXT))


# ---- the words in their order

def test_one_recipient(door):
    d = door()
    m = begin(d, size=1234)
    m.send("RCPT TO:<Anna+x@Example.ORG>\r\n")
    n, rcpt, size, first, local, domain = d.asked()
    assert (rcpt, size, first, local, domain) == (0, 1234, 0, b"Anna+x", b"Example.ORG")
    d.target(n, 0, 0, 1)
    d.recipient(n, 0)
    assert m.reply().startswith(b"250")
    m.ok("DATA", b"354")
    assert d.silent(d.workers[1]) is True  # nobody has any of it before it is whole
    m.send(stuffed(TEXT))
    assert d.message(1) == (n, len(TEXT), TEXT, SEALS)
    name, _, got, num, texts = frames.receive(d.workers[1])
    assert (name, got, num[0], num[1]) == ("DELIVER", n, 0, COMMIT_NOW)
    assert re.fullmatch(rb"Return-Path: <a@example\.org>\r\nDelivered-To: Anna\+x@Example\.ORG\r\n"
                        rb"Received: from tester \(\[127\.0\.0\.1\]\)\r\n\tby door\.example with LMTP id [0-9a-f.]+\r\n"
                        rb"\tfor <Anna\+x@Example\.ORG>;\r\n\t\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n", texts[0])
    d.say(1, "DELIVERED", n, 0)
    assert m.reply().startswith(b"250 2.0.0 ")
    assert d.silent(d.workers[1]) is True  # nothing is left to forget
    m.ok("MAIL FROM:<>")
    m.send("RCPT TO:<b>\r\n")
    assert d.asked()[0] > n  # a fresh number
    m.close()


def test_the_workers_channel_comes_last(door):
    d = door(workers=())
    m = begin(d)
    n, _ = accept(d, m, "a", 5)
    give(m)
    time.sleep(0.2)
    d.worker(5)
    assert d.message(5)[0] == n and d.hears(5)[0] == "DELIVER"
    d.say(5, "DELIVERED", n, 0)
    assert m.reply().startswith(b"250")


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("rooms, code", [([OK], b"250"), ([OVER_QUOTA], b"552 5.2.2"), ([TEMP], b"451 4.3.0"), ([OK, OK], b"250"),
                                         ([OK, OVER_QUOTA], b"552 5.2.2"), ([OVER_QUOTA, TEMP], b"451 4.3.0"), ([77], b"451 4.3.0")])
def test_room(door, rooms, code, before):
    """a ROOM may overtake its TARGET"""
    d = door()
    m = begin(d)
    m.send("RCPT TO:<a>\r\n")
    n = d.asked()[0]
    for i, room in enumerate(rooms):
        if before:
            d.say(1, "ROOM", n, i, room)
    time.sleep(0.1)
    for i in range(len(rooms)):
        d.target(n, 0, i, 1, wait=True)
    d.recipient(n, 0, targets=len(rooms))
    time.sleep(0.1)
    for i, room in enumerate(rooms):
        if not before:
            d.say(1, "ROOM", n, i, room)
    assert m.reply().startswith(code)
    m.ok("RSET")
    assert d.hears(1) == ("FORGET", n, 0, 0)


# ---- one answer for several

@pytest.mark.parametrize("port", ["lmtp", "smtp"])
def test_prepared_before_any_is_committed(door, port):
    d = door(workers=(1, 2))
    m = begin(d, port)
    if port == "lmtp":
        n, _ = accept(d, m, "all", 1, 2, 2)
    else:
        n = [accept(d, m, name, w)[0] for name, w in (("a", 1), ("b", 2), ("c", 2))][0]
    give(m)
    assert d.message(1)[:3] == (n, len(TEXT), TEXT) and d.message(2)[:3] == (n, len(TEXT), TEXT)
    assert d.hears(1) == ("DELIVER", n, 0, 0)
    assert [d.hears(2), d.hears(2)] == [("DELIVER", n, 1, 0), ("DELIVER", n, 2, 0)]
    d.say(1, "PREPARED", n, 0)
    d.say(2, "PREPARED", n, 2)
    assert d.silent(d.workers[1]) is True
    d.say(2, "PREPARED", n, 1)
    assert d.hears(1) == ("COMMIT", n, 0, 0)
    assert [d.hears(2), d.hears(2)] == [("COMMIT", n, 1, 0), ("COMMIT", n, 2, 0)]
    d.say(2, "DELIVERED", n, 1)
    d.say(2, "DELIVERED", n, 2)
    d.say(1, "DELIVERED", n, 0)
    assert m.reply().startswith(b"250")


@pytest.mark.parametrize("verdicts, code", [([OK, TEMP], b"451 4.3.0"), ([OVER_QUOTA, OK], b"451 4.3.0"), ([OVER_QUOTA, OVER_QUOTA], b"552 5.2.2"),
                                            ([OVER_QUOTA, NOBODY], b"451 4.3.0"), ([999, 999], b"451 4.3.0")])
def test_nothing_is_committed_if_one_fails(door, verdicts, code):
    d = door(workers=(1, 2))
    m = begin(d, "smtp")
    n, _ = accept(d, m, "a", 1)
    accept(d, m, "b", 2)
    give(m)
    for i, v in enumerate(verdicts):
        d.message(1 + i)
        assert d.hears(1 + i)[0] == "DELIVER"
        d.say(1 + i, "PREPARED", n, i, v)
    assert m.reply().startswith(code)
    for i, v in enumerate(verdicts):
        if v == OK:
            assert d.hears(1 + i) == ("FORGET", n, 0, 0)
        else:
            assert d.silent(d.workers[1 + i]) is True


def test_a_commit_that_fails(door):
    """one has it already: the sender is told to come again, not that all is lost"""
    d = door(workers=(1, 2))
    m = begin(d, "smtp")
    n, _ = accept(d, m, "a", 1)
    accept(d, m, "b", 2)
    give(m)
    for i in (0, 1):
        d.message(1 + i)
        d.hears(1 + i)
        d.say(1 + i, "PREPARED", n, i)
    assert d.hears(1)[0] == d.hears(2)[0] == "COMMIT"
    d.say(1, "DELIVERED", n, 0)
    d.say(2, "DELIVERED", n, 1, OVER_QUOTA)
    assert m.reply().startswith(b"451 4.3.0")


@pytest.mark.parametrize("port", ["lmtp", "smtp"])
def test_named_twice(door, port):
    """one copy for one answer: SMTP; LMTP answers each"""
    d = door()
    m = begin(d, port)
    n, _ = accept(d, m, "a", 1, mark=5)
    accept(d, m, "a+x", 1, mark=5)
    give(m)
    d.message(1)
    assert d.hears(1) == ("DELIVER", n, 0, COMMIT_NOW)
    if port == "lmtp":
        assert d.hears(1) == ("DELIVER", n, 1, COMMIT_NOW)
        d.say(1, "DELIVERED", n, 1)
    d.say(1, "DELIVERED", n, 0)
    assert m.reply().startswith(b"250")
    if port == "lmtp":
        assert m.reply().startswith(b"250")
    m.ok("NOOP")


def test_lmtp_answers_in_order(door):
    d = door()
    m = begin(d)
    n, _ = accept(d, m, "a", 1)
    for name in "bcd":
        accept(d, m, name, 1)
    give(m)
    d.message(1)
    assert [d.hears(1)[2] for _ in range(4)] == [0, 1, 2, 3]
    d.say(1, "DELIVERED", n, 3)
    d.say(1, "DELIVERED", n, 1, OVER_QUOTA)
    time.sleep(0.2)
    d.say(1, "DELIVERED", n, 0)
    assert [m.reply()[:3], m.reply()[:3]] == [b"250", b"552"]
    d.say(1, "DELIVERED", n, 2, TEMP)
    assert [m.reply()[:3], m.reply()[:3]] == [b"451", b"250"]


def test_many_targets_by_and_by(door):
    """the queue to a worker stays short however many there are"""
    d = door()
    m = begin(d)
    for i in range(7):
        n, _ = accept(d, m, "list%d" % i, *[1] * 100)
    give(m)
    d.message(1)
    asked, committed = [d.hears(1)[2] for _ in range(256)], []
    assert asked == list(range(256)) and d.silent(d.workers[1]) is True
    for t in range(700):
        d.say(1, "PREPARED", n, t)
        while len(asked) < min(700, t + 257):
            what, _, number, _ = d.hears(1)
            (asked if what == "DELIVER" else committed).append(number)
    while len(committed) < 700:
        what, _, number, _ = d.hears(1)
        assert what == "COMMIT"
        committed.append(number)
    assert asked == committed == list(range(700))
    for t in range(700):
        d.say(1, "DELIVERED", n, t)
    assert [m.reply()[:3] for _ in range(7)] == [b"250"] * 7


# ---- who dies, hangs or leaves

@pytest.mark.parametrize("when", ["accepted", "message", "prepared", "commit"])
def test_a_worker_that_dies(door, when):
    d = door(workers=(1, 2))
    m = begin(d, "smtp")
    n, _ = accept(d, m, "a", 1)
    accept(d, m, "b", 2)
    if when != "accepted":
        give(m)
        d.message(1)
        d.hears(1)
        d.message(2)
        d.hears(2)
        d.say(1, "PREPARED", n, 0)
    if when == "prepared":
        time.sleep(0.2)
    if when == "commit":
        d.say(2, "PREPARED", n, 1)
        assert d.hears(1)[0] == "COMMIT"
        d.say(2, "DELIVERED", n, 1)
    if when == "message":
        d.workers[2].close()
    else:
        d.workers[1].close()
    if when == "accepted":
        time.sleep(0.2)
        give(m)
        d.message(2)
        d.hears(2)
    if when in ("accepted", "prepared"):
        d.say(2, "PREPARED", n, 1)
    assert m.reply().startswith(b"451 4.3.0")
    alive = 1 if when == "message" else 2
    if when != "commit":
        assert d.hears(alive) == ("FORGET", n, 0, 0)  # and never COMMIT
    m.ok("NOOP")


def test_a_delivery_that_hangs(door):
    d = door("delivery_timeout = 500ms", workers=(1, 2))
    m = begin(d)
    n, _ = accept(d, m, "a", 1)
    accept(d, m, "b", 2)
    give(m)
    d.message(1)
    d.message(2)
    assert d.hears(1)[0] == d.hears(2)[0] == "DELIVER"
    d.say(2, "DELIVERED", n, 1)
    assert m.reply().startswith(b"451 4.3.0") and m.reply().startswith(b"250")
    assert d.hears(1) == ("FORGET", n, 0, 0)
    d.say(1, "DELIVERED", n, 0)  # too late; harmless
    m.ok("NOOP")


def big(size):
    return b"Subject: x\r\n\r\n" + b"0123456789abcdef0123456789abcdef\r\n" * (size // 34)


@pytest.mark.parametrize("end", ["forgotten", "gone"])
def test_what_a_hanging_process_holds_is_counted(door, end):
    """the door has answered, but the memory file lives as long as the deliver process has it: then there is no room for another"""
    d = door("delivery_timeout = 300ms\nmessages_memory = 1M", workers=(1,))
    held = []
    for code in (b"451 4.3.0", b"452 4.3.1"):  # the second one finds no room
        m = begin(d)
        n, _ = accept(d, m, "a", 1)
        m.ok("DATA", b"354")
        m.send(stuffed(big(700000)))
        assert m.reply().startswith(code)
        held.append(n)
    m = begin(d)
    assert m.cmd("RSET").startswith(b"250") and m.cmd("MAIL FROM:<a@b> SIZE=700000").startswith(b"452 4.3.1")
    if end == "forgotten":
        frames.send(d.workers[1], "FORGOTTEN", door=7, n=held[0], num=[])
    else:
        d.workers[1].close()
    deadline = time.monotonic() + 10
    while not m.cmd("MAIL FROM:<a@b> SIZE=700000").startswith(b"250"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_auth_dies(door):
    """451; and the numbers that the dead one may have given away are not used again"""
    d = door()
    m = begin(d)
    m.send("RCPT TO:<a>\r\n")
    n = d.asked()[0]
    d.target(n, 0, 0, 1)
    time.sleep(0.1)
    d.auth.close()
    assert m.reply().startswith(b"451 4.3.0")
    assert m.cmd("RCPT TO:<b>").startswith(b"451 4.3.0")
    d.new_auth()
    time.sleep(0.2)
    m.send("RCPT TO:<c>\r\n")
    again, rcpt, _, first, _, _ = d.asked()
    assert again == n and rcpt == 2 and first >= 101
    d.target(n, 2, first, 1)
    d.recipient(n, 2)
    assert m.reply().startswith(b"250")
    give(m)
    d.message(1)
    assert d.hears(1) == ("DELIVER", n, first, COMMIT_NOW)
    d.say(1, "DELIVERED", n, first)
    assert m.reply().startswith(b"250")


@pytest.mark.parametrize("when", ["target", "accepted", "data", "rset"])
def test_a_sender_who_leaves(door, when):
    """nobody waits for the rest of it"""
    d = door()
    m = begin(d)
    if when == "target":
        m.send("RCPT TO:<a>\r\n")
        n = d.asked()[0]
        m.close()
        d.target(n, 0, 0, 1)
        d.recipient(n, 0)
    else:
        n, _ = accept(d, m, "a", 1)
        if when == "data":
            m.ok("DATA", b"354")
            m.send(b"Subject: x\r\n")
        if when == "rset":
            m.ok("RSET")
        else:
            m.close()
    assert d.hears(1) == ("FORGET", n, 0, 0)


# ---- what is not believed

def test_a_worker_speaks_for_itself_alone(door):
    d = door(workers=(1, 2))
    m = begin(d)
    m.send("RCPT TO:<a>\r\n")
    n = d.asked()[0]
    d.say(2, "ROOM", n, 0, OK)      # before the door knows whose the target is
    time.sleep(0.1)
    d.target(n, 0, 0, 1, wait=True)
    d.recipient(n, 0)
    d.say(2, "ROOM", n, 0, OK)
    time.sleep(0.1)
    d.say(1, "ROOM", n, 0, OVER_QUOTA)
    assert m.reply().startswith(b"552 5.2.2")
    n, (t,) = accept(d, m, "a", 1)
    give(m)
    d.message(1)
    d.hears(1)
    d.say(2, "DELIVERED", n, t)
    d.say(2, "PREPARED", n, t, TEMP)
    for strange in (t + 1, 4000000, 2 ** 32 - 1):
        d.say(1, "DELIVERED", n, strange)
        d.say(1, "PREPARED", n, strange)
        d.say(1, "ROOM", n, strange)
    d.say(1, "PREPARED", n, t)      # it was told to commit at once
    d.say(1, "DELIVERED", n + 1, t)
    time.sleep(0.1)
    d.say(1, "DELIVERED", n, t, OVER_QUOTA)
    assert m.reply().startswith(b"552 5.2.2")
    m.ok("NOOP")


@pytest.mark.parametrize("what", ["generation", "TAKEN", "TARGET", "GO"])
def test_a_worker_out_of_turn(door, what):
    """its channel is closed, and what it had is put off"""
    d = door()
    m = begin(d)
    n, _ = accept(d, m, "a", 1)
    give(m)
    d.message(1)
    d.hears(1)
    if what == "generation":
        d.say(1, "DELIVERED", n, 0, door=8)
    else:
        frames.send(d.workers[1], what, door=7, n=n)
    assert m.reply().startswith(b"451 4.3.0")
    assert d.hears(1) is None


@pytest.mark.parametrize("how", ["another recipient", "another transaction", "too few", "too many", "none", "strange verdict", "twice"])
def test_words_of_auth_that_do_not_fit(door, how):
    d = door()
    m = begin(d)
    m.send("RCPT TO:<a>\r\n")
    n = d.asked()[0]
    if how == "another recipient":
        d.target(n, 5, 0, 1)
        d.recipient(n, 5)
    if how == "another transaction":
        d.target(n + 1, 0, 0, 1)
        assert d.hears(1)[0] == "FORGET"
        d.recipient(n + 1, 0)
    if how == "too many":
        d.target(n, 0, 0, 1)
        d.target(n, 0, 1, 1)
        d.recipient(n, 0, targets=1)
    if how == "strange verdict":
        d.recipient(n, 0, 200, targets=0)
    if how == "none":
        d.recipient(n, 0, targets=0)
    if how == "too few":
        d.target(n, 0, 0, 1)
        d.recipient(n, 0, targets=2)
    if how == "twice":
        d.target(n, 0, 0, 1)
        d.target(n, 0, 0, 1)
        d.recipient(n, 0, targets=2)
    if how.startswith("another"):
        time.sleep(0.1)
        d.target(n, 0, 0, 1)
        d.recipient(n, 0)
        assert m.reply().startswith(b"250")
    else:
        assert m.reply().startswith(b"451 4.3.0")
        n, (t,) = accept(d, m, "b", 1)
        give(m)
        d.message(1)
        assert d.hears(1) == ("DELIVER", n, t, COMMIT_NOW)


def test_a_channel_to_auth_that_breaks(door):
    """the master is told, and told again, until there is another"""
    d = door()
    for broken in ("end", "bad frame"):
        if broken == "bad frame":
            d.auth.send(b"x" * 200)
        else:
            d.auth.close()
        for _ in range(2):
            name, _, _, num, _ = frames.receive(d.master, 6)
            assert (name, num[0]) == ("AUTH_LOST", 1 if broken == "end" else 2)
        d.new_auth()
        m = d.mail("smtp")
        m.ok("EHLO x")
        m.ok("MAIL FROM:<>")
        m.send(b"RCPT TO:<anna>\r\n")
        d.recipient(d.asked()[0], 0, NOBODY, 0)
        assert m.reply().startswith(b"550 5.1.1")
        m.close()
