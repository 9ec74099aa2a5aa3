"""A store that sleeps or fails stalls and fails its own session alone; and what was not done is never answered +OK. A client that reads
slowly gets all of it, and one that was cut off can tell."""
import os
import re
import signal
import socket
import ssl
import time

import pytest
from abuse import cpu
from bed import Bed, Pop
from late import late

# Another user of the same worker is served within 200 ms: the limit times two.
SERVED = 2 * 0.2
SLEEP = 5.0
THREADS = 2


@pytest.fixture(scope="module")
def slow():
    """maildrops in memory and Maildirs of one uid, so of one mail process"""
    b = Bed(["allow_memory_store=yes", "store_threads=%d" % THREADS])
    b.seed("t0", [b"Subject: quick\n\nbody\n"] * 3)
    yield b
    b.close()


made = set()


def memory(bed, name, words):
    """a user of the pool's uid with a maildrop in memory"""
    pool = bed.target["pool"]
    where = "memory:%s/mail/%s?%s" % (bed.dir, name, words)
    ids = ["--uid", str(pool["uid"]), "--gid", str(pool["gid"])]
    bed.tool("user", "add", name, "--store", where, *ids, "--password-stdin", stdin="pw\n")
    assert name not in made
    made.add(name)
    return name


def remembered(bed, i):
    """a session opened and closed: the next does not pay the hash, nor the process's start"""
    bed.login(*bed.pool(i)).quit()


def warm(bed, name):
    """makes auth remember a slow user's password, and waits for nothing of his store"""
    p = bed.connect()
    p.ok("USER " + name)
    p.send("PASS pw\r\n")
    return p


def timed(bed, fn):
    """without what the machine was late by itself, and not by the server's work"""
    before, start = cpu(bed), time.monotonic()
    fn()
    took = time.monotonic() - start
    return took - late(start, SERVED, cpu(bed) - before)


def whole_session(bed, i):
    p = bed.login(*bed.pool(i))
    p.retr(1)
    p.quit()


def others_are_served(bed, open_session, answered=()):
    """a session that runs and a new one, both of the same mail process, while `answered` have no answer yet"""
    for what in (lambda: open_session.retr(2), lambda: open_session.uidl(), lambda: whole_session(bed, 0)):
        took = timed(bed, what)
        assert took < SERVED, took
    for p in answered:
        assert silent(p)


def silent(p):
    p.sock.setblocking(False)
    try:
        p.buf += p.sock.recv(65536)
    except BlockingIOError:
        pass
    p.sock.settimeout(60)
    return b"\r\n" not in p.buf


def processes(bed):
    return set(bed.roles()["mail"])


def test_one_sleeps_others_do_not_notice(slow):
    """at every stage of a session whose store sleeps 5 s in each call"""
    remembered(slow, 0)
    slow.seed("t1", [b"Subject: beside\n\nbody\n"] * 3)
    beside = slow.login(*slow.pool(1))
    there = processes(slow)
    name = memory(slow, "sleeper", "messages=2,sleep=%d" % (SLEEP * 1000))
    p = slow.connect(timeout=60)
    p.ok("USER " + name)

    def stage(command, calls):
        """gives a command that sleeps in so many calls; served are the others in the midst of each"""
        start = time.monotonic()
        p.send(command + "\r\n")
        for i in range(calls):
            time.sleep(max(0, start + SLEEP * i + 1.0 - time.monotonic()))
            others_are_served(slow, beside, [p])
        answer = p.line()
        assert answer.startswith(b"+OK"), answer
        return answer

    assert stage("PASS pw", 2).startswith(b"+OK sleeper has 2 message(s)")
    stage("RETR 1", 1)
    time.sleep(1)
    others_are_served(slow, beside)  # while a piece is read
    p.body()
    p.ok("DELE 1")
    stage("QUIT", 1)
    p.close()
    assert processes(slow) == there  # all of it in one process
    beside.quit()


