"""A real mail process, and master, auth and door played by this test: what they must not be able to make it do."""
import os
import re
import time

import frames
import pytest
from worker import GID, UID, Worker

TLS, NEVER_BEGAN = 1, 1  # of talk.h


@pytest.fixture
def worker(bed, tmp_path):
    made = []

    def make(**kw):
        made.append(Worker(bed, tmp_path, **kw))
        return made[-1]

    yield make
    for w in made:
        w.close()


def test_a_grant_is_honoured_once(worker):
    w = worker()
    w.expect(1)
    client = w.take(1)
    assert frames.receive(w.door)[0] == "TAKEN"
    assert client.recv(100).startswith(b"+OK anna has 1 message")
    again = w.take(1)  # the same id while it runs
    assert again.recv(100) == b""
    client.sendall(b"QUIT\r\n")
    assert client.recv(100).startswith(b"+OK")
    assert frames.receive(w.auth)[0] == "ENDED"
    again = w.take(1)  # and after it: nobody vouches for it any more
    name, door, n, num, _ = frames.receive(w.door, 12)
    assert (name, n) == ("REFUSED", 1)
    assert again.recv(100) == b""


def test_the_two_words_may_come_in_either_order(worker):
    w = worker()
    client = w.take(7)
    time.sleep(0.2)
    w.expect(7)
    assert frames.receive(w.door)[0] == "TAKEN"
    assert client.recv(100).startswith(b"+OK")


@pytest.mark.parametrize("what", ["uid 0", "gid 0", "low uid", "other uid", "/etc", "root itself", "dots", "scheme", "link"])
def test_forged_grants(worker, what, tmp_path):
    w = worker()
    link = w.root + "/link"
    os.symlink("/etc", link)
    forged = {
        "uid 0": dict(uid=0), "gid 0": dict(gid=0), "low uid": dict(uid=33), "other uid": dict(uid=UID + 1),
        "/etc": dict(where="maildir:/etc"), "root itself": dict(where="maildir:" + w.root),
        "dots": dict(where="maildir:%s/anna/../../../etc" % w.root), "scheme": dict(where="mbox:%s/anna" % w.root),
        "link": dict(where="maildir:%s/link" % w.root),
    }[what]
    w.expect(1, **forged)
    client = w.take(1)
    assert frames.receive(w.door, 12)[0] == "REFUSED"
    assert frames.receive(w.auth)[0] == "ENDED"
    assert client.recv(100) == b""
    w.expect(2)  # and it serves on
    ok = w.take(2)
    assert w.answer(2) == "TAKEN"
    assert ok.recv(100).startswith(b"+OK")


def test_a_session_holds_no_more_descriptors_than_it_is_counted_with(worker):
    """by which auth knows how many sessions a mail process has room for"""
    with open(os.path.dirname(__file__) + "/../../src/daemon/auth_grant.c") as f:
        counted = int(re.search(r"SESSION_FILES = (\d+)", f.read())[1])
    w = worker()

    def descriptors():
        return len(os.listdir("/proc/%d/fd" % w.process.pid))

    path = "%s/anna/new/2.large" % w.root
    with open(path, "wb") as f:
        f.write(b"Subject: large\n\n" + b"0123456789abcdef\n" * 500000)
    os.chown(path, UID, GID)
    w.expect(1, user="berta")  # it stays: what is opened once for all is open
    first = w.take(1)
    assert first.recv(100).startswith(b"+OK berta")
    before = descriptors()
    w.expect(2)
    client = w.take(2)
    assert client.recv(100).startswith(b"+OK anna has 2 message")
    client.sendall(b"RETR 1\r\n")
    assert client.recv(100).startswith(b"+OK")
    client.sendall(b"RETR 2\r\n")
    time.sleep(0.5)  # as much of it as fits
    held = descriptors() - before
    print("a session holds %d descriptors" % held)
    assert 4 < held <= counted


def test_single_store(worker):
    w = worker(single="anna", options="mail_sessions = 1\n")
    w.expect(1, user="berta")
    w.take(1)
    assert frames.receive(w.door, 12)[0] == "REFUSED"
    w.expect(2)
    client = w.take(2)
    assert w.answer(2) == "TAKEN"
    assert client.recv(100).startswith(b"+OK anna has 1 message")


def test_single_store_that_is_not_there_yet(worker):
    """it is made, as its owner's and by his rights; nothing else is opened by that"""
    w = worker(single="new", options="mail_sessions = 1\n")
    made = [w.root + "/new"] + [w.root + "/new/" + sub for sub in ("cur", "new", "tmp")]
    assert [(s.st_uid, s.st_gid, s.st_mode & 0o777) for s in map(os.stat, made)] == [(UID, GID, 0o700)] * 4
    w.expect(1, user="new")
    client = w.take(1)
    assert w.answer(1) == "TAKEN"
    assert client.recv(100).startswith(b"+OK new has 0 message")


