"""What other programs may do to a maildrop, and what peers may do to the log, on the server as shipped: entries that are no messages, before
the log-in and behind it; messages that change before and while they are sent; maildrops that are none; names with anything in them, and
sizes in names that are false. No strange entry is served, followed, waited for or removed, and no octet of a name or a password makes a
line of the log."""
import itertools
import os
import re
import time

import abuse
import pytest
from abuse import Honest, Unchanged
from bed import wire
from test_abuse_input import asks
from test_beside import LYING, ODD_NAMES, Box, fill_odd, text
from test_faults import BIG, BROKEN, KINDS, THEIRS, anew, at_once, break_maildrop, fill, put, refused, strange
from test_log import FORGED, NASTY, check_lines, hostile_tls, log_as, objects, strange_entries

SLOWEST = 2.0
STRANGE = [k if isinstance(k, str) else k.values[0] for k in KINDS if isinstance(k, str) or os.geteuid() == 0]


@pytest.fixture(scope="module")
def bed():
    b = abuse.stock()
    yield b
    b.close()


@pytest.fixture
def beside(bed, figure):
    """the others notice nothing: an honest session all the while, and afterwards the server is as it was"""
    bed.login(*bed.user()).quit()  # so that there is a mail process for his number, too
    with Unchanged(bed, figure), Honest(bed) as honest:
        yield
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


users = itertools.cycle(range(1, 30))  # 0 is of Unchanged, 30 to 38 are of Honest, 39 is whom links lead to


def fresh(bed):
    return anew(bed, bed.pool(next(users))[0])


class Timed:
    """the longest of several steps"""

    def __init__(self):
        self.worst = 0.0

    def __call__(self, fn, *args, **kw):
        start = time.monotonic()
        out = fn(*args, **kw)
        self.worst = max(self.worst, time.monotonic() - start)
        return out


# ---- entries that are no messages

class Drop:
    """a maildrop of three, whose second is, or becomes, something strange"""

    def __init__(self, bed, kind):
        self.bed, self.kind, self.name = bed, kind, fresh(bed)
        self.paths = fill(bed, self.name, 3)
        self.other = put(bed, THEIRS, "1750000000.theirs")

    def spoil(self):
        if self.kind == "gone":
            os.unlink(self.paths[1])
        else:
            strange(self.bed, self.paths[1], self.kind, self.other)

    def harmed(self):
        """the strange entry has been removed, or what it leads to has"""
        return os.path.lexists(self.paths[1]) == (self.kind == "gone") or not os.path.exists(self.other)


def test_strange_at_the_log_in(bed, figure, beside):
    """passed over, with a word in the log; the messages beside are served and deleted"""
    timed, drops, served = Timed(), [Drop(bed, kind) for kind in STRANGE], []
    start = len(bed.log())
    for d in drops:
        d.spoil()
        p = timed(at_once, bed, d.name)
        served += [(d.kind, uid) for uid in p.uidl() if uid not in ("1750000000.M0", "1750000002.M2")]
        assert timed(p.retr, 1) == b"Subject: 0\r\n\r\n0\r\n" and timed(p.retr, 2) == b"Subject: 2\r\n\r\n2\r\n"
        p.ok("DELE 1")
        p.ok("DELE 2")
        assert timed(p.quit).startswith(b"+OK")
        bed.wait_log(r'maildrop="[^"]*/%s" entry="new/1750000001\.M1" passed over' % d.name, start=start)
    left = [path for d in drops for path in (d.paths[0], d.paths[2]) if os.path.exists(path)]
    assert left == []
    figure("served, of %d strange entries" % len(drops), len(served), 0)
    figure("of them removed, or what they lead to", sum(d.harmed() for d in drops), 0)
    figure("longest step of a session with one in its maildrop", timed.worst, 5, "s")


def test_strange_after_the_log_in(bed, figure, beside):
    """what was a message is something else, is gone, has shrunk or has grown: an -ERR, and QUIT removes what was listed and no more"""
    timed, drops, served = Timed(), [Drop(bed, kind) for kind in STRANGE + ["gone"]], []
    for d in drops:
        d.session = bed.login(d.name)
    for d in drops:
        d.spoil()
        p = d.session
        with open(d.paths[0], "ab") as f:
            f.write(b"more\n")
        for command in ("RETR 2", "TOP 2 1", "RETR 1", "TOP 1 5"):
            served += [(d.kind, command)] * (not timed(p.cmd, command).startswith(b"-ERR"))
        os.truncate(d.paths[0], 3)
        served += [(d.kind, "shrunk")] * (not timed(p.cmd, "RETR 1").startswith(b"-ERR [SYS/TEMP]"))
        assert timed(p.retr, 3) == b"Subject: 2\r\n\r\n2\r\n"
        p.ok("DELE 1")
        p.ok("DELE 2")
        assert timed(p.quit).startswith(b"+OK")
        assert not os.path.exists(d.paths[0]) and os.path.exists(d.paths[2])
    figure("served, of %d that were messages when they were listed" % (2 * len(drops)), len(served), 0)
    figure("of them removed, or what they lead to", sum(d.harmed() for d in drops), 0)
    figure("longest step of a session with one in its maildrop", timed.worst, 5, "s")


