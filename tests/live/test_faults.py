"""A disk that fails, and entries that are no messages: never a hang, never a false +OK, never a false end of a message."""
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest
from bed import TESTBED, Bed, wire

TEXT = b"From: a@example.test\nSubject: x\n\n.body\n"
BIG = b"Subject: big\n\n" + b"".join(b"line %d of a big message\n" % i for i in range(400000))  # more than all buffers on the way


def put(bed, name, file, data=TEXT, sub="new"):
    path = "%s/%s/%s" % (bed.maildir(name), sub, file)
    with open(path, "wb") as f:
        f.write(data)
    own(bed, path)
    return path


def own(bed, path):
    if os.geteuid() == 0:
        os.lchown(path, bed.target["pool"]["uid"], bed.target["pool"]["gid"])
    return path


def fill(bed, name, n):
    return [put(bed, name, "%d.M%d" % (1750000000 + i, i), b"Subject: %d\n\n%d\n" % (i, i)) for i in range(n)]


def at_once(bed, name):
    """a log-in that is never told [IN-USE]"""
    p = bed.connect()
    p.ok("USER " + name)
    answer = p.cmd("PASS " + bed.target["pool"]["pass"])
    assert answer.startswith(b"+OK"), answer
    return p


def refused(bed, name, code=rb"\[SYS/(TEMP|PERM)\]"):
    """a log-in that is refused, with the session still in AUTHORIZATION"""
    p = bed.connect(timeout=10)
    p.ok("USER " + name)
    answer = p.cmd("PASS " + bed.target["pool"]["pass"])
    assert re.match(rb"-ERR " + code, answer), answer
    assert p.cmd("STAT").startswith(b"-ERR")
    p.ok("USER main")
    assert p.cmd("PASS " + bed.target["users"]["main"]["pass"]).startswith(b"+OK")
    assert p.quit().startswith(b"+OK")


@pytest.fixture(scope="module")
def bed():
    b = Bed()
    yield b
    b.close()


THEIRS = "t39"
users = itertools.cycle("t%d" % i for i in range(39))


def fresh(bed):
    """a user with an empty maildrop"""
    return anew(bed, next(users))


def anew(bed, name):
    """an empty maildrop, whatever is in its place"""
    box = bed.maildir(name)
    if os.path.isdir(box) and not os.path.islink(box):
        shutil.rmtree(box)
    elif os.path.lexists(box):
        os.unlink(box)
    for sub in ("", "/new", "/cur", "/tmp"):
        os.mkdir(box + sub, 0o700)
        own(bed, box + sub)
    return name


@pytest.fixture
def name(bed):
    return fresh(bed)


# ---- calls that fail. One server; each rule names the user it is for.

RULES = {
    "t0": "unlinkat:EIO:/t0/new/:2-3",
    "t1": "unlinkat:EACCES:/t1/new/:1",
    "t2": "unlinkat:EROFS:/t2/:1",
    "t3": "fsync:EIO:/t3/new:1-1",
    "t4": "openat:EIO:/t4/new/1750000001:2",
    "t5": "read:EIO:/t5/new/:100",   # the counting has 74 reads and one for the end, of 131,072 octets
    "t6": "read:END:/t6/new/:100",
    "t7": "read:EIO:/t7/new/1750000001:1",
    "t8": "readdir:EIO:/t8/new:1-1",
    "t9": "flock:EIO:/t9:1-1",
    "t10": "openat:EACCES:/t10/new/1750000001:1",
    "t11": "openat:EMFILE:/t11/new/1750000001:1-1",
    "t12": "unlinkat:SLOW:/t12/new/:1",
    "t13": "fstat:EIO:/t13/new/1750000001:1",
}


@pytest.fixture(scope="module")
def failing():
    b = Bed()
    lib = os.path.dirname(os.path.dirname(os.path.dirname(b.programs["bustiad"]))) + "/tests/fault/libfault.so"
    b._run([TESTBED, "restart", b.dir], env=dict(os.environ, LD_PRELOAD=lib, FAULT=";".join(RULES.values())))
    yield b
    b.close()


