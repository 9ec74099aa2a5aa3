"""What a hostile peer can make the server wait for, hold and do."""
import base64
import crypt
import os
import re
import resource
import select
import socket
import ssl
import subprocess
import time

import pytest
from abuse import at_rest, cpu, pss
from bed import Bed, Pop
from late import late

SHORT = 1.0  # the limits below, in seconds; each is checked with twice the value
MEMORY = 32 << 20
UNREADABLE = "what the server holds may not be read here"


@pytest.fixture(scope="module")
def hasty():
    """a second for everything but AUTHORIZATION and silence"""
    b = Bed(["command_timeout=1s", "write_timeout=1s", "authorization_timeout=20s", "idle_timeout=20s"])
    b.seed("t0", [b"Subject: %d\n\n" % i for i in range(50)])
    b.seed("t1", [b"Subject: large\n\n" + b"0123456789abcdef" * 4 * 1000 * 300 + b"\n"])
    yield b
    b.close()


@pytest.fixture(scope="module")
def tight():
    """a second for AUTHORIZATION"""
    b = Bed(["authorization_timeout=1s"])
    yield b
    b.close()


def within(start, least=SHORT * 0.9, most=SHORT * 2):
    """it took so long, but for what the machine was late by itself"""
    took = time.monotonic() - start
    assert least <= took <= most + late(start, most), (took, late(start, most))


def ended_within(p, start):
    got = p.rest()
    within(start)
    return got


# ---- time

@pytest.mark.parametrize("kind", ["silent", "busy", "pop3s-handshake", "pop3s", "stls-handshake", "sasl"])
def test_authorization_timeout(tight, kind):
    """the whole of AUTHORIZATION, whatever is said in it"""
    start = time.monotonic()
    if kind == "pop3s-handshake":
        s = socket.create_connection(("127.0.0.1", tight.ports["pop3s"]), timeout=10)
        assert s.recv(100) == b""
        within(start)
        s.close()
        return
    p = tight.connect("pop3s" if kind == "pop3s" else "pop3")
    p.sock.settimeout(10)
    if kind == "stls-handshake":
        p.ok("STLS")
    if kind == "sasl":
        assert p.cmd("AUTH LOGIN").startswith(b"+ ")
    if kind == "busy":
        with pytest.raises((EOFError, OSError)):
            while time.monotonic() - start < 10:
                p.ok("USER x")
                assert p.cmd("PASS y").startswith(b"-ERR")
                time.sleep(0.05)
        within(start)
    else:
        ended_within(p, start)
    p.close()


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_idle_timeout(own_bed, port):
    bed = own_bed("idle_timeout=2s")
    p = bed.login(*bed.pool(0), port=port)
    for _ in range(5):
        time.sleep(SHORT * 0.5)
        p.ok("NOOP")
    start = time.monotonic()
    assert p.rest() == b""
    within(start, SHORT * 1.8, SHORT * 4)
    p.close()
    bed.wait_log(r'session: user="t0" .* end=idle')


def drip(p, start):
    """an octet every 0.3 s, none of them the end of a line, as long as it is listened to"""
    with pytest.raises(OSError):
        while time.monotonic() - start < 10:
            p.send(b"x")
            readable, _, _ = select.select([p.sock], [], [], 0.3)
            if readable:
                if not p.sock.recv(4096):
                    break
        raise OSError


@pytest.mark.parametrize("state", ["authorization", "sasl", "transaction", "transaction-tls", "endless"])
def test_command_timeout(hasty, state):
    """from the first octet of a line, not from the last"""
    if state.startswith("transaction"):
        p = hasty.login(*hasty.pool(2), port="pop3s" if state.endswith("tls") else "pop3")
    else:
        p = hasty.connect()
    if state == "sasl":
        assert p.cmd("AUTH LOGIN").startswith(b"+ ")
    if state == "endless":
        p.send(b"y" * 3000)  # thrown away already, and still no end
    time.sleep(SHORT / 2 if state != "endless" else 0)
    start = time.monotonic()
    drip(p, start)
    within(start, SHORT * 0.7, SHORT * 2 + 0.3)
    p.close()


