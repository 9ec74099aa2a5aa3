"""A real auth, and master, door and deliver processes played by this test: whose mail an address is, and who is told what, in which order."""
import os
import socket
import sqlite3
import subprocess
import time

import frames
import pytest

ROOT = os.geteuid() == 0
FIRST, OTHER = (61021, 61022) if ROOT else (os.getuid(), os.getuid())
ACCOUNT = 61020
OK, NOBODY, NOT_OURS, DISABLED, TEMP = 0, 1, 2, 3, 9  # enum smtp_verdict
DELIVERY, WAIT_ROOM = 2, 1

pytestmark = [pytest.mark.asan, pytest.mark.root]  # users of several uids


def wide(num, at):
    return num[at] | num[at + 1] << 32


class Auth:
    """bustiad --role auth with a users' database; the test holds all its channels"""

    def __init__(self, bed, tmp, options=""):
        self.bed, self.tmp = bed, tmp
        for d in ("db", "run/empty", "mail"):
            os.makedirs(str(tmp / d), exist_ok=True)
        frames.let_through(str(tmp))
        self.config = str(tmp / "config")
        with open(self.config, "w") as f:
            f.write("""mail_root = %s/mail\nrun_dir = %s/run\nfirst_uid = 61010\nusers_db = %s/db/users.db\nhostname = host.example
                       postmaster = anna\nauth_user = %d\nstore_default = maildir:%s/mail/{user}\nlog = stderr\n%s"""
                    .replace("\n                       ", "\n") % (tmp, tmp, tmp, ACCOUNT, tmp, options))
        self.workers, self.numbers, self.process = {}, 0, None

    def tool(self, *args, stdin="pw\n"):
        p = subprocess.run([self.bed.programs["bustia"], "-c", self.config, *args], input=stdin, capture_output=True, text=True)
        assert p.returncode == 0, (args, p.stdout, p.stderr)

    def user(self, name, uid=FIRST, *more):
        self.tool("user", "add", name, "--uid", str(uid), "--gid", str(uid), "--password-stdin", *more)

    def start(self):
        for d, subs, files in os.walk(str(self.tmp / "db")):
            for name in [d] + [d + "/" + f for f in files]:
                os.chown(name, ACCOUNT, ACCOUNT)
        with open(self.config) as f:
            conf = f.read()
        self.log_path = str(self.tmp / "log")
        self.process, self.master, log = frames.start([self.bed.programs["bustiad"], "--role", "auth"], conf, self.log_path)
        frames.send(self.master, "GO", num=[ACCOUNT, ACCOUNT, True])
        assert frames.receive(self.master)[0] == "READY"
        self.door = self.a_door(1)
        os.close(log)
        return self

    def a_door(self, generation):
        ours, theirs = frames.pair()
        frames.send(self.master, "DOOR", door=generation, fd=theirs.fileno())
        theirs.close()
        assert frames.receive(ours)[0] == "COUNT"
        return ours

    def whose(self, address, n=1, rcpt=0, size=0, target=0, door=1):
        local, _, domain = address.partition("@")
        frames.send(self.door, "WHOSE", door=door, n=n, num=[rcpt, size & 0xFFFFFFFF, size >> 32, target], texts=[local, domain])

    def needs(self):
        """(token, uid) of the NEED that the master hears"""
        name, _, _, num, texts = frames.receive(self.master)
        assert name == "NEED" and num[1] == num[2] and num[3] == DELIVERY and texts[0].startswith(b"maildir:")
        return num[0], num[1]

    def worker(self, token, uid):
        """a deliver process comes; its number"""
        self.numbers += 1
        ours, theirs = frames.pair()
        frames.send(self.master, "WORKER", n=DELIVERY, num=[self.numbers, uid, uid, token], fd=theirs.fileno())
        theirs.close()
        self.workers[self.numbers] = ours
        return self.numbers

    def hire(self):
        return self.worker(*self.needs())

    def hears(self, sock=None):
        name, _, n, num, texts = frames.receive(sock or self.door)
        return name, n, num, texts

    def silent(self, sock):
        with pytest.raises(socket.timeout):
            frames.receive(sock, 0.5)

    def recipient(self, n=1, rcpt=0, targets=0):
        """the verdict of a RECIPIENT"""
        name, of, num, _ = self.hears()
        assert (name, of, num[0], num[2]) == ("RECIPIENT", n, rcpt, targets), (name, of, num, self.log())
        return num[1]

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def close(self):
        if not self.process:
            return
        for s in [self.master, self.door] + list(self.workers.values()):
            s.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def auth(bed, tmp_path):
    made = []

    def make(**kw):
        made.append(Auth(bed, tmp_path, **kw))
        return made[-1]

    yield make
    for a in made:
        a.close()


@pytest.fixture
def plain(auth):
    a = auth()
    a.user("anna")
    a.user("berta", FIRST)
    a.user("carl", OTHER)
    return a


