"""A maildrop that another session has: who comes waits for it, is refused, or takes it over, and the lock is broken by nobody."""
import fcntl
import os
import signal
import threading
import time

import pytest
from bed import Bed
from late import late

LONG = 30.0  # busy_wait where somebody gets the maildrop in the end,
WAIT = 4.0   # and where he does not
SOON = 2.0   # what takes no waiting, on a machine that has much to do

TEXT = b"Subject: busy\n\nbody\n"
BIG = b"Subject: big\n\n" + b"0123456789abcdef" * 4 * 1024 * 256  # 16 MB: more than sockets hold
KINDS = ["pop3", "stls", "pop3s"]


def server(wait, *options):
    return Bed(["busy_wait=%dms" % (wait * 1000), "allow_memory_store=yes", *options])


@pytest.fixture(scope="module")
def waits():
    b = server(LONG, "busy=wait")
    yield b
    b.close()


@pytest.fixture(scope="module")
def hasty():
    b = server(WAIT, "busy=wait")
    yield b
    b.close()


@pytest.fixture(scope="module")
def takes():
    b = server(WAIT, "busy=takeover")
    yield b
    b.close()


numbers = iter(range(40))


@pytest.fixture
def name(request):
    """a user of the pool, whom no other test here uses; with three messages"""
    name = "t%d" % next(numbers)
    for b in ("waits", "hasty", "takes"):
        if b in request.fixturenames:
            request.getfixturevalue(b).seed(name, [TEXT] * 3)
    return name


def connect(bed, kind):
    p = bed.connect("pop3s" if kind == "pop3s" else "pop3", timeout=30)
    if kind == "stls":
        p.stls()
    return p


def enter(bed, name, kind="pop3", password=None):
    """a connection on which the password has been said and not been answered"""
    p = connect(bed, kind)
    p.ok("USER " + name)
    p.send("PASS %s\r\n" % (password or bed.password(name)))
    return p


def session(bed, name, kind="pop3", password=None):
    p = enter(bed, name, kind, password)
    answer = p.line()
    assert answer.startswith(b"+OK"), answer
    return p


def silent(p, secs):
    """nothing comes"""
    p.sock.settimeout(secs)
    try:
        data = p.sock.recv(4096)
    except TimeoutError:
        p.sock.settimeout(30)
        return
    raise AssertionError(data)


