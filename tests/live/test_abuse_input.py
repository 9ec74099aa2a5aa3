"""What strangers send: random octets, sessions gone wrong, other protocols, lines without end, names that are none. Whatever it is,
the server answers or closes, keeps nothing of it, and serves an honest session beside.

ABUSE_SEED repeats a run; the whole numbers (20,000 inputs, 2,000 sessions) come with LOAD=full."""
import base64
import os
import random
import re
import socket
import time

import abuse
import pytest
from abuse import FULL, Honest, Thrower, Unchanged, throw

INPUTS = 20000 if FULL else 2000
SESSIONS = 2000 if FULL else 200
SLOWEST = 2.0  # seconds for any one step of the honest session, with the machine full of attackers


@pytest.fixture(scope="module")
def bed():
    b = abuse.stock()
    yield b
    b.close()


# ---- 20,000 random inputs

WORDS = [b"USER", b"PASS", b"APOP", b"AUTH", b"CAPA", b"QUIT", b"NOOP", b"STAT", b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE", b"RSET", b"LANG",
         b"UTF8", b"STLS", b"PLAIN", b"LOGIN", b"SCRAM-SHA-256", b"EXTERNAL", b"XOAUTH2", b"t0", b"main", b"*", b"=", b"AHQwAHBvb2w=", b"1",
         b"-1", b"0", b"4294967296", b"99999999999999999999", b"", b" ", b"<a@b>", b"0123456789abcdef0123456789abcdef"]
ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\0\r\n", b" \r\n", b"\n\r", b""]


def soup(r):
    return b"".join(b" ".join(r.choice(WORDS) for _ in range(r.randrange(5))) + r.choice(ENDS) for _ in range(r.randrange(1, 12)))


def octets(r):
    return r.randbytes(r.randrange(1, 3000))


def text(r):
    return bytes(r.choice(b" \t\r\n\0\x1b.*+-<>=%/\\\"'{}0aZ\x7f\x80\xff") for _ in range(r.randrange(1, 600)))


def lines(r):
    return b"".join(r.choice(WORDS) + b" " + bytes([r.randrange(256)]) * r.choice((1, 250, 255, 256, 16384, 40000)) + r.choice(ENDS)
                    for _ in range(r.randrange(1, 4)))


def responses(r):
    """AUTH with answers that are, may be, or are not base64"""
    out = b"AUTH " + r.choice(WORDS[17:22]) + r.choice((b"", b" =", b" " + base64.b64encode(octets(r)[:150]))) + b"\r\n"
    for _ in range(r.randrange(4)):
        out += r.choice((base64.b64encode(octets(r)), octets(r)[:80], b"*", b"=", b"")) + r.choice(ENDS)
    return out


KINDS = [soup, octets, text, lines, responses]
ANSWER = re.compile(rb"(?s)(\+OK|-ERR|\+ |\+\r\n)")


def chopped(r, data):
    """the same in pieces, some of them after a moment"""
    out = []
    while data and len(out) < 4:
        n = r.randrange(1, len(data) + 1)
        out.append((r.choice((0, 0, 0, 0.02)), data[:n]))
        data = data[n:]
    return out + ([(0, data)] if data else [])


def inputs(number, count):
    for i in range(count):
        r = random.Random("%d.%d" % (number, i))
        yield Thrower(i, chopped(r, r.choice(KINDS)(r)))