def test_the_words_of_a_recipient(plain):
    a = plain.start()
    a.whose("anna@host.example", n=7, rcpt=3, size=(5 << 32) + 6, target=4)
    w = a.hire()
    name, n, num, texts = a.hears(a.workers[w])
    assert (name, n) == ("ADMIT", 7) and num[:3] == (4, FIRST, FIRST) and texts[0] == b"anna" and texts[1].endswith(b"/mail/anna")
    assert [wide(num, at) for at in (3, 5, 7)] == [0, 0, (5 << 32) + 6] and num[9] == 0
    name, n, num, _ = a.hears()
    assert (name, n) == ("TARGET", 7) and num[:4] == (3, 4, w, 0)
    assert a.recipient(7, 3, 1) == OK
    a.whose("berta@host.example", n=8)  # the same uid: the same process, at once
    assert a.hears(a.workers[w])[2][0] == 0
    assert a.hears()[0] == "TARGET" and a.recipient(8, 0, 1) == OK
    a.silent(a.master)


@pytest.mark.parametrize("address,verdict", [("nobody@host.example", NOBODY), ("anna@example.org", NOT_OURS), ("anna@", OK), ("ANNA@HOST.EXAMPLE", OK),
                                             ("anna+x@host.example", OK), ("postmaster@host.example", OK), ("Postmaster@", OK), ("@host.example", NOBODY)])
def test_verdicts(plain, address, verdict):
    a = plain.start()
    a.whose(address)
    if verdict == OK:
        a.hire()
        assert a.hears()[0] == "TARGET"
    assert a.recipient(targets=verdict == OK) == verdict


def test_quota(plain):
    plain.user("dora")
    plain.tool("quota", "set", "dora", "500k", "7")
    a = plain.start()
    a.whose("dora@host.example", size=99)
    w = a.hire()
    num = a.hears(a.workers[w])[2]
    assert [wide(num, at) for at in (3, 5, 7)] == [500 * 1024, 7, 99] and num[9] == WAIT_ROOM
    assert a.hears()[2][3] == WAIT_ROOM
    assert a.recipient(targets=1) == OK


def test_an_alias_of_two_uids_waits_for_both(plain):
    for user in ("anna", "berta", "carl"):
        plain.tool("alias", "add", "all@host.example", user)
    a = plain.start()
    a.whose("all@host.example", target=10)
    needs = [a.needs(), a.needs()]
    assert {uid for _, uid in needs} == {FIRST, OTHER}
    a.worker(*needs[0])
    a.silent(a.door)
    a.worker(*needs[1])
    told = [a.hears() for _ in range(3)]
    assert [t[0] for t in told] == ["TARGET"] * 3 and sorted(t[2][1] for t in told) == [10, 11, 12]
    assert {t[2][2] for t in told} == {1, 2}
    assert len({t[2][4:6] for t in told}) == 3  # three mailboxes, three marks
    assert a.recipient(targets=3) == OK


def test_disabled(plain):
    plain.tool("alias", "add", "both@host.example", "anna")
    plain.tool("alias", "add", "both@host.example", "berta")
    plain.tool("user", "set", "anna", "--disable")
    a = plain.start()
    a.whose("anna@host.example")
    assert a.recipient() == DISABLED
    a.whose("both@host.example")  # passed over among others
    w = a.hire()
    assert a.hears(a.workers[w])[3][0] == b"berta"
    assert a.hears()[0] == "TARGET" and a.recipient(targets=1) == OK


def test_a_uid_below_first_uid(plain):
    a = plain
    with open(a.config) as f:
        text = f.read()
    with open(a.config, "w") as f:  # the limit was lower once
        f.write(text.replace("first_uid = 61010", "first_uid = %d" % (FIRST + 1)))
    a.start()
    a.whose("anna@host.example")
    assert a.recipient() == TEMP
    assert "user=\"anna\" has uid %d, below first_uid" % FIRST in a.log()
    a.whose("carl@host.example")
    a.hire()
    assert a.hears()[0] == "TARGET" and a.recipient(targets=1) == OK


def test_no_process(plain):
    a = plain.start()
    a.whose("anna@host.example", n=1)
    a.whose("berta@host.example", n=2)
    token, _ = a.needs()
    a.silent(a.master)  # one is asked for, for both
    frames.send(a.master, "NO_WORKER", num=[token, 2])
    assert {(t[1], t[2][1]) for t in (a.hears(), a.hears())} == {(1, TEMP), (2, TEMP)}
    a.whose("anna@host.example", n=3)
    a.hire()
    assert a.hears()[0] == "TARGET" and a.recipient(3, targets=1) == OK


def test_a_process_that_dies(plain):
    a = plain.start()
    a.whose("anna@host.example")
    w = a.hire()
    assert a.hears()[0] == "TARGET" and a.recipient(targets=1) == OK
    a.workers.pop(w).close()
    time.sleep(0.3)  # what is said meanwhile goes to the dead, and the door puts it off
    a.whose("anna@host.example", n=2)
    assert a.hire() == 2
    assert a.hears()[2][2] == 2 and a.recipient(2, targets=1) == OK


