"""The wall clock set an hour forward and back while the server runs (tests/fault/shifted.c steps it for the server alone): no limit of time
fires early or late, sessions go on, stamps and unique ids are never given twice, passwords stay remembered."""
import calendar
import os
import re
import shutil
import struct
import time

import abuse
import pytest
from bed import TESTBED, TOP, Bed, untraced, wire
from late import late

HOUR = 3600
IDLE = 4.0  # of this server, in seconds


class Shifted(Bed):
    """a server whose wall clock `step` moves"""

    def __init__(self, options=()):
        super().__init__(options, stock=True)
        build = os.environ.get("BUSTIA_BUILD") or TOP + "/build"
        lib = shutil.copy(build + "/tests/fault/libshifted.so", self.dir)
        os.chmod(lib, 0o755)
        self.offset = lib + ".offset"
        self.step(0)
        self._run([TESTBED, "restart", self.dir], env=dict(os.environ, LD_PRELOAD=lib))

    def step(self, seconds):
        with open(self.offset, "r+b" if os.path.exists(self.offset) else "wb") as f:
            f.write(struct.pack("=q", seconds))

    def hour(self):
        """what the log says of the time, less ours, in seconds"""
        p = self.connect()
        start = len(self.log())
        p.quit()
        return behind(self.wait_log(STAMP + " door info connection: .*end=quit", start=start))


STAMP = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z \S+"


def behind(match):
    """the time of a line of the log, less ours, in seconds"""
    return calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S")) - time.time()


@pytest.fixture(scope="module")
def bed():
    b = Shifted(["idle_timeout=%ds" % IDLE, "authorization_timeout=%ds" % IDLE, "command_timeout=%ds" % IDLE, "write_timeout=%ds" % IDLE])
    yield b
    b.step(0)
    b.close()


def test_the_clock_is_stepped(bed):
    """the instrument: the server believes it, in each of its processes"""
    for hours in (1, -1, 0):
        bed.step(hours * HOUR)
        assert abs(bed.hour() - hours * HOUR) < 5
    name, _ = abuse.pool(bed, 0)
    bed.step(HOUR)
    start = len(bed.log())
    bed.login(name).quit()
    assert abs(behind(bed.wait_log(STAMP + " mail info session: .*", start=start)) - HOUR) < 5
    bed.step(0)


@pytest.mark.parametrize("hours", [1, -1])
def test_limits_of_time(bed, figure, hours):
    """what was begun before the step is neither ended by it nor kept for longer"""
    bed.step(0)
    name, password = abuse.pool(bed, 1)
    other, _ = abuse.pool(bed, 2)
    session, tls = bed.login(name, password), bed.login(other, password, port="pop3s")
    waiting, half = bed.connect(), bed.login(*abuse.pool(bed, 3))
    began = time.monotonic()
    half.send("NO")
    peers = {"silent": waiting, "half a line": half}
    bed.step(hours * HOUR)
    time.sleep(IDLE / 4)
    for p in (session, tls):  # still there, and served
        p.ok("NOOP")
        assert p.retr(1) == wire(abuse.BODY % 0)
    last = time.monotonic()
    peers.update({"session": session, "session over TLS": tls})
    for what, p in peers.items():
        p.sock.settimeout(4 * IDLE)
        p.rest()
        took = time.monotonic() - (last if "session" in what else began)
        assert took > IDLE * 0.8 or "session" in what, (what, took)
        figure("%s ended, the clock %+d h (limit %.0f s)" % (what, hours, IDLE), took, 2 * IDLE + 1, "s")
    bed.step(0)


@pytest.mark.parametrize("hours", [1, -1])
def test_sessions_and_log_ins(bed, figure, hours):
    """before, during and after: log-ins succeed, UPDATE does what QUIT asked for, a refusal comes when it always does"""
    bed.step(0)
    name, password = abuse.pool(bed, 4, 4)
    files = bed.files(name)
    bed.login(name, password).quit()
    before = bed.login(name, password)
    before.ok("DELE 1")
    bed.step(hours * HOUR)
    assert before.quit().startswith(b"+OK")
    assert bed.files(name) == files[1:]
    start = time.monotonic()
    p = bed.login(name, password)
    figure("a remembered log-in, the clock %+d h" % hours, time.monotonic() - start - late(start, 2.0), 2.0, "s")
    uids = p.uidl()
    p.quit()
    q = bed.connect()
    q.ok("USER " + name)
    start = time.monotonic()
    q.sock.settimeout(20)
    assert q.cmd("PASS wrong").startswith(b"-ERR [AUTH]")
    took = time.monotonic() - start
    q.close()
    assert took > 1.0  # failure_delay = 2s
    figure("a refusal, the clock %+d h" % hours, took, 6.0, "s")
    bed.step(0)
    p = bed.login(name, password)
    assert p.uidl() == uids
    p.quit()


