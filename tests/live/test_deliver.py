"""A real deliver process, and master, auth and door played by this test: what it delivers, and what nobody can make it do. Then the
processes of a running server that die in the middle of a transaction."""
import os
import re
import shutil
import signal
import socket
import struct
import threading
import time

import frames
import pytest
from bed import Mail, untraced
from late import late
from worker import GID, ROOT, UID, Worker

pytestmark = pytest.mark.asan

OK, OVER_QUOTA, TEMP = 0, 4, 9  # enum smtp_verdict (src/wire/smtp_server.h)
TRACE = b"Return-Path: <a@example.test>\r\nDelivered-To: anna\r\n"
TEXT = b"Subject: x\r\n\r\n.body\r\n"
AFTER = b"Subject: after it\r\n\r\nbody\r\n"
SEALS = 1 | 2 | 4 | 8          # F_SEAL_SEAL, SHRINK, GROW, WRITE
F_ADD_SEALS = 1033


def wide(n):
    return [n & 0xFFFFFFFF, n >> 32]


def memory(data, seals=SEALS):
    import fcntl
    fd = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


class Deliver(Worker):
    """the words of auth and door to a deliver process"""

    def __init__(self, *args, **kw):
        super().__init__(*args, role="deliver", **kw)

    def admit(self, n, target=0, user="anna", where=None, uid=UID, gid=GID, octets=0, messages=0, size=0, room=False, door=1):
        frames.send(self.auth, "ADMIT", door=door, n=n,
                    num=[target, uid, gid] + wide(octets) + wide(messages) + wide(size) + [1 if room else 0],
                    texts=[user, where or "maildir:%s/%s" % (self.root, user)])

    def message(self, n, data=TEXT, fd=None, size=None, door=1):
        own = memory(data) if fd is None else fd
        frames.send(self.door, "MESSAGE", door=door, n=n, num=wide(len(data) if size is None else size), fd=own)
        os.close(own)

    def ask(self, n, target=0, now=True, trace=TRACE, door=1):
        frames.send(self.door, "DELIVER", door=door, n=n, num=[target, 1 if now else 0], texts=[trace])

    def say(self, what, n, target=0):
        frames.send(self.door, what, door=1, n=n, num=[target])

    def hears(self, timeout=10):
        """(message, transaction, target, verdict): the next that the door is told, but for the answers to FORGET"""
        while True:
            name, _, n, num, _ = frames.receive(self.door, timeout)
            if name != "FORGOTTEN":
                return name, n, num[0], num[1]

    def forgets(self, n, timeout=10):
        """that the door hears of it, and nothing else before"""
        name, _, of, _, _ = frames.receive(self.door, timeout)
        assert (name, of) == ("FORGOTTEN", n), (name, of)

    def box(self, user="anna"):
        return [self.root + "/" + user + "/" + sub for sub in ("new", "tmp", "cur")]

    def read(self, user="anna"):
        """what was delivered"""
        new = self.box(user)[0]
        out = []
        for name in sorted(os.listdir(new)):
            if name != "1." + user:
                with open(new + "/" + name, "rb") as f:
                    out.append(f.read())
        return out

    def empty(self, user="anna"):
        return self.read(user) == [] and os.listdir(self.box(user)[1]) == []

    def serves(self, n=99):
        """it serves on"""
        self.admit(n)
        self.message(n)
        self.ask(n)
        assert self.hears() == ("DELIVERED", n, 0, OK)


def lf(data):
    return data.replace(b"\r\n", b"\n")


@pytest.fixture
def worker(bed, tmp_path):
    made = []

    def make(**kw):
        made.append(Deliver(bed, tmp_path, **kw))
        return made[-1]

    yield make
    for w in made:
        w.close()


# ---- what is delivered

@pytest.mark.parametrize("text", [TEXT, b"", b"no end", b"a\0b\r\n\xff\x80\rlone\r\n", b"x" * 1000000 + b"\r\n"],
                         ids=["plain", "empty", "no line end", "strange octets", "long line"])
