"""How connections end: reset at every octet, half-closed, stopped in the middle of 50 MB, slower than any client is. Nothing is deleted
that QUIT did not ask for, no lock, descriptor or memory stays held, and an honest session is served beside.

The shipped limits of time are waited for with LOAD=full alone (a quarter of an hour); test_bounds.py and test_slow.py do it with short ones."""
import os
import select
import socket
import ssl
import struct
import time

import abuse
import pytest
from abuse import BODY, FULL, Honest, Thrower, Unchanged, throw
from bed import Pop, wire

SLOWEST = 2.0


@pytest.fixture(scope="module")
def bed():
    b = abuse.stock()
    yield b
    b.close()


def reset(sock):
    """closes with a reset (RST), as a machine does that has forgotten the connection"""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def connect(bed, port, source=None, small=False):
    s = socket.socket()
    if small:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    s.settimeout(30)
    s.bind((source or abuse.attacker(), 0))
    s.connect(("127.0.0.1", bed.ports[port]))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Tls:
    """TLS by hand, so that it can be cut anywhere: what is to be sent is in `out` and goes when it is told to"""

    def __init__(self, bed, version=None):
        ctx = ssl.create_default_context(cafile=bed.cert)
        if version:
            ctx.maximum_version = version
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = ctx.wrap_bio(self.into, self.out, server_hostname="localhost")

    def step(self, fn, *args):
        """the result, or None while octets of the server are wanted"""
        try:
            return fn(*args)
        except ssl.SSLError:  # SSLWantReadError; or unread octets came before the other side's close_notify
            return None

    def shake(self, sock, cut=None):
        """the handshake; True unless it was cut after so many octets of ours"""
        sent = 0
        while True:
            done = True
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            data = self.out.read()
            if cut is not None and sent + len(data) >= cut:
                sock.sendall(data[:cut - sent])
                return False
            sock.sendall(data)
            sent += len(data)
            if done:
                self.sent = sent
                return True
            data = sock.recv(65536)
            if not data:
                raise EOFError("no handshake")
            self.into.write(data)

    def send(self, sock, data):
        self.tls.write(data)
        sock.sendall(self.out.read())

    def recv(self, sock):
        """some of what comes; b"" at the end in good order"""
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                data = sock.recv(1 << 18)
                if not data:
                    raise EOFError("no close_notify")
                self.into.write(data)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""


def free_again(bed, name, secs=10):
    """how long until the maildrop can be opened; the number of its messages"""
    start = time.monotonic()
    p = bed.login(name)  # waits where another session still has it
    took = time.monotonic() - start
    assert took < secs
    count = p.stat()[0]
    p.quit()
    return took, count


# ---- resets

