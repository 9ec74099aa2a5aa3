"""What a log-in and a message cost in system calls, by role: counted by strace, with a ceiling a little above what is measured, so that a
slow way cannot creep in again. Counts, not times. On a machine with other load a role is woken for each thing by itself and makes
more calls of the same way: so each role's least of a few tries counts."""
import os
import re
import shutil
import signal
import time

import pytest
import tracing
from bed import Bed

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")]

ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")

# What a thread that watches does by time, and what strace itself makes go on.
BY_TIME = {"futex", "restart_syscall"}

SESSIONS = 30
MESSAGES = 100
TRIES = 3


class Count:
    """strace on door, auth and mail: {role: {call: how many}}"""

    def __init__(self, bed, tmp_path):
        self.running = []
        for role in ("door", "auth", "mail"):
            (pid,) = bed.roles()[role]
            out = str(tmp_path / role)
            try:
                self.running.append((role, out, tracing.attach(pid, out, "-c")))
            except pytest.skip.Exception:
                self.end()
                raise
        time.sleep(0.3)

    def end(self):
        seen = {}
        for role, out, p in self.running:
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=20)
            if os.path.exists(out):
                with open(out) as f:
                    rows = [ROW.match(line) for line in f]
                seen[role] = {m[2]: int(m[1]) for m in rows if m and m[2] != "total" and m[2] not in BY_TIME}
        return seen


@pytest.fixture(scope="module")
def bed():
    b = Bed()
    name, password = b.pool(0)
    b.seed(name, [b"Subject: %d\r\n\r\n" % i + b"a line of text\r\n" * 100 for i in range(MESSAGES)])
    # An index that is trusted, a password that is remembered; and who has logged in is written down, for a minute.
    session(b, "pop3")
    time.sleep(1.5)
    session(b, "pop3")
    session(b, "pop3s")
    yield b
    b.close()


def session(bed, port):
    name, password = bed.pool(0)
    p = bed.login(name, password, port=port)
    assert p.stat()[0] == MESSAGES
    p.quit()


def each(seen, times):
    """calls of each role for one of so many"""
    out = {role: sum(calls.values()) / times for role, calls in seen.items()}
    print({role: {call: round(n / times, 2) for call, n in calls.items()} for role, calls in seen.items()}, out)
    return out


def least(bed, tmp_path, work, times, most, apart=()):
    """calls of each role for one of so many: the least of some tries, if it takes them; and what was seen in the last. Calls of mail that
    stand apart are counted as `mail NAME`"""
    used = {}
    for _ in range(TRIES):
        count = Count(bed, tmp_path)
        try:
            work()
        finally:
            seen = count.end()
        for call in apart:
            seen["mail " + call] = {call: seen["mail"].pop(call, 0)}
        for role, n in each(seen, times).items():
            used[role] = min(n, used.get(role, n))
        if all(used.get(role, 0) <= most[role] for role in most):
            break
    return used, seen


@pytest.mark.parametrize("port,most", [
    ("pop3", {"door": 19, "auth": 11, "mail": 31}),  # 16.5, 8.2, 29.8 on a machine with other load
    ("pop3s", {"door": 55, "auth": 11, "mail": 31}),  # 49.2, 9.0, 27.3
])
def test_a_log_in(bed, tmp_path, port, most):
    """USER, PASS, STAT, QUIT, one after the other, of an unchanged maildrop: nothing of it is scanned or read"""
    def work():
        for _ in range(SESSIONS):
            session(bed, port)

    used, seen = least(bed, tmp_path, work, SESSIONS, most)
    assert all(used[role] <= most[role] for role in most), used
    # Of short answers it is not asked how much room there is; whether somebody who has not closed after 20 ms still lives, it is.
    assert seen["door"].get("getsockopt", 0) < SESSIONS / 5
    assert seen["mail"].get("getdents64", 0) == 0 and seen["mail"].get("pread64", 0) <= 2 * SESSIONS


def test_a_message(bed, tmp_path):
    """RETR"""
    most = {"door": 0.25, "auth": 0.25, "mail": 8}  # 0, 0, 7
    name, password = bed.pool(0)
    p = bed.login(name, password)
    p.retr(1)

    def work():
        for i in range(MESSAGES):
            p.retr(i + 1)

    used, _ = least(bed, tmp_path, work, MESSAGES, most)
    p.quit()
    assert all(used.get(role, 0) <= most[role] for role in most), used


@pytest.mark.parametrize("first,octets,lines", [(500, 500, 0), (5000, 5000, 0), (9000, 500, 1)])
def test_headers(bed, tmp_path, first, octets, lines):
    """TOP, a hundred at once: openat, fstat, pread and close of each, and little more; one that was longer than what is read at first
    is read of in two pieces, and those after it in one; also where the first was very long, and of the others a line is wanted"""
    name, password = bed.pool(2)
    bed.empty(name)
    rest = [b"X-Line: of a header\r\n" * (n // 21) + b"\r\n" + b"a line of text\r\n" * 1000 for n in [first] + [octets] * (MESSAGES - 1)]
    bed.seed(name, [b"Subject: %d\r\n" % i + r for i, r in enumerate(rest)])
    p = bed.login(name, password)
    p.multi("TOP 1 0")

    def work():
        p.send("".join("TOP %d %d\r\n" % (i + 1, lines if i else 0) for i in range(MESSAGES)))
        for _ in range(MESSAGES):
            assert p.line().startswith(b"+OK")
            p.body()

    # epoll_wait goes by time: traced, each message takes so long that the loop looks after the others every few, or after each.
    most = {"mail": 4.4, "mail epoll_wait": 1.2, "door": 0.25, "auth": 0.25}  # 4.03, 0.3 to 1, 0, 0
    used, _ = least(bed, tmp_path, work, MESSAGES, most, apart=("epoll_wait",))
    p.quit()
    assert all(used.get(role, 0) <= most[role] for role in most), used