def test_one_message(worker, text):
    w = worker()
    w.admit(1)
    w.message(1, text)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)
    assert w.read() == [lf(TRACE + text)]
    assert os.listdir(w.box()[1]) == []
    assert re.search(r'delivered: user="anna" id=1\.1 size=%d store="maildir:%s/anna" ms=\d+' % (len(TRACE + text), w.root), w.log())


def test_what_lf_could_not_give_back_keeps_its_line_ends(worker):
    text = b"Subject: x\r\n\r\ncr before the end\r\r\nnext\r\n"
    w = worker()
    w.admit(1)
    w.message(1, text)
    w.ask(1)
    assert w.hears()[3] == OK
    assert w.read() == [TRACE + text]


def test_wire_line_ends(worker):
    w = worker(options="maildir_line_ends = wire\n")
    w.admit(1)
    w.message(1)
    w.ask(1)
    assert w.hears()[3] == OK
    assert w.read() == [TRACE + TEXT]


def test_one_message_for_several(worker):
    w = worker()
    for target, user in enumerate(("anna", "berta", "anna")):
        w.admit(1, target, user)
    w.message(1)
    for target in range(3):
        w.ask(1, target, trace=b"Delivered-To: %d\r\n" % target)
    assert sorted(w.hears() for _ in range(3)) == [("DELIVERED", 1, target, OK) for target in range(3)]
    assert sorted(w.read("anna")) == [lf(b"Delivered-To: %d\r\n" % t + TEXT) for t in (0, 2)]
    assert w.read("berta") == [lf(b"Delivered-To: 1\r\n" + TEXT)]


def test_a_mailbox_that_is_not_there_yet(worker):
    w = worker()
    w.admit(1, user="clara")
    w.message(1)
    w.ask(1)
    assert w.hears()[3] == OK
    assert w.read("clara") == [lf(TRACE + TEXT)]


def test_the_doors_word_may_come_first(worker):
    w = worker()
    w.message(1)
    w.ask(1)
    time.sleep(0.3)
    assert w.empty()
    w.admit(1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)
    assert w.read() == [lf(TRACE + TEXT)]


# ---- what nobody can make it do

@pytest.mark.parametrize("what", ["uid 0", "gid 0", "low uid", "other uid", "/etc", "root itself", "dots", "scheme", "link"])
@pytest.mark.parametrize("early", [False, True])
def test_forged_admits(worker, what, early):
    w = worker()
    os.symlink("/etc", w.root + "/link")
    forged = {
        "uid 0": dict(uid=0), "gid 0": dict(gid=0), "low uid": dict(uid=33), "other uid": dict(uid=UID + 1),
        "/etc": dict(where="maildir:/etc"), "root itself": dict(where="maildir:" + w.root),
        "dots": dict(where="maildir:%s/anna/../../../etc" % w.root), "scheme": dict(where="mbox:%s/anna" % w.root),
        "link": dict(where="maildir:%s/link" % w.root),
    }[what]
    if early:
        w.message(1)
        w.ask(1)
        time.sleep(0.1)
    w.admit(1, **forged)
    if not early:
        w.message(1)
        w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)
    assert w.empty() and os.listdir(w.root + "/anna/cur") == []
    w.serves()


def test_no_room_is_said_of_a_forged_admit(worker):
    w = worker()
    w.admit(1, uid=0, room=True)
    assert w.hears() == ("ROOM", 1, 0, TEMP)


def test_nobody_is_delivered_to_whom_auth_has_not_admitted(worker):
    w = worker()
    w.message(1)
    w.ask(1)
    w.ask(1, 1, now=False)
    assert sorted((w.hears(12), w.hears(12))) == [("DELIVERED", 1, 0, TEMP), ("PREPARED", 1, 1, TEMP)]
    w.admit(2)  # another transaction's word does not count
    w.message(3)
    w.ask(3)
    assert w.hears(12) == ("DELIVERED", 3, 0, TEMP)
    assert w.empty()
    w.serves()


