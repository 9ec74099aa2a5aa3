"""What is said about a maildrop in use, to a real mail process and to a real auth by roles that this test plays: each does what it is
told, and nobody who has been taken over gains by it."""
import fcntl
import os
import select
import time

import frames
import pytest
from bed import Bed
from test_grants import worker  # noqa: F401
from test_route import FIRST, Auth
from worker import GID, UID

TAKEOVER = 1
UNASKED = ("TERMS", "COUNT")
PASS, TLS = 0, 1  # enum pop3_auth_how; a flag


# ---- a mail process

def expect(w, n, wait=0):
    frames.send(w.auth, "EXPECT", door=1, n=n, num=[UID, GID, 0, wait], texts=["anna", "maildir:%s/anna" % w.root, "127.0.0.1"])


def yields(w, n, how=TAKEOVER):
    frames.send(w.auth, "YIELD", door=1, n=n, num=[how])


def began(w, n, wait=0):
    expect(w, n, wait)
    client = w.take(n)
    assert w.answer(n) == "TAKEN"
    assert client.recv(100).startswith(b"+OK")
    return client


def nothing(sock, secs=0.3):
    """but what auth tells doors unasked"""
    end = time.monotonic() + secs
    while select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
        got = frames.receive_any(sock)
        assert got and got[0] in UNASKED, got


