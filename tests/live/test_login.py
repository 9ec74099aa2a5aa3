"""Who gets in, and how: every way to log in, what a refusal tells, and what separates two maildrops."""
import base64
import crypt  # no longer in Python 3.13; these tests run with Debian 12's 3.11
import hashlib
import hmac
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import time

import pytest
from abuse import cpu
from bed import Bed, wire
from late import late

# "A remembered user never waits for the pool", "on a common tick": the limits times two.
REMEMBERED = 2 * 0.2
TICK = 0.1

SHA512 = "{CRYPT}" + crypt.crypt("old-pass", "$6$rounds=5000$saltstring")
WAITING = 40


@pytest.fixture(scope="module")
def own():
    """clear text from 127.0.0.1 alone, a narrow pool"""
    b = Bed(["cleartext_networks=127.0.0.1/32", "password_threads=1", "password_waiting=%d" % WAITING])
    with open(b.dir + "/import", "w") as f:
        f.write("old:%s:%d:%d::::\n" % (SHA512, b.target["pool"]["uid"], b.target["pool"]["gid"]))
    b.tool("user", "import", b.dir + "/import", "--maildir")
    yield b
    b.close()


@pytest.fixture(scope="module")
def walled():
    """a process for each session"""
    b = Bed(["mail_sessions=1", "mail_idle=1s", "mail_user=%d" % (61006 if os.geteuid() == 0 else os.getuid())])
    yield b
    b.close()


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def scram(p, name, password, hash="sha256", early=True):
    """a whole SCRAM exchange (RFC 5802); the last answer. The server's signature is checked."""
    word = {"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}[hash]
    bare = "n=%s,r=%s" % (name.replace("=", "=3D").replace(",", "=2C"), b64(os.urandom(12)))
    if early:
        line = p.cmd("AUTH %s %s" % (word, b64("n,," + bare)))
    else:
        assert p.cmd("AUTH " + word).rstrip() == b"+"
        line = p.cmd(b64("n,," + bare))
    if not line.startswith(b"+ "):
        return line
    first = base64.b64decode(line[2:]).decode()
    got = dict(w.split("=", 1) for w in first.split(","))
    assert got["r"].startswith(bare.split("r=")[1])
    salted = hashlib.pbkdf2_hmac(hash, password.encode(), base64.b64decode(got["s"]), int(got["i"]))
    key = hmac.digest(salted, b"Client Key", hash)
    final = "c=biws,r=" + got["r"]
    text = ("%s,%s,%s" % (bare, first, final)).encode()
    sign = hmac.digest(hashlib.new(hash, key).digest(), text, hash)
    line = p.cmd(b64(final + ",p=" + b64(bytes(x ^ y for x, y in zip(key, sign)))))
    if not line.startswith(b"+ "):
        return line
    wanted = hmac.digest(hmac.digest(salted, b"Server Key", hash), text, hash)
    assert base64.b64decode(line[2:]) == b"v=" + base64.b64encode(wanted)
    return p.cmd("")


def by_pass(p, name, password):
    p.ok("USER " + name)
    return p.cmd("PASS " + password)


def by_plain(p, name, password):
    return p.plain(name, password)


def by_plain_late(p, name, password):
    assert p.cmd("AUTH PLAIN").rstrip() == b"+"
    return p.cmd(b64("\0%s\0%s" % (name, password)))


def by_login(p, name, password):
    assert p.cmd("AUTH LOGIN").startswith(b"+ ")
    assert p.cmd(b64(name)).startswith(b"+ ")
    return p.cmd(b64(password))


def by_scram1(p, name, password):
    return scram(p, name, password, "sha1")


def by_scram256(p, name, password):
    return scram(p, name, password)


def by_scram_late(p, name, password):
    return scram(p, name, password, early=False)


def by_apop(p, name, password):
    return p.apop(name, password)


def by_cram(p, name, password):
    line = p.cmd("AUTH CRAM-MD5")
    if not line.startswith(b"+ "):
        return line
    digest = hmac.new(password.encode(), base64.b64decode(line[2:]), "md5").hexdigest()
    return p.cmd(b64("%s %s" % (name, digest)))


WAYS = [by_pass, by_plain, by_plain_late, by_login, by_scram1, by_scram256, by_scram_late]
WAY_IDS = [w.__name__ for w in WAYS]
KEPT = [by_apop, by_cram]  # for who has a secret that is kept in clear


def entered(bed, way, name, password, port="pop3", source=None):
    """the answer to a log-in; a session that began is ended, and its lock has been given back"""
    end = time.monotonic() + 10
    while True:
        p = bed.connect(port, source=source)
        answer = way(p, name, password)
        if answer.startswith(b"+OK"):
            assert p.quit().startswith(b"+OK")
        p.close()
        if b"[IN-USE]" not in answer:
            return answer
        assert time.monotonic() < end
        time.sleep(0.05)


def refused(answer):
    return answer == b"-ERR [AUTH] The name or the password is wrong"


def secure(bed, kind, source=None):
    p = bed.connect("pop3s" if kind == "pop3s" else "pop3", source=source)
    if kind == "stls":
        p.stls()
    return p


def add(bed, name, password, *words):
    pool = bed.target["pool"]
    bed.tool("user", "add", name, "--uid", str(pool["uid"]), "--gid", str(pool["gid"]), "--password-stdin", *words, stdin=password + "\n")


# ---- every way in, over every kind of connection

@pytest.mark.parametrize("kind", ["plain", "stls", "pop3s"])
def test_every_way(own, kind):
    name, password = own.user()
    own.seed(name, [b"Subject: mine\n\nx\n"])
    for way in WAYS + KEPT:
        p = secure(own, kind)
        answer = way(p, name, password)
        assert answer == b"+OK main has 1 message(s) (20 octets)", way
        assert p.retr(1) == b"Subject: mine\r\n\r\nx\r\n"
        p.quit()


def test_a_refusal_leaves_the_connection_usable(own):
    """each way refused, cancelled and broken on one connection; then the right password"""
    name, password = own.user()
    p = own.connect()
    for way in WAYS + KEPT:
        assert refused(way(p, name, "wrong")), way
    for word in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5"):
        assert p.cmd("AUTH " + word).startswith(b"+")
        assert p.cmd("*").startswith(b"-ERR")
        assert p.cmd("AUTH " + word).startswith(b"+")
        assert p.cmd("!!!").startswith(b"-ERR")
        assert p.cmd("AUTH " + word).startswith(b"+")
        answer = p.cmd(b64("no message of this mechanism"))
        assert answer.startswith(b"-ERR") or word == "LOGIN" and p.cmd(b64("x")).startswith(b"-ERR")
    assert p.cmd("PASS " + password).startswith(b"-ERR")  # AUTH has forgotten the name
    assert by_pass(p, name, password).startswith(b"+OK")
    p.quit()


# ---- one user's password never opens another's maildrop

@pytest.mark.parametrize("way", WAYS + KEPT, ids=WAY_IDS + ["by_apop", "by_cram"])
def test_passwords_do_not_open_others_maildrops(own, way):
    a, b = own.user(), own.user("other")
    if way in KEPT:
        b = ("t9%d" % KEPT.index(way), "second-pass")
        add(own, *b, "--apop")
    for name in (a[0], b[0]):
        own.seed(name, [b"Subject: of %s\n\n" % name.encode()])
    for (mine, password), (theirs, _) in ((a, b), (b, a)):
        assert entered(own, way, mine, password).startswith(b"+OK")  # remembered now
        assert refused(entered(own, way, theirs, password))
        assert refused(entered(own, by_pass, theirs, password))
        # on one connection too, whatever was kept of the first name
        p = own.connect()
        p.ok("USER " + mine)
        assert refused(way(p, theirs, password))
        p.close()
    p = own.connect()
    assert way(p, *b).startswith(b"+OK " + b[0].encode())
    assert b"Subject: of " + b[0].encode() in p.retr(1)
    p.quit()


def test_passwords_do_not_open_others_maildrops_at_once(own):
    """two users of one password each, on two connections whose questions are at auth at the same moment"""
    own.seed("t1", [b"Subject: of t1\n\n"])
    own.seed("other", [b"Subject: of other\n\n"])
    pairs = [("t1", own.target["pool"]["pass"]), ("other", own.user("other")[1])]
    for _ in range(5):
        sessions = [own.connect() for _ in range(4)]
        asked = [pairs[0], pairs[1], (pairs[0][0], pairs[1][1]), (pairs[1][0], pairs[0][1])]
        for p, (name, password) in zip(sessions, asked):
            p.send("USER %s\r\nPASS %s\r\n" % (name, password))
        answers = []
        for p in sessions:
            p.line()
            answers.append(p.line())
        for p, answer, (name, _) in zip(sessions[:2], answers, pairs):
            assert answer.startswith(b"+OK " + name.encode())
            assert p.retr(1) == b"Subject: of %s\r\n\r\n" % name.encode()
            p.quit()
        assert refused(answers[2]) and refused(answers[3])
        for p in sessions:
            p.close()
        for name, password in pairs:
            entered(own, by_pass, name, password)


@pytest.mark.parametrize("who", ["main", "nobody-here", "", "t5"])
def test_an_identity_beside_ones_own_is_refused(own, who):
    name, password = own.user("other")
    p = own.connect()
    answer = p.cmd("AUTH PLAIN " + b64("%s\0%s\0%s" % (who, name, password)))
    assert answer.startswith(b"+OK other ") if who == "" else refused(answer), answer
    if who == "":
        p.quit()
    p.close()


# ---- what changes in the database counts at once

def test_a_changed_password_counts_at_once(own):
    add(own, "changing", "first-pass")
    for way in (by_pass, by_plain, by_scram256):
        assert entered(own, way, "changing", "first-pass").startswith(b"+OK")
    own.tool("user", "passwd", "changing", "--password-stdin", stdin="second-pass\n")
    for way in WAYS:
        assert refused(entered(own, way, "changing", "first-pass")), way
    for way in WAYS:
        assert entered(own, way, "changing", "second-pass").startswith(b"+OK"), way
    own.tool("user", "passwd", "changing", "--password-stdin", stdin="first-pass\n")
    assert refused(entered(own, by_pass, "changing", "second-pass"))
    assert entered(own, by_pass, "changing", "first-pass").startswith(b"+OK")


def test_disabled_and_deleted_at_once(own):
    add(own, "leaving", "pass-word", "--apop")
    ways = WAYS + KEPT
    assert entered(own, by_pass, "leaving", "pass-word").startswith(b"+OK")
    for way in KEPT:
        assert entered(own, way, "leaving", "pass-word").startswith(b"+OK")
    own.tool("user", "set", "leaving", "--disable")
    for way in ways:
        assert refused(entered(own, way, "leaving", "pass-word")), way
    own.tool("user", "set", "leaving", "--enable")
    assert entered(own, by_pass, "leaving", "pass-word").startswith(b"+OK")
    own.tool("user", "del", "leaving")
    for way in ways:
        assert refused(entered(own, way, "leaving", "pass-word")), way


@pytest.mark.parametrize("way", KEPT, ids=["by_apop", "by_cram"])
def test_apop_only_for_who_has_a_secret(own, way):
    name, password = own.pool(2)
    assert entered(own, by_pass, name, password).startswith(b"+OK")
    assert refused(entered(own, way, name, password))
    for guess in ("", "nobody"):
        assert refused(entered(own, way, name, guess))
        assert refused(entered(own, way, "nobody-here", guess))


def test_a_secret_kept_and_forgotten_counts_at_once(own):
    add(own, "keeping", "pass-word")
    for words, good in (("--apop", True), ("--no-apop", False), ("--apop", True)):
        own.tool("user", "set", "keeping", words, *(["--password-stdin"] if good else []), stdin="pass-word\n")
        for way in KEPT:
            assert entered(own, way, "keeping", "pass-word").startswith(b"+OK") if good else \
                refused(entered(own, way, "keeping", "pass-word")), (way, words)


def test_cram_challenges_are_unique_and_answered_once(own):
    """a message-id each (RFC 2195 2); the answer to one fits no other, and the server begins"""
    name, password = own.user()
    seen, p = set(), own.connect()
    for _ in range(50):
        challenge = base64.b64decode(p.cmd("AUTH CRAM-MD5")[2:])
        assert re.fullmatch(rb"<[^<>@ ]+@[^<>@ ]+>", challenge)
        seen.add(challenge)
        answer = b64("%s %s" % (name, hmac.new(password.encode(), challenge, "md5").hexdigest()))
        assert p.cmd("*").startswith(b"-ERR")
    assert len(seen) == 50
    assert p.cmd("AUTH CRAM-MD5").startswith(b"+ ")
    assert refused(p.cmd(answer))
    assert refused(p.cmd("AUTH CRAM-MD5 " + answer))
    assert by_cram(p, name, password).startswith(b"+OK")
    p.quit()


def test_apop_stamps_are_unique(own):
    stamps = set()
    for _ in range(50):
        p = own.connect()
        stamps.add(re.search(rb"<[^<>@ ]+@[^<>@ ]+>$", p.greeting).group(0))
        p.close()
    assert len(stamps) == 50


# ---- the pool

def flood(bed, count, name="nobody-here"):
    """so many questions with a wrong password at once; the connections"""
    out = [bed.connect() for _ in range(count)]
    for p in out:
        p.send("USER %s\r\nPASS wrong\r\n" % name)
    for p in out:
        p.line()
    return out


def unanswered(p):
    p.sock.setblocking(False)
    try:
        p.buf += p.sock.recv(4096)
    except BlockingIOError:
        pass
    p.sock.settimeout(60)
    return b"\r\n" not in p.buf


def test_the_remembered_do_not_wait(own):
    name, password = own.pool(3)
    entered(own, by_pass, name, password)
    many = flood(own, WAITING)
    before, start = cpu(own), time.monotonic()
    p = own.connect()
    answer = by_pass(p, name, password)
    took = time.monotonic() - start
    took -= late(start, REMEMBERED, cpu(own) - before)
    assert sum(map(unanswered, many)) > WAITING // 4  # they were still waiting: so would he have been
    assert answer.startswith(b"+OK") and took < REMEMBERED
    p.quit()
    for p in many:
        assert refused(p.line())
        p.close()


def test_a_full_pool_is_a_passing_trouble(own):
    many = flood(own, WAITING * 2)
    answers = [p.line() for p in many]
    full = [a for a in answers if a.startswith(b"-ERR [SYS/TEMP] ")]
    assert full and all(refused(a) for a in answers if a not in full)
    name, password = own.pool(4)
    for p in many[1:]:
        p.close()
    assert by_pass(many[0], name, password).startswith(b"+OK")
    many[0].quit()


def test_leaving_while_the_pool_works(own):
    """who closes, or says something else first, while his password waits: nothing is left of it"""
    for p in flood(own, WAITING // 2, "t6"):
        p.close()
    assert entered(own, by_pass, *own.pool(6)).startswith(b"+OK")


# ---- what a refusal tells

def questions(bed):
    """{name: a function that asks on a fresh connection and returns the answer} for all that must look alike"""
    main = bed.user()[0]

    def ask(way, name, password):
        p = bed.connect()

        def go():
            answer = way(p, name, password)
            p.close()
            return answer

        return go

    return {
        "unknown": lambda: ask(by_pass, "nobody-here", "wrong"),
        "wrong": lambda: ask(by_pass, main, "wrong"),
        "imported": lambda: ask(by_pass, "old", "wrong"),
        "disabled": lambda: ask(by_pass, "off", "right-pass"),
        "plain-unknown": lambda: ask(by_plain, "nobody-here", "wrong"),
        "plain-wrong": lambda: ask(by_plain, main, "wrong"),
        "apop-unknown": lambda: ask(by_apop, "nobody-here", "wrong"),
        "apop-none": lambda: ask(by_apop, "t7", "wrong"),
        "apop-wrong": lambda: ask(by_apop, main, "wrong"),
        "cram-unknown": lambda: ask(by_cram, "nobody-here", "wrong"),
        "cram-none": lambda: ask(by_cram, "t7", "wrong"),
        "cram-wrong": lambda: ask(by_cram, main, "wrong"),
        "too-long": lambda: ask(by_pass, main, "x" * 240),
        "unprintable": lambda: ask(by_pass, main, "\x01\x02"),
    }


def measure(bed, rounds):
    """{kind: [(seconds, seconds behind the last tick)]}: asked right behind a tick, which is one of the machine's clock"""
    out = {}
    for _ in range(rounds):
        for kind, make in questions(bed).items():
            go = make()
            now = time.monotonic()
            time.sleep(TICK - now % TICK + 0.005)
            start = time.monotonic()
            answer = go()
            end = time.monotonic()
            assert refused(answer), (kind, answer)
            out.setdefault(kind, []).append((end - start, end % TICK))
    return out


def differences(seen, delay):
    """what tells one kind of refusal from another"""
    out = ["%s: %s" % (kind, times) for kind, times in seen.items() if statistics.median(behind for _, behind in times) >= TICK / 3]
    medians = {kind: statistics.median(t for t, _ in times) for kind, times in seen.items()}
    # Longer than any hash here: then all are answered at the very same tick.
    return out + ([str(medians)] if delay > 0.3 and max(medians.values()) - min(medians.values()) >= TICK / 2 else [])


@pytest.mark.parametrize("delay", [0.02, 0.35])
def test_refusals_take_the_same_time(own, delay):
    """The answers leave at ticks, not before the delay: hashing or not, and how long, cannot be told apart."""
    if "off" not in own.tool("user", "list").stdout.split():
        add(own, "off", "right-pass", "--disable")
        own.tool("user", "set", "off", "--disable")
    set_options(own, failure_delay="%dms" % int(delay * 1000))
    seen = {}
    try:
        for _ in range(3):  # what a machine at work adds now and then is not in the middle of more of them; what the server tells is
            for kind, times in measure(own, 5).items():
                assert min(t for t, _ in times) >= delay, (kind, times)
                seen.setdefault(kind, []).extend(times)
            told = differences(seen, delay)
            if not told:
                break
    finally:
        set_options(own, failure_delay="20ms")
    assert not told, told


def test_scram_of_nobody_looks_like_anybody(own):
    """the same shape of challenge, the same salt each time, and the same end"""
    def challenge(name):
        p = own.connect()
        line = p.cmd("AUTH SCRAM-SHA-256 " + b64("n,,n=%s,r=abcdef" % name))
        p.close()
        return dict(w.split("=", 1) for w in base64.b64decode(line[2:]).decode().split(","))

    real, no, again, third = (challenge(n) for n in ("main", "nobody-here", "nobody-here", "nobody-there"))
    assert no["s"] == again["s"] != third["s"] and no["i"] == real["i"]
    assert len(base64.b64decode(no["s"])) == len(base64.b64decode(real["s"]))
    assert challenge("old")["i"] == real["i"]  # imported: no SCRAM keys
    for name in ("main", "nobody-here", "old", "off"):
        assert refused(entered(own, by_scram256, name, "wrong"))


# ---- clear text


@pytest.mark.parametrize("where", ["network", "listener"])
def test_clear_text_refused(own, where):
    """from an address that cleartext_networks does not cover, and on a port that takes no passwords in clear"""
    kw = {"network": {"source": "127.0.0.2"}, "listener": {"port": "tlsonly"}}[where]
    name, password = own.user()
    p = own.connect(**kw)
    caps = p.multi("CAPA")
    assert b"STLS" in caps and b"USER" not in caps
    assert [c for c in caps if c.startswith(b"SASL")] == [b"SASL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"]
    assert sorted(p.multi("AUTH")) == [b"CRAM-MD5", b"SCRAM-SHA-1", b"SCRAM-SHA-256"]
    refusals = [p.cmd("USER " + name), p.cmd("PASS " + password), p.plain(name, password), p.cmd("AUTH PLAIN"), p.cmd("AUTH LOGIN")]
    assert all(r.startswith(b"-ERR") for r in refusals), refusals
    assert scram(p, name, password).startswith(b"+OK")
    p.quit()
    for way in (by_scram1, by_apop, by_cram):
        assert entered(own, way, name, password, **kw).startswith(b"+OK")
    p = own.connect(**kw)
    p.stls()
    assert b"USER" in p.multi("CAPA")
    assert by_pass(p, name, password).startswith(b"+OK")
    p.quit()
    assert entered(own, by_pass, name, password, source="127.0.0.1").startswith(b"+OK")


# ---- TLS

def context(bed, **kw):
    ctx = ssl.create_default_context(cafile=bed.cert)
    for key, value in kw.items():
        setattr(ctx, key, value)
    return ctx


def greeted(bed, ctx):
    raw = socket.create_connection(("127.0.0.1", bed.ports["pop3s"]), timeout=10)
    with ctx.wrap_socket(raw, server_hostname="localhost") as s:
        return s.recv(500), s.selected_alpn_protocol(), s.version()


def test_alpn(own):
    ctx = context(own)
    text, chosen, _ = greeted(own, ctx)
    assert text.startswith(b"+OK") and chosen is None
    ctx.set_alpn_protocols(["pop3"])
    text, chosen, _ = greeted(own, ctx)
    assert text.startswith(b"+OK") and chosen == "pop3"
    ctx = context(own)
    ctx.set_alpn_protocols(["h2", "pop3"])
    assert greeted(own, ctx)[1] == "pop3"
    ctx = context(own)
    ctx.set_alpn_protocols(["h2", "http/1.1", "imap"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        greeted(own, ctx)


@pytest.mark.parametrize("version,good", [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions_of_tls(own, version, good):
    ctx = context(own)
    ctx.set_ciphers("ALL:@SECLEVEL=0")  # the client is willing: it is the server that refuses
    v = getattr(ssl.TLSVersion, version)
    if v < ctx.minimum_version:
        ctx.minimum_version = v
        ctx.maximum_version = v
    else:
        ctx.maximum_version = v
        ctx.minimum_version = v
    if good:
        text, _, spoken = greeted(own, ctx)
        assert text.startswith(b"+OK") and spoken == version.replace("_", ".")
    else:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            greeted(own, ctx)


def test_stls_executes_nothing_said_in_the_clear(own):
    name, password = own.user()
    p = own.connect()
    p.send("CAPA\r\nSTLS\r\nUSER %s\r\nPASS %s\r\nDELE 1\r\n" % (name, password))
    assert p.line().startswith(b"+OK")
    p.body()
    assert p.line().startswith(b"+OK") and p.buf == b""
    p.tls()
    assert p.cmd("PASS " + password).startswith(b"-ERR")  # no USER: what was injected is gone
    p.ok("CAPA")
    p.body()
    assert by_pass(p, name, password).startswith(b"+OK")
    p.quit()


def test_stls_forgets_the_name(own):
    name, password = own.user()
    p = own.connect()
    p.ok("USER " + name)
    p.stls()
    assert p.cmd("PASS " + password).startswith(b"-ERR")
    assert p.cmd("STLS").startswith(b"-ERR")
    assert b"STLS" not in p.multi("CAPA")
    p.close()


# ---- the log

def test_a_line_per_session(own):
    name, password = own.pool(8)
    mail = [b"Subject: %d\n\nbody\n" % i for i in range(3)]
    for port, tls in (("pop3", "no"), ("pop3s", r"TLSv1\.3")):
        own.seed(name, mail)
        start = len(own.log())
        p = own.login(name, password, port=port)
        p.retr(1)
        p.retr(2)
        p.ok("DELE 3")
        p.quit()
        line = r'mail info session: user="%s" addr=127\.0\.0\.1 tls=%s read=2 deleted=1 octets=%d time=\d+\.\d{3} end=quit\n' % (
            name, tls, len(wire(mail[0])) * 2)
        own.wait_log(line, start=start)
        p = own.login(name, password, port=port)
        p.ok("DELE 1")
        p.close()
        own.wait_log(r'session: user="%s" addr=127\.0\.0\.1 tls=%s read=0 deleted=0 octets=0 time=[\d.]+ end=(eof|reset)\n' % (name, tls),
                     start=start)
        time.sleep(0.1)
        assert own.log()[start:].count(" session: ") == 2


@pytest.mark.parametrize("name", [b"\x1b[2J\x07evil", b"\xff\xfe\x80\x9b", b'" user="root" addr=10.0.0.1', b"\\x41\t\x7f", b"\xe2\x80\xae"])
def test_hostile_names_are_escaped(own, name):
    """a name that is no user's goes into the log as a quoted word of printable characters"""
    with open(own.target["log"], "rb") as f:
        start = len(f.read())
    p = own.connect()
    if p.cmd(b"USER " + name).startswith(b"+OK"):
        assert p.cmd("PASS x").startswith(b"-ERR")
    assert p.cmd("AUTH PLAIN " + b64(b"\0" + name + b"\0x")).startswith(b"-ERR")
    assert p.cmd("APOP nobody " + "0" * 32).startswith(b"-ERR")
    p.close()
    own.wait_log(r"addr=127\.0\.0\.1.* end=(eof|reset)", start=start)
    with open(own.target["log"], "rb") as f:
        new = f.read()[start:]
    assert re.fullmatch(rb"[\x20-\x7e\n]+", new), new
    for line in new.splitlines():
        m = re.search(rb'refused: user=(.*) addr=127\.0\.0\.1$', line)
        assert b"refused:" not in line or re.fullmatch(rb'"(?:[^"\\]|\\.)*"', m.group(1)), line


def test_no_password_in_the_log(own):
    own_secret = "never-to-be-seen"
    for way in WAYS + KEPT:
        entered(own, way, "main", own_secret)
    time.sleep(0.2)
    for name in ("log", "stderr"):
        with open(own.dir + "/" + name, "rb") as f:
            text = f.read()
        assert own_secret.encode() not in text and b64("\0main\0" + own_secret).encode() not in text


# ---- processes and sessions

def mail_pids(bed):
    return bed.roles().get("mail", [])


def wait_count(bed, n, secs):
    end = time.monotonic() + secs
    while len(mail_pids(bed)) != n:
        assert time.monotonic() < end, (n, mail_pids(bed))
        time.sleep(0.05)


def test_a_process_for_each_session(walled):
    sessions = []
    for i in range(3):
        name, password = walled.pool(i)
        walled.seed(name, [b"Subject: %d\n\n" % i])
        sessions.append(walled.login(name, password, port=("pop3", "pop3s")[i % 2]))
    assert len(mail_pids(walled)) == 3
    for i, p in enumerate(sessions):
        assert p.retr(1) == b"Subject: %d\r\n\r\n" % i
        p.ok("DELE 1")
        assert p.quit().startswith(b"+OK")
        assert not walled.files("t%d" % i)
    wait_count(walled, 0, 2 * 2)  # who was for one session is not kept; looked at once a second


def test_a_process_for_one_maildrop_cannot_reach_its_sister(walled):
    """Both are of one uid and below one mail root: only Landlock is between them. The probe seals itself by the row of a mail
    process, with one maildrop granted, and tries the other's mail, directly and by climbing out of what it has."""
    name, password = walled.pool(10)
    sister, _ = walled.pool(11)
    walled.seed(sister, [b"Subject: secret\n\n"])
    print(os.stat(os.path.dirname(walled.maildir(name))))
    p = walled.login(name, password)
    (pid,) = mail_pids(walled)
    walls = walled.wait_log(r'ready: role=mail pid=%d uid=\d+ walls="([^"]*)"' % pid).group(1)
    p.quit()
    if "landlock" not in walls:
        pytest.skip("this kernel has no Landlock")
    secret = walled.files(sister)[0]

    def probe(root):
        with open(walled.target["config"]) as f:
            lines = [l for l in f.read().splitlines() if l.split("=")[0].strip() != "mail_root"]
        with open(walled.dir + "/probe.conf", "w") as f:
            f.write("\n".join(lines + ["mail_root = " + root]) + "\n")
        out = subprocess.run([walled.programs["bustiad"], "-c", walled.dir + "/probe.conf", "--probe", "mail", secret],
                             capture_output=True, text=True)
        return out.returncode, [l for l in out.stdout.splitlines() if "another's mail" in l], out

    status, lines, out = probe(walled.maildir(name))
    assert status == 0 and len(lines) >= 2 and all(l.endswith(": ok") for l in lines), out
    # The same, granted the whole root as where processes are shared: climbing reaches it, so the test can tell.
    status, lines, out = probe(walled.dir + "/mail")
    assert any("got success" in l for l in lines), out


def set_options(bed, **options):
    """changed in the file, and read by the server"""
    with open(bed.target["config"]) as f:
        lines = f.read().splitlines()
    lines = [l for l in lines if l.split("=")[0].strip() not in options] + ["%s = %s" % o for o in options.items()]
    start = len(bed.log())
    with open(bed.target["config"], "w") as f:
        f.write("\n".join(lines) + "\n")
    os.kill(bed.pid, signal.SIGHUP)
    bed.wait_log(r"reload: .* read", start=start)
    time.sleep(0.1)


def test_a_maildrop_that_is_not_there_yet_with_a_process_for_each(walled):
    """it is made, where its owner may, and he has it at once"""
    name, password = walled.pool(37)
    box = walled.maildir(name)
    owner = os.stat(box).st_uid
    mode = os.stat(os.path.dirname(box)).st_mode & 0o7777
    shutil.rmtree(box)
    os.chmod(os.path.dirname(box), 0o777)
    try:
        p = walled.login(name, password)
    finally:
        os.chmod(os.path.dirname(box), mode)
    assert p.ok("STAT").startswith(b"+OK 0 0")
    p.quit()
    assert {"cur", "new", "tmp"} <= set(os.listdir(box)) and os.stat(box).st_uid == owner


def test_sessions_share_processes_as_told(walled):
    set_options(walled, mail_sessions="2", mail_idle="1s")
    wait_count(walled, 0, 4)
    sessions = [walled.login(*walled.pool(20 + i)) for i in range(5)]
    assert len(mail_pids(walled)) == 3
    before = set(mail_pids(walled))
    sessions[4].quit()
    again = walled.login(*walled.pool(24))
    assert set(mail_pids(walled)) == before  # the place is used again
    for p in sessions[:4] + [again]:
        p.ok("NOOP")
        p.quit()
    wait_count(walled, 0, 2 * (1 + 1))  # mail_idle, and looked at once a second


def test_log_ins_at_once_share_processes_as_told(walled):
    """five at the same moment, when there is none yet: the waiting are counted too"""
    set_options(walled, mail_sessions="2", mail_idle="1s")
    wait_count(walled, 0, 4)
    for i in range(5):
        entered(walled, by_pass, *walled.pool(30 + i))  # remembered
    wait_count(walled, 0, 6)
    sessions = [walled.connect() for _ in range(5)]
    for i, p in enumerate(sessions):
        p.send("USER t%d\r\nPASS %s\r\n" % (30 + i, walled.target["pool"]["pass"]))
    for p in sessions:
        p.line()
        assert p.line().startswith(b"+OK")
    assert len(mail_pids(walled)) == 3
    for p in sessions:
        p.quit()


def test_a_process_for_each_session_ends_with_it(walled):
    """also where somebody comes every moment"""
    came, end = 0, time.monotonic() + 6
    while time.monotonic() < end:
        walled.login(*walled.pool(came % 5)).quit()
        came += 1
        time.sleep(0.1)
    assert len(walled.roles().get("mail", [])) < max(came // 2, 5), came


def queued(port, sock):
    """octets that the server has sent and this socket's owner has not read, wherever the kernel keeps them"""
    ours, total = sock.getsockname()[1], 0
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    for row in rows:
        here, there = (int(row[i].split(":")[1], 16) for i in (1, 2))
        sent, read = (int(n, 16) for n in row[4].split(":"))
        total += sent if (here, there) == (port, ours) else read if (here, there) == (ours, port) else 0
    return total


def test_who_logs_in_and_has_not_read(own_bed):
    """answers that the socket does not take are still the door's when PASS comes: they leave first, and the door lives"""
    bed = own_bed()
    name, password = bed.pool(0)
    door = bed.roles()["door"]
    login = "USER %s\r\nPASS %s\r\n" % (name, password)
    p = bed.connect()
    p.send("CAPA\r\n")
    size = len(p.line()) + 2 + len(p.body()) + 3
    p.close()

    def come(count):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        s.settimeout(20)
        s.connect(("127.0.0.1", bed.ports["pop3"]))
        s.recv(200)
        s.sendall(b"CAPA\r\n" * count)
        return s

    s = come(0)
    s.settimeout(1)
    with pytest.raises(TimeoutError):  # until nobody takes more
        while True:
            s.sendall(b"CAPA\r\n" * 500)
    room = queued(bed.ports["pop3"], s)
    s.close()
    for over in (20, 50, 80):
        s = come(room // size + over)
        s.sendall(login.encode())
        time.sleep(0.5)
        assert bed.roles()["door"] == door
        got = b""
        while b" has " not in got:
            data = s.recv(65536)
            assert data
            got = got[-600:] + data
        s.sendall(b"QUIT\r\n")
        s.close()