def test_a_target_is_delivered_once(worker):
    w = worker()
    w.admit(1)
    w.message(1)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)
    w.message(1)
    w.ask(1)
    assert w.hears(12) == ("DELIVERED", 1, 0, TEMP)
    w.admit(2)
    w.admit(2)
    w.message(2)
    w.ask(2, now=False)
    w.ask(2, now=False)
    assert w.hears() == ("PREPARED", 2, 0, OK)
    w.say("COMMIT", 2)
    w.say("COMMIT", 2)
    assert sorted((w.hears(), w.hears())) == [("DELIVERED", 2, 0, OK), ("DELIVERED", 2, 0, TEMP)]
    assert len(w.read()) == 2


def test_nothing_without_a_message(worker):
    w = worker()
    w.admit(1)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)
    w.say("COMMIT", 5)
    assert w.hears() == ("DELIVERED", 5, 0, TEMP)
    assert w.empty()


def test_a_door_that_speaks_for_another_is_cut_off(worker):
    w = worker()
    w.admit(1, door=9)
    w.message(1, door=9)
    assert frames.receive(w.door) is None
    assert w.empty()


def test_a_counter_that_is_too_great_is_forged(worker):
    w = worker()
    frames.send(w.door, "FORGET", door=1, n=1 << 44)
    assert frames.receive(w.door) is None


def test_messages_out_of_turn(worker):
    w = worker()
    frames.send(w.door, "ADMIT", door=1, n=1, num=[0, UID, GID], texts=["anna", "maildir:%s/anna" % w.root])
    assert frames.receive(w.door) is None  # a door cannot vouch for anybody
    frames.send(w.auth, "GO")
    assert frames.receive(w.auth) is None
    assert "refused message ADMIT" in w.log() and "refused message GO" in w.log()


def bad_message(what, path):
    if what == "pipe":
        r, wr = os.pipe()
        os.write(wr, TEXT)
        os.close(wr)
        return r, len(TEXT)
    if what == "socket":
        a, b = socket.socketpair()
        a.sendall(TEXT)
        return b.detach(), len(TEXT)
    if what == "file":
        with open(path, "wb") as f:
            f.write(TEXT)
        return os.open(path, os.O_RDONLY), len(TEXT)
    if what == "directory":
        return os.open(os.path.dirname(path), os.O_RDONLY), len(TEXT)
    if what == "device":
        return os.open("/dev/zero", os.O_RDONLY), len(TEXT)
    if what.startswith("no "):
        return memory(TEXT, SEALS & ~{"no seals": SEALS, "no seal": 1, "no shrink": 2, "no grow": 4, "no write": 8}[what]), len(TEXT)
    return memory(TEXT), {"too long": len(TEXT) + 1, "too short": len(TEXT) - 1, "nothing": 0, "far too long": 1 << 40}[what]


@pytest.mark.parametrize("what", ["pipe", "socket", "file", "directory", "device", "no seals", "no seal", "no shrink", "no grow",
                                  "no write", "too long", "too short", "nothing", "far too long"])
def test_only_a_sealed_memory_file_is_a_message(worker, what, tmp_path):
    w = worker()
    fd, size = bad_message(what, str(tmp_path / "file"))
    w.admit(1)
    w.message(1, fd=fd, size=size)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)
    assert w.empty() and "message: 1.1 refused: " in w.log()
    w.serves()


def test_no_room_for_a_descriptor(worker):
    """the transaction is answered, and others are served when there is room again"""
    w = worker(descriptors_most=24)
    hold = []
    for n in range(1, 40):  # drafts of many mailboxes keep their directories open
        w.admit(n, user="box%d" % n)
        w.message(n)
        w.ask(n, now=False)
        hold.append(w.hears())
    verdicts = {h[3] for h in hold}
    assert verdicts == {OK, TEMP}, hold
    for n in range(1, 40):
        w.say("FORGET", n)
    time.sleep(0.3)
    w.serves()


# ---- two phases

def prepared(w, n=1, user="anna"):
    w.admit(n, user=user)
    w.message(n)
    w.ask(n, now=False)
    assert w.hears() == ("PREPARED", n, 0, OK)
    assert w.read(user) == [] and len(os.listdir(w.box(user)[1])) == 1


