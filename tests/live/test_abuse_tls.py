"""TLS gone wrong: hellos cut, changed and never finished, the wrong protocol, renegotiation and new keys without end, and commands
smuggled in before STLS. An honest session over TLS is served beside."""
import random
import re
import socket
import ssl
import subprocess
import time

import abuse
import pytest
from abuse import FULL, Honest, Thrower, Unchanged, throw
from test_abuse_ends import Tls, connect

SLOWEST = 2.0
HELLOS = 2000 if FULL else 300
KEYS = 200 if FULL else 50


@pytest.fixture(scope="module")
def bed():
    b = abuse.stock()
    yield b
    b.close()


def hello(bed):
    t = Tls(bed)
    t.step(t.tls.do_handshake)
    return t.out.read()


# ---- handshakes

def broken(r, good):
    """a client's first flight, with something wrong"""
    data = bytearray(good)
    for _ in range(r.randrange(1, 8)):
        what = r.randrange(6)
        at = r.randrange(len(data)) if data else 0
        if what == 0 and data:
            data[at] = r.randrange(256)
        elif what == 1:
            data[at:at] = r.randbytes(r.randrange(1, 40))
        elif what == 2:
            del data[at:at + r.randrange(1, 40)]
        elif what == 3:
            data[at:] = b""
        elif what == 4:
            data[at:at + 2] = r.choice((b"\xff\xff", b"\0\0", b"\x40\x01"))  # lengths
        else:
            data += bytes([r.choice((20, 21, 22, 23, 24, 128))]) + b"\x03\x03" + r.choice((b"\0\0", b"\0\2\1\0", b"\0\1\1", b"\x40\0" + b"x" * 0x4000, b"\xff\xff" + b"y" * 100))
    return bytes(data)


@pytest.mark.parametrize("port", ["pop3s", "pop3"])
def test_broken_handshakes(bed, figure, port):
    """none is a session, each ends at once; STLS too"""
    number, good = abuse.seed(), hello(bed)
    print("ABUSE_SEED=%d" % number)

    def peers():
        for i in range(HELLOS):
            r = random.Random("%d.%d" % (number, i))
            yield Thrower(i, ([(0, b"STLS\r\n"), (0.02, b"")] if port == "pop3" else []) + [(0, broken(r, good))])

    ends = {}

    def done(p):
        ends[p.end] = ends.get(p.end, 0) + 1
        if port == "pop3s":
            assert b"+OK" not in p.got

    start = time.monotonic()
    with Unchanged(bed, figure), Honest(bed, "pop3s") as honest:
        throw(bed.ports[port], peers(), patience=20, done=done)
    print(ends)
    figure("%d broken handshakes on %s" % (HELLOS, port), time.monotonic() - start, 300, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


def test_handshakes_never_finished(bed, figure):
    """200 that stop in the middle hold next to nothing, and the honest notice nothing"""
    good = hello(bed)
    with Unchanged(bed, figure), Honest(bed, "pop3s") as honest:
        before = abuse.pss(bed)
        socks = [connect(bed, "pop3s") for _ in range(200)]
        for n, s in enumerate(socks):
            s.sendall(good[:1 + n * 7 % len(good)])
        time.sleep(2)
        if before is not None:
            figure("memory for 200 handshakes in the middle", (abuse.pss(bed) - before) / 1048576, 32, "MB more")
        for s in socks:
            s.close()
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


def test_wrong_alpn(bed, figure):
    """a browser that was led here ends with an alert (RFC 7301 3.2), not with a session: what it says is never read as POP3"""
    wrong = (["h2", "http/1.1"], ["imap"], ["smtp"], ["pop3x"], ["POP3"], ["x" * 255] * 200)
    served = 0
    with Unchanged(bed, figure):
        for protocols in wrong:
            ctx = ssl.create_default_context(cafile=bed.cert)
            ctx.set_alpn_protocols(protocols)
            try:
                with ctx.wrap_socket(socket.create_connection(("127.0.0.1", bed.ports["pop3s"]), timeout=10), server_hostname="localhost") as s:
                    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    served += s.recv(10) != b""
            except OSError:  # an alert: ssl.SSLError
                pass
    figure("of %d wrong ALPN lists were served" % len(wrong), served, 0)


# ---- new keys

def s_client(bed, words, lines, *, port="pop3s"):
    """openssl's client; `lines` are given one after the other, as by a person: (what it printed, seconds of processor time at the door)"""
    before = abuse.cpu(bed, "door")
    p = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % bed.ports[port], "-CAfile", bed.cert, *words],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        time.sleep(0.5)
        for line in lines:
            try:
                p.stdin.write(line + b"\n")
                p.stdin.flush()
            except BrokenPipeError:
                break
            time.sleep(0.01)
        time.sleep(0.5)
        try:
            p.stdin.close()
        except BrokenPipeError:
            pass
        out = p.stdout.read()
        p.wait(20)
    finally:
        p.kill()
        p.wait()
        p.stdout.close()
    return out, abuse.cpu(bed, "door") - before