def test_many_sleep(slow):
    """Every thread is held up: calls of others wait in line for the first that returns; what needs no call is answered."""
    remembered(slow, 0)
    beside = slow.login(*slow.pool(0))
    sleepers = [memory(slow, "many%d" % i, "messages=1,sleep=2000") for i in range(THREADS + 2)]
    waiting = [warm(slow, name) for name in sleepers]
    for p in waiting:
        p.sock.settimeout(60)
    time.sleep(1)
    for what in ("NOOP", "STAT", "LIST 1", "UIDL 1"):
        assert timed(slow, lambda: beside.ok(what)) < SERVED, what
    assert timed(slow, lambda: slow.connect().close()) < SERVED
    # Of another uid: another process, which has nothing to do with it.
    name, password = slow.user("other")
    slow.login(name, password).quit()
    assert timed(slow, lambda: slow.login(name, password).quit()) < SERVED
    took = timed(slow, lambda: beside.retr(1))  # in line
    assert took < 2 * 2.0 * 4
    for p in waiting:
        assert p.line().startswith(b"+OK")
        p.close()
    beside.quit()


def who(bed):
    return bed.tool("who").stdout


def gone_from_who(bed, name, secs):
    end = time.monotonic() + secs
    while name in who(bed):
        assert time.monotonic() < end, who(bed)
        time.sleep(0.1)


@pytest.mark.parametrize("stage", ["open", "retr", "quit"])
def test_a_sleeper_leaves(slow, stage):
    """the client goes away in the midst of a call: the session ends when the call is over, and the maildrop is free"""
    name = memory(slow, "leaver-" + stage, "messages=2,sleep=700")
    start = len(slow.log())
    p = warm(slow, name)
    if stage != "open":
        assert p.line().startswith(b"+OK")
        p.ok("DELE 1")
        p.send({"retr": "RETR 2\r\n", "quit": "QUIT\r\n"}[stage])
    time.sleep(0.9 if stage == "open" else 0.3)
    p.close()
    gone_from_who(slow, name, 10)
    again = warm(slow, name)
    left = 1 if stage == "quit" else 2  # UPDATE had begun, and is brought to its end
    assert again.line().startswith(b"+OK %s has %d message(s)" % (name.encode(), left))
    again.close()
    if stage == "retr":
        assert slow.wait_log(r'session: user="%s" .* deleted=0 .* end=\S+' % name, start=start)
    if stage == "quit":
        assert slow.wait_log(r'session: user="%s" .* deleted=1 .* end=\S+' % name, start=start)


@pytest.mark.parametrize("stage", ["open", "retr", "quit"])
def test_a_sleeper_is_kicked(slow, stage):
    name = memory(slow, "kicked-" + stage, "messages=2,sleep=700")
    p = warm(slow, name)
    if stage != "open":
        assert p.line().startswith(b"+OK")
        p.ok("DELE 1")
        p.send({"retr": "RETR 2\r\n", "quit": "QUIT\r\n"}[stage])
    time.sleep(0.9 if stage == "open" else 0.3)
    assert "1 session" in slow.tool("kick", name).stdout
    if stage == "open":
        assert p.line().startswith(b"-ERR [SYS/TEMP]")
        p.close()
    elif stage == "retr":
        assert not p.rest().endswith(b"\r\n.\r\n")
    else:
        assert p.line().startswith(b"+OK")  # UPDATE had begun
        assert p.rest() == b""
    gone_from_who(slow, name, 10)
    again = warm(slow, name)
    assert again.line().startswith(b"+OK %s has %d message(s)" % (name.encode(), 1 if stage == "quit" else 2))
    again.close()


# ---- stores that fail

@pytest.mark.parametrize("call", ["open", "list"])
def test_a_maildrop_that_cannot_be_opened(slow, call):
    name = memory(slow, "fail-" + call, "messages=2,fail=" + call)
    p = slow.connect()
    for _ in range(2):
        p.ok("USER " + name)
        assert p.cmd("PASS pw").startswith(b"-ERR [SYS/TEMP] ")
    p.ok("USER t0")
    assert p.cmd("PASS " + slow.target["pool"]["pass"]).startswith(b"+OK t0 has 3")  # on the same connection
    p.quit()