def test_prepared_then_committed(worker):
    w = worker()
    prepared(w)
    w.say("COMMIT", 1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)
    assert w.read() == [lf(TRACE + TEXT)] and os.listdir(w.box()[1]) == []


def wait_for(what, secs=20):
    end = time.monotonic() + secs
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_forgotten(worker):
    w = worker()
    prepared(w)
    w.say("FORGET", 1)
    w.forgets(1)  # when it is true, and not before: the door counts its memory until then
    assert os.listdir(w.box()[1]) == []
    assert w.empty()
    w.say("COMMIT", 1)
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)
    assert w.empty()
    w.admit(2)  # before anything of it was asked for
    w.say("FORGET", 2)
    w.forgets(2)
    w.serves()
    assert len(w.read()) == 1


def test_forgotten_before_it_is_admitted(worker):
    """the two words take different roads; nothing of it stays, and the process may go home"""
    w = worker(options="mail_idle = 1s\n")
    w.say("FORGET", 1)
    w.forgets(1)
    w.admit(1)
    w.serves(2)
    name, _, _, num, _ = frames.receive(w.auth, 10)  # a process that still kept it would not offer to end
    assert name == "IDLE" and num[:2] == (2, 0)
    frames.send(w.auth, "RETIRE")
    assert w.process.wait(20) == 0


def test_a_door_that_dies_takes_what_is_not_committed_along(worker):
    w = worker()
    prepared(w, 1)
    prepared(w, 2, "berta")
    w.say("COMMIT", 2)
    w.door.close()
    wait_for(lambda: len(w.read("berta")) == 1)  # what was told to commit is committed
    wait_for(lambda: os.listdir(w.box()[1]) == [])
    assert w.empty()
    w.door, d = frames.pair()
    frames.send(w.master, "DOOR", door=2, fd=d.fileno())
    d.close()
    frames.send(w.door, "COMMIT", door=2, n=1, num=[0])
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)


def test_killed_between_prepared_and_commit(worker):
    w = worker()
    prepared(w)
    w.process.kill()
    w.process.wait()
    assert w.read() == []  # what stays in tmp/ is nobody's, and swept one day


def test_stop_waits_for_the_word(worker):
    w = worker()
    prepared(w)
    frames.send(w.master, "STOP", num=[30000])
    with pytest.raises(Exception):
        w.process.wait(0.5)
    w.say("COMMIT", 1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)
    assert w.process.wait(20) == 0
    assert len(w.read()) == 1


# ---- quotas

def size_in(w, user="anna"):
    new = w.box(user)[0]
    return sum(os.path.getsize(new + "/" + f) for f in os.listdir(new))


def test_room(worker):
    w = worker()
    used = size_in(w)
    w.admit(1, room=True, octets=used + 100, size=100)
    assert w.hears() == ("ROOM", 1, 0, OK)
    w.admit(2, room=True, octets=used + 100, size=101)
    assert w.hears() == ("ROOM", 2, 0, OVER_QUOTA)
    w.admit(3, room=True, octets=used, size=0)  # no size was said, and nothing fits
    assert w.hears() == ("ROOM", 3, 0, OVER_QUOTA)
    w.admit(4, room=True, messages=1)
    assert w.hears() == ("ROOM", 4, 0, OVER_QUOTA)
    w.admit(5, room=True, messages=2)
    assert w.hears() == ("ROOM", 5, 0, OK)
    for n in range(1, 6):
        w.say("FORGET", n)
    w.serves()


def test_the_real_size_counts(worker):
    """what MAIL said was less; the trace fields count; to the octet"""
    stored = len(lf(TRACE + TEXT))
    w = worker()
    used = size_in(w)
    for n, (octets, verdict) in enumerate([(used + stored - 1, OVER_QUOTA), (used + stored, OK), (used + stored, OVER_QUOTA)], 1):
        w.admit(n, octets=octets, size=1)
        w.message(n)
        w.ask(n)
        assert w.hears() == ("DELIVERED", n, 0, verdict)
    assert len(w.read()) == 1 and os.listdir(w.box()[1]) == []