def locked(w):
    fd = os.open(w.root + "/anna", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def test_freed_is_said_when_it_was_asked_for_and_once(worker):  # noqa: F811
    w = worker()
    client = began(w, 1)
    yields(w, 1, 0)
    nothing(w.auth)
    yields(w, 1, 0)
    client.sendall(b"NOOP\r\nQUIT\r\n")
    assert frames.receive(w.auth)[:3] == ("FREED", 1, 1)
    os.close(locked(w))
    assert frames.receive(w.auth)[:3] == ("ENDED", 1, 1)
    client.close()
    client = began(w, 2)
    client.sendall(b"QUIT\r\n")
    assert frames.receive(w.auth)[:3] == ("ENDED", 1, 2)


def test_one_that_says_good_bye_has_given_it_back(worker):  # noqa: F811
    """its client does not close, and does not read"""
    w = worker()
    ours, theirs = frames.socket.socketpair()
    expect(w, 1)
    frames.send(w.door, "TAKE", door=1, n=1, texts=["127.0.0.1", b"UIDL\r\n" * 3000 + b"QUIT\r\n"], fd=theirs.fileno())
    theirs.close()
    assert w.answer(1) == "TAKEN"
    time.sleep(0.3)
    yields(w, 1)
    assert frames.receive(w.auth)[0] == "FREED"
    os.close(locked(w))
    ours.close()


def test_it_yields_before_its_door_has_come(worker):  # noqa: F811
    w = worker()
    expect(w, 1)
    yields(w, 1)
    client = w.take(1)
    assert w.answer(1) == "REFUSED"
    assert frames.receive(w.auth)[0] == "ENDED"
    assert client.recv(1) == b""
    os.close(locked(w))


def test_it_tells_though_it_was_asked_before_its_door_had_come(worker):  # noqa: F811
    w = worker()
    expect(w, 1)
    yields(w, 1, 0)
    client = w.take(1)
    assert w.answer(1) == "TAKEN"
    assert client.recv(100).startswith(b"+OK")
    client.sendall(b"QUIT\r\n")
    assert frames.receive(w.auth)[:3] == ("FREED", 1, 1)
    os.close(locked(w))
    client.close()
    assert frames.receive(w.auth)[0] == "ENDED"


def test_it_yields_while_it_waits_itself(worker):  # noqa: F811
    w = worker()
    fd = locked(w)
    expect(w, 1, wait=60000)
    first = w.take(1)
    nothing(w.door)
    yields(w, 1, 0)
    nothing(w.door)
    yields(w, 1)
    assert w.answer(1) == "REFUSED"
    assert frames.receive(w.auth)[0] == "ENDED"
    assert first.recv(1) == b""
    expect(w, 2, wait=60000)
    client = w.take(2)
    nothing(w.door)
    os.close(fd)
    assert w.answer(2) == "TAKEN"
    assert client.recv(100).startswith(b"+OK")


def test_who_leaves_while_it_waits_is_forgotten(worker):  # noqa: F811
    w = worker()
    fd = locked(w)
    expect(w, 1, wait=60000)
    client = w.take(1)
    nothing(w.door)
    client.close()
    assert w.answer(1) == "REFUSED"
    assert frames.receive(w.auth)[0] == "ENDED"
    os.close(fd)


def test_of_sessions_that_are_not_here(worker):  # noqa: F811
    w = worker()
    client = began(w, 1)
    yields(w, 2)
    frames.send(w.auth, "YIELD", door=2, n=1, num=[TAKEOVER])
    nothing(w.auth)
    client.sendall(b"NOOP\r\n")
    assert client.recv(100).startswith(b"+OK")


def test_a_door_may_not_ask_for_it(worker):  # noqa: F811
    w = worker()
    client = began(w, 1)
    frames.send(w.door, "YIELD", door=1, n=1, num=[TAKEOVER])
    w.door.settimeout(5)
    assert w.door.recv(1) == b""
    client.sendall(b"NOOP\r\n")
    assert client.recv(100).startswith(b"+OK")


# ---- auth

class Played(Auth):
    """with two mail processes of this test's"""

    def mail(self, number, uid=FIRST, token=0):
        ours, theirs = frames.pair()
        frames.send(self.master, "WORKER", num=[number, uid, uid, token], fd=theirs.fileno())
        theirs.close()
        return ours

    def verify(self, n, name, flags=TLS, address="127.0.0.1"):
        frames.send(self.door, "VERIFY", door=1, n=n, num=[PASS, flags], texts=[name, b"pw", address])

    def runs(self, mail, door, n, name, box):
        """what a mail process says"""
        frames.send(mail, "RUNNING", door=door, n=n, num=[0, 3, 0, 0], texts=[name, "192.0.2.7", "maildir:%s/mail/%s" % (self.tmp, box)])


def started(bed, tmp, options):
    a = Played(bed, tmp, options)
    for name in ("anna", "berta"):
        a.user(name, FIRST)
    a.user("carla", FIRST + 1)
    a.start()
    return a


@pytest.fixture(scope="module")
def own_bed_of_module():
    b = Bed()
    yield b
    b.close()


@pytest.fixture
def auth(own_bed_of_module, tmp_path):
    made = []

    def make(options):
        made.append(started(own_bed_of_module, tmp_path, options))
        return made[-1]

    yield make
    for a in made:
        a.close()


def said(sock, *names):
    """the next messages; what auth tells doors unasked is passed over"""
    got = []
    while len(got) < len(names):
        one = frames.receive(sock)
        if one[0] not in UNASKED:
            got.append(one)
    assert [g[0] for g in got] == list(names), got
    return got


def numbers(*num):
    return num + (0,) * (frames.NUMS - len(num))


@pytest.mark.root
def test_auth_lets_one_wait_and_believes_a_mail_process_of_its_own_sessions_alone(auth):
    a = auth("busy = wait\nbusy_wait = 30s\n")
    mail = a.mail(1)
    a.verify(1, "anna")
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    other = a.mail(2)
    a.verify(2, "anna")
    assert said(mail, "YIELD")[0][2:4] == (1, numbers(0))
    assert said(a.door, "PROBE")[0][2] == 1
    frames.send(other, "FREED", door=1, n=1)  # it is not its session
    frames.send(other, "ENDED", door=1, n=1)
    frames.send(mail, "FREED", door=1, n=2)  # nor is this one anybody's
    nothing(a.door)
    frames.send(mail, "FREED", door=1, n=1)
    assert said(a.door, "GRANTED")[0][2] == 2
    other.close()


@pytest.mark.root
def test_a_takeover_asks_for_nobody_elses(auth):
    a = auth("busy = takeover\n")
    mail = a.mail(1)
    for n, name in ((1, "anna"), (2, "berta")):
        a.verify(n, name)
        said(mail, "EXPECT")
        said(a.door, "GRANTED")
    a.verify(3, "berta", 2)
    got, = said(mail, "YIELD")
    assert got[2:4] == (2, numbers(TAKEOVER))
    nothing(mail)
    nothing(a.door)  # no PROBE, and no grant yet
    a.verify(4, "berta")
    denied, = said(a.door, "DENIED")
    assert denied[2] == 3
    said(mail, "YIELD")
    frames.send(mail, "ENDED", door=1, n=2)
    assert said(mail, "EXPECT")[0][2] == 4
    assert said(a.door, "GRANTED")[0][2] == 4


@pytest.mark.root
def test_who_leaves_does_not_come_to_it(auth):
    a = auth("busy = wait\nbusy_wait = 30s\n")
    mail = a.mail(1)
    a.verify(1, "anna")
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    for n in (2, 3):
        a.verify(n, "anna")
        said(mail, "YIELD")
        said(a.door, "PROBE")
    frames.send(a.door, "GONE", door=1, n=2)
    frames.send(mail, "ENDED", door=1, n=1)
    assert said(a.door, "GRANTED")[0][2] == 3


@pytest.mark.root
def test_what_an_earlier_auth_has_granted_is_known_by_its_store(auth):
    a = auth("busy = wait\nbusy_wait = 30s\n")
    mail = a.mail(1)
    a.runs(mail, 9, 5, "anna", "anna")
    a.verify(1, "berta")
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    a.verify(2, "anna")
    assert said(mail, "YIELD")[0][1:3] == (9, 5)
    nothing(a.door)  # it is no session of this door's
    frames.send(mail, "ENDED", door=9, n=5)
    assert said(a.door, "GRANTED")[0][2] == 2


@pytest.mark.root
def test_a_mail_process_says_nothing_about_others(auth):
    """neither that somebody of another uid runs in it, or a maildrop that is not its user's, nor by numbers that only look like another's"""
    a = auth("busy = wait\nbusy_wait = 30s\nuser_sessions = 2\n")
    forger, other, mail = a.mail(1), a.mail(2, FIRST + 1), a.mail(3)  # the last one is given who comes
    a.verify(1, "anna")
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    for n in range(10, 13):
        a.runs(forger, 9, n, "carla", "carla")
    a.runs(forger, 9, 13, "berta", "carla")
    for door, n in ((1 + (1 << 20), 1), (0, 1 << 44 | 1)):  # talk_key says the same of them as of 1, 1
        a.runs(forger, door, n, "anna", "berta")
    nothing(a.door)
    a.verify(2, "carla")
    said(other, "EXPECT")
    assert said(a.door, "GRANTED")[0][2] == 2
    a.verify(3, "anna")  # whose session is still known
    assert said(mail, "YIELD")[0][2] == 1
    said(a.door, "PROBE")
    nothing(a.door)


@pytest.mark.root
def test_in_a_new_mail_process_runs_what_was_sent_there(auth):
    a = auth("busy = wait\nbusy_wait = 30s\n")
    a.verify(1, "anna")
    need, = said(a.master, "NEED")
    mail = a.mail(1, FIRST, need[3][0])
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    a.runs(mail, 1, 2, "berta", "berta")  # an id that the door is about to use
    nothing(a.door)
    a.verify(2, "berta")
    assert said(mail, "EXPECT")[0][2] == 2
    assert said(a.door, "GRANTED")[0][2] == 2


@pytest.mark.root
def test_who_leaves_before_he_has_a_mail_process_has_not_logged_in(auth):
    """for LOGIN-DELAY"""
    a = auth("login_delay = 600s\n")
    a.verify(1, "anna")
    need, = said(a.master, "NEED")
    frames.send(a.door, "GONE", door=1, n=1)
    a.verify(2, "anna")
    nothing(a.door)
    mail = a.mail(1, FIRST, need[3][0])
    assert said(mail, "EXPECT")[0][2] == 2
    assert said(a.door, "GRANTED")[0][2] == 2


@pytest.mark.root
def test_who_leaves_while_he_waits_has_not_failed(auth):
    """his password was right, however often he comes and goes"""
    a = auth("busy = wait\nbusy_wait = 30s\nuser_failures = 2\n")
    mail = a.mail(1)
    a.verify(1, "anna", address="192.0.2.8")
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    for n in range(2, 7):
        a.verify(n, "anna", address="192.0.2.8")
        said(mail, "YIELD")
        said(a.door, "PROBE")
        frames.send(a.door, "GONE", door=1, n=n)