CHANGES = {"shrinks": lambda path: os.truncate(path, len(BIG) * 9 // 10), "grows": lambda path: put_more(path), "gone": os.unlink}


def put_more(path):
    with open(path, "ab") as f:
        f.write(b"more\n")


def octets(p, n):
    """so many, or as many as come"""
    got, p.buf = bytearray(p.buf), b""
    while len(got) < n:
        try:
            data = p.sock.recv(min(n - len(got), 1 << 20))
        except ConnectionResetError:
            break
        if not data:
            break
        got += data
    return bytes(got)


def test_changes_while_sent(bed, figure, beside):
    """what was promised, and not an octet more; where that is there no longer, a connection that breaks and no end of a message"""
    whole, running, false = wire(BIG), [], 0
    for port in ("pop3", "pop3s"):
        for change in CHANGES:
            name = fresh(bed)
            path = put(bed, name, "1750000001.big", BIG)
            p = bed.login(name, port=port)
            p.ok("RETR 1")  # and nobody reads on: the buffers fill
            running.append((change, path, p))
    time.sleep(0.3)
    for change, path, p in running:
        CHANGES[change](path)
    for change, path, p in running:
        got = octets(p, len(whole) + 3)
        if change == "shrinks":
            false += got.endswith(b".\r\n") or not whole.startswith(got)
        else:
            false += got != whole + b".\r\n" or not p.cmd("QUIT").startswith(b"+OK")
        p.close()
    figure("false ends or octets, of %d messages that change while they are sent" % len(running), false, 0)


def test_no_maildrops(bed, figure, beside):
    """links, FIFOs and files in the place of a maildrop, or of a part: the log-in is refused, and on the same connection another's is not"""
    timed, names = Timed(), []
    start = len(bed.log())
    other = put(bed, THEIRS, "1750000000.theirs")
    for how in BROKEN:
        names.append(fresh(bed))
        put(bed, names[-1], "1750000000.M0")
        break_maildrop(bed, names[-1], how)
        timed(refused, bed, names[-1])
        bed.wait_log(r"error open: user=\"%s\"" % names[-1], start=start)
        if how == "no permission":
            os.chmod(bed.maildir(names[-1]), 0o700)
    in_them = set(re.findall(r' session: user="(.*?)"', bed.log()[start:])) & set(names)
    assert os.path.exists(other)
    figure("sessions in %d maildrops that are none" % len(names), len(in_them), 0)
    figure("longest refusal, with another's log-in behind it", timed.worst, 5, "s")


# ---- names

NAMES = ODD_NAMES + LYING + ["17500000%02d.%s" % (50 + i, n) for i, n in enumerate(FORGED + ["\x7f\x01\x02\x1f", "x\r\n.\r\n-ERR x", "y,S=5,S=6,W=7:2,S"])]


def test_names_of_files(bed, figure, beside):
    """line feeds, controls, false sizes: each is a message with a UIDL that fits (RFC 1939 section 7) and a size that was counted"""
    box = Box(bed, next(users))
    anew(bed, box.name)
    fill_odd(box, NAMES)
    p = box.login()
    lines = p.multi("UIDL")
    sizes = [int(l.split()[1]) for l in p.multi("LIST")]
    bodies = [p.retr(n + 1) for n in range(p.stat()[0])]
    for n in range(len(bodies)):
        p.ok("DELE %d" % (n + 1))
    assert p.quit().startswith(b"+OK")
    fit = {l for l in lines if re.fullmatch(rb"\d+ [\x21-\x7e]{1,70}", l)}
    assert len({l.split(b" ")[-1] for l in lines}) == len(NAMES)
    figure("messages that were not served, of %d odd names" % len(NAMES), len({wire(text(repr(n))) for n in NAMES} - set(bodies)), 0)
    figure("UIDLs that do not fit", len(NAMES) - len(fit), 0)
    figure("sizes that are false", sum(a != len(b) for a, b in zip(sizes, bodies)) + abs(len(sizes) - len(NAMES)), 0)
    figure("of them there after they were deleted", len(box.names()), 0)


# ---- the log

SECRET = b"never-to-be-seen"

# What a line has, by its event: where a peer or a file has a say, no more words than the server's own, in their order.
WORDS = {"refused": "user addr", "session": "user addr tls read deleted octets time end", "connection": "addr tls commands errors time end why",
         "maildir": "maildrop entry"}
BEHIND = re.compile(r"(passed over: (a directory|a FIFO|a symbolic link))?")


def right(event, words, behind, line):
    assert event != "forged", line
    if event in WORDS:
        assert words in (WORDS[event].split(), WORDS[event].split()[:-1 if event == "connection" else None]) and BEHIND.fullmatch(behind), line


def as_text(line):
    event, text = check_lines(line)[:-1].split(" ", 4)[3:]
    pairs = re.match(r'(?:[a-z]+=(?:"[^"]*"|[^" ]+)(?: |$))*', text)[0]
    right(event[:-1], re.findall(r'([a-z]+)=(?:"[^"]*"|[^" ]+)', pairs), text[len(pairs):], line)


def as_json(line):
    one, = objects(line)
    right(one["event"], list(one["fields"]), one["message"], line)


def lines_of(bed, start):
    with open(bed.target["log"], "rb") as f:
        f.seek(start)
        return f.read().split(b"\n")[:-1]


def shaped(lines, check):
    """the lines that are none of the server's own, or have something in them that is not to be there"""
    out = []
    for line in lines:
        try:
            check(line + b"\n")
        except (AssertionError, ValueError):
            out.append(line)
    return out


REFUSED = 6  # of the 7 ways to ask, for each name: to some of them some names are none


def say(bed, peers, refused):
    """all at once; ended when so many refusals are in the log, before their answers are due"""
    start = len(bed.log())
    for p in peers:
        p.begin(bed.ports["pop3"])
        p.sends()
    end = time.monotonic() + 40
    while len(re.findall(r"\brefused\b", bed.log()[start:])) < refused:
        assert time.monotonic() < end, bed.log()[start:]
        time.sleep(0.1)
    for p in peers:
        p.sock.close()


def speaks(bed, form):
    """all roles write like this from now on"""
    log_as(bed, form)
    end, wanted = time.monotonic() + 10, {"text": r" %s info ", "json": r'"role":"%s"'}[form]
    start, asking = len(bed.log()), []
    while not all(re.search(wanted % role, bed.log()[start:]) for role in ("door", "auth", "mail")):
        assert time.monotonic() < end, bed.log()[start:]
        bed.connect(source=abuse.attacker()).quit()
        asking.append(bed.connect(source=abuse.attacker()))
        asking[-1].send("USER nobody\r\nPASS nothing\r\n")
        bed.login(bed.pool(0)[0]).quit()
        time.sleep(0.05)
    for p in asking:
        p.close()


CHECKS = {"text": as_text, "json": as_json}
# It did say what it met.
TOLD = {"text": (rb"\x1b[2J", rb"quote\x22 end=quit", rb"\x0a2026", rb'entry="new/1.fifo\x0a2026', rb"\xff\xfe.directory", b"application protocol"),
        "json": (rb"\u001b[2J", rb'quote\" end=quit', rb"\u000a2026", rb'"entry":"new/1.fifo\u000a2026', rb".directory", b"application protocol")}


def attacked(bed, form):
    """the lines of the log while everybody tries to shape one"""
    name, start, behind = fresh(bed), os.path.getsize(bed.target["log"]), len(bed.log())
    strange_entries(bed, name)
    names = NASTY + [n.encode() for n in FORGED]
    say(bed, [p for n in names for p in asks(bed, n, SECRET + n)], len(names) * REFUSED)
    hostile_tls(bed)
    bed.login(name).quit()
    for pattern in ("application protocol", r'"user":"%s"|session: user="%s"' % (name, name)):
        bed.wait_log(pattern, start=behind)
    lines = lines_of(bed, start)
    assert [w for w in TOLD[form] if not any(w in line for line in lines)] == []
    return lines


def test_log_injection(bed, figure, beside):
    """names and passwords by every way in, file names, ALPN, with line feeds, controls, quotes and forged lines in them: each line of the log
    is one that the server has written, and no password is in any"""
    told = b""
    try:
        for form, check in CHECKS.items():
            if form != "text":
                speaks(bed, form)
            lines = attacked(bed, form)
            told += b"\n".join(lines)
            figure("lines that a peer or a file's name has shaped, of %d as %s" % (len(lines), form), len(shaped(lines, check)), 0)
    finally:
        log_as(bed, "text")
    with open(bed.dir + "/stderr", "rb") as f:
        told += f.read()
    figure("passwords in them", sum(told.count(w) for w in (SECRET, bed.pool(0)[1].encode(), bed.user()[1].encode())), 0)