def test_what_is_prepared_counts(worker):
    stored = len(lf(TRACE + TEXT))
    w = worker()
    used = size_in(w)
    for n in (1, 2, 3):
        w.admit(n, octets=used + 2 * stored)
        w.message(n)
        w.ask(n, now=False)
    assert [w.hears()[3] for _ in range(3)] == [OK, OK, TEMP]  # there may be room yet: no bounce
    w.say("FORGET", 1)
    w.say("COMMIT", 2)
    assert w.hears() == ("DELIVERED", 2, 0, OK)
    for n, verdict in ((4, OK), (5, OVER_QUOTA)):
        w.admit(n, octets=used + 2 * stored)
        w.message(n)
        w.ask(n)
        assert w.hears() == ("DELIVERED", n, 0, verdict)


def test_over_quota_is_counted_first(worker):
    """another program has deleted: the record is too high; at most one count in a minute"""
    w = worker()
    used = size_in(w)
    w.admit(1, octets=used + 1000)  # the record is made
    w.message(1, b"Subject: 1\r\n\r\n" + b"x" * 700 + b"\r\n")
    w.ask(1)
    assert w.hears()[3] == OK
    record = w.root + "/anna"
    links = [f for f in os.listdir(record) if os.path.islink(record + "/" + f)]
    assert len(links) == 1
    version, octets, messages, counted = os.readlink(record + "/" + links[0]).split(":")
    assert int(octets) == size_in(w) and int(messages) == 2

    def count(age_s, octets):
        path = record + "/" + links[0]
        os.unlink(path)
        os.symlink(":".join([version, str(octets), "2", str(int((time.time() - age_s) * 1e6))]), path)
        if ROOT:
            os.lchown(path, UID, GID)

    count(5, 100000)  # counted a moment ago: believed
    w.admit(2, room=True, octets=size_in(w) + 100, size=100)
    assert w.hears() == ("ROOM", 2, 0, OVER_QUOTA)
    count(100, 100000)
    w.admit(3, room=True, octets=size_in(w) + 100, size=100)
    assert w.hears() == ("ROOM", 3, 0, OK)
    assert int(os.readlink(record + "/" + links[0]).split(":")[1]) == size_in(w)


# ---- its life

def test_idle(worker):
    """it offers to end, with the number of what it has seen, and ends when auth agrees; what is on its way comes first"""
    w = worker(options="mail_idle = 1s\n")
    w.serves(1)
    name, _, _, num, _ = frames.receive(w.auth, 10)
    assert name == "IDLE" and num[:2] == (1, 0)
    w.serves(2)  # auth did not agree, because it had sent one more
    name, _, _, num, _ = frames.receive(w.auth, 10)
    assert name == "IDLE" and num[:2] == (2, 0)
    frames.send(w.auth, "RETIRE")
    assert w.process.wait(20) == 0


def test_a_new_auth_counts_from_nothing(worker):
    w = worker(options="mail_idle = 1s\n")
    w.serves(1)
    w.admit(2)
    w.auth.close()
    w.auth, a = frames.pair()
    frames.send(w.master, "AUTH", fd=a.fileno())
    a.close()
    w.message(2)
    w.ask(2)
    assert w.hears() == ("DELIVERED", 2, 0, OK)  # what the old one admitted stays so
    w.serves(3)
    name, _, _, num, _ = frames.receive(w.auth, 10)
    assert name == "IDLE" and num[:2] == (1, 0)


def test_the_last_words_of_an_auth_that_died(worker):
    """its ADMIT lies in the channel, and the next auth comes first: whoever was admitted is delivered to"""
    w = worker()
    os.kill(w.process.pid, signal.SIGSTOP)
    w.admit(1)
    w.auth.close()
    w.auth, a = frames.pair()
    frames.send(w.master, "AUTH", fd=a.fileno())
    a.close()
    os.kill(w.process.pid, signal.SIGCONT)
    w.message(1)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)


