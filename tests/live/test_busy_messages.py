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
    assert not select.select([sock], [], [], secs)[0], frames.receive(sock)


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

    def mail(self, number):
        ours, theirs = frames.pair()
        frames.send(self.master, "WORKER", num=[number, FIRST, FIRST, 0], fd=theirs.fileno())
        theirs.close()
        return ours

    def verify(self, n, name, flags=TLS):
        frames.send(self.door, "VERIFY", door=1, n=n, num=[PASS, flags], texts=[name, b"pw", "127.0.0.1"])


def started(bed, tmp, options):
    a = Played(bed, tmp, options)
    for name in ("anna", "berta"):
        a.user(name, FIRST)
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
        if one[0] not in ("TERMS", "COUNT"):
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
    frames.send(mail, "RUNNING", door=9, n=5, num=[0, 3, 0, 0], texts=["somebody", "192.0.2.7", "maildir:%s/mail/anna" % a.tmp])
    a.verify(1, "berta")
    said(mail, "EXPECT")
    said(a.door, "GRANTED")
    a.verify(2, "anna")
    assert said(mail, "YIELD")[0][1:3] == (9, 5)
    nothing(a.door)  # it is no session of this door's
    frames.send(mail, "ENDED", door=9, n=5)
    assert said(a.door, "GRANTED")[0][2] == 2