def maildrops_lock(bed, name):
    fd = os.open(bed.maildir(name), os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


# ---- wait

@pytest.mark.asan
@pytest.mark.parametrize("kind", KINDS)
def test_waits_until_the_other_quits(waits, name, kind):
    holder = session(waits, name, kind)
    waiting = enter(waits, name, kind)
    silent(waiting, 0.5)
    holder.ok("DELE 1")
    assert holder.cmd("QUIT").startswith(b"+OK")
    assert waiting.line().startswith(b"+OK")  # and the other has not closed yet
    assert waiting.stat()[0] == 2
    with pytest.raises(BlockingIOError):  # +OK is said with the lock held
        maildrops_lock(waits, name)
    waiting.quit()
    holder.close()


def test_waits_until_the_other_breaks_off(waits, name):
    holder = session(waits, name)
    waiting = enter(waits, name, "pop3s")
    holder.ok("DELE 1")
    silent(waiting, 0.3)
    holder.close()
    assert waiting.line().startswith(b"+OK")
    assert waiting.stat()[0] == 3
    waiting.quit()


@pytest.mark.parametrize("kind", ["pop3", "pop3s"])
def test_waits_no_longer_than_it_may(hasty, name, kind):
    """then [IN-USE], on a connection that goes on; and the other has noticed nothing"""
    holder = session(hasty, name, kind)
    start = time.monotonic()
    waiting = enter(hasty, name, kind)
    assert waiting.line().startswith(b"-ERR [IN-USE]")
    assert WAIT - 0.1 <= time.monotonic() - start
    assert holder.stat()[0] == 3
    holder.quit()
    waiting.ok("USER " + name)
    waiting.ok("PASS " + hasty.password(name))
    waiting.quit()


def test_what_was_sent_meanwhile_is_answered(waits, name):
    """a client that pipelines, and one that closes its half behind it"""
    holder = session(waits, name)
    waiting = waits.connect()
    waiting.send("USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % (name, waits.password(name)))
    waiting.sock.shutdown(1)
    waiting.line()
    silent(waiting, 0.3)
    holder.quit()
    assert [waiting.line()[:3] for _ in range(3)] == [b"+OK"] * 3
    assert waiting.rest() == b""


@pytest.mark.parametrize("kind", ["pop3", "pop3s"])
def test_who_has_left_takes_nothing(waits, name, kind):
    """one who waited and went is passed over, and does not keep the next"""
    holder = session(waits, name, kind)
    gone = enter(waits, name, kind)
    silent(gone, 0.2)
    after = enter(waits, name, kind)
    gone.close()
    silent(after, 0.3)
    holder.quit()
    assert after.line().startswith(b"+OK")
    after.quit()


def test_one_after_the_other(waits, name):
    """in the order in which they came; the operator sees who waits"""
    first = session(waits, name)
    second = enter(waits, name)
    silent(second, 0.2)
    third = enter(waits, name)
    silent(third, 0.2)
    rows = [row.split() for row in waits.tool("who").stdout.split("\n") if row.startswith(name + " ")]
    assert sorted(row[3] == "waits" for row in rows) == [False, True, True], rows
    first.quit()
    assert second.line().startswith(b"+OK")
    silent(third, 0.2)
    second.quit()
    assert third.line().startswith(b"+OK")
    third.quit()


def test_many_wait_and_nobody_else_does(hasty, name):
    """of a hundred log-ins of one user some wait and the others are refused at once; none takes a mail process"""
    other = hasty.pool(39)
    hasty.login(*other).quit()
    holder = session(hasty, name)
    processes = hasty.roles()["mail"]
    many = [enter(hasty, name) for _ in range(100)]
    start = time.monotonic()
    p = hasty.login(*other)
    p.quit()
    assert time.monotonic() - start < SOON + late(start, SOON)
    answers = [p.line() for p in many]
    assert {a.startswith(b"-ERR [IN-USE]") for a in answers} == {True}, answers
    assert hasty.roles()["mail"] == processes
    holder.quit()
    for p in many:
        p.close()
    session(hasty, name).quit()


@pytest.mark.parametrize("sent", ["", "STAT\r\n"])
def test_another_program_has_it(hasty, name, sent):
    """the mail process waits for a lock of which nobody knows; who leaves meanwhile leaves nothing behind"""
    fd = maildrops_lock(hasty, name)
    gone = hasty.connect()
    gone.send("USER %s\r\nPASS %s\r\n%s" % (name, hasty.password(name), sent))
    gone.line()
    time.sleep(0.3)
    gone.sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset
    gone.close()
    waiting = enter(hasty, name, "pop3s")
    silent(waiting, 0.5)
    os.close(fd)
    assert waiting.line().startswith(b"+OK")
    waiting.quit()
    fd = maildrops_lock(hasty, name)
    start = time.monotonic()
    waiting = enter(hasty, name)
    assert waiting.line().startswith(b"-ERR [IN-USE]")
    assert WAIT - 0.1 <= time.monotonic() - start
    os.close(fd)


def test_the_mail_process_is_killed(waits, name):
    """its sessions end, the lock with them, and who waits has another process"""
    holder = session(waits, name)
    holder.ok("DELE 1")
    waiting = enter(waits, name)
    silent(waiting, 0.3)
    for pid in waits.roles()["mail"]:
        os.kill(pid, signal.SIGKILL)
    assert waiting.line().startswith(b"+OK")
    assert waiting.stat()[0] == 3
    waiting.quit()


def test_auth_is_started_again(waits, name):
    """who waits is told to try again; and the next waits for a session that an earlier auth has let in"""
    holder = session(waits, name)
    waiting = enter(waits, name)
    silent(waiting, 0.3)
    os.kill(waits.role("auth"), signal.SIGKILL)
    assert waiting.line().startswith(b"-ERR [SYS/TEMP]")
    end = time.monotonic() + 20
    while True:
        waiting.ok("USER " + name)
        waiting.send("PASS %s\r\n" % waits.password(name))
        try:
            silent(waiting, 0.5)
            break
        except AssertionError as e:
            assert b"[SYS/TEMP]" in e.args[0] and time.monotonic() < end, e
            time.sleep(0.2)
    holder.quit()
    assert waiting.line().startswith(b"+OK")
    waiting.quit()


# ---- refuse

def test_refused_at_once(bed):
    name, password = bed.pool(38)
    bed.seed(name, [TEXT])
    holder = session(bed, name)
    start = time.monotonic()
    p = enter(bed, name)
    assert p.line().startswith(b"-ERR [IN-USE]")
    assert time.monotonic() - start < SOON + late(start, SOON)
    assert holder.stat()[0] == 1
    holder.quit()
    p.ok("USER " + name)
    p.ok("PASS " + password)
    p.quit()


# ---- takeover

@pytest.mark.asan
@pytest.mark.parametrize("kind", KINDS)
def test_an_idle_session_is_taken_over(takes, name, kind):
    """it is told so, its deletions are not done, and the log says how it ended"""
    old = session(takes, name, kind)
    old.ok("DELE 1")
    start = time.monotonic()
    new = session(takes, name, kind)
    assert time.monotonic() - start < SOON + late(start, SOON)
    assert new.stat()[0] == 3
    assert old.line().startswith(b"-ERR [SYS/TEMP]")
    assert old.rest() == b""
    with pytest.raises(BlockingIOError):
        maildrops_lock(takes, name)
    assert new.quit().startswith(b"+OK")
    takes.wait_log(r"session: user=\"%s\" .*deleted=0 .*end=takeover" % name)
    assert len(takes.files(name)) == 3


@pytest.mark.asan
@pytest.mark.parametrize("kind", ["pop3", "pop3s"])
def test_one_that_does_not_read_is_taken_over(takes, name, kind):
    """in the midst of a large message; the rest of it never comes"""
    takes.seed(name, [BIG])
    old = session(takes, name, kind)
    old.ok("DELE 1")
    old.ok("RSET")
    old.send("RETR 1\r\n")
    time.sleep(0.5)
    start = time.monotonic()
    new = session(takes, name, kind)
    assert time.monotonic() - start < SOON + late(start, SOON)
    assert new.stat()[0] == 1
    try:
        got = old.rest()
    except OSError:  # over TLS without close_notify: it is cut off, and can tell
        got = b""
    assert not got.endswith(b"\r\n.\r\n")
    new.quit()


def memory(bed, name, words):
    pool = bed.target["pool"]
    bed.tool("user", "add", name, "--store", "memory:%s/mail/%s?%s" % (bed.dir, name, words), "--uid", str(pool["uid"]), "--gid",
             str(pool["gid"]), "--password-stdin", stdin="pw\n")
    return name


def test_a_quit_that_has_begun_is_finished(takes):
    """UPDATE is brought to its end, and answered; then the next has the maildrop as it is then"""
    who = memory(takes, "slowquit", "messages=3,sleep=600")
    old = session(takes, who, password="pw")
    old.ok("DELE 1")
    old.send("QUIT\r\n")
    time.sleep(0.2)
    new = enter(takes, who, password="pw")
    assert old.line().startswith(b"+OK")
    assert new.line().startswith(b"+OK slowquit has 2 message")
    new.close()
    old.close()
    takes.wait_log(r"session: user=\"%s\" .*end=quit" % who)


def test_a_call_of_the_store_is_waited_for(takes):
    """one that opens, and one that reads: no lock is broken"""
    who = memory(takes, "slowopen", "messages=1,sleep=600")
    opening = enter(takes, who, password="pw")
    time.sleep(0.3)
    new = enter(takes, who, password="pw")
    assert opening.line().startswith(b"-ERR [IN-USE]")
    assert new.line().startswith(b"+OK")
    new.send("RETR 1\r\n")
    time.sleep(0.2)
    newer = session(takes, who, password="pw")
    try:
        assert b"\r\n.\r\n" not in new.rest()
    except OSError:
        pass
    newer.quit()


def test_of_two_that_race_one_has_it(takes, name):
    """the last that asked, of those who wait; never two at once, and the others are told"""
    old = session(takes, name)
    won, lock = [], threading.Lock()
    start = threading.Barrier(6)

    def come():
        p = connect(takes, "pop3")
        p.ok("USER " + name)
        start.wait()
        p.send("PASS %s\r\n" % takes.password(name))
        answer = p.line()
        with lock:
            won.append((answer, p))

    threads = [threading.Thread(target=come) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert old.line().startswith(b"-ERR [SYS/TEMP]")
    there = []
    for answer, p in won:
        if answer.startswith(b"+OK"):
            p.send("NOOP\r\n")
            line = p.line()
            if line.startswith(b"+OK"):
                there.append(p)
            else:
                assert line.startswith(b"-ERR [SYS/TEMP]")
        else:
            assert answer.startswith(b"-ERR [IN-USE]"), answer
    assert len(there) == 1
    assert there[0].stat()[0] == 3
    there[0].quit()


def test_another_programs_lock_is_not_broken(takes, name):
    fd = maildrops_lock(takes, name)
    start = time.monotonic()
    p = enter(takes, name)
    assert p.line().startswith(b"-ERR [IN-USE]")
    assert time.monotonic() - start >= WAIT - 0.1
    os.close(fd)


def test_a_process_for_each_session(own_bed):
    """mail_sessions = 1: who has it and who comes are in different processes"""
    bed = own_bed("busy=takeover", "mail_sessions=1")
    name, password = bed.pool(0)
    bed.seed(name, [TEXT])
    old = session(bed, name)
    new = session(bed, name)
    assert old.line().startswith(b"-ERR [SYS/TEMP]")
    assert new.stat()[0] == 1
    last = session(bed, name)
    assert new.line().startswith(b"-ERR [SYS/TEMP]")
    last.quit()