class Hours:
    """`pass_by` lets hours go by for a process that was started with `env`"""

    def __init__(self, bed, tmp):
        built = os.path.dirname(os.path.dirname(os.path.dirname(bed.programs["bustiad"])))
        lib = shutil.copy(built + "/tests/fault/libshifted.so", str(tmp))
        self.env, self.offset = {"LD_PRELOAD": lib}, lib + ".offset"
        with open(self.offset, "wb") as f:
            f.write(struct.pack("=qq", 0, 0))

    def pass_by(self, hours):
        with open(self.offset, "r+b") as f:
            f.write(struct.pack("=qq", 0, int(hours * 3600)))


def test_a_slow_sender_has_hours(bed, worker, tmp_path):
    """who was admitted stays so between RCPT and the last octet, but not for ever"""
    if sanitized(bed):
        pytest.skip("the sanitizer's own library must come first")
    hours = Hours(bed, tmp_path)
    w = worker(env=hours.env)

    def early(n):
        """a word that comes before auth's, which never comes: what is said of it shows that all has been swept by the new hour"""
        w.ask(n)
        w.say("COMMIT", n + 1)
        assert w.hears() == ("DELIVERED", n + 1, 0, TEMP)

    for n in (1, 2):
        w.admit(n, room=True)
        assert w.hears() == ("ROOM", n, 0, OK)
    early(11)
    hours.pass_by(10)
    assert w.hears() == ("DELIVERED", 11, 0, TEMP)
    w.message(1)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, OK)
    early(21)
    hours.pass_by(25)
    assert w.hears() == ("DELIVERED", 21, 0, TEMP)
    w.message(2)
    early(2)
    hours.pass_by(26)
    assert w.hears() == ("DELIVERED", 2, 0, TEMP)
    assert w.read() == [lf(TRACE + TEXT)]


# ---- side by side, and together

def libfault(bed):
    path = os.path.dirname(os.path.dirname(os.path.dirname(bed.programs["bustiad"]))) + "/tests/fault/libfault.so"
    return path if os.path.exists(path) else None


def sanitized(bed):
    with open(os.path.dirname(bed.programs["bustiad"]) + "/bustia-mail", "rb") as f:
        return b"__asan_init" in f.read()


@pytest.fixture
def fault(bed):
    lib = libfault(bed)
    if not lib or sanitized(bed):
        pytest.skip("this build has no libfault that can stand before it")
    return lambda rules: {"LD_PRELOAD": lib, "FAULT": rules}


def test_a_slow_mailbox_stalls_no_other(worker, fault):
    w = worker(env=fault(";".join(["write:SLOW:/anna/tmp:1"] * 4)))
    big, start = b"x" * 998 + b"\r\n", time.monotonic()
    w.admit(1)
    w.message(1, big * 40000)  # some 600 writes of 8 ms
    w.ask(1)
    wait_for(lambda: os.listdir(w.box()[1]) != [])
    took = []
    for n in range(2, 12):
        since = time.monotonic()
        w.admit(n, user="berta")
        w.message(n)
        w.ask(n)
        assert w.hears() == ("DELIVERED", n, 0, OK), "%.1f s" % (time.monotonic() - start)  # before the first, all of them
        took.append(time.monotonic() - since - late(since, 2.4))
    assert max(took) < 2.4, took  # half of what the first takes
    assert w.read() == []
    assert w.hears(30) == ("DELIVERED", 1, 0, OK)
    assert len(w.read()) == 1 and len(w.read("berta")) == 10


@pytest.mark.root  # the process is not dumpable: nobody else may ask where its descriptors lead
def test_deliveries_to_one_mailbox_share_fsyncs(bed, worker, tmp_path):
    if not shutil.which("strace") or sanitized(bed):
        pytest.skip("needs strace, and no sanitizer, which traces too")
    out = str(tmp_path / "strace")
    w = worker(words=("strace", "-f", "-yy", "-e", "trace=fsync,fdatasync", "-o", out))
    for n in range(1, 21):
        w.admit(n)
        w.message(n)
        w.ask(n)
    assert sorted(w.hears()[1:] for _ in range(20)) == [(n, 0, OK) for n in range(1, 21)]
    assert len(w.read()) == 20
    w.close()
    with open(out) as f:
        calls = [m[1] for m in re.finditer(r"f(?:data)?sync\(\d+<([^>]*)>", f.read())]
    directories = [c for c in calls if c.endswith("/anna/new")]
    assert len([c for c in calls if "/anna/tmp/" in c]) == 20  # each message its own
    assert 1 <= len(directories) < 20, directories