@pytest.mark.parametrize("name,remain", [("t0", 2), ("t1", 5), ("t2", 5)])
def test_unlink_fails(failing, name, remain):
    paths = fill(failing, name, 6)
    p = failing.login(name)
    for n in range(1, 6):
        p.ok("DELE %d" % n)
    answer = p.quit()
    assert answer.startswith(b"-ERR [SYS/TEMP]") and int(re.search(rb" (\d+) message", answer).group(1)) == remain, answer
    p = at_once(failing, name)
    assert p.stat()[0] == remain + 1 == len(failing.files(name))
    assert p.retr(remain + 1) == b"Subject: 5\r\n\r\n5\r\n"
    p.quit()
    assert paths[5] in failing.files(name)


def test_fsync_fails(failing):
    fill(failing, "t3", 3)
    p = failing.login("t3")
    p.ok("DELE 1")
    p.ok("DELE 2")
    answer = p.quit()
    assert answer.startswith(b"-ERR [SYS/TEMP]") and b" 2 message" in answer, answer
    p = at_once(failing, "t3")
    left = p.stat()[0]
    p.ok("DELE 1")
    assert p.quit().startswith(b"+OK")
    assert len(failing.files("t3")) == left - 1


def test_open_fails_in_retr(failing):
    fill(failing, "t4", 3)
    p = failing.login("t4")
    for command in ("RETR 2", "TOP 2 0"):
        assert p.cmd(command).startswith(b"-ERR [SYS/TEMP]")
    assert p.retr(3) == b"Subject: 2\r\n\r\n2\r\n"
    assert p.quit().startswith(b"+OK")


@pytest.mark.parametrize("name", ["t5", "t6"])
def test_read_fails_in_the_middle(failing, name):
    """RETR until it breaks: always whole or without an end"""
    put(failing, name, "1750000001.big", BIG)
    p = failing.login(name)
    start = len(failing.log())
    for _ in range(20):
        p.ok("RETR 1")
        p.buf, got = b"", p.buf
        while not got.endswith(b"\r\n.\r\n"):
            data = p.sock.recv(1 << 18)
            if not data:
                break
            got += data
        if not got.endswith(b"\r\n.\r\n"):
            break
        assert got == wire(BIG) + b".\r\n"
    assert not got.endswith(b"\r\n.\r\n") and b"\r\n.\r\n" not in got and wire(BIG).startswith(got)
    failing.wait_log(r"end=broken-message", start=start)


@pytest.mark.parametrize("name,what", [("t7", "it cannot be read"), ("t10", "it may not be read"), ("t13", "it cannot be opened")])
def test_counting_fails(failing, name, what):
    """one message that cannot be looked at does not close the maildrop"""
    fill(failing, name, 3)
    start = len(failing.log())
    p = failing.login(name)
    assert [u for u in p.uidl()] == ["1750000000.M0", "1750000002.M2"]
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")
    failing.wait_log(r'entry="new/1750000001\.M1" passed over: ' + what, start=start)
    assert len(failing.files(name)) == 1


@pytest.mark.parametrize("name", ["t8", "t9", "t11"])
def test_listing_fails(failing, name):
    """a failure of the whole is no empty maildrop: the log-in is refused, and the next succeeds at once"""
    fill(failing, name, 3)
    refused(failing, name)
    p = at_once(failing, name)
    assert p.stat()[0] == 3
    p.quit()


def test_killed_in_update(failing):
    """kill -9 in the middle of 2,000 deletions: no lock is left; what was not marked is all there"""
    name, n, kept = "t12", 2000, 10
    paths = fill(failing, name, n + kept)
    p = failing.login(name)
    p.send(b"".join(b"DELE %d\r\n" % (i + 1) for i in range(n)))
    for _ in range(n):
        assert p.line().startswith(b"+OK")
    p.send(b"QUIT\r\n")
    end = time.monotonic() + 20
    while len(os.listdir(failing.maildir(name) + "/new")) > n + kept - 50:
        assert time.monotonic() < end
        time.sleep(0.01)
    for pid in failing.roles()["mail"]:
        os.kill(pid, signal.SIGKILL)
    assert p.rest() == b""  # no answer
    left = failing.files(name)
    assert set(paths[n:]) <= set(left) <= set(paths) and len(left) > kept
    q = at_once(failing, name)
    assert q.stat()[0] == len(left)
    assert q.retr(len(left)) == b"Subject: %d\r\n\r\n%d\r\n" % (n + kept - 1, n + kept - 1)
    q.quit()