def test_random_inputs(bed, figure):
    number = abuse.seed()
    print("ABUSE_SEED=%d" % number)
    answered = []

    def done(p):
        assert ANSWER.match(p.got), (number, p.number, p.got[:200])  # at least the greeting
        answered.append(p.number)

    start = time.monotonic()
    with Unchanged(bed, figure), Honest(bed) as honest:
        throw(bed.ports["pop3"], inputs(number, INPUTS), done=done)
        took = time.monotonic() - start
    assert len(answered) == INPUTS
    figure("random inputs, each answered or closed; seconds for %d" % INPUTS, took, 900 if FULL else 300, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- 2,000 mutated sessions

RIGHT = [b"CAPA", b"USER %s", b"PASS %s", b"STAT", b"LIST", b"UIDL", b"RETR 1", b"TOP 2 3", b"DELE 3", b"LIST 3", b"RSET", b"UIDL 2", b"RETR 2", b"NOOP",
         b"QUIT"]
PAIRS = 20  # users


def flip(r, line):
    at = r.randrange(len(line) + 1)
    return line[:at] + bytes([r.randrange(256)]) + line[at + r.randrange(2):]


def cut(r, line):
    return line[:r.randrange(len(line) + 1)]


def longer(r, line):
    return line + r.choice((b" ", b"  1", b"\0", b"\r", b"x" * 300, b" \xc3\xa9", b"." * 20000))


def number(r, line):
    return re.sub(rb"\d+", r.choice((b"0", b"-1", b"4294967297", b"1 1", b"01", b"99999999999999999999", b"1e1", b"")), line)


MUTATIONS = [flip, cut, longer, number]


def mutated(r, name, password):
    """the words of a whole session, some of them changed, doubled, left out or exchanged; two of three log in rightly"""
    words = [w % v for w, v in zip(RIGHT[1:3], (name.encode(), password.encode()))]
    words = RIGHT[:1] + words + RIGHT[3:]
    first = r.choice((0, 3, 3))
    for _ in range(r.randrange(1, 6)):
        i, j = r.randrange(first, len(words)), r.randrange(first, len(words))
        what = r.randrange(4)
        if what == 0:
            words[i] = r.choice(MUTATIONS)(r, words[i])
        elif what == 1:
            words[i], words[j] = words[j], words[i]
        elif what == 2:
            words.insert(j, words[i])
        elif len(words) > first + 2:
            del words[i]
    return b"".join(w + (r.choice(ENDS) if r.random() < 0.1 else b"\r\n") for w in words)


def deletable(data):
    """the messages that a session may delete: those it names after DELE, if it comes to a QUIT"""
    numbers = set(map(int, re.findall(rb"(?i)dele +0*(\d{1,9})", data)))
    return numbers if re.search(rb"(?i)quit", data) else set()


def check_drop(bed, name, before, data):
    """what is gone was named, and what is there is whole; then all is put there again"""
    after = bed.files(name)
    lost = {i + 1 for i, path in enumerate(before) if path not in after}
    assert lost <= deletable(data), (name, lost)
    for path in after:
        with open(path, "rb") as f:
            assert f.read() == abuse.BODY % before.index(path)
    if lost:
        abuse.pool(bed, int(name[1:]))
    return bed.files(name)


def test_mutated_sessions(bed, figure):
    seed = abuse.seed()
    print("ABUSE_SEED=%d" % seed)
    free, there, told = list(range(PAIRS)), {}, {"sessions": 0, "logged in": 0, "deleted": 0}
    for i in free:
        name, password = abuse.pool(bed, i)
        there[i] = bed.files(name)
        bed.login(name, password).quit()

    def peers():
        for n in range(SESSIONS):
            r = random.Random("%d.%d" % (seed, n))
            i = free.pop()
            p = Thrower(n, [])
            p.user, p.data = i, mutated(r, *bed.pool(i))
            p.pieces = chopped(r, p.data)
            yield p

    def done(p):
        assert p.got.startswith(b"+OK"), (seed, p.number, p.got[:200])
        name = bed.pool(p.user)[0]
        was = there[p.user]
        there[p.user] = check_drop(bed, name, was, p.data)
        told["sessions"] += 1
        told["logged in"] += b"+OK %s has" % name.encode() in p.got
        told["deleted"] += there[p.user] != was
        free.insert(0, p.user)

    start = time.monotonic()
    with Unchanged(bed, figure), Honest(bed) as honest:
        throw(bed.ports["pop3"], peers(), at_once=PAIRS - 1, done=done, patience=40)
        took = time.monotonic() - start
    print(told)
    assert told["sessions"] == SESSIONS and told["logged in"] > SESSIONS // 3 and told["deleted"] > SESSIONS // 100
    figure("mutated sessions, nothing lost that was not deleted; seconds for %d" % SESSIONS, took, 900 if FULL else 300, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- other protocols

HELLO = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: pop.example.org\r\nUser-Agent: probe\r\nAccept: */*\r\n\r\n",
    "HTTP with a body": b"POST /login HTTP/1.1\r\nContent-Length: 44\r\n\r\nUSER main\r\nPASS Tanqueray-7\r\nDELE 1\r\nQUIT\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64",
    "SMTP": b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<main@localhost>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n",
    "IMAP": b"a1 CAPABILITY\r\na2 LOGIN main Tanqueray-7\r\na3 SELECT INBOX\r\na4 LOGOUT\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.0\r\n\x00\x00\x05\x1c\x0a\x14",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(range(140)) + b"\r\n",
    "RDP": bytes.fromhex("030000130ee000000000000100080003000000"),
    "SOCKS": b"\x05\x02\x00\x02\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
    "PROXY 1": b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 110\r\n",
    "PROXY 2": bytes.fromhex("0d0a0d0a000d0a515549540a21110004c0000201"),
    "ends of lines": b"\r\n\n\r\r\n" * 100,
}


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_other_protocols(bed, figure, port):
    """refused line by line or closed; no word of it is taken for a log-in, and it takes no time"""
    longest = 0.0
    with Unchanged(bed, figure):
        for what, words in HELLO.items():
            log, start, p = len(bed.log()), time.monotonic(), Thrower(0, [(0, words)])
            throw(bed.ports[port], [p], patience=10)
            longest = max(longest, time.monotonic() - start)
            if port == "pop3":
                greeting, *rest = p.got.split(b"\r\n")[:-1]
                assert greeting.startswith(b"+OK") and all(l[:4] in (b"-ERR", b"+OK ") for l in rest), (what, p.got)
                if what in ("HTTP", "HTTP with a body"):  # sent away before anything it brings is read
                    assert len(rest) == 1 and rest[0].startswith(b"-ERR"), (what, p.got)
                    bed.wait_log(r"connection: .* end=http\n", start=log)
                else:
                    assert sum(l.startswith(b"+OK") for l in rest) == words.count(b"QUIT"), (what, p.got)
            else:
                assert b"+OK" not in p.got and len(p.got) < 100, (what, p.got)
            assert " session: " not in bed.log()[log:]
    figure("%d other protocols spoken to %s, the slowest to be refused" % (len(HELLO), port), longest, 5, "s")


# ---- lines without end

def test_endless_lines(bed, figure):
    """100 peers send a line that does not end, as fast as they can: it is thrown away as it comes"""
    socks, sent = [], 0
    before = abuse.pss(bed)
    with Honest(bed) as honest:
        for _ in range(100):
            s = socket.create_connection(("127.0.0.1", bed.ports["pop3"]), timeout=20, source_address=(abuse.attacker(), 0))
            s.setblocking(False)
            socks.append(s)
        end = time.monotonic() + (30 if FULL else 3)
        most = 0
        while time.monotonic() < end:
            for s in socks:
                try:
                    sent += s.send(b"x" * 65536)
                except BlockingIOError:
                    pass
            if before is not None and sent % 64 < 32:
                most = max(most, abuse.pss(bed) - before)
        for s in socks:
            s.setblocking(True)
            s.settimeout(20)
            s.sendall(b"\r\nQUIT\r\n")
        answers = [b"".join(iter(lambda s=s: s.recv(4096), b"")) for s in socks]
        for s in socks:
            s.close()
    for a in answers:
        assert re.fullmatch(rb"\+OK [^\r\n]*\r\n-ERR [^\r\n]*\r\n\+OK [^\r\n]*\r\n", a), a
    print("%d MB were sent" % (sent >> 20))
    figure("memory while 100 lines do not end", most / 1048576, 32, "MB more")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- names

NAMES = {
    "NUL": b"main\0", "NUL first": b"\0main", "NUL within": b"ma\0in", "..": b"../main", "../..": b"../../../../etc/passwd", ".": b".", "absolute": b"/etc/passwd",
    "inside": b"main/../other", "%00": b"main%00", "%2e": b"%2e%2e/main", "%s": b"%s%n%s%n", "10 kB": b"a" * 10240, "main and 10 kB": b"main" + b" " * 10240,
    "UTF-8": "m\u00e4in".encode(), "full width": "\uff4d\uff41\uff49\uff4e".encode(), "joined": "main\u200d".encode(), "right to left": "\u202emain".encode(), "no UTF-8": b"\xff\xfe\xc0\x80",
    "overlong": b"\xc0\xae\xc0\xae/main", "control": b"\x1b[2J\x07main", "DEL": b"main\x7f", "tab": b"main\t", "capitals": b"MAIN", "quoted": b'"main"',
    "SQL": b"' OR '1'='1", "SQL like": b"mai_", "star": b"*", "glob": b"ma*", "brace": b"{user}", "colon": b"main:other", "LF": b"main\nUSER nobody", "CR": b"main\rx",
    "store": b"maildir:/etc", "tilde": b"~main", "dollar": b"$HOME", "empty": b"", "comma": b"n=main,r=x", "254": b"u" * 247, "255": b"u" * 248, "256": b"u" * 249,
}


def asks(bed, name, password=None):
    """every way in that takes a name, with the password of main or another; all that was answered"""
    password = password or bed.user()[1].encode()
    enc = base64.b64encode

    def ask(*lines):
        p = Thrower(0, [(0, b"".join(l + b"\r\n" for l in lines) + b"QUIT\r\n")])
        return p

    return [ask(b"USER " + name, b"PASS " + password), ask(b"APOP " + name + b" " + b"0" * 32),
            ask(b"AUTH PLAIN " + enc(b"\0" + name + b"\0" + password)), ask(b"AUTH PLAIN", enc(name + b"\0main\0" + b"wrong")),
            ask(b"AUTH LOGIN", enc(name), enc(password)), ask(b"AUTH SCRAM-SHA-256 " + enc(b"n,,n=" + name + b",r=abcdef"), b"*"),
            ask(b"AUTH CRAM-MD5", enc(name + b" " + b"0" * 32))]


def test_names(bed, figure):
    """No name but main's own is main, whatever a name is cut at, decoded to or looked up as; nothing is made on the disk for any"""
    log = len(bed.log())
    tree = sorted(os.listdir(bed.dir + "/mail"))
    peers = [(what, p) for what, name in NAMES.items() for p in asks(bed, name)]
    with Unchanged(bed, figure):
        throw(bed.ports["pop3"], [p for _, p in peers], at_once=300, patience=40)
    for what, p in peers:
        assert p.got.startswith(b"+OK") and p.end == "closed", (what, p.got)
    let_in = [(what, p.got) for what, p in peers if re.search(rb"\+OK \S+ has \d", p.got)]  # "+OK NAME has N message(s)"
    assert set(re.findall(r' session: user="(.*?)"', bed.log()[log:])) == {"t0"}  # of Unchanged
    assert sorted(os.listdir(bed.dir + "/mail")) == tree
    figure("hostile names let in with another's password, of %d tries" % len(peers), len(let_in), 0)
    bed.login(*bed.user()).quit()