def test_whoever_is_gone_is_not_admitted(plain):
    a = plain.start()
    a.whose("anna@host.example", n=1)
    a.whose("anna@host.example", n=2)
    need = a.needs()
    frames.send(a.door, "GONE", door=1, n=1)
    a.silent(a.door)
    w = a.worker(*need)
    assert a.hears(a.workers[w])[1] == 2
    a.silent(a.workers[w])


def test_a_door_that_dies(plain):
    a = plain.start()
    a.whose("anna@host.example", n=1)
    need = a.needs()
    a.door.close()
    a.door = a.a_door(2)
    a.whose("nobody@host.example", n=1, door=2)
    assert a.recipient() == NOBODY
    w = a.worker(*need)
    a.silent(a.workers[w])
    a.whose("anna@host.example", n=2, door=2)
    assert a.hears(a.workers[w])[1] == 2


def test_a_door_that_speaks_for_another_is_cut_off(plain):
    a = plain.start()
    a.whose("anna@host.example", door=9)
    assert frames.receive(a.door) is None


def test_stop(plain):
    a = plain.start()
    a.whose("anna@host.example", n=1)
    a.needs()
    frames.send(a.master, "STOP", num=[10000])
    assert a.recipient(1) == TEMP
    a.whose("carl@host.example", n=2)
    assert a.recipient(2) == TEMP
    a.door.close()
    assert a.process.wait(5) == 0


def test_retire(plain):
    """a process that offers to end is told to only if it has seen all; then nobody is sent there"""
    a = plain.start()
    a.whose("anna@host.example", n=1)
    w = a.hire()
    assert a.hears()[0] == "TARGET" and a.recipient(1, targets=1) == OK
    sock = a.workers[w]
    assert a.hears(sock)[0] == "ADMIT"
    frames.send(sock, "IDLE", num=[0, 0])  # said before the ADMIT came
    a.silent(sock)
    frames.send(sock, "IDLE", num=[1, 1])  # it has not been sent so many
    a.silent(sock)
    frames.send(sock, "IDLE", num=[1, 0])
    assert a.hears(sock)[0] == "RETIRE"
    a.whose("anna@host.example", n=2)
    new = a.hire()
    assert new != w and a.hears(a.workers[new])[1] == 2
    a.silent(sock)


def test_a_second_process_of_a_uid_goes_home(plain):
    a = plain.start()
    first, second = a.worker(0, FIRST), a.worker(0, FIRST)
    assert a.hears(a.workers[second])[0] == "RETIRE"
    a.whose("anna@host.example")
    assert a.hears(a.workers[first])[0] == "ADMIT"
    assert a.hears()[2][2] == first


def test_a_broken_database_is_a_passing_trouble(plain):
    a = plain.start()
    a.whose("nobody@host.example")
    assert a.recipient() == NOBODY
    db = sqlite3.connect(str(a.tmp / "db/users.db"))
    tables = [name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]

    def rename(old, new):
        for name in tables:
            db.execute("ALTER TABLE %s RENAME TO %s" % (old % name, new % name))
        db.commit()

    rename("%s", "away_%s")
    for n, address in enumerate(("nobody@host.example", "anna@host.example", "anna@example.org"), 2):
        a.whose(address, n=n)
        assert a.recipient(n) == TEMP
    rename("away_%s", "%s")
    a.whose("nobody@host.example", n=9)
    assert a.recipient(9) == NOBODY


def test_a_flood(plain):
    """a door may make so many wait, and is answered the rest"""
    a = plain.start()
    for n in range(1100):
        a.whose("anna@host.example", n=n)
    token, uid = a.needs()
    refused = [a.hears() for _ in range(1100 - 1024)]
    assert all(r[0] == "RECIPIENT" and r[2][1] == TEMP for r in refused) and {r[1] for r in refused} == set(range(1024, 1100))
    w = a.worker(token, uid)
    admitted = [a.hears(a.workers[w]) for _ in range(1024)]
    assert {x[1] for x in admitted} == set(range(1024))


def test_a_ceiling_of_processes(plain):
    """a stranger who names users of many uids has so many processes started, and not one more"""
    path = str(plain.tmp / "passwd")
    with open(path, "w") as f:
        for i in range(1030):
            f.write("u%d:*:%d:%d::::\n" % (i, 62000 + i, 62000 + i))
    plain.tool("user", "import", path, "--store", "maildir:%s/mail/{user}" % plain.tmp)
    a = plain.start()
    needs = []
    for i in range(1024):
        a.whose("u%d@host.example" % i, n=i)
        needs.append(a.needs())
    assert {uid for _, uid in needs} == set(range(62000, 63024))
    workers = [a.worker(*need) for need in needs[:10]]
    for _ in workers:
        assert a.hears()[0] == "TARGET" and a.hears()[2][1] == OK
    a.whose("u1025@host.example", n=2000)
    assert a.recipient(2000) == TEMP
    assert "deliver processes: 1 refused" in a.log()
    a.whose("u3@host.example", n=2001)  # who has one is delivered to
    assert a.hears()[0] == "TARGET" and a.recipient(2001, targets=1) == OK
    a.workers.pop(workers[5]).close()
    time.sleep(0.3)
    a.whose("u1026@host.example", n=2002)
    assert a.needs()[1] == 63026
