"""The maildrop under abuse, on the server as shipped: eight log-ins at once for one, 20,000 messages in one (with LOAD=full), and disks that are full, read-only
or failing from the start, or become so before RETR and before QUIT. Never a false +OK, never another's message, never a lost one."""
import os
import subprocess
import threading
import time

import abuse
import pytest
from abuse import BODY, Honest, Unchanged
from bed import TESTBED, TOP, wire
from test_faults import PrivateBed, own

SLOWEST = 2.0


@pytest.fixture(scope="module")
def bed():
    b = abuse.stock()
    yield b
    b.close()


# ---- two sessions

CLIENTS, EACH = 8, 3


def test_many_for_one_maildrop(bed, figure):
    """Eight clients come again and again for one maildrop, each deletes one message a time: never two inside at once, each message is
    deleted once, and who is refused is told [IN-USE]"""
    name, password = abuse.pool(bed, 0, CLIENTS * EACH + 2)
    files = bed.files(name)
    inside, most, deleted, refusals, failures, lock = 0, 0, [], [], [], threading.Lock()

    def client(port):
        nonlocal inside, most
        done = 0
        end = time.monotonic() + 120
        while done < EACH:
            assert time.monotonic() < end, "no turn"
            p = bed.connect(port, timeout=60)
            p.ok("USER " + name)
            answer = p.cmd("PASS " + password)
            if not answer.startswith(b"+OK"):
                refusals.append(answer)
                p.close()
                time.sleep(0.02)
                continue
            with lock:
                inside += 1
                most = max(most, inside)
            uid = p.uidl()[0]
            p.ok("DELE 1")
            with lock:
                inside -= 1  # QUIT unlocks before its answer
            assert p.quit().startswith(b"+OK")
            deleted.append(uid)
            done += 1

    def run(port):
        try:
            client(port)
        except Exception as e:
            failures.append(repr(e))

    with Unchanged(bed, figure), Honest(bed) as honest:
        threads = [threading.Thread(target=run, args=(("pop3", "pop3s")[i % 2],)) for i in range(CLIENTS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert failures == []
    assert all(r.startswith(b"-ERR [IN-USE]") for r in refusals), set(refusals)
    assert sorted(deleted) == sorted(set(deleted)) and len(deleted) == CLIENTS * EACH
    assert bed.files(name) == files[-2:]
    print("%d refusals" % len(refusals))
    figure("sessions at once in one maildrop that %d clients want" % CLIENTS, most, 1)
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- a great many messages

COUNT = 20000 if abuse.FULL else 2000  # test_faults.py has one of 20,000 always


def test_a_great_many_messages(bed, figure):
    """listed, read, deleted; another of the same mail process is served all the while"""
    name, password = bed.pool(1)
    bed.seed(name, [])
    for i in range(COUNT):
        path = "%s/%s/%d.M%d" % (bed.maildir(name), ("new", "cur")[i % 2], 1750000000 + i, i)
        with open(path, "wb") as f:
            f.write(b"Subject: %d\n\n%d\n" % (i, i))
        own(bed, path)
    with Unchanged(bed, figure, memory=16 << 20), Honest(bed) as honest:
        start = time.monotonic()
        p = bed.login(name, password, timeout=120)
        figure("log-in to %d messages" % COUNT, time.monotonic() - start, 30, "s")
        before = abuse.pss(bed)
        assert p.stat()[0] == COUNT
        start = time.monotonic()
        assert len(p.multi("LIST")) == len(set(p.uidl())) == COUNT
        figure("LIST and UIDL", time.monotonic() - start, 10, "s")
        assert p.retr(COUNT) == wire(b"Subject: %d\n\n%d\n" % (COUNT - 1, COUNT - 1))
        p.send(b"".join(b"DELE %d\r\n" % (i + 1) for i in range(COUNT)))
        for _ in range(COUNT):
            assert p.line().startswith(b"+OK")
        if before is not None:
            figure("memory for commands and answers", (abuse.pss(bed) - before) / 1048576, 8, "MB more")
        start = time.monotonic()
        p.sock.settimeout(300)
        assert p.quit().startswith(b"+OK")
        figure("QUIT that deletes %d" % COUNT, time.monotonic() - start, 300, "s")
    assert bed.files(name) == []
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- disks

STAGES = ["log-in", "RETR", "QUIT"]
KINDS = ["full", "read-only", "failing"]
USERS = {(kind, stage): 10 + i for i, (kind, stage) in enumerate((k, s) for k in KINDS for s in STAGES)}
# A disk to which nothing can be written any more: each call that would change it fails.
WRITES = ("unlinkat", "fsync", "write", "rename", "link", "symlink", "mkdirat")


class Disks(PrivateBed):
    """users with disks of their own; the calls that change `failing` ones fail as soon as the maildrop has a file tmp/broken"""

    def __init__(self):
        super().__init__(stock=True)
        build = os.environ.get("BUSTIA_BUILD") or TOP + "/build"
        failing = [i for (kind, _), i in USERS.items() if kind == "failing"]
        # 16 rules are all there may be: one for each call, for the folder that the failing ones alone have
        rules = ";".join("%s:EIO:/failing/:1" % call for call in WRITES)
        self.failing = failing
        os.mkdir(self.dir + "/mail/failing")
        os.chmod(self.dir + "/mail/failing", 0o755)
        for i in failing:
            name = self.pool(i)[0]
            os.rename("%s/mail/%s" % (self.dir, name), "%s/mail/failing/%s" % (self.dir, name))
            self.tool("user", "set", name, "--store", "maildir:%s/mail/failing/%s" % (self.dir, name))
        self._run(["unshare", "--mount", "--propagation", "private", TESTBED, "restart", self.dir],
                  env=dict(os.environ, LD_PRELOAD=build + "/tests/fault/libfault.so", FAULT=rules))

    def maildir(self, name):
        box = super().maildir(name)
        return box.replace("/mail/", "/mail/failing/") if int(name[1:]) in self.failing else box


def break_disk(bed, kind, name):
    if kind == "full":
        with pytest.raises(OSError):
            with open(bed.maildir(name) + "/tmp/filler", "wb") as f:
                f.write(b"x" * (1 << 20))
    elif kind == "read-only":
        bed.read_only(name)


@pytest.fixture(scope="module")
def disks():
    b = Disks()
    yield b
    b.close()


@pytest.mark.root
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_disk(disks, figure, kind, stage):
    """Log-in and reading work on all three; QUIT says +OK only where the deletions are done (on a full disk they are). Others notice nothing."""
    i = USERS[kind, stage]
    name, password = disks.pool(i)
    if kind != "failing":
        disks.disk(name, "64k")
    for n in range(3):
        path = "%s/new/175000000%d.M%d" % (disks.maildir(name), n, n)
        with open(path, "wb") as f:
            f.write(BODY % n)
        own(disks, path)
    start = time.monotonic()
    if stage == "log-in":
        break_disk(disks, kind, name)
    p = disks.login(name, password)
    assert p.stat()[0] == 3
    if stage == "RETR":
        break_disk(disks, kind, name)
    for n in range(3):
        assert p.retr(n + 1) == wire(BODY % n)
    p.ok("DELE 2")
    if stage == "QUIT":
        break_disk(disks, kind, name)
    answer = p.quit()
    left = len(disks.files(name))
    if kind == "full":
        assert answer.startswith(b"+OK") and left == 2, answer
    else:
        assert answer.startswith(b"-ERR [SYS/TEMP]") and b" 1 message" in answer and left == 3, answer
    p = disks.login(name, password)  # no lock stays; and what is there is served
    assert p.stat()[0] == left and p.retr(1) == wire(BODY % 0)
    assert p.quit().startswith(b"+OK")  # nothing was to be removed
    m = disks.mail()
    code = m.deliver(name, b"Subject: more\r\n\r\n" + b"x" * 70 + b"\r\n" * 40000)[0][:3]
    m.quit()
    assert code[:1] == b"4", code  # the sender keeps it, and comes again
    assert len(disks.files(name)) == left
    figure("a session on a disk that is %s from %s on" % (kind, stage), time.monotonic() - start, 20, "s")
    other = abuse.pool(disks, 5)
    disks.login(*other).quit()