@pytest.mark.parametrize("single", ["shut/new", "none/new"])
def test_single_store_that_may_not_be_made(worker, tmp_path, single):
    """its owner may not write into the parent, which is nothing to root; or there is no parent: said at each log-in"""
    (tmp_path / "mail/shut").mkdir(parents=True, mode=0o555)
    w = worker(single=single, options="mail_sessions = 1\n")
    w.expect(1, user=single)
    w.take(1)
    assert w.answer(1) == "REFUSED"
    assert not os.path.exists(w.root + "/" + single)
    assert re.search(r"error start: maildrop \S+/%s is not there and cannot be made" % single, w.log())


def test_a_door_that_dies_takes_its_grants_along(worker):
    w = worker()
    w.expect(1)
    w.door.close()
    name, _, n, _, _ = frames.receive(w.auth, 12)
    assert (name, n) == ("ENDED", 1)
    w.door, d = frames.pair()
    frames.send(w.master, "DOOR", door=2, fd=d.fileno())
    d.close()
    client = w.take(1, door=2)  # the new door has no use for the old one's number
    assert frames.receive(w.door, 12)[0] == "REFUSED"
    assert client.recv(100) == b""


@pytest.mark.parametrize("flags", [0, TLS], ids=["clear", "relayed"])
def test_nothing_is_done_for_whom_no_door_knows_to_be_taken(worker, flags):
    """the door dies while it waits for +OK: the client has no word of it, and what he sent behind PASS is not done"""
    w = worker()
    client = w.take(1, unread=b"DELE 1\r\nQUIT\r\n", flags=flags)
    w.door.close()
    w.expect(1)
    name, _, n, num, _ = frames.receive(w.auth, 12)
    assert (name, n, num[0]) == ("ENDED", 1, NEVER_BEGAN)
    assert os.listdir(w.root + "/anna/new") + os.listdir(w.root + "/anna/cur") != []
    said = client.recv(1000)
    assert said == b"" or (flags and said.startswith(b"+OK anna") and said.count(b"\n") == 1)  # a relay that is no more drops it
    w.door, d = frames.pair()
    frames.send(w.master, "DOOR", door=2, fd=d.fileno())
    d.close()
    w.expect(2, door=2)
    again = w.take(2, door=2)
    assert w.answer(2) == "TAKEN"
    assert again.recv(100).startswith(b"+OK anna has 1 message")
    again.sendall(b"QUIT\r\n")


@pytest.mark.parametrize("flags", [0, TLS], ids=["clear", "relayed"])
def test_ok_and_taken_stand_in_the_order_that_suits_the_door(worker, flags):
    """relayed: who hears TAKEN finds +OK in the pair"""
    w = worker()
    w.expect(1)
    client = w.take(1, flags=flags)
    assert frames.receive(w.door)[0] == "TAKEN"
    if flags:
        client.setblocking(False)
    assert client.recv(100).startswith(b"+OK anna has 1 message")
    client.setblocking(True)
    client.sendall(b"QUIT\r\n")


def test_a_door_that_speaks_for_another_is_cut_off(worker):
    w = worker()
    w.expect(1, door=9)
    w.take(1, door=9)
    assert frames.receive(w.door) is None


def test_messages_out_of_turn(worker):
    w = worker()
    frames.send(w.door, "EXPECT", door=1, n=1, num=[UID, GID], texts=["anna", "maildir:%s/anna" % w.root, "x"])
    assert frames.receive(w.door) is None  # a door cannot vouch for anybody
    frames.send(w.auth, "GO")
    assert frames.receive(w.auth) is None
    assert "refused message EXPECT" in w.log() and "refused message GO" in w.log()


def test_unread_bytes_travel_along(worker):
    w = worker()
    w.expect(1)
    client = w.take(1, unread=b"STAT\r\nQUIT\r\n")
    assert frames.receive(w.door)[0] == "TAKEN"
    data = b""
    while True:
        more = client.recv(1000)
        if not more:
            break
        data += more
    assert data.splitlines()[1].startswith(b"+OK 1 ") and len(data.splitlines()) == 3


@pytest.mark.root
@pytest.mark.parametrize("sessions", ["100", "1"])
def test_no_mailbox_as_a_role(own_bed, sessions):
    """a first_uid that is too low, and a database that names the uid or gid of a role: the master starts nothing for it"""
    bed = own_bed("first_uid=61001", "mail_sessions=" + sessions)
    for i, (uid, gid) in enumerate([(61001, 61004), (61002, 61004), (61003, 61004), (61004, 61002)]):
        name = "role%d" % i
        bed.tool("user", "add", name, "--uid", str(uid), "--gid", str(gid), "--password-stdin", stdin="secret\n")
        p = bed.connect()
        p.ok("USER " + name)
        assert p.cmd("PASS secret").startswith(b"-ERR [SYS/PERM]")
        p.quit()
        bed.wait_log(r"need: uid=%d store=\S+ refused: .*has the same" % uid)
    assert "mail" not in bed.roles()
    bed.login().quit()
