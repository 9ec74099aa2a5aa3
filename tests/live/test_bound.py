"""SCRAM that binds to the TLS connection below it (RFC 5802 6, RFC 5929, RFC 9266): offered where there is something to bind to,
and good for nobody who sits between."""
import base64
import hashlib
import hmac
import os
import ssl
import subprocess
import time

import pytest
from bed import TOP, Bed, Pop
from test_login import refused, set_options

CHANNEL = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/tests/live/channel"
PLUS = [b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-1-PLUS"]


@pytest.fixture(scope="module")
def own():
    b = Bed()
    yield b
    b.close()


def b64(data):
    return base64.b64encode(data).decode()


class Socket:
    """the ends of a program's pipes, with a socket's names"""

    def __init__(self, program):
        self.program = program

    def sendall(self, data):
        self.program.stdin.write(data)

    def recv(self, n):
        return self.program.stdout.read(n)  # unbuffered: what there is

    def close(self):
        self.program.stdin.close()
        self.program.stdout.close()
        self.program.wait(10)


class Exported(Pop):
    """a client whose TLS another program has, which tells what the connection can be bound by"""

    def __init__(self, bed, how="pop3s", *words):
        self.bed, self.buf = bed, b""
        argv = [CHANNEL, str(bed.ports["pop3" if how == "stls" else how])] + ["stls"] * (how == "stls") + list(words)
        program = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.sock = Socket(program)
        line = b""
        while not line.endswith(b"\n"):
            octet = program.stdout.read(1)
            assert octet, program.wait()
            line += octet
        self.kind, octets = line.decode().split()
        self.octets = bytes.fromhex(octets)
        if how != "stls":
            self.greeting = self.line()


class Unique(Pop):
    """Python's own TLS 1.2, which knows tls-unique"""

    def __init__(self, bed, how="pop3s", session=None, ems=True):
        self.session, self.ems = session, ems
        self.kind = "tls-unique"
        super().__init__(bed, "pop3s" if how == "pop3s" else "pop3")
        if how == "stls":
            self.stls()

    def over_tls(self):
        ctx = self.session[0] if self.session else ssl.create_default_context(cafile=self.bed.cert)
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
        if not self.ems:
            ctx.options |= 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET
        self.sock = ctx.wrap_socket(self.sock, server_hostname="localhost", session=self.session[1] if self.session else None)
        self.octets = self.sock.get_channel_binding("tls-unique")
        self.context = ctx


def scram(p, name, password, hash="sha256", plus=True, flag=None, octets=None):
    """a whole exchange; the last answer"""
    word = {"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}[hash] + "-PLUS" * plus
    header = ("p=" + p.kind if plus else "n") if flag is None else flag
    header = header.encode() + b",,"
    octets = (p.octets if plus else b"") if octets is None else octets
    bare = b"n=%s,r=%s" % (name.encode(), base64.b64encode(os.urandom(12)))
    line = p.cmd("AUTH %s %s" % (word, b64(header + bare)))
    if not line.startswith(b"+ "):
        return line
    first = base64.b64decode(line[2:])
    got = dict(w.split(b"=", 1) for w in first.split(b","))
    salted = hashlib.pbkdf2_hmac(hash, password.encode(), base64.b64decode(got[b"s"]), int(got[b"i"]))
    key = hmac.digest(salted, b"Client Key", hash)
    final = b"c=%s,r=%s" % (base64.b64encode(header + octets), got[b"r"])
    text = b",".join((bare, first, final))
    sign = hmac.digest(hashlib.new(hash, key).digest(), text, hash)
    line = p.cmd(b64(final + b",p=" + base64.b64encode(bytes(x ^ y for x, y in zip(key, sign)))))
    if not line.startswith(b"+ "):
        return line
    wanted = hmac.digest(hmac.digest(salted, b"Server Key", hash), text, hash)
    assert base64.b64decode(line[2:]) == b"v=" + base64.b64encode(wanted)
    return p.cmd("")


def announced(p):
    for line in p.multi("CAPA"):
        if line.startswith(b"SASL "):
            return line.split()[1:]
    return []


KINDS = {"exporter": Exported, "unique": Unique, "unique-openssl": lambda bed, how: Exported(bed, how, "--tls12")}


@pytest.mark.parametrize("how", ["pop3s", "stls"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hash", ["sha1", "sha256"])
def test_a_bound_log_in(own, kind, how, hash):
    name, password = own.user()
    own.seed(name, [b"Subject: mine\n\nx\n"])
    p = KINDS[kind](own, how)
    assert p.kind == ("tls-exporter" if kind == "exporter" else "tls-unique")
    assert announced(p)[:3] == [b"EXTERNAL"] + PLUS
    assert refused(scram(p, name, "wrong", hash))
    assert refused(scram(p, "nobody-here", password, hash))
    assert scram(p, name, password, hash).startswith(b"+OK main has 1 ")
    assert announced(p)[:3] == [b"EXTERNAL"] + PLUS  # after the log-in too (RFC 2449 5)
    assert p.retr(1) == b"Subject: mine\r\n\r\nx\r\n"
    p.quit()


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_sits_between_gets_nothing(own, kind):
    """what was bound to another connection, or is not the connection's own, is refused although the password is right"""
    name, password = own.user()
    p, other = KINDS[kind](own, "pop3s"), KINDS[kind](own, "pop3s")
    assert p.octets != other.octets
    flipped = bytes([p.octets[0] ^ 1]) + p.octets[1:]
    for octets in (other.octets, flipped, p.octets[:-1], p.octets + b"x", b""):
        assert refused(scram(p, name, password, octets=octets)), octets
    for flag in ("p=tls-server-end-point", "p=tls-unique" if p.kind == "tls-exporter" else "p=tls-exporter", "n", "y", "p="):
        assert scram(p, name, password, flag=flag).startswith(b"-ERR [AUTH]"), flag
    assert scram(p, name, password).startswith(b"+OK")
    p.quit()
    other.close()


@pytest.mark.parametrize("kind", KINDS)
def test_who_says_that_we_do_not_offer_it_was_lied_to(own, kind):
    """RFC 5802 6: \"y\" where we do offer to bind; \"n\" is who cannot, and \"p\" belongs to -PLUS"""
    name, password = own.user()
    p = KINDS[kind](own, "pop3s")
    for hash in ("sha1", "sha256"):
        assert refused(scram(p, name, password, hash, plus=False, flag="y"))
        assert refused(scram(p, name, password, hash, plus=False, flag="p=" + p.kind, octets=p.octets))
    assert scram(p, name, password, plus=False, flag="n").startswith(b"+OK")
    p.quit()


def test_nothing_to_bind_to(own):
    """in the clear, and in TLS 1.2 without the extended master secret (RFC 7627), it is neither offered nor given"""
    name, password = own.user()
    for p in (own.connect(), Unique(own, ems=False), Exported(own, "pop3s", "--tls12", "--no-ems")):
        assert announced(p) and not set(announced(p)) & set(PLUS)
        assert p.cmd("AUTH").startswith(b"+OK") and b"PLUS" not in p.body()
        for word in PLUS:
            assert p.cmd(b"AUTH " + word) == b"-ERR This mechanism is not offered"
        p.kind = "tls-unique"
        assert refused(scram(p, name, password, plus=False, flag="p=tls-unique", octets=b"x" * 12))
        assert scram(p, name, password, plus=False, flag="y").startswith(b"+OK")  # and so it is no lie
        assert not set(announced(p)) & set(PLUS)
        p.quit()


def test_a_resumed_connection_is_bound_by_its_own_finished(own):
    """RFC 5929 3.1: the first Finished, then the server's"""
    name, password = own.user()
    first = Unique(own)
    first.cmd("NOOP")
    session = (first.context, first.sock.session)
    again = Unique(own, session=session)
    assert again.sock.session_reused and again.octets != first.octets
    assert refused(scram(again, name, password, octets=first.octets))
    assert scram(again, name, password).startswith(b"+OK")
    again.quit()
    first.close()


def test_only_what_is_configured():
    """without -PLUS in sasl_mechanisms it is neither offered nor missed"""
    b = Bed(["sasl_mechanisms=SCRAM-SHA-256 PLAIN"])
    try:
        name, password = b.user()
        p = Exported(b)
        assert announced(p) == [b"SCRAM-SHA-256", b"PLAIN"]
        assert p.cmd("AUTH SCRAM-SHA-256-PLUS") == b"-ERR This mechanism is not offered"
        assert p.cmd("AUTH CRAM-MD5") == b"-ERR This mechanism is not offered"
        assert scram(p, name, password, plus=False, flag="y").startswith(b"+OK")
        p.quit()
    finally:
        b.close()


def test_a_bound_refusal_takes_its_time(own):
    """as any other: at a tick, no earlier than failure_delay"""
    name, password = own.user()
    set_options(own, failure_delay="350ms")
    p = Exported(own)
    for octets in (b"x" * 32, p.octets):
        start = time.monotonic()
        assert refused(scram(p, name, "wrong", octets=octets))
        assert 0.35 <= time.monotonic() - start < 2
    p.close()