def test_renegotiation(bed, figure):
    """a client of TLS 1.2 that asks for it (CVE-2009-3555, and as a way to cost us: CVE-2011-1473) gets none, before and after the log-in"""
    name, password = abuse.pool(bed, 0)
    for before in ([], [b"USER " + name.encode(), b"PASS " + password.encode()]):
        with Unchanged(bed, figure), Honest(bed, "pop3s") as honest:
            out, spent = s_client(bed, ["-tls1_2"], before + [b"R"] * (20 if FULL else 5))
        assert b"RENEGOTIATING" in out
        assert re.search(rb"(?i)no renegotiation|alert|error", out) or out.count(b"verify return:1") <= 2, out[-2000:]
        shakes = len(re.findall(rb"verify return:1", out))  # one for each handshake
        figure("handshakes of one who renegotiates, %s" % ("after the log-in" if before else "before it"), shakes, 1)
        figure("processor time for it", spent, 1.0, "s")
        figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


def test_new_keys_without_end(bed, figure):
    """KeyUpdate of TLS 1.3 (RFC 8446 4.6.3), each of which asks for one back, over and over: little work, and the session goes on"""
    name, password = abuse.pool(bed, 1)
    with Unchanged(bed, figure), Honest(bed, "pop3s") as honest:
        out, spent = s_client(bed, ["-tls1_3", "-crlf"], [b"USER " + name.encode(), b"PASS " + password.encode()] + [b"K"] * KEYS + [b"STAT", b"QUIT"])
    # s_client sees a command only at the beginning of what it has read at once
    assert out.count(b"KEYUPDATE") > KEYS * 0.8 and re.search(rb"\+OK 3 \d+\r?\n", out), out[-2000:]
    figure("processor time for %d new keys" % KEYS, spent, 1.0, "s")
    figure("longest step of the honest session beside", honest.worst, SLOWEST, "s")


# ---- STLS

def stls_then(bed, before, inside):
    """what was answered in the clear to `before`, which ends with STLS and more; and inside TLS to `inside`"""
    s = connect(bed, "pop3")
    s.sendall(before)
    got = b""
    while not re.search(rb"(?m)^\+OK Begin|^\+OK.*TLS", got):
        data = s.recv(4096)
        assert data, got
        got += data
    t = Tls(bed)
    assert t.shake(s)
    t.send(s, inside)
    out = b""
    while True:
        data = t.recv(s)
        if not data:
            break
        out += data
    s.close()
    return got, out


INJECTED = [b"USER main\r\nPASS Tanqueray-7\r\nDELE 1\r\n", b"CAPA\r\n" * 20, b"USER main\r\n", b"AUTH PLAIN\r\n", b"AUTH PLAIN AG1haW4AVGFucXVlcmF5LTc=\r\n",
            b"NOOP", b"\r\n\r\n", b"STLS\r\n", b"x" * 5000, b"QUIT\r\n"]


def test_stls_injection(bed, figure):
    """what was said in the clear behind STLS is never executed inside (RFC 2595 4, CVE-2011-0411), nor the beginning of a line"""
    executed, tried = 0, 0
    want = stls_then(bed, b"STLS\r\n", b"PASS x\r\nQUIT\r\n")[1]
    assert want.count(b"\r\n") == 2 and want.startswith(b"-ERR")
    for words in INJECTED:
        for head in (b"", b"USER main\r\n", b"CAPA\r\nUSER main\r\n"):
            tried += 1
            try:
                inside = stls_then(bed, head + b"STLS\r\n" + words, b"PASS x\r\nQUIT\r\n")[1]
            except EOFError:  # more than is read at once: the rest of it is no handshake
                assert len(words) > 4096
                continue
            executed += inside != want
    figure("of %d injections had an effect" % tried, executed, 0)


def test_stls_where_it_does_not_belong(bed, figure):
    """within an exchange, twice, after the log-in, inside TLS; and with words instead of a handshake"""
    name, password = abuse.pool(bed, 2)
    with Unchanged(bed, figure):
        p = bed.connect()
        assert p.cmd("AUTH LOGIN").startswith(b"+ ")
        assert p.cmd("STLS").startswith(b"+ ")  # the name, as base64 has it
        assert p.cmd("*").startswith(b"-ERR")
        p.stls()
        assert p.cmd("STLS").startswith(b"-ERR")
        p.ok("USER " + name)
        p.ok("PASS " + password)
        assert p.cmd("STLS").startswith(b"-ERR")
        p.quit()
        p = bed.connect("pop3s")
        assert p.cmd("STLS").startswith(b"-ERR")
        p.quit()
        p = bed.connect()
        p.ok("STLS")
        p.send("USER main\r\nQUIT\r\n")
        start = time.monotonic()
        assert b"+OK" not in p.rest()
        figure("words instead of a handshake, to the end", time.monotonic() - start, 5, "s")
        p.close()
