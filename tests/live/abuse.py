"""abuse: what the tests of abuse share: a server as shipped, somebody honest who is served beside, what the server holds before and
after, and many hostile peers driven by one thread."""
import os
import random
import re
import resource
import selectors
import socket
import threading
import time
import warnings

from bed import Bed

FULL = os.environ.get("LOAD") == "full"
BODY = b"Subject: %d\n\n" + b"An honest line.\n" * 200

# Who attacks comes from 127.1 to 127.9, who is honest from 127.0.0.1.
_attackers = 0
_written = 0


def attacker():
    """an address that no other attacker has had for long"""
    global _attackers
    _attackers += 1
    return "127.%d.%d.%d" % (1 + _attackers // 62500 % 9, _attackers // 250 % 250, 1 + _attackers % 250)


def pool(bed, i, n=3):
    """a user of the pool with so many messages, which no maildrop has had before"""
    global _written
    name, password = bed.pool(i)
    box = bed.maildir(name)
    for path in bed.files(name):
        os.unlink(path)
    for k in range(n):
        _written += 1
        tmp, new = ("%s/%s/%d.M%d" % (box, sub, 1600000000 + _written, k) for sub in ("tmp", "new"))
        with open(tmp, "wb") as f:
            f.write(BODY % k)
        if os.geteuid() == 0:
            os.chown(tmp, bed.target["pool"]["uid"], bed.target["pool"]["gid"])
        os.rename(tmp, new)
    return name, password


class Honest:
    """Sessions that go on while others attack: one that stays, and every 200 ms one from log-in to QUIT, by users in turn. Each
    step is timed; a failure of any is a failure of the test."""

    USERS = range(30, 39)

    def __init__(self, bed, port="pop3"):
        self.bed, self.port, self.worst, self.steps, self.sessions, self.failure = bed, port, 0.0, 0, 0, None
        for i in self.USERS:
            pool(bed, i, 2)
        self.names = [bed.pool(i) for i in self.USERS]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        for name, password in self.names:  # their passwords are remembered from now on
            self.bed.login(name, password, self.port).quit()
        self.stays = self.bed.login(*self.names[0], port=self.port)
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.thread.join(60)
        if kind is None:
            assert not self.thread.is_alive(), "an honest session hangs"
            assert self.failure is None, self.failure
            assert self.sessions > 0

    def _timed(self, fn, *args, **kw):
        start = time.monotonic()
        out = fn(*args, **kw)
        self.worst = max(self.worst, time.monotonic() - start)
        self.steps += 1
        return out

    def _run(self):
        try:
            while not self.stop.is_set():
                self._one()
                self.stop.wait(0.2)
            assert self.stays.quit().startswith(b"+OK")
        except Exception as e:  # told by __exit__
            self.failure = "after %d sessions: %r" % (self.sessions, e)

    def _one(self):
        name, password = self.names[1 + self.sessions % (len(self.names) - 1)]
        p = self._timed(self.bed.login, name, password, self.port)
        assert self._timed(p.retr, 2) == (BODY % 1).replace(b"\n", b"\r\n")
        assert self._timed(p.quit).startswith(b"+OK")
        self._timed(self.stays.ok, "NOOP")
        self._timed(self.stays.retr, 1)
        self.sessions += 1


# ---- what the server holds

def pss(bed):
    """what all roles hold, pages that several share counted once; None where that may not be read, or the sanitizers keep it"""
    if "ASAN_OPTIONS" in os.environ:
        return None
    try:
        return sum(pss_of(pid) for pids in bed.roles().values() for pid in pids)
    except PermissionError:
        return None


def pss_of(pid, what="Pss"):
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            parts = re.findall(r"^(?:%s):\s+(\d+) kB" % what, f.read(), re.M)
    except (FileNotFoundError, ProcessLookupError):  # a mail process that goes home
        return 0
    assert parts, "the kernel does not tell " + what
    return sum(int(n) for n in parts) << 10


def descriptors(pid):
    try:
        return len(os.listdir("/proc/%d/fd" % pid))
    except PermissionError:
        return None


def cpu(bed, role=None):
    """seconds of processor time of a role, or of all"""
    total = 0
    for pid in [pid for name, pids in bed.roles().items() for pid in pids if role in (None, name)]:
        try:
            with open("/proc/%d/stat" % pid) as f:
                w = f.read().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):  # it has gone meanwhile
            continue
        total += int(w[11]) + int(w[12])
    return total / os.sysconf("SC_CLK_TCK")


def at_rest(bed, secs=30):
    """until the server has done what it was given: what it holds then is held"""
    end, busy, since = time.monotonic() + secs, cpu(bed), time.monotonic()
    while time.monotonic() - since < 0.6 and time.monotonic() < end:
        time.sleep(0.1)
        now = cpu(bed)
        if now > busy + 0.02:
            busy, since = now, time.monotonic()
    if time.monotonic() - since < 0.6:
        warnings.warn("the server was not at rest within %d s" % secs)


