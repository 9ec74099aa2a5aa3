"""A store that sleeps or fails stalls and fails its own session alone; and what was not done is never answered +OK."""
import time

import pytest
from bed import Bed

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


def timed(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start


def whole_session(bed, i):
    p = bed.login(*bed.pool(i))
    p.retr(1)
    p.quit()


def others_are_served(bed, open_session, answered=()):
    """a session that runs and a new one, both of the same mail process, while `answered` have no answer yet"""
    for what in (lambda: open_session.retr(2), lambda: open_session.uidl(), lambda: whole_session(bed, 0)):
        took = timed(what)
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
        assert timed(lambda: beside.ok(what)) < SERVED, what
    assert timed(lambda: slow.connect().close()) < SERVED
    # Of another uid: another process, which has nothing to do with it.
    name, password = slow.user("other")
    slow.login(name, password).quit()
    assert timed(lambda: slow.login(name, password).quit()) < SERVED
    took = timed(lambda: beside.retr(1))  # in line
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