# ---- entries that are no messages

def strange(bed, path, kind, other):
    """puts something at this path in place of the message that is there"""
    old = os.open(path, os.O_RDONLY)  # as long as it is open its inode's number is nobody else's
    os.unlink(path)
    make(bed, path, kind, other)
    os.close(old)


def make(bed, path, kind, other):
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        os.mkdir(path)
        own(bed, path)
        with open(path + "/inside", "w") as f:
            f.write("x")
        return
    elif kind == "socket":
        s = socket.socket(socket.AF_UNIX)
        back = os.getcwd()
        os.chdir(os.path.dirname(path))  # a socket's path may have 108 octets
        s.bind(os.path.basename(path))
        os.chdir(back)
        s.close()
    elif kind in LINKS:
        os.symlink(LINKS[kind] if LINKS[kind] else other, path)
    elif kind == "unreadable":
        with open(path, "w") as f:
            f.write("secret\n")
        os.chmod(path, 0)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: never ends
    elif kind == "block device":
        os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 200))
    if kind != "unreadable" or os.geteuid() != 0:
        own(bed, path)


LINKS = {"link to passwd": "/etc/passwd", "link to another's": None, "dangling": "nowhere", "link to itself": "1750000001.M1",
         "link to a sibling": "1750000000.M0"}
KINDS = ["fifo", "directory", "socket", "unreadable"] + sorted(LINKS)
KINDS += [pytest.param(k, marks=pytest.mark.root) for k in ("device", "block device")]


@pytest.mark.parametrize("kind", KINDS)
def test_strange_before(bed, name, kind):
    """never served, never followed, never waited for, never removed; told in the log; the others are served"""
    paths = fill(bed, name, 3)
    other = put(bed, THEIRS, "1750000000.theirs")
    strange(bed, paths[1], kind, other)
    start = len(bed.log())
    p = at_once(bed, name)
    assert p.uidl() == ["1750000000.M0", "1750000002.M2"]
    assert p.retr(1) == b"Subject: 0\r\n\r\n0\r\n" and p.retr(2) == b"Subject: 2\r\n\r\n2\r\n"
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")
    bed.wait_log(r'entry="new/1750000001\.M1" passed over', start=start)
    assert os.path.lexists(paths[1]) and os.path.exists(other)
    at_once(bed, name).quit()


@pytest.mark.parametrize("kind", KINDS + ["gone"])
def test_strange_between(bed, name, kind):
    """what was a message at the log-in is something else now"""
    paths = fill(bed, name, 3)
    other = put(bed, THEIRS, "1750000000.theirs")
    p = bed.login(name, timeout=10)
    if kind == "gone":
        os.unlink(paths[1])
    else:
        strange(bed, paths[1], kind, other)
    for command in ("RETR 2", "TOP 2 1"):
        assert p.cmd(command).startswith(b"-ERR")
    assert p.retr(3) == b"Subject: 2\r\n\r\n2\r\n"
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")  # the message that was listed is gone
    assert os.path.lexists(paths[1]) == (kind != "gone") and os.path.exists(other)
    assert os.path.exists(paths[2]) and not os.path.exists(paths[0])
    p = at_once(bed, name)
    assert p.stat()[0] == 1
    p.quit()


