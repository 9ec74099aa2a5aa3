"""Other programs in the same Maildir: they deliver, rename, flag and delete at any time, and no client ever sees it."""
import multiprocessing
import os
import random
import shutil
import threading
import time

import pytest
from bed import Bed, wire

SESSIONS = 1000
SECONDS = 600  # far more than they need: only so that a test that hangs ends


@pytest.fixture(scope="module")
def beside():
    b = Bed()
    yield b
    b.close()


numbers = iter(range(40))


@pytest.fixture
def box(beside):
    """a maildrop for this test alone"""
    return Box(beside, next(numbers))


class Box:
    """a pool user's Maildir, written into as other programs do"""

    def __init__(self, bed, i):
        self.bed, self.i = bed, i
        self.name, self.password = bed.pool(i)
        self.dir = bed.maildir(self.name)
        self.uid, self.gid = bed.target["pool"]["uid"], bed.target["pool"]["gid"]

    def put(self, name, data, sub="new", link=False):
        """tmp, then new by rename (Postfix) or by link (qmail)"""
        tmp = "%s/tmp/%s" % (self.dir, name)
        with open(tmp, "wb") as f:
            f.write(data)
            if os.geteuid() == 0:
                os.fchown(f.fileno(), self.uid, self.gid)
        path = "%s/%s/%s" % (self.dir, sub, name)
        if link:
            os.link(tmp, path)
            os.unlink(tmp)
        else:
            os.rename(tmp, path)
        return path

    def login(self):
        return self.bed.login(self.name, self.password)

    def uids(self):
        p = self.login()
        out = p.uidl()
        p.quit()
        return out

    def names(self):
        return sorted(n for sub in ("new", "cur") for n in os.listdir("%s/%s" % (self.dir, sub)))

    def look(self):
        """all that could show that somebody has touched it, but for the time of the last reading"""
        out = []
        for sub in ("", "new", "cur", "tmp"):
            where = "%s/%s" % (self.dir, sub)
            for name in ["."] + sorted(os.listdir(where)):
                st = os.lstat("%s/%s" % (where, name))
                out.append((sub, name, st.st_ino, st.st_mode, st.st_nlink, st.st_uid, st.st_size, st.st_mtime_ns, st.st_ctime_ns))
        return out


def text(base):
    """the message that is delivered under this name: no two are alike; every third has no line end"""
    r = random.Random(base)
    lines = ["From: a@example.test", "Subject: " + base, "", ".leading dot"]
    lines += ["line %d %d" % (i, r.getrandbits(64)) for i in range(r.randrange(40))]
    return ("\n".join(lines) + ("\n" if r.randrange(3) else "")).encode()


def uid_of(base):
    return base.split(",")[0]


# ---- 1,000 sessions

BUSY = 6  # maildrops
BEGUN_WITH, FULL = 40, 60


def toggle(dirs, stop):
    """a mail program: what is new becomes seen, what is seen becomes unseen and back, for ever"""
    rounds = 0
    while not stop.is_set():
        rounds += 1
        for d in dirs:
            for name in os.listdir(d + "/new"):
                rename("%s/new/%s" % (d, name), "%s/cur/%s:2," % (d, name))
            for name in os.listdir(d + "/cur"):
                base = name.split(":")[0]
                if rounds % 7 == 0:
                    to = "%s/new/%s" % (d, base)
                else:
                    to = "%s/cur/%s:2,%s" % (d, base, "" if name.endswith("S") else "S")
                rename("%s/cur/%s" % (d, name), to)
        time.sleep(0.002)  # leaves the machine to others too


def rename(a, b):
    try:
        os.rename(a, b)
    except FileNotFoundError:  # it has been deleted
        pass


