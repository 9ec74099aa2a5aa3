"""Each role killed in the middle of a log-in, of RETR and of QUIT: nothing is lost that was not deleted, no +OK is false, and the service
is back. test_processes.py kills them between commands."""
import os
import signal
import time

import abuse
import pytest
from abuse import BODY, FULL
from bed import TESTBED, TOP, Bed, wire
from late import late
from test_abuse_ends import large
from test_faults import own

ROLES = ["door", "auth", "mail", "control", "master"]
PORTS = ["pop3", "pop3s"]
# All of them with LOAD=full; else those whose death is felt in that moment.
FELT = {"log-in": [("door", "pop3"), ("auth", "pop3s"), ("mail", "pop3")],
        "RETR": [("door", "pop3"), ("door", "pop3s"), ("mail", "pop3s"), ("auth", "pop3")],
        "QUIT": [("door", "pop3s"), ("mail", "pop3"), ("master", "pop3")]}
BACK = 2 * 2.0  # a role is back within two seconds, and a loaded machine has twice that
MANY, KEPT = 400 if FULL else 200, 5


class Slow(Bed):
    """a server on whose disk each removal takes 2 ms, so that there is a middle of QUIT"""

    def __init__(self):
        super().__init__(stock=True)
        build = os.environ.get("BUSTIA_BUILD") or TOP + "/build"
        self.env = dict(os.environ, LD_PRELOAD=build + "/tests/fault/libfault.so", FAULT="unlinkat:SLOW:/new/:1")
        self.restart()

    def restart(self):
        return int(self._run([TESTBED, "restart", self.dir], env=self.env))


@pytest.fixture(scope="module")
def bed():
    b = Slow()
    yield b
    b.close()


def kill(bed, role, stopped=()):
    pids = stopped or bed.roles()[role] if role != "master" else [bed.pid]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    if role == "master":
        bed.restart()


def fill(bed, i):
    """so many messages to delete, and some to keep; their paths"""
    name, _ = bed.pool(i)
    bed.seed(name, [])
    paths = []
    for n in range(MANY + KEPT):
        paths.append("%s/new/%d.M%d" % (bed.maildir(name), 1750000000 + n, n))
        with open(paths[-1], "wb") as f:
            f.write(BODY % n)
        own(bed, paths[-1])
    return name, paths


def rest(p):
    """what still comes, until the end or a reset"""
    try:
        return p.rest()
    except OSError:
        return p.buf


def back(bed, name, port):
    """a log-in that succeeds, however the server is just now; how long it took"""
    start = time.monotonic()
    while True:
        try:
            p = bed.connect(port)
            p.ok("USER " + name)
            answer = p.cmd("PASS " + bed.target["pool"]["pass"])
            if answer.startswith(b"+OK"):
                return p, time.monotonic() - start
            p.close()
        except (OSError, EOFError, AssertionError):
            pass
        assert time.monotonic() - start < 30, "no log-in within 30 s"
        time.sleep(0.02)


users = iter(range(40))


def moments(name):
    which = [(r, p) for r in ROLES for p in PORTS] if FULL else FELT[name]
    return pytest.mark.parametrize("role,port", which)


@moments("log-in")
def test_killed_in_a_log_in(bed, figure, role, port):
    """it has the question and dies of it: an answer or an end, never a session that nobody has, and the maildrop is free"""
    name, _ = abuse.pool(bed, next(users))
    files = bed.files(name)
    bed.login(name).quit()
    p = bed.connect(port)
    p.ok("USER " + name)
    stopped = [bed.pid] if role == "master" else bed.roles()[role]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    p.send("PASS %s\r\n" % bed.target["pool"]["pass"])
    time.sleep(0.2)
    start = time.monotonic()
    kill(bed, role, stopped)
    if role in ("auth", "mail"):
        answer = p.line()
        assert answer.startswith(b"-ERR [SYS/TEMP]") or role == "mail" and answer.startswith(b"+OK") and p.ok("NOOP")  # by another process
    elif role == "door":
        assert rest(p) == b""
    else:
        assert p.line().startswith(b"+OK")  # neither is asked when somebody logs in
        p.ok("NOOP")
    p.close()
    q, _ = back(bed, name, port)
    took = time.monotonic() - start - late(start, BACK)
    assert q.stat()[0] == 3 and bed.files(name) == files
    q.quit()
    figure("until a log-in succeeds, %s killed in one over %s" % (role, port), took, BACK, "s")


@moments("RETR")
def test_killed_in_retr(bed, figure, role, port):
    """50 MB are half read: the rest comes if its process lives, else an end without the final dot; deletions before it are not done"""
    name, _ = large(bed, next(users))
    with open(bed.maildir(name) + "/new/1750000001.M1", "wb") as f:
        f.write(BODY % 1)
    own(bed, f.name)
    p = bed.login(name, port=port, timeout=60)
    p.ok("DELE 2")
    p.send("RETR 1\r\n")
    octets = int(p.line().split()[1])
    got = len(p.buf)
    while got < octets // 3:
        got += len(p.sock.recv(1 << 18))
    start = time.monotonic()
    kill(bed, role)
    lives = role in ("auth", "control", "master") or (role == "door" and port == "pop3")
    tail = b""
    try:
        while got < octets + 3:
            data = p.sock.recv(1 << 18)
            if not data:
                break
            got, tail = got + len(data), (tail + data)[-5:]
    except OSError:
        pass
    if lives:
        assert got == octets + 3 and tail == b"\r\n.\r\n"
        p.buf = b""
        p.ok("RSET")
        assert p.quit().startswith(b"+OK")
    else:
        assert got < octets and tail != b"\r\n.\r\n"
        p.close()
    q, _ = back(bed, name, port)
    took = time.monotonic() - start - late(start, BACK)
    assert q.stat()[0] == 2 and len(bed.files(name)) == 2
    q.quit()
    if not lives:
        figure("until a log-in succeeds, %s killed in RETR over %s" % (role, port), took, BACK, "s")


@moments("QUIT")
def test_killed_in_quit(bed, figure, role, port):
    """Some are deleted and some are not: +OK only if all are gone, what was not marked is all there, and the rest is deleted by who asks again"""
    name, paths = fill(bed, next(users))
    p = bed.login(name, port=port, timeout=60)
    p.send(b"".join(b"DELE %d\r\n" % (n + 1) for n in range(MANY)))
    for _ in range(MANY):
        assert p.line().startswith(b"+OK")
    p.send(b"QUIT\r\n")
    end = time.monotonic() + 20
    while len(bed.files(name)) > MANY + KEPT - 30:
        assert time.monotonic() < end
        time.sleep(0.005)
    start = time.monotonic()
    kill(bed, role)
    answer = rest(p)
    p.close()
    q, _ = back(bed, name, port)
    took = time.monotonic() - start - late(start, BACK)
    left = bed.files(name)
    assert set(paths[MANY:]) <= set(left) <= set(paths)
    if answer.startswith(b"+OK") or role in ("auth", "control", "master"):
        assert answer.startswith(b"+OK") and left == paths[MANY:]
    if role == "mail":
        assert answer == b"" and len(left) > KEPT  # it was in the middle
    count = q.stat()[0]
    assert count == len(left) and q.retr(count) == wire(BODY % (MANY + KEPT - 1))
    for n in range(count - KEPT):
        q.ok("DELE %d" % (n + 1))
    assert q.quit().startswith(b"+OK")
    assert bed.files(name) == paths[MANY:]
    print("%s: %d of %d were left" % (role, len(left) - KEPT, MANY))
    figure("until a log-in succeeds, %s killed in QUIT over %s" % (role, port), took, BACK + 2.0, "s")