def test_shrinks_and_grows_before_retr(bed, name):
    paths = fill(bed, name, 3)
    p = bed.login(name)
    os.truncate(paths[0], 3)
    with open(paths[1], "ab") as f:
        f.write(b"more\n")
    for n in (1, 2):
        for command in ("RETR %d", "TOP %d 5"):
            assert p.cmd(command % n).startswith(b"-ERR [SYS/TEMP]")
    assert p.retr(3) == b"Subject: 2\r\n\r\n2\r\n"
    p.ok("DELE 1")
    assert p.quit().startswith(b"+OK")
    assert not os.path.exists(paths[0])


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
@pytest.mark.parametrize("change", ["shrinks", "grows", "gone"])
@pytest.mark.parametrize("stored", [BIG, wire(BIG)], ids=["as-text", "in-wire-form"])
def test_changes_while_sent(bed, stored, change, port):
    name = fresh(bed)
    path = put(bed, name, "1750000001.big", stored)
    p = bed.login(name, port=port)
    start = len(bed.log())
    p.ok("RETR 1")  # and nobody reads on: the buffers fill
    time.sleep(0.3)
    if change == "shrinks":
        os.truncate(path, len(stored) * 9 // 10)
    elif change == "grows":
        with open(path, "ab") as f:
            f.write(b"more\n")
    else:
        os.unlink(path)
    if change == "shrinks":
        got = p.rest()
        assert b"\r\n.\r\n" not in got and wire(BIG).startswith(got) and len(got) < len(BIG)
        bed.wait_log(r"end=broken-message", start=start)
        p = at_once(bed, name)
        assert p.stat()[0] == 1
    else:
        assert p.body() == wire(BIG)  # what was promised, not an octet more
    assert p.quit().startswith(b"+OK")


def test_hard_links(bed, name):
    """a backup made of links keeps its files; what the client deleted is gone all the same"""
    paths = fill(bed, name, 3)
    backup = bed.dir + "/backup-" + name
    os.mkdir(backup)
    for n, path in enumerate(paths):
        os.link(path, "%s/%d" % (backup, n))
    os.link(paths[1], "%s/cur/1750000009.again:2,S" % bed.maildir(name))  # under another name it is another message
    p = bed.login(name)
    assert p.uidl() == ["1750000000.M0", "1750000001.M1", "1750000002.M2", "1750000009.again"]
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")
    p = at_once(bed, name)
    assert p.uidl() == ["1750000002.M2", "1750000009.again"]
    assert p.retr(2) == b"Subject: 1\r\n\r\n1\r\n"
    p.quit()
    assert sorted(os.listdir(backup)) == ["0", "1", "2"]


# ---- the maildrop itself

def test_no_maildrop(bed, name):
    """a maildrop whose parent is there is made (or it is refused): never a hang, never another's"""
    box = bed.maildir(name)
    for sub in ("new", "cur", "tmp", ""):
        os.rmdir("%s/%s" % (box, sub))
    p = bed.connect()
    p.ok("USER " + name)
    answer = p.cmd("PASS " + bed.target["pool"]["pass"])
    if os.geteuid() == 0:
        assert answer.startswith(b"-ERR [SYS/"), answer  # DIR/mail belongs to root
    else:
        assert answer.startswith(b"+OK"), answer
    p.close()


BROKEN = ["cur is a link", "new is a file", "maildrop is a link", "maildrop is a link inside", "no permission", "maildrop is a fifo", "not a Maildir"]


def break_maildrop(bed, name, break_it):
    """what is no maildrop in the place of one"""
    box, aside = bed.maildir(name), bed.dir + "/aside-" + name
    if break_it == "cur is a link":
        os.rmdir(box + "/cur")
        os.symlink(bed.maildir(THEIRS) + "/new", box + "/cur")
    elif break_it == "new is a file":
        os.rename(box + "/new", aside)
        own(bed, put(bed, name, "new", sub="."))
    elif break_it == "no permission":
        os.chmod(box, 0)
    elif break_it == "not a Maildir":
        os.rename(box, aside)
        os.makedirs(box + "/something")
        own(bed, box)
    else:
        os.rename(box, aside)
        if break_it == "maildrop is a fifo":
            os.mkfifo(box)
        else:
            os.symlink(aside if break_it == "maildrop is a link" else bed.maildir(THEIRS), box)


def test_maildrop_without_new(bed, name):
    """its parent belongs to the user: it is made anew"""
    os.rmdir(bed.maildir(name) + "/new")
    p = bed.login(name)
    assert p.stat() == (0, 0)
    p.quit()


@pytest.mark.parametrize("break_it", BROKEN)
def test_broken_maildrop(bed, name, break_it):
    put(bed, name, "1750000000.M0")
    break_maildrop(bed, name, break_it)
    start = len(bed.log())
    refused(bed, name)
    bed.wait_log(r"error open: user=\"%s\"" % name, start=start)
    if break_it == "no permission":
        os.chmod(bed.maildir(name), 0o700)
        p = at_once(bed, name)
        assert p.stat()[0] == 1
        p.quit()


def test_locked_by_another_program(bed, name):
    """anybody who takes flock on the maildrop's directory keeps us out, and lets us in again"""
    fill(bed, name, 1)
    fd = os.open(bed.maildir(name), os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    for _ in range(3):
        p = bed.connect()
        p.ok("USER " + name)
        assert p.cmd("PASS " + bed.target["pool"]["pass"]).startswith(b"-ERR [IN-USE]")
    fcntl.flock(fd, fcntl.LOCK_UN)
    p.ok("USER " + name)
    p.ok("PASS " + bed.target["pool"]["pass"])
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    p.ok("DELE 1")
    assert p.cmd("QUIT").startswith(b"+OK")
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free before the answer
    os.close(fd)


def test_log_in_right_after_a_refusal(bed, name):
    """on the same connection, again and again, as fast as it can: each try has its answer"""
    fill(bed, name, 1)
    for n in range(300):
        fd = os.open(bed.maildir(name), os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        p = bed.connect(timeout=20)
        p.ok("USER " + name)
        assert p.cmd("PASS " + bed.target["pool"]["pass"]).startswith(b"-ERR [IN-USE]")
        os.close(fd)
        p.ok("USER " + name)
        p.ok("PASS " + bed.target["pool"]["pass"])
        assert p.quit().startswith(b"+OK")


def test_log_in_right_after_quit(bed, name):
    """200 times: the lock is given back before +OK"""
    fill(bed, name, 100)
    for n in range(200):
        p = at_once(bed, name)
        if n % 2:
            p.ok("DELE 1")
        assert p.quit().startswith(b"+OK")
    assert bed.files(name) == []


# ---- large ones

def test_a_hundred_megabytes(bed, name):
    line = b"0123456789abcdef" * 4 + b"\n"
    count = 100 * 1000 * 1000 // len(line)
    put(bed, name, "1750000000.large", line * count)
    p = bed.login(name, timeout=60)
    assert p.stat() == (1, count * (len(line) + 1))
    p.ok("RETR 1")
    digest, size, tail = hashlib.sha256(), 0, b""
    data, p.buf = p.buf, b""
    while True:
        tail += data
        digest.update(tail[:-5])
        size += len(tail[:-5])
        tail = tail[-5:]
        if tail == b"\r\n.\r\n" and size + 2 == count * (len(line) + 1):
            break
        data = p.sock.recv(1 << 18)
        assert data
    expected = hashlib.sha256()
    for _ in range(count):
        expected.update(line[:-1] + b"\r\n")
    digest.update(b"\r\n")
    assert digest.digest() == expected.digest()
    p.ok("DELE 1")
    assert p.quit().startswith(b"+OK")


def test_twenty_thousand_messages(bed, name):
    n = 20000
    for i in range(n):
        put(bed, name, "%d.M%d" % (1750000000 + i, i), b"Subject: %d\n\n%d\n" % (i, i), sub=("new", "cur")[i % 2])
    p = bed.login(name, timeout=120)
    assert p.stat()[0] == n
    uids = p.uidl()
    assert uids == ["%d.M%d" % (1750000000 + i, i) for i in range(n)]
    assert p.retr(n) == wire(b"Subject: %d\n\n%d\n" % (n - 1, n - 1))
    p.send(b"".join(b"DELE %d\r\n" % (i + 1) for i in range(0, n, 2)))
    for i in range(0, n, 2):
        assert p.line().startswith(b"+OK")
    assert p.quit().startswith(b"+OK")
    p = at_once(bed, name)
    assert p.uidl() == uids[1::2]
    p.quit()


# ---- disks that are full or read-only

class PrivateBed(Bed):
    """a server in a mount namespace of its own, so that disks can be mounted below its maildrops"""

    def _run(self, argv, **kw):
        if argv[1:2] == ["up"]:
            argv = ["unshare", "--mount", "--propagation", "private"] + argv
        return super()._run(argv, **kw)

    def inside(self, *argv):
        return super()._run(["nsenter", "--mount=/proc/%d/ns/mnt" % self.pid, *argv])

    def maildir(self, name):
        return "/proc/%d/root%s" % (self.pid, super().maildir(name))

    def disk(self, name, size):
        """an own small disk for this user"""
        box = Bed.maildir(self, name)
        self.inside("mount", "-t", "tmpfs", "-o", "size=%s,mode=700,uid=%d,gid=%d" % (size, self.target["pool"]["uid"], self.target["pool"]["gid"]),
                    "tmpfs", box)
        for sub in ("new", "cur", "tmp"):
            os.mkdir("%s/%s" % (self.maildir(name), sub))
            own(self, "%s/%s" % (self.maildir(name), sub))

    def read_only(self, name):
        self.inside("mount", "-o", "remount,ro", Bed.maildir(self, name))


@pytest.fixture(scope="module")
def private():
    b = PrivateBed()
    yield b
    b.close()


@pytest.mark.root
def test_disk_full(private):
    name = "t0"
    private.disk(name, "64k")
    fill(private, name, 4)
    with pytest.raises(OSError):
        put(private, name, "1750000100.filler", b"x" * 100000, sub="tmp")
    p = at_once(private, name)
    assert p.stat()[0] == 4
    assert p.retr(4) == b"Subject: 3\r\n\r\n3\r\n"
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")
    p = at_once(private, name)
    assert p.stat()[0] == 2
    p.quit()


@pytest.mark.root
def test_disk_read_only(private):
    name = "t1"
    private.disk(name, "1m")
    fill(private, name, 4)
    private.read_only(name)
    p = at_once(private, name)
    assert p.retr(4) == b"Subject: 3\r\n\r\n3\r\n"
    assert p.quit().startswith(b"+OK")
    p = at_once(private, name)
    p.ok("DELE 1")
    p.ok("DELE 3")
    answer = p.quit()
    assert answer.startswith(b"-ERR [SYS/TEMP]") and b" 2 message" in answer, answer
    p = at_once(private, name)
    assert p.stat()[0] == 4
    p.quit()


@pytest.mark.root
def test_disk_read_only_in_between(private):
    name = "t2"
    private.disk(name, "1m")
    fill(private, name, 4)
    p = at_once(private, name)
    p.ok("DELE 1")
    private.read_only(name)
    answer = p.quit()
    assert answer.startswith(b"-ERR [SYS/TEMP]") and b" 1 message" in answer, answer
    p = at_once(private, name)
    assert p.stat()[0] == 4
    p.quit()


# ---- the order in which a deletion becomes true

@pytest.mark.root
def test_order_of_update(bed, name):
    """each removal, then fsync of its directory, then the lock is given back, and only then the answer"""
    if not os.path.exists("/usr/bin/strace"):
        pytest.skip("strace is not here")
    fill(bed, name, 3)
    put(bed, name, "1750000100.c:2,S", sub="cur")
    bed.login(name).quit()
    p = bed.login(name)
    for n in (1, 2, 4):
        p.ok("DELE %d" % n)
    pool = str(bed.target["pool"]["uid"])
    worker = next(w for w in bed.roles()["mail"] if re.search(r"^Uid:\s+%s\b" % pool, open("/proc/%d/status" % w).read(), re.M))
    trace = bed.dir + "/trace"
    s = subprocess.Popen(["strace", "-f", "-y", "-s", "200", "-e", "trace=unlinkat,fsync,close,write,writev,sendto,sendmsg", "-o", trace, "-p", str(worker)],
                         stderr=subprocess.PIPE)
    try:
        assert b"attached" in s.stderr.readline()
        answer = p.quit()
        end = time.monotonic() + 5
        while "+OK Bye" not in open(trace).read() and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        s.terminate()
        s.wait()
        s.stderr.close()
    assert answer.startswith(b"+OK")
    box = re.escape(bed.maildir(name))
    calls = open(trace).read().split("\n")
    at = {what: [i for i, l in enumerate(calls) if re.search(pattern, l)] for what, pattern in (
        ("unlink new", r"unlinkat\(\d+<%s/new>" % box), ("unlink cur", r"unlinkat\(\d+<%s/cur>" % box),
        ("fsync new", r"fsync\(\d+<%s/new>\) += 0" % box), ("fsync cur", r"fsync\(\d+<%s/cur>\) += 0" % box),
        ("unlock", r"close\(\d+<%s>\)" % box), ("answer", r"\+OK Bye"))}
    assert {k: len(v) for k, v in at.items()} == {"unlink new": 2, "unlink cur": 1, "fsync new": 1, "fsync cur": 1, "unlock": 1, "answer": 1}, "\n".join(calls)
    assert max(at["unlink new"]) < at["fsync new"][0] < at["unlock"][0] < at["answer"][0]
    assert max(at["unlink cur"]) < at["fsync cur"][0] < at["unlock"][0]