def test_a_message_that_cannot_be_opened(slow):
    name = memory(slow, "fail-body", "messages=2,fail=body")
    p = slow.login(name, "pw")
    assert p.cmd("RETR 1").startswith(b"-ERR [SYS/TEMP] ")
    assert p.cmd("TOP 1 0").startswith(b"-ERR [SYS/TEMP] ")
    assert p.stat()[0] == 2  # and the session goes on
    p.ok("DELE 1")
    assert p.quit().startswith(b"+OK")
    p = slow.login(name, "pw")
    assert p.stat()[0] == 1
    p.quit()


def test_a_message_that_cannot_be_read(slow):
    """it was announced already: the connection ends, and what came never looks like a message"""
    name = memory(slow, "fail-read", "messages=2,fail=read")
    p = slow.login(name, "pw")
    p.ok("DELE 2")
    p.send("RETR 1\r\nSTAT\r\n")
    got = p.rest()
    assert b"\r\n.\r\n" not in got and got.count(b"\r\n") <= 1
    p = slow.login(name, "pw")
    assert p.stat()[0] == 2
    p.quit()
    slow.wait_log(r'session: user="fail-read" .* deleted=0 .* end=broken-message')


@pytest.mark.parametrize("words,there", [("fail=remove", 3), ("unknown", 1)])
def test_messages_that_cannot_be_removed(slow, words, there):
    """never +OK to a QUIT that did not remove, nor to one that may not have"""
    name = memory(slow, "fail-" + words.replace("=", "-"), "messages=3," + words)
    start = len(slow.log())
    p = slow.login(name, "pw")
    p.ok("DELE 1")
    p.ok("DELE 3")
    answer = p.cmd("QUIT")
    assert answer.startswith(b"-ERR [SYS/TEMP] ") and b"2" in answer, answer
    assert p.rest() == b""
    slow.wait_log(r'session: user="%s" .* deleted=0 .* end=quit-failed' % name, start=start)
    p = slow.login(name, "pw")  # unlocked before the answer
    assert p.stat()[0] == there
    assert p.quit().startswith(b"+OK")  # nothing was to be removed


# ---- clients that read slowly, or not at all

SHORT = 1.0  # write_timeout, in seconds
LARGE = 19 << 20


@pytest.fixture(scope="module")
def hasty():
    b = Bed(["write_timeout=1s"])
    b.seed("t0", [b"Subject: large\n\n" + b"0123456789abcdef" * 4 * 1000 * 300 + b"\n"])
    yield b
    b.close()


class Far(Pop):
    """a client as far away as a modem's: small segments, little room; an end without close_notify is an error"""

    def __init__(self, bed, port="pop3"):
        self.bed, self.buf = bed, b""
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        self.sock.settimeout(30)
        self.sock.connect(("127.0.0.1", bed.ports[port]))
        if port == "pop3s":
            ctx = ssl.create_default_context(cafile=bed.cert)
            ctx.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            self.sock = ctx.wrap_socket(self.sock, server_hostname="localhost", suppress_ragged_eofs=False)
        self.greeting = self.line()