def held(bed):
    """{(role, pid): descriptors}, with the master; a mail process may come and go"""
    roles = dict(bed.roles(), master=[bed.pid])
    return {(role, pid): descriptors(pid) for role, pids in roles.items() if role != "mail" for pid in pids}


def warm(bed):
    """once for each server: all has happened that opens a descriptor which then stays, as that by which auth writes down log-ins"""
    if not getattr(bed, "warm", False):
        start = time.monotonic()
        p = bed.connect(source=attacker())
        p.ok("USER nobody-here")
        assert p.cmd("PASS wrong").startswith(b"-ERR")
        p.close()
        time.sleep(max(0.0, start + 2.5 - time.monotonic()))  # log-ins are written down after one second
        bed.warm = True
    time.sleep(0.3)


class Unchanged:
    """`with Unchanged(bed, figure):` afterwards the processes are the same, none has died, their descriptors are no more than
    before, and their memory has not grown by more than `memory` octets. What is still being worked on, as a password that is hashed for
    who has left, is waited for"""

    def __init__(self, bed, figure, memory=12 << 20, secs=15):
        self.bed, self.figure, self.memory, self.secs = bed, figure, memory, secs

    def __enter__(self):
        self.bed.login(*self.bed.pool(0)).quit()  # so that there is a mail process
        warm(self.bed)
        if pss(self.bed) is not None:
            at_rest(self.bed)  # what is still held of the test before would be room for what this one leaves
        self.held, self.pss, self.log = held(self.bed), pss(self.bed), len(self.bed.log())
        return self

    def _grown(self):
        now = held(self.bed)
        if set(now) != set(self.held):
            return sorted(set(now) ^ set(self.held))
        return [(who, self.held[who], n) for who, n in now.items() if n is not None and n > self.held[who]]

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        end = time.monotonic() + self.secs  # sockets wait for their peers to close
        while self._grown() and time.monotonic() < end:
            time.sleep(0.1)
        assert self._grown() == []
        log = self.bed.log()[self.log:]
        assert not re.search(r"ended: role=\S+ pid=\d+ (signal|status)", log), log[-2000:]
        if self.pss is None:
            return
        more = pss(self.bed) - self.pss
        while more > self.memory and time.monotonic() < end:
            time.sleep(0.1)
            more = pss(self.bed) - self.pss
        self.figure("memory held afterwards", more / 1048576, self.memory / 1048576, "MB more")


# ---- many peers at once

class Thrower:
    """one hostile peer: connects, sends its pieces each after the pause before it, closes its half, reads to the end"""

    def __init__(self, number, pieces, half_close=True, source=None):
        self.number, self.pieces, self.half_close, self.source = number, list(pieces), half_close, source
        self.got, self.end, self.at = b"", None, 0.0

    def begin(self, port):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.bind((self.source or attacker(), 0))
        self.sock.connect(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.began = time.monotonic()

    def sends(self):
        """what is due is sent; then the half is closed"""
        while self.pieces and time.monotonic() >= self.at:
            pause, data = self.pieces[0]
            if pause:
                self.at = time.monotonic() + pause
                self.pieces[0] = (0, data)
                return
            try:
                n = self.sock.send(data) if data else 0
            except BlockingIOError:
                return
            except OSError:
                self.pieces = []
                return
            self.pieces[0] = (0, data[n:])
            if n == len(data):
                self.pieces.pop(0)
        if not self.pieces and self.half_close:
            self.half_close = False
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def reads(self):
        """True at the end of what comes"""
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            self.end = "reset"
            return True
        self.got += data
        if not data:
            self.end = "closed"
        return not data


def throw(port, peers, at_once=100, patience=30.0, done=None):
    """Runs all peers, so many at a time; done(peer) when the server has closed. Fails if it has not within `patience` seconds."""
    sel, running, peers = selectors.DefaultSelector(), set(), iter(peers)
    more = True
    while more or running:
        while more and len(running) < at_once:
            p = next(peers, None)
            if p is None:
                more = False
                break
            p.begin(port)
            sel.register(p.sock, selectors.EVENT_READ, p)
            running.add(p)
        for p in list(running):
            p.sends()
            assert time.monotonic() - p.began < patience, "input %d: no end after %.0f s; got %r" % (p.number, patience, p.got[-300:])
        for key, _ in sel.select(0.02):
            p = key.data
            if p.reads():
                sel.unregister(p.sock)
                p.sock.close()
                running.discard(p)
                if done:
                    done(p)


def seed(default=None):
    """the seed of what is random here: ABUSE_SEED in the environment repeats a run that failed"""
    return int(os.environ.get("ABUSE_SEED", default or random.SystemRandom().randrange(1 << 32)))


def many_files(n):
    """room for so many sockets in this process, as far as it is given"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n if hard == resource.RLIM_INFINITY else min(n, hard), hard))


def stock(*options):
    return Bed(options, stock=True)