def deliver(boxes, ledgers, stop):
    """an MTA: now by rename, now by link; writes down what it has delivered when it is there"""
    n = 0
    while not stop.is_set():
        n += 1
        i = n % len(boxes)
        time.sleep(0.01)
        if len(boxes[i].names()) > FULL:  # else a slow machine would get ever more to do
            continue
        base = "%d.M%06dP%d.example%s" % (1750000000 + n // 5, n, os.getpid(), ("", ",S=1", ",S=99999,W=3")[n % 3])
        boxes[i].put(base, text(base), link=n % 2 == 0)
        with open(ledgers[i], "a") as f:
            f.write(base + "\n")


class Talker(threading.Thread):
    """one client that comes again and again, and remembers everything"""

    def __init__(self, box, ledger, count, deadline):
        super().__init__()
        self.box, self.ledger, self.deadline = box, ledger, deadline
        self.left = count
        self.r = random.Random(box.i)
        self.gone = set()       # uids: +OK to QUIT
        self.perhaps = set()    # uids: -ERR to QUIT
        self.seen = set()       # every uid ever listed
        self.sessions = self.read = self.unconfirmed = self.refused = 0
        self.failed = None

    def run(self):
        try:
            while self.left > 0:
                assert time.monotonic() < self.deadline, "only %d sessions in time" % self.sessions
                self.left -= 1
                self.session()
                self.sessions += 1
        except Exception as e:
            self.failed = "%s, session %d: %r" % (self.box.name, self.sessions, e)

    def delivered(self):
        with open(self.ledger) as f:
            return {uid_of(b): b for b in f.read().split("\n")[:-1]}

    def session(self):
        known = self.delivered()
        p = self.box.login()
        uids = p.uidl()
        sizes = [int(l.split()[1]) for l in p.multi("LIST")]
        assert len(uids) == len(set(uids)) == len(sizes) == p.stat()[0], "one is there twice"
        missing = set(known) - set(uids) - self.gone - self.perhaps
        assert not missing, "missing: %s" % sorted(missing)
        assert not set(uids) & self.gone, "they were deleted: %s" % sorted(set(uids) & self.gone)
        self.seen |= set(uids)
        known = dict(known, **self.delivered())
        at = range(len(uids))
        for k in at if self.sessions % 20 == 0 else self.r.sample(at, min(4, len(at))):
            if uids[k] in known:
                got = p.retr(k + 1)
                assert got == wire(text(known[uids[k]])), "%s: another content" % uids[k]
                assert len(got) == sizes[k]
                self.read += 1
        self.end(p, uids)

    def end(self, p, uids):
        marked = self.r.sample(range(len(uids)), min(self.r.randrange(4), len(uids)))
        for k in marked:
            p.ok("DELE %d" % (k + 1))
        way = self.r.randrange(5)
        if way == 0:  # the line breaks: nothing may be deleted
            p.close()
            self.unconfirmed += len(marked)
            return
        if way == 1:
            p.ok("RSET")
            self.unconfirmed += len(marked)
            marked = []
        answer = p.quit()
        if answer.startswith(b"+OK"):
            self.gone |= {uids[k] for k in marked}
        else:
            assert b"[SYS/TEMP]" in answer, answer
            self.perhaps |= {uids[k] for k in marked}
            self.refused += 1


def test_a_thousand_sessions(beside):
    bed = beside
    boxes = [Box(bed, next(numbers)) for _ in range(BUSY)]
    ledgers = ["%s/ledger.%d" % (bed.dir, b.i) for b in boxes]
    for b, ledger in zip(boxes, ledgers):
        with open(ledger, "w") as f:
            for n in range(BEGUN_WITH):
                base = "%d.M%06dP1.example" % (1740000000 + n // 3, n)
                b.put(base, text(base), sub=("new", "cur")[n % 2])
                f.write(base + "\n")
    stop = multiprocessing.get_context("fork").Event()
    context = multiprocessing.get_context("fork")
    dirs = [b.dir for b in boxes]
    others = [context.Process(target=toggle, args=(dirs[:BUSY // 2], stop)), context.Process(target=toggle, args=(dirs[BUSY // 2:], stop)),
              context.Process(target=deliver, args=(boxes, ledgers, stop))]
    deadline = time.monotonic() + SECONDS
    talkers = [Talker(b, l, -(-SESSIONS // BUSY), deadline) for b, l in zip(boxes, ledgers)]
    for o in others:
        o.start()
    try:
        for t in talkers:
            t.start()
        for t in talkers:
            t.join()
        alive = [o.is_alive() for o in others]
    finally:
        stop.set()
        for o in others:
            o.join(10)
            if o.is_alive():
                o.kill()
    assert all(alive), "the other programs did not go on to the end"
    failed = [t.failed for t in talkers if t.failed]
    assert not failed, failed
    print("%d sessions, %d delivered, %d read, %d deleted, %d marked and not confirmed, %d QUIT refused" % (
        sum(t.sessions for t in talkers), sum(len(t.delivered()) for t in talkers), sum(t.read for t in talkers),
        sum(len(t.gone) for t in talkers), sum(t.unconfirmed for t in talkers), sum(t.refused for t in talkers)))
    for t in talkers:
        quiet(t)
    assert sum(t.sessions for t in talkers) >= SESSIONS
    assert sum(len(t.gone) for t in talkers) > SESSIONS / 2 and sum(t.unconfirmed for t in talkers) > SESSIONS / 4
    assert sum(t.refused for t in talkers) < SESSIONS / 100


def quiet(t):
    """afterwards: what is there is what was delivered, less what was deleted; each whole"""
    all_of = t.delivered()
    assert t.seen <= set(all_of), "listed, and never delivered: %s" % sorted(t.seen - set(all_of))
    p = t.box.login()
    uids = p.uidl()
    assert len(uids) == len(set(uids))
    assert not set(uids) & t.gone
    assert set(all_of) - t.gone - t.perhaps <= set(uids) <= set(all_of)
    for k, uid in enumerate(uids):
        assert p.retr(k + 1) == wire(text(all_of[uid]))
    p.quit()
    on_disk = [uid_of(n.split(":")[0]) for n in t.box.names()]
    assert sorted(on_disk) == sorted(uids)


# ---- one thing at a time

def fill(box, n, sub="new"):
    bases = ["%d.M%dP1.example" % (1750000000 + i, i) for i in range(n)]
    for b in bases:
        box.put(b, text(b), sub)
    return bases


def test_deleted_in_between(box):
    """another program deletes what we have listed: no such message, and its deletion succeeds (it is gone)"""
    bases = fill(box, 4)
    p = box.login()
    os.unlink("%s/new/%s" % (box.dir, bases[1]))
    for command in ("RETR 2", "TOP 2 0"):
        answer = p.cmd(command)
        assert answer.startswith(b"-ERR") and b"[" not in answer, answer
    assert p.stat()[0] == 4  # the numbers stay, as long as the session does
    p.ok("DELE 2")
    p.ok("DELE 3")
    os.unlink("%s/new/%s" % (box.dir, bases[2]))
    assert p.retr(4) == wire(text(bases[3]))
    assert p.quit().startswith(b"+OK")
    assert box.names() == [bases[0], bases[3]]


def test_moved_in_between(box):
    bases = fill(box, 4)
    p = box.login()
    for k, base in enumerate(bases):
        os.rename("%s/new/%s" % (box.dir, base), "%s/cur/%s:2,%s" % (box.dir, base, "S" * (k % 2)))
    assert p.retr(1) == wire(text(bases[0]))
    assert p.multi("TOP 2 0")[1] == b"Subject: " + bases[1].encode()
    p.ok("DELE 2")
    p.ok("DELE 3")
    os.rename("%s/cur/%s:2," % (box.dir, bases[2]), "%s/cur/%s:2,FRS" % (box.dir, bases[2]))
    os.rename("%s/cur/%s:2,S" % (box.dir, bases[1]), "%s/new/%s" % (box.dir, bases[1]))
    assert p.quit().startswith(b"+OK")
    assert box.names() == [bases[0] + ":2,", bases[3] + ":2,S"]


def test_replaced_in_between(box):
    """the name bears another message now: that one is neither read nor removed under the number of the first"""
    a, b = fill(box, 2)
    p = box.login()
    for base in (a, b):
        box.put(base, b"Subject: another\n\nwith the name of the first\n")
    assert p.cmd("RETR 1").startswith(b"-ERR")
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")
    assert box.names() == [a, b]
    p = box.login()
    assert p.retr(1) == p.retr(2) == b"Subject: another\r\n\r\nwith the name of the first\r\n"
    p.quit()


def test_written_to_in_between(box):
    """another content must not travel under the size that was promised"""
    bases = fill(box, 3)
    p = box.login()
    before = os.stat("%s/new/%s" % (box.dir, bases[0]))
    with open("%s/new/%s" % (box.dir, bases[0]), "r+b") as f:
        f.write(b"XXXX")
    with open("%s/new/%s" % (box.dir, bases[1]), "ab") as f:
        f.write(b"more\n")
    assert os.stat("%s/new/%s" % (box.dir, bases[0])).st_size == before.st_size
    for n in (1, 2):
        assert p.cmd("RETR %d" % n).startswith(b"-ERR [SYS/TEMP]")
    assert p.retr(3) == wire(text(bases[2]))
    p.quit()


def test_delivered_in_between(box):
    """a session sees what was there at its log-in, nothing else; QUIT leaves the new one alone"""
    bases = fill(box, 2)
    p = box.login()
    box.put("1750000100.late", text("late"))
    assert p.stat()[0] == 2 and len(p.uidl()) == 2
    p.ok("DELE 1")
    p.ok("DELE 2")
    assert p.quit().startswith(b"+OK")
    assert box.uids() == ["1750000100.late"]
    assert not set(bases) & set(box.names())


def test_same_base_name(box):
    """a copy under the same name is another message: two uids, each keeps its own, whichever is found first"""
    base = "1750000000.M1P1.example"
    for n, name in enumerate((base, base + ":2,S", base + ":2,")):
        box.put(name, text("twin %d" % n), sub=("new", "cur", "cur")[n])
    p = box.login()
    uids = p.uidl()
    bodies = {u: p.retr(k + 1) for k, u in enumerate(uids)}
    p.quit()
    assert len(set(uids)) == 3 and base in uids
    assert set(bodies.values()) == {wire(text("twin %d" % n)) for n in range(3)}
    # The same files under other flags, in the other directory, among others.
    os.rename("%s/new/%s" % (box.dir, base), "%s/cur/%s:2,RS" % (box.dir, base))
    os.rename("%s/cur/%s:2,S" % (box.dir, base), "%s/new/%s" % (box.dir, base))
    for i in range(20):
        box.put("17400000%02d.other" % i, text("other"), sub="cur")
    p = box.login()
    again = {u: p.retr(k + 1) for k, u in enumerate(p.uidl()) if not u.endswith("other")}
    assert again == bodies
    # Deleting one deletes that one.
    victim = next(u for u in uids if u != base)
    p.ok("DELE %d" % (p.uidl().index(victim) + 1))
    assert p.quit().startswith(b"+OK")
    p = box.login()
    assert {u: p.retr(k + 1) for k, u in enumerate(p.uidl()) if not u.endswith("other")} == {u: b for u, b in bodies.items() if u != victim}
    p.quit()


def test_two_names_of_one_file(box):
    """an MTA between link and unlink, or a program that copies by linking: one message, and DELE removes it"""
    path = box.put("1750000000.one", text("one"))
    os.link(path, "%s/cur/1750000000.one:2,S" % box.dir)
    p = box.login()
    assert p.uidl() == ["1750000000.one"]
    assert p.retr(1) == wire(text("one"))
    p.ok("DELE 1")
    assert p.quit().startswith(b"+OK")
    assert box.names() == []


LYING = ["1750000000.a,S=5", "1750000001.b,S=999999,W=1000000", "1750000002.c,S=-1:2,S", "1750000003.d,W=0,S=99999999999999999999"]


def test_sizes_that_lie(box):
    names = LYING
    for n in names:
        box.put(n, text(n), sub="cur" if ":" in n else "new")
    p = box.login()
    assert p.multi("LIST") == [b"%d %d" % (k + 1, len(wire(text(n)))) for k, n in enumerate(names)]
    assert p.uidl() == ["1750000000.a", "1750000001.b", "1750000002.c", "1750000003.d"]
    for k, n in enumerate(names):
        assert p.retr(k + 1) == wire(text(n))
    p.quit()


ODD_NAMES = ["plain", "1750000000.M1", "1750000001.with space", "1750000002.caf\udcc3\udca9", "1750000003." + "x" * 244, "1750000004.new\nline",
             "1750000005.\udcff\udcfe", "1750000006.tab\t", "1750000007.x,y,z", "1750000008.two:2,S:2,S", ",S=3", ":2,S",
             "99999999999999999999999.big", "0001750000009.zeros", "-5.minus", "1750000010", "1750000011.\x1b[31mred"]


def fill_odd(box, names):
    for n in names:
        box.put(n, text(repr(n)), sub="cur" if ":2," in n else "new")


def test_odd_names(box):
    fill_odd(box, ODD_NAMES)
    p = box.login()
    lines = p.multi("UIDL")
    uids = [l.split()[1] for l in lines]
    assert len(uids) == len(set(uids)) == len(ODD_NAMES)
    for l, u in zip(lines, uids):
        assert len(l.split(b" ")) == 2 and 1 <= len(u) <= 70 and all(0x21 <= c <= 0x7e for c in u)
    assert {p.retr(k + 1) for k in range(len(uids))} == {wire(text(repr(n))) for n in ODD_NAMES}
    for k in range(len(uids)):
        p.ok("DELE %d" % (k + 1))
    assert p.quit().startswith(b"+OK")
    assert box.names() == []
    assert "\x1b" not in box.bed.log()


def test_uids_of_a_copy(box, beside):
    """another disk, another order of creation, other inodes: the names say it all, there is nothing else to lose"""
    names = [n for n in ODD_NAMES if n != ":2,S"]  # it and ",S=3" both say nothing: there the inode decides
    names += ["17500000%02d.M%d" % (i % 50 + 20, i) for i in range(100)]
    fill_odd(box, names)
    first = box.uids()
    copy, backwards = Box(beside, next(numbers)), Box(beside, next(numbers))
    for sub in ("new", "cur"):
        for n in os.listdir("%s/%s" % (box.dir, sub)):
            copy.put(n, b"other octets, other times", sub=sub)
    fill_odd(backwards, reversed(names))
    assert first == copy.uids() == backwards.uids() == box.uids()


def test_uids_after_everything_else_is_lost(box):
    """the whole maildrop is made anew from new/ and cur/ alone"""
    bases = fill(box, 10)
    first = box.uids()
    old = box.dir + ".old"
    os.rename(box.dir, old)
    os.mkdir(box.dir, 0o700)
    if os.geteuid() == 0:
        os.chown(box.dir, box.uid, box.gid)
    for sub in ("new", "cur"):
        shutil.copytree("%s/%s" % (old, sub), "%s/%s" % (box.dir, sub))
        for path in ["%s/%s" % (box.dir, sub)] + ["%s/%s/%s" % (box.dir, sub, n) for n in os.listdir("%s/%s" % (box.dir, sub))]:
            if os.geteuid() == 0:
                os.chown(path, box.uid, box.gid)
    shutil.rmtree(old)
    assert box.uids() == first == bases


def test_order(box):
    """by the time in the name, as a number; then by name"""
    order = ["no-time-a", "no-time-b", "9.x", "10.x", "1750000000.M10", "1750000000.M9", "1750000000.N1", "1750000001.A"]
    for n in random.Random(1).sample(order, len(order)):
        box.put(n, text(n), sub=random.Random(n).choice(["new", "cur"]))
    assert box.uids() == order


def test_reading_leaves_no_trace(box):
    """neither moved nor flagged nor touched, and nothing is put beside them but the index, once"""
    fill(box, 5)
    fill(box, 3, sub="cur")
    box.put("1750000050.flagged:2,FS", text("x"), sub="cur")
    time.sleep(0.05)  # what has changed within this tick of the clock would be counted again
    untouched = box.look()
    box.login().quit()
    end = time.monotonic() + 10
    while "bustia-index" not in os.listdir(box.dir) and time.monotonic() < end:
        time.sleep(0.02)  # it may be written after the client has his answer
    before = box.look()
    assert [row for row in before if row[0]] == [row for row in untouched if row[0]]
    assert {row[1] for row in before} - {row[1] for row in untouched} == {"bustia-index"}
    p = box.login()
    for command in ("LIST", "UIDL"):
        p.multi(command)
    n = p.stat()[0]
    for k in range(n):
        p.retr(k + 1)
        p.multi("TOP %d 1" % (k + 1))
        p.ok("DELE %d" % (k + 1))
    p.ok("RSET")
    assert p.quit().startswith(b"+OK")
    assert box.look() == before
    p = box.login()  # and with deletions that are never confirmed
    p.ok("DELE 1")
    p.close()
    box.login().quit()
    assert box.look() == before


def test_hidden_files(box):
    """by convention not messages: neither served nor complained of"""
    box.put("1750000000.a", text("a"))
    for n in (".nfs0001", ".keep", "..x"):
        with open("%s/new/%s" % (box.dir, n), "w") as f:
            f.write("x")
    start = len(box.bed.log())
    assert box.uids() == ["1750000000.a"]
    assert "passed over" not in box.bed.log()[start:]