def far_login(bed, port, name="t0"):
    p = Far(bed, port)
    p.ok("USER " + name)
    while not p.cmd("PASS " + bed.target["pool"]["pass"]).startswith(b"+OK"):
        time.sleep(0.1)
        p.ok("USER " + name)
    return p


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_who_reads_slowly_is_served(hasty, port):
    """less than the sockets hold within write_timeout, but something all the time; then all that is left, and a session that goes on"""
    p = far_login(hasty, port)
    p.send("RETR 1\r\n")
    octets = int(re.match(rb"\+OK (\d+) octets", p.line())[1])
    assert octets > LARGE * 0.9
    got, tail, start, at = len(p.buf), p.buf[-5:], time.monotonic(), 0.0
    while got < octets + 3:
        slow = time.monotonic() - start < SHORT * 6
        piece = p.sock.recv(min(octets + 3 - got, 40000 if slow else 1 << 20))
        assert piece, "cut off after %d of %d octets" % (got, octets)
        got, tail = got + len(piece), (tail + piece)[-5:]
        at += 0.1 if slow and got >= at * 400000 else 0
        time.sleep(max(0, start + at - time.monotonic()) if slow else 0)
    assert tail == b"\r\n.\r\n"
    p.buf = b""
    p.ok("NOOP")
    p.quit()


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_who_reads_nothing_is_ended(hasty, port):
    p = far_login(hasty, port)
    log = len(hasty.log())
    p.send("RETR 1\r\n")
    start = time.monotonic()
    hasty.wait_log(r'session: user="t0" .* end=stalled', start=log, secs=20)
    assert SHORT * 0.9 <= time.monotonic() - start <= SHORT * 2 + 0.2 + late(start, SHORT * 2)
    p.close()


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_the_last_answer_reaches_who_reads_slowly(hasty, port):
    """more than the sockets hold, QUIT and more behind it: nothing of it is lost, though it takes longer than a close waits"""
    hasty.seed("t1", [b"Subject: %d\n\n" % i + b"0123456789abcde\n" * 16000 for i in range(2)])
    p = far_login(hasty, port, "t1")
    p.send("RETR 1\r\nRETR 2\r\nQUIT\r\n" + "NOOP\r\n" * 100)
    got = b""
    while True:
        piece = p.sock.recv(8192)
        if not piece:
            break
        got += piece
        if not len(got) // 8192 % 20:
            p.send("NOOP\r\n")
        time.sleep(0.05)
    assert got.count(b"\r\n.\r\n") == 2
    assert re.search(rb"\r\n\.\r\n\+OK[^\r]*\r\n\Z", got)
    p.close()


# ---- who was cut off can tell

def ends_in_good_order(p):
    """reads to the end: was it one? What came besides."""
    got = p.buf
    try:
        while True:
            piece = p.sock.recv(1 << 18)
            if not piece:
                return True, got
            got += piece
    except ConnectionError:
        return False, got
    except ssl.SSLError as e:
        assert "EOF" in str(e)
        return False, got


def test_a_mail_process_killed_in_mid_message(hasty):
    p = far_login(hasty, "pop3s")
    p.send("RETR 1\r\n")
    p.line()
    p.fill()
    for pid in hasty.roles()["mail"]:
        os.kill(pid, signal.SIGKILL)
    whole, got = ends_in_good_order(p)
    assert not whole and not got.endswith(b"\r\n.\r\n")
    p.close()


def test_a_message_that_shrinks_in_mid_message(hasty):
    hasty.seed("t2", [b"Subject: shrinks\n\n" + b"0123456789abcde\n" * 600000])
    p = far_login(hasty, "pop3s", "t2")
    p.send("RETR 1\r\n")
    p.line()
    p.fill()
    (path,) = hasty.files("t2")
    os.truncate(path, 9000000)
    whole, got = ends_in_good_order(p)
    assert not whole and not got.endswith(b"\r\n.\r\n")
    hasty.wait_log(r'session: user="t2" .* end=broken-message')
    p.close()


def test_a_kick_in_mid_message(hasty):
    p = far_login(hasty, "pop3s")
    p.send("RETR 1\r\n")
    p.line()
    p.fill()
    assert "1 session" in hasty.tool("kick", "t0").stdout
    whole, got = ends_in_good_order(p)
    assert not whole and not got.endswith(b"\r\n.\r\n")
    p.close()


def test_ends_in_good_order_are_told(own_bed):
    bed = own_bed("idle_timeout=1s")
    p = far_login(bed, "pop3s")
    p.ok("QUIT")
    assert ends_in_good_order(p) == (True, b"")
    p.close()
    p = far_login(bed, "pop3s")
    assert ends_in_good_order(p) == (True, b"")  # idle
    p.close()
    p = far_login(bed, "pop3s")
    assert "1 session" in bed.tool("kick", "t0").stdout
    whole, got = ends_in_good_order(p)
    assert whole and got.startswith(b"-ERR [SYS/TEMP]")
    p.close()