@pytest.mark.root  # as above
@pytest.mark.parametrize("prepared", [False, True])
def test_the_message_is_let_go_before_its_last_answer(bed, worker, tmp_path, prepared):
    """with that the door gives its memory to the next message, and waits for no FORGOTTEN"""
    if not shutil.which("strace") or sanitized(bed):
        pytest.skip("needs strace, and no sanitizer, which traces too")
    out = str(tmp_path / "strace")
    w = worker(words=("strace", "-f", "-e", "trace=munmap,sendmsg", "-o", out))
    text = b"x" * 1234567 + b"\r\n"
    for target, user in enumerate(("anna", "berta")):
        w.admit(1, target, user)
    w.message(1, text)
    for target in range(2):
        w.ask(1, target, now=not prepared)
    assert sorted(w.hears() for _ in range(2)) == [("PREPARED" if prepared else "DELIVERED", 1, target, OK) for target in range(2)]
    for target in range(2) if prepared else ():
        w.say("COMMIT", 1, target)
        assert w.hears() == ("DELIVERED", 1, target, OK)
    w.close()
    assert w.read() == w.read("berta") == [lf(TRACE + text)]
    with open(out) as f:
        calls = re.findall(r"(munmap|sendmsg)\((.*)", f.read())
    (gone,) = [i for i, (call, what) in enumerate(calls) if call == "munmap" and ", %d)" % len(text) in what]
    assert sum(call == "sendmsg" for call, _ in calls[gone:]) == 1, calls  # the last DELIVERED


@pytest.mark.parametrize("call", ["write", "fsync", "close", "rename"])
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_a_disk_that_fails(worker, fault, call, error):
    """nothing is visible, nothing stays, and the next one is delivered"""
    w = worker(env=fault("%s:%s:/anna/tmp/:1-1" % (call, error)))
    w.admit(1)
    w.message(1)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)
    assert w.empty()
    w.serves()
    assert len(w.read()) == 1


def test_an_fsync_of_the_directory_that_fails_is_no_success(worker, fault):
    w = worker(env=fault("fsync:EIO:/anna/new:1-1"))
    w.admit(1)
    w.message(1)
    w.ask(1)
    assert w.hears() == ("DELIVERED", 1, 0, TEMP)
    w.serves()


# ---- a running server

def lmtp_twice(bed, break_it, name="t5"):
    """a transaction in the middle of which `break_it` strikes, and the sender's retry: (first answers, how many copies)"""
    bed.seed(name, [])
    m = Mail(bed)
    m.begin(name + "@localhost")
    m.ok("DATA", b"354")
    m.send(TEXT[:10])
    break_it()
    m.send(TEXT[10:] + b".\r\n")
    first = m.reply()
    m.close()
    end = time.monotonic() + 10
    while True:
        again = Mail(bed)
        try:
            answers = again.deliver(name + "@localhost", TEXT) if first[:1] != b"2" else [first]
            if answers[0].startswith(b"250"):
                break
        except AssertionError as e:
            assert " 4" in str(e) or "b'4" in str(e), e  # put off, never refused
        finally:
            again.close()
        assert time.monotonic() < end
        time.sleep(0.1)
    return first, bed.files(name)


def kill(bed, role):
    end = time.monotonic() + 10
    while role not in bed.roles():  # it may just be starting
        assert time.monotonic() < end, role
        time.sleep(0.01)
    pids = bed.roles()[role]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        bed.wait_log(r"ended: role=%s pid=%d signal 9" % (role, pid))