SCRIPT = [b"CAPA\r\n", b"USER %s\r\n", b"PASS %s\r\n", b"STAT\r\n", b"LIST\r\n", b"DELE 1\r\n", b"RETR 2\r\n", b"TOP 3 1\r\n", b"DELE 3\r\n"]
RESET_STEP = 1 if FULL else 3


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_reset_at_every_octet(bed, figure, port):
    """the first N octets of a session that deletes, for every N; then a reset, at once or when something was answered"""
    i = {"pop3": 0, "pop3s": 1}[port]
    name, password = abuse.pool(bed, i)
    files = bed.files(name)
    script = b"".join(SCRIPT) % (name.encode(), password.encode())
    count = 0
    with Unchanged(bed, figure), Honest(bed, port) as honest:
        for n in range(0, len(script) + 1, RESET_STEP):
            s = connect(bed, port)
            if port == "pop3s":
                t = Tls(bed)
                t.shake(s)
                if n:
                    t.send(s, script[:n])
            else:
                s.sendall(script[:n])
            if n % 2:
                select.select([s], [], [], 0.05)
            reset(s)
            count += 1
        took, there = free_again(bed, name)
    assert there == 3 and bed.files(name) == files
    print("%d resets" % count)
    figure("until the maildrop is free after %d resets" % count, took, 5, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


def test_reset_within_a_handshake(bed, figure):
    """after every octet of the client's part of it (with LOAD=full; else every 16th), by close and by reset"""
    s, t = connect(bed, "pop3s"), Tls(bed)
    assert t.shake(s)
    s.close()
    with Unchanged(bed, figure), Honest(bed, "pop3s") as honest:
        for n in range(0, t.sent, 1 if FULL else 16):
            for port, end in (("pop3s", reset), ("pop3", socket.socket.close)):
                s = connect(bed, port)
                if port == "pop3":
                    s.sendall(b"STLS\r\n")
                    got = b""
                    while got.count(b"\r\n") < 2:
                        got += s.recv(4096)
                Tls(bed).shake(s, cut=n)
                end(s)
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


def test_reset_after_quit(bed, figure):
    """QUIT was said: the deletions are done or they are not, and nothing else is; whoever asks again finds one of the two"""
    name, password = abuse.pool(bed, 2)
    both = {0: 0, 1: 0}
    with Unchanged(bed, figure):
        for n in range(30):
            before = bed.files(name)
            s = connect(bed, "pop3")
            s.sendall(b"USER %s\r\nPASS %s\r\nDELE 1\r\nQUIT\r\n" % (name.encode(), password.encode()))
            if n % 3:
                select.select([s], [], [], 0.02 * (n % 3))
            reset(s)
            _, there = free_again(bed, name)
            gone = [p for p in before if p not in bed.files(name)]
            assert gone in ([], before[:1]) and there == len(before) - len(gone)
            both[len(gone)] += 1
            if gone:
                abuse.pool(bed, 2)
    print("not deleted, deleted:", both)


# ---- half of a connection closed

@pytest.mark.asan
def test_half_closed(bed, figure):
    """who says all he has to say and closes his half gets every answer, then the end; without QUIT nothing is deleted"""
    name, password = abuse.pool(bed, 3)
    words = b"USER %s\r\nPASS %s\r\nDELE 1\r\nRETR 2\r\nSTAT\r\n" % (name.encode(), password.encode())
    with Unchanged(bed, figure):
        start, p = time.monotonic(), Thrower(0, [(0, words)])
        throw(bed.ports["pop3"], [p], patience=20)
        took = time.monotonic() - start
        assert wire(BODY % 1) in p.got and p.got.count(b"\r\n+OK 2 ") == 1 and p.end == "closed", p.got[-300:]
        assert free_again(bed, name)[1] == 3
        q = Thrower(0, [(0, words + b"QUIT\r\n")])
        throw(bed.ports["pop3"], [q], patience=20)
        assert q.got.endswith(b"\r\n") and q.got.split(b"\r\n")[-2].startswith(b"+OK")
        assert free_again(bed, name)[1] == 2
    figure("a half-closed session, to its end", took, 5, "s")


@pytest.mark.asan
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_half_closed_tls(bed, figure, version):
    """close_notify behind the last command. In TLS 1.3 it closes one half (RFC 8446 6.1): all is answered; in 1.2 both (RFC 5246 7.2.1), and
    nobody listens. Either way the end comes at once, and nothing is deleted without QUIT"""
    name, password = abuse.pool(bed, 4)
    with Unchanged(bed, figure):
        s, t = connect(bed, "pop3s"), Tls(bed, version)
        assert t.shake(s)
        t.send(s, b"USER %s\r\nPASS %s\r\nDELE 1\r\nRETR 2\r\nSTAT\r\n" % (name.encode(), password.encode()))
        t.step(t.tls.unwrap)
        start = time.monotonic()
        s.sendall(t.out.read())
        s.settimeout(20)
        got = b""
        if version == ssl.TLSVersion.TLSv1_3:
            for piece in iter(lambda: t.recv(s), b""):
                got += piece
            assert wire(BODY % 1) in got and got.count(b"\r\n+OK 2 ") == 1, got[-300:]
        else:
            while s.recv(65536):
                pass
        took = time.monotonic() - start
        s.close()
        assert free_again(bed, name)[1] == 3
    figure("a session after close_notify, to its end", took, 8, "s")


def test_half_closed_and_never_read(bed, figure):
    """asks for 50 MB, closes his half and reads nothing; then resets"""
    name, password = large(bed, 5)
    with Unchanged(bed, figure), Honest(bed) as honest:
        s = connect(bed, "pop3", small=True)
        s.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (name.encode(), password.encode()))
        s.shutdown(socket.SHUT_WR)
        time.sleep(2)
        reset(s)
        took, _ = free_again(bed, name)
    figure("until the maildrop is free after the reset", took, 5, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- who stops in the middle of 50 MB

LINE = b"0123456789abcdef" * 4 + b"\n"
LARGE = 50 * 1000 * 1000 // len(LINE)


def large(bed, i):
    """a user with one message of 50 MB, which all of them share"""
    name, password = bed.pool(i)
    source = bed.dir + "/large"
    if not os.path.exists(source):
        with open(source, "wb") as f:
            f.write(b"Subject: large\n\n" + LINE * LARGE)
            if os.geteuid() == 0:
                os.fchown(f.fileno(), bed.target["pool"]["uid"], bed.target["pool"]["gid"])
    bed.seed(name, [])
    os.link(source, bed.maildir(name) + "/new/1750000000.M0")
    return name, password


WHOLE = len(wire(b"Subject: large\n\n")) + LARGE * (len(LINE) + 1)


def test_readers_that_stop(bed, figure):
    """read a fifth of it and stop: the server holds next to nothing for them; who reads on has all of it, who leaves leaves nothing"""
    users = list(range(5, 29 if FULL else 13))
    for i in users:
        large(bed, i)
    with Unchanged(bed, figure), Honest(bed) as honest:
        sessions = [bed.login(*bed.pool(i), port=("pop3", "pop3s")[i % 2], timeout=60) for i in users]
        time.sleep(0.5)
        before = abuse.pss(bed)
        got = {}
        for p in sessions:
            p.send("RETR 1\r\n")
        for p in sessions:
            p.line()
            got[p] = len(p.buf)
            while got[p] < WHOLE // 5:
                got[p] += len(p.sock.recv(1 << 18))
        time.sleep(2)
        more = None if before is None else abuse.pss(bed) - before
        for n, p in enumerate(sessions):
            if n < 4:  # two of each port
                tail = b""
                while got[p] < WHOLE + 3:
                    data = p.sock.recv(1 << 18)
                    assert data
                    got[p], tail = got[p] + len(data), (tail + data)[-5:]
                assert tail == b"\r\n.\r\n" and got[p] == WHOLE + 3
                p.buf = b""
                assert p.quit().startswith(b"+OK")
            elif n % 2:
                reset(p.sock)
            else:
                p.close()
        waited = max(free_again(bed, bed.pool(i)[0])[0] for i in users)
    if more is not None:
        figure("memory for %d who stopped in the middle of 50 MB" % len(users), more / 1048576, 32, "MB more")
    figure("until the maildrops of those who left are free", waited, 5, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- slower than any client, with the limits as shipped

KINDS = {  # what it does, how long the server waits for it as shipped, and how many of them
    "silent": (180, 40), "dripping": (60, 40), "silent-tls": (180, 40), "dripping-tls": (180, 20), "dripping-session": (60, 5), "talking": (180, 20),
    "unread": (120, 5), "silent-session": (600, 5),
}


def begin(bed, kind, n):
    if kind in ("silent", "dripping", "talking"):
        s = connect(bed, "pop3")
        s.recv(1000)
    elif kind in ("silent-tls", "dripping-tls"):
        s = connect(bed, "pop3s")
    elif kind == "unread":
        name, password = large(bed, n)
        s = connect(bed, "pop3", small=True)
        s.sendall(b"USER %s\r\nPASS %s\r\nRETR 1\r\n" % (name.encode(), password.encode()))
    else:
        s = bed.login(*abuse.pool(bed, n)).sock
    s.setblocking(False)
    return s


DRIPS = {"dripping": b"U", "dripping-session": b"N", "dripping-tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, "talking": b"USER x\r\nNOOP\r\n"}


@pytest.mark.skipif(not FULL, reason="waits for the shipped limits: with LOAD=full")
def test_slow_and_dripping(figure):
    """Each kind is ended when the shipped limit says, and not before; the honest notice nothing of them."""
    bed = abuse.stock()
    try:
        slow_and_dripping(bed, figure)
    finally:
        bed.close()


def slow_and_dripping(bed, figure):
    peers, user, ended = [], iter(range(30)), {}
    with Honest(bed) as honest:
        for kind, (_, count) in KINDS.items():
            for _ in range(count):
                n = next(user) if kind in ("dripping-session", "unread", "silent-session") else None
                peers.append([kind, begin(bed, kind, n), time.monotonic(), 0])
        before = abuse.pss(bed)
        while peers:
            for peer in list(peers):
                kind, s, began, sent = peer
                drip = DRIPS.get(kind)
                try:
                    if drip and time.monotonic() - began > sent * 2:
                        s.send(drip[sent % len(drip):][:1] if kind != "talking" else drip)
                        peer[3] += 1
                    over = kind != "unread" and s.recv(65536) == b""
                    if kind == "unread":  # nothing is read: the reset, or the end, shows by itself
                        over = "end=stalled" in bed.log() and bed.log().count("end=stalled") >= KINDS[kind][1]
                except BlockingIOError:
                    over = False
                except OSError:
                    over = True
                took = time.monotonic() - began
                limit = KINDS[kind][0]
                if over:
                    ended.setdefault(kind, []).append(took)
                    s.close()
                    peers.remove(peer)
                assert took < 2 * limit + 10, (kind, took)
            time.sleep(0.25)
        after = abuse.pss(bed)
    for kind, times in ended.items():
        assert min(times) > KINDS[kind][0] * 0.9, (kind, times)
        figure("%d of the kind %s ended at last" % (len(times), kind), max(times), 2.0 * KINDS[kind][0], "s")
    if before is not None:
        figure("memory when all have been ended", (after - before) / 1048576, 6, "MB more")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


def test_honest_far_away(bed):
    """none of the above is a reason to cut off one who merely types: a session by hand, an octet at a time"""
    name, password = abuse.pool(bed, 29)
    p = Pop(bed)
    for line in ("USER " + name, "PASS " + password, "STAT", "RETR 1"):
        for c in line + "\r\n":
            p.send(c)
            time.sleep(0.005)
        assert p.line().startswith(b"+OK")
    assert p.body() == wire(BODY % 0)
    assert p.quit().startswith(b"+OK")