def work(bed, users):
    """seconds of processor time that auth spends on the log-ins of these"""
    before = abuse.cpu(bed, "auth")
    for i in users:
        bed.login(*bed.pool(i)).quit()
    return abuse.cpu(bed, "auth") - before


def test_passwords_stay_remembered(bed, figure):
    """password_remember (10 minutes as shipped) is counted by the monotonic clock: a step of an hour forgets nobody's"""
    bed.step(0)
    users = range(10, 22)
    fresh = work(bed, users)
    for hours in (1, -1):
        bed.step(hours * HOUR)
        figure("processor time of log-ins, the clock %+d h; %.2f s when not remembered" % (hours, fresh), work(bed, users), fresh / 2, "s")
    bed.step(0)


def test_nothing_is_given_twice(bed, figure):
    """APOP's and CRAM-MD5's stamps, names of messages, UIDLs and the ids in Received, over and over at what the clock says is the same second"""
    name, password = abuse.pool(bed, 5, 0)
    stamps, challenges, ids, count = [], [], [], 0
    for _ in range(3):
        for hours in (0, 1, 0, -1):
            bed.step(hours * HOUR)
            for _ in range(10):
                p = bed.connect()
                stamps.append(re.search(rb"<.*>", p.greeting)[0])
                line = p.cmd("AUTH CRAM-MD5")
                challenges.append(line)
                assert p.cmd("*").startswith(b"-ERR")
                p.quit()
            m = bed.mail()
            for _ in range(5):
                count += 1
                assert [a[:3] for a in m.deliver(name, b"Subject: %d\r\n\r\nbody\r\n" % count)] == [b"250"]
            m.quit()
    bed.step(0)
    p = bed.login(name, password)
    uids = p.uidl()
    messages = [p.retr(i + 1) for i in range(p.stat()[0])]
    p.quit()
    ids = [re.search(rb"\bid (\S+)", re.sub(rb"\r\n[ \t]+", b" ", m))[1] for m in messages]
    assert sorted(untraced(m) for m in messages) == sorted(b"Subject: %d\r\n\r\nbody\r\n" % (i + 1) for i in range(count))
    twice = sum(len(l) - len(set(l)) for l in (stamps, challenges, uids, ids))
    figure("given twice, of %d stamps, %d challenges, %d UIDLs, %d ids" % (len(stamps), len(challenges), len(uids), len(ids)), twice, 0)


def test_the_record_of_what_is_used(bed):
    """a quota is counted and kept whatever the clock says: what fits is taken, what does not is refused, and the room that DELE makes counts"""
    name, password = "t39", bed.target["pool"]["pass"]  # it has a quota of 500 kB
    bed.seed(name, [])
    body = b"Subject: q\r\n\r\n" + b"0123456789abcdef\r\n" * 8000  # 144 kB
    for hours in (1, -1):
        for _ in range(2):
            bed.step(0)
            m = bed.mail()
            answers = [m.deliver(name, body)[0]]
            bed.step(hours * HOUR)
            answers += [m.deliver(name, body)[0] for _ in range(3)]
            m.quit()
            assert [a[:3] for a in answers] == [b"250", b"250", b"250", b"552"], answers
            p = bed.login(name, password)
            assert p.stat()[0] == 3
            for i in range(3):
                p.ok("DELE %d" % (i + 1))
            assert p.quit().startswith(b"+OK")
    bed.step(0)


def test_a_maildrop_that_others_write_into(bed, figure):
    """new mail of other programs is seen at once, though its times are an hour ahead of or behind the server's"""
    name, password = abuse.pool(bed, 6, 1)
    longest = 0.0
    for n, hours in enumerate((1, 0, -1, 1, -1)):
        bed.step(hours * HOUR)
        bed.append(name, b"Subject: other %d\n\n" % n)
        start = time.monotonic()
        p = bed.login(name, password)
        longest = max(longest, time.monotonic() - start)
        assert p.stat()[0] == 2 + n
        assert p.retr(2 + n) == b"Subject: other %d\r\n\r\n" % n
        p.quit()
    bed.step(0)
    figure("the longest log-in of them", longest, 2.0, "s")