def test_silence_between_commands_is_not_a_command(hasty):
    p = hasty.connect()
    q = hasty.login(*hasty.pool(2))
    time.sleep(SHORT * 1.5)
    p.ok("CAPA")
    q.ok("NOOP")
    p.close()
    q.quit()


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_write_timeout(hasty, port):
    """who asks for a large message and takes nothing of it"""
    name, password = hasty.pool(1)
    p = hasty.login(name, password, port=port)
    log = len(hasty.log())
    p.send("RETR 1\r\n")
    start = time.monotonic()
    hasty.wait_log(r'session: user="t1" .* end=\S+', start=log, secs=20)
    within(start, most=SHORT * 2 + 0.2)
    p.close()


# ---- lengths

def test_lines_of_255_octets(hasty):
    p = hasty.connect()
    for n, good in ((254, True), (255, True), (256, False), (257, False), (5000, False), (300000, False)):
        line = b"USER " + b"u" * (n - 7) + b"\r\n"
        assert len(line) == n
        p.send(line)
        assert p.line().startswith(b"+OK" if good else b"-ERR"), n
        p.ok("USER t0")  # one answer each
    assert p.buf == b""
    p.ok("PASS " + hasty.target["pool"]["pass"])
    for n, good in ((255, True), (256, False), (20000, False), (300000, False)):
        p.send(b"NOOP" + b" " * (n - 6) + b"\r\n")
        answer = p.line()
        assert answer.startswith(b"-ERR") or good, n
        assert p.stat()[0] == 50
    assert p.buf == b""
    p.quit()
    p = hasty.login(*hasty.user("long"))  # a password that fills its line
    p.quit()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_responses_of_16_kilobytes(hasty, mechanism):
    p = hasty.connect()
    for n, good in ((16384, True), (16388, False), (200000, False)):
        assert p.cmd("AUTH " + mechanism).startswith(b"+")
        text = b"A" * ((n - 2) // 4 * 4)
        answer = p.cmd(text)
        assert answer.startswith(b"-ERR"), n
        assert (b"long" in answer) != good, (n, answer)
        p.ok("USER t0")
    assert p.buf == b""
    name, password = hasty.pool(0)
    assert p.plain(name, password).startswith(b"+OK")
    p.quit()


# ---- ceilings

def let_in(bed, port, secs=15):
    """somebody comes, and has a whole session, once the server has seen who has left"""
    end = time.monotonic() + secs
    while True:
        try:
            return bed.login(*bed.pool(4), port=port).quit()
        except (OSError, EOFError, AssertionError):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_ceiling_of_tls_connections(own_bed):
    """those that have not logged in have their own; clear text, and sessions inside TLS, are served beside"""
    bed = own_bed("connections=30", "tls_waiting=10")
    session = bed.login(*bed.pool(1), port="pop3s")
    many = [bed.connect("pop3s") for _ in range(10)]
    for port in ("pop3s", "pop3"):
        with pytest.raises((OSError, EOFError)):
            p = bed.connect(port)
            p.stls()
    bed.login(*bed.pool(2)).quit()
    session.ok("NOOP")
    for p in many[:3]:
        p.close()
    let_in(bed, "pop3s")
    for p in many[3:]:
        p.close()
    session.quit()
    bed.wait_log(r"warning crowded: tls_waiting")


def test_ceiling_of_connections(own_bed):
    bed = own_bed("connections=30")
    session = bed.login(*bed.pool(3))
    many = [bed.connect() for _ in range(30)]
    for _ in range(3):
        p = bed.connect()
        assert p.greeting.startswith(b"-ERR [SYS/TEMP] ")
        assert p.rest() == b""
        p.close()
    session.ok("NOOP")
    for p in many[:2]:
        p.close()
    let_in(bed, "pop3")
    for p in many[2:]:
        p.close()
    session.quit()


# ---- who does not read

def queued(port, peer_port):
    """octets that the server's socket of this connection has received and nobody has read"""
    with open("/proc/net/tcp") as f:
        for line in f:
            w = line.split()
            if w[1].endswith(":%04X" % port) and w[2].endswith(":%04X" % peer_port):
                return int(w[4].split(":")[1], 16)
    return None


def narrow(bed, port="pop3"):
    """a connection whose own buffers are small, so that it fills soon"""
    p = Pop.__new__(Pop)
    p.bed, p.buf = bed, b""
    p.sock = socket.socket()
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    p.sock.settimeout(20)
    p.sock.connect(("127.0.0.1", bed.ports[port]))
    p.greeting = p.line()
    return p


@pytest.mark.root  # to read the roles' memory maps
@pytest.mark.parametrize("state", ["authorization", "transaction"])
def test_who_does_not_read_is_not_read(state):
    """Thousands of commands, none of their answers read: they stay in the kernel, the server's memory stays flat; and when the
    peer reads at last, every answer comes, in order."""
    bed = Bed(["connections=100"])  # with the shipped write_timeout
    try:
        bed.seed("t0", [b"Subject: %d\n\n" % i for i in range(50)])
        flood_unread(bed, state)
    finally:
        bed.close()


def commands(state):
    """one round of commands, and how the answers to it begin"""
    if state == "transaction":
        return [b"LIST %d\r\n" % n for n in range(1, 51)], [b"+OK %d " % n for n in range(1, 51)]
    return [b"USER x\r\n"] + [b"NOOP\r\n"] * 6, [b"+OK"] + [b"-ERR"] * 6


def send_until_stuck(p, data, most):
    """how many octets were taken before nothing was for a second"""
    sent, quiet = 0, time.monotonic()
    p.sock.setblocking(False)
    while sent < most and time.monotonic() - quiet < 1:
        at = sent % len(data)
        try:
            sent += p.sock.send(data[at:at + 65536])
            quiet = time.monotonic()
        except BlockingIOError:
            time.sleep(0.02)
    p.sock.settimeout(30)
    return sent


def flood_unread(bed, state):
    p = narrow(bed)
    if state == "transaction":
        p.ok("USER t0")
        p.ok("PASS " + bed.target["pool"]["pass"])
    one, wanted = commands(state)
    data = memoryview(b"".join(one) * 1000)
    most = 64 << 20
    at_rest(bed)
    before = pss(bed)
    if before is None:
        pytest.skip(UNREADABLE)
    sent = send_until_stuck(p, data, most)
    assert sent < most
    assert queued(bed.ports["pop3"], p.sock.getsockname()[1]) > 1000
    at_rest(bed)
    assert pss(bed) - before < 2 << 20
    busy = cpu(bed)
    time.sleep(1)
    assert cpu(bed) - busy < 0.3  # and nobody spins
    text = data[:sent % len(data)].tobytes()
    count = sent // len(data) * 1000 * len(one) + text.count(b"\r\n")
    assert count > 2000
    whole = not text or text.endswith(b"\r\n")
    seen, rest = 0, p.buf
    while seen < count:
        piece = p.sock.recv(1 << 20)
        assert piece, (seen, count)
        lines = (rest + piece).split(b"\r\n")
        rest = lines.pop()
        for answer in lines:
            assert answer.startswith(wanted[seen % len(wanted)]), (seen, answer)
            seen += 1
    assert seen == count and rest == b""
    p.buf = b""
    if not whole:
        p.cmd("x")  # whatever has come of it: LIST alone would be another command
    assert p.cmd("QUIT").startswith(b"+OK")
    p.close()


# ---- descriptors

def limit_files(pid, n):
    """as the user the process runs as: also root needs a capability to do it to others"""
    with open("/proc/%d/status" % pid) as f:
        uid, gid = (int(re.search(r"^%s:\s+(\d+)" % w, text, re.M)[1]) for text in [f.read()] for w in ("Uid", "Gid"))
    kw = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(["prlimit", "--pid", str(pid), "--nofile=%s:" % n], check=True, **kw)


def test_no_descriptors_left(hasty):
    """the door rests and does not spin, and serves again when there are some"""
    (door,) = hasty.roles()["door"]
    with open("/proc/%d/limits" % door) as f:
        old = re.search(r"^Max open files +(\d+)", f.read(), re.M)[1]
    hasty.login(*hasty.pool(3)).quit()
    limit_files(door, "40")
    time.sleep(0.2)  # the door believes for 0.1 s what it has read of its limit
    socks = []
    try:
        for _ in range(80):
            socks.append(socket.create_connection(("127.0.0.1", hasty.ports["pop3"]), timeout=5))
        time.sleep(0.5)
        before = cpu(hasty, "door")
        time.sleep(1)
        assert cpu(hasty, "door") - before < 0.2
        hasty.wait_log(r"warning crowded: descriptors: \d+ refused")
        for s in socks[:70]:
            s.close()
        hasty.login(*hasty.pool(3)).quit()
    finally:
        for s in socks:
            s.close()
        limit_files(door, old)
    hasty.login(*hasty.pool(3), port="pop3s").quit()


# ---- memory

SESSIONS, EXCHANGES, ENDLESS = 500, 300, 200
LONG_AUTH = {"pop3": 1500, "pop3s": 500}  # over TLS as many as tls_waiting lets wait, in all


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 2 * (SESSIONS + LONG_AUTH["pop3"] + EXCHANGES + ENDLESS)
    if hard != resource.RLIM_INFINITY and hard < want:
        pytest.skip("RLIMIT_NOFILE is %d" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.root
@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_memory_of_all_hostile_peers_together(many_files, port):
    """Idle connections first, so many of each kind; then all of them turn hostile."""
    bed = Bed(["connections=10000", "cleartext_networks=127.0.0.0/8", "tls_waiting=1000"])
    try:
        hostile(bed, port)
    finally:
        bed.close()


def hostile(bed, port):
    long_auth = LONG_AUTH[port]
    pool = bed.target["pool"]
    verifier = crypt.crypt("pw", "$6$rounds=1000$saltsalt")
    with open(bed.dir + "/large", "wb") as f:
        f.write(b"Subject: large\n\n" + (b"." + b"0123456789abcdef" * 4 + b"\n") * 60000)
        os.fchown(f.fileno(), pool["uid"], pool["gid"])
    with open(bed.dir + "/many", "w") as f:
        for i in range(SESSIONS):
            f.write("m%d:{CRYPT}%s:%d:%d::::\n" % (i, verifier, pool["uid"], pool["gid"]))
    bed.tool("user", "import", bed.dir + "/many", "--maildir")
    for i in range(SESSIONS):
        os.link(bed.dir + "/large", bed.maildir("m%d" % i) + "/new/1.large")
    logged = []
    for i in range(SESSIONS):
        p = connect(bed, i, port)
        p.send("USER m%d\r\nPASS pw\r\n" % i)
        p.line()
        assert p.line().startswith(b"+OK"), i
        logged.append(p)
    idle = [connect(bed, i, port) for i in range(long_auth + EXCHANGES + ENDLESS)]
    at_rest(bed)
    before = pss(bed)
    if before is None:
        pytest.skip(UNREADABLE)
    most = 0

    def look(what):
        """at once, while the server works on it, and when it has"""
        nonlocal most
        soon = pss(bed) - before
        at_rest(bed)
        now = pss(bed) - before
        print("%s: %.1f MB at once, %.1f MB at rest" % (what, soon / 1048576, now / 1048576))
        most = max(most, soon, now)

    for p in logged:
        p.send("RETR 1\r\n")
    look("large messages, not read")
    for p in idle[:long_auth]:
        p.send("AUTH PLAIN\r\n")
    for p in idle[:long_auth]:
        p.line()
    for p in idle[:long_auth]:
        p.sock.setblocking(False)
        p.left = b"A" * 16000
        push(p)
    time.sleep(0.5)
    for p in idle[:long_auth]:
        push(p)
    look("responses without end")
    for p in idle[long_auth:long_auth + EXCHANGES]:
        p.send("AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=m1,r=" + b"r" * 100).decode() + "\r\n")
    for p in idle[long_auth:long_auth + EXCHANGES]:
        p.line()
    look("exchanges left open")
    for p in idle[long_auth + EXCHANGES:]:
        p.sock.setblocking(False)
        p.left = b"x" * 300000
    for _ in range(5):
        for p in idle[long_auth + EXCHANGES:]:
            push(p)
        time.sleep(0.1)
    look("endless lines")
    assert most <= MEMORY, "%.1f MB" % (most / 1048576)
    assert bed.login(*bed.pool(0)).quit().startswith(b"+OK")  # somebody else is served beside
    for p in idle + logged:
        p.close()


def push(p):
    try:
        while p.left:
            p.left = p.left[p.sock.send(p.left):]
    except (BlockingIOError, ssl.SSLWantWriteError, ConnectionError):
        pass


def connect(bed, i, port):
    """from several addresses, as the ports of one may run out; with small buffers in the kernel"""
    p = Pop.__new__(Pop)
    p.bed, p.buf, p.left = bed, b"", b""
    p.sock = socket.socket()
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    p.sock.bind(("127.0.0.%d" % (2 + i % 8), 0))
    p.sock.settimeout(30)
    p.sock.connect(("127.0.0.1", bed.ports[port]))
    if port == "pop3s":
        p.tls()
    p.line()
    return p