def test_deliver_killed_in_a_transaction(own_bed):
    bed = own_bed()
    first, files = lmtp_twice(bed, lambda: kill(bed, "deliver"))
    assert first.startswith(b"451 4.3.0"), first
    assert len(files) == 1
    with open(files[0], "rb") as f:
        assert untraced(f.read().replace(b"\n", b"\r\n")) == TEXT


def test_auth_killed_in_a_transaction(own_bed):
    """whoever was admitted is delivered to; the next recipient waits for the new auth"""
    bed = own_bed()
    first, files = lmtp_twice(bed, lambda: kill(bed, "auth"))
    assert first.startswith(b"250"), first
    assert len(files) == 1


def test_auth_killed_before_a_recipient(own_bed):
    bed = own_bed()
    m = Mail(bed)
    m.ok("MAIL FROM:<a@example.test>")
    os.kill(bed.roles()["auth"][0], signal.SIGSTOP)
    m.send("RCPT TO:<t6@localhost>\r\n")
    time.sleep(0.2)
    kill(bed, "auth")
    assert m.reply().startswith(b"451 4.3.0")
    end = time.monotonic() + 5
    while not m.cmd("RCPT TO:<t6@localhost>").startswith(b"250"):
        assert time.monotonic() < end
        time.sleep(0.1)
    m.data(TEXT)
    assert m.reply().startswith(b"250")
    m.quit()
    assert len(bed.files("t6")) == 1


def test_door_killed_in_a_transaction(own_bed):
    bed = own_bed()
    bed.seed("t7", [])
    m = Mail(bed)
    m.begin(["t7@localhost"])
    m.ok("DATA", b"354")
    m.send(TEXT)
    kill(bed, "door")
    m.close()
    end = time.monotonic() + 20
    while True:  # by the next door, and the process that was to write the other
        again = None
        try:
            again = Mail(bed)
            if again.deliver("t7@localhost", AFTER)[0].startswith(b"250"):
                break
        except (OSError, EOFError, AssertionError):
            pass
        finally:
            if again:
                again.close()
        assert time.monotonic() < end
        time.sleep(0.1)
    (path,) = bed.files("t7")
    with open(path, "rb") as f:
        assert untraced(f.read().replace(b"\n", b"\r\n")) == AFTER
    assert os.listdir(bed.maildir("t7") + "/tmp") == []


def test_deliver_processes_retire(own_bed):
    bed = own_bed("mail_idle=1s")
    for _ in range(2):
        m = Mail(bed)
        assert m.deliver("t8@localhost", TEXT)[0].startswith(b"250")
        m.quit()
        pid = bed.role("deliver")
        bed.wait_log(r"ended: role=deliver pid=%d status 0" % pid)
    assert len(bed.files("t8")) == 2


def test_a_storm_while_processes_retire(own_bed):
    """deliveries keep coming while deliver processes go home as fast as they can: none is refused"""
    bed = own_bed("mail_idle=0s")
    answers, ends = [], time.monotonic() + 6

    def send(i):
        while time.monotonic() < ends:
            m = Mail(bed)
            answers.append(m.deliver("t%d@localhost" % (10 + i), TEXT)[0])
            m.quit()
            time.sleep(0.01 * i)

    threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers and all(a.startswith(b"250") for a in answers), [a for a in answers if not a.startswith(b"250")][:5]
    assert sum(len(bed.files("t%d" % (10 + i))) for i in range(4)) == len(answers)


def test_stopped_in_a_transaction(own_bed):
    bed = own_bed()
    bed.seed("t9", [])
    m = Mail(bed)
    m.begin("t9@localhost")
    m.ok("DATA", b"354")
    m.send(TEXT[:10])
    pid = bed.pid
    os.kill(pid, signal.SIGTERM)
    m.send(TEXT[10:] + b".\r\n")
    try:
        answer = m.reply()
    except EOFError:
        answer = b""
    end = time.monotonic() + 10
    while os.path.exists("/proc/%d" % pid):
        with open("/proc/%d/stat" % pid) as f:
            if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                break
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(bed.files("t9")) == answer.startswith(b"250")
