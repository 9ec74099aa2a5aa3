"""Listeners behind a proxy (haproxy's proxy-protocol.txt): whom the header names is the client for all that follows, and nobody but the
proxies of proxy_networks is listened to. The proxy is 127.0.0.2, a stranger 127.0.0.1."""
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest
from bed import Bed, Mail, Pop
from freeports import free_port
from test_login import set_options

PROXY, STRANGER = "127.0.0.2", "127.0.0.1"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT_SSL = b"\x20" + struct.pack(">H", 5) + b"\1" + bytes(4)
SERVICES = ("pop3", "pop3s", "pop3 cleartext=no", "smtp", "lmtp")


@pytest.fixture(scope="module")
def bed():
    b = Bed(["cleartext_networks=127.0.0.0/8 192.0.2.0/24", "lmtp_networks=192.0.2.0/24 127.0.0.0/8", "log_level=info"])
    b.behind = {service: free_port() for service in SERVICES}
    with open(b.target["config"], "a") as f:
        f.write("proxy_networks = %s\n" % PROXY)
        for service, port in b.behind.items():
            f.write("listen = 127.0.0.1:%d %s proxy=required\n" % (port, service))
    b.restart()
    yield b
    b.close()


def v1(address="192.0.2.7"):
    family = "TCP6 %s 2001:db8::2" if ":" in address else "TCP4 %s 198.51.100.1"
    return b"PROXY " + family.encode() % address.encode() + b" 4711 110\r\n"


def v2(address="192.0.2.7", more=b"", command=0x21):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    octets = socket.inet_pton(family, address)
    body = octets + octets + struct.pack(">HH", 4711, 110) + more
    return SIGNATURE + bytes([command, 0x21 if ":" in address else 0x11]) + struct.pack(">H", len(body)) + body


def connect(bed, service, source=PROXY):
    s = socket.create_connection(("127.0.0.1", bed.behind[service]), timeout=20, source_address=(source, 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Behind(Pop):
    """a client of POP3, as its proxy passes it on"""

    def __init__(self, bed, header, service="pop3"):
        self.bed, self.buf = bed, b""
        self.sock = connect(bed, service)
        if service == "pop3s":
            self.sock.send(header, socket.MSG_MORE)  # the beginning of TLS is in the same packet
            self.tls()
        else:
            self.send(header)
        self.greeting = self.line()

    def log_in(self, name):
        self.ok("USER " + name)
        return self.cmd("PASS " + self.bed.password(name))


class MailBehind(Mail):
    def __init__(self, bed, header, service="smtp"):
        self.bed, self.buf, self.lmtp = bed, b"", service == "lmtp"
        self.sock = connect(bed, service)
        self.send(header)
        self.greeting = self.reply()


def address_of_session(bed, name, start):
    return bed.wait_log(r'mail info session: user="%s" addr=(\S+) tls=(\S+) ' % name, start=start).groups()


# ---- whom it names

@pytest.mark.parametrize("service", ["pop3", "pop3s"])
@pytest.mark.parametrize("header", [v1(), v2(), v1("2001:db8::7"), v2("2001:db8::7"), v2("::ffff:192.0.2.7")])
def test_the_address(bed, service, header):
    address = "2001:db8::7" if b"db8::7" in header or b"\x0d\xb8" in header else "192.0.2.7"
    start = len(bed.log())
    p = Behind(bed, header, service)
    if address != "192.0.2.7" and service == "pop3":
        p.stls()  # it is in none of cleartext_networks
    assert p.log_in("t1").startswith(b"+OK")
    assert address in bed.tool("who").stdout
    p.quit()
    assert address_of_session(bed, "t1", start)[0] == address


def test_what_is_behind_it(bed):
    """nothing of it is lost or read twice, however the header came"""
    for header in (v1(), v2(), v2(more=b"\4\0\0" + b"\2\0\7example")):
        s = connect(bed, "pop3")
        s.sendall(header + b"CAPA\r\nQUIT\r\n")
        got = b""
        while part := s.recv(4096):
            got += part
        s.close()
        assert got.count(b"+OK") == 3 and got.count(b"\r\nUIDL\r\n") == 1, got
        p = Pop.__new__(Pop)
        p.bed, p.buf, p.sock = bed, b"", connect(bed, "pop3")
        for i in range(len(header)):
            p.send(header[i:i + 1])
            time.sleep(0.002)
        assert p.line().startswith(b"+OK") and p.quit().startswith(b"+OK")


def test_apop_and_sasl(bed):
    name, password = bed.user()
    for way in ("apop", "plain"):
        start = len(bed.log())
        p = Behind(bed, v2())
        assert getattr(p, way)(name, password).startswith(b"+OK")
        p.quit()
        assert address_of_session(bed, name, start)[0] == "192.0.2.7"
    start = len(bed.log())
    p = Behind(bed, v2("192.0.2.66"))
    assert p.plain(name, "wrong").startswith(b"-ERR")
    p.close()
    bed.wait_log(r'refused: user="%s" addr=192.0.2.66\b' % name, start=start)


def test_curl(bed):
    out = subprocess.run(["curl", "-sS", "--interface", PROXY, "--haproxy-protocol", "-u", "%s:%s" % bed.user(),
                          "pop3://127.0.0.1:%d/" % bed.behind["pop3"]], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out.stderr


# ---- passwords, and TLS that ends at the proxy

def capabilities(p):
    return p.multi("CAPA")


def test_passwords_in_the_clear(bed):
    """as cleartext_networks says of the client, not of the proxy"""
    far = Behind(bed, v2("198.51.100.1"))
    assert b"USER" not in capabilities(far) and b"STLS" in capabilities(far)
    assert far.cmd("USER t1").startswith(b"-ERR")
    far.quit()
    near = Behind(bed, v2("192.0.2.1"))
    assert b"USER" in capabilities(near)
    near.quit()
    for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\0\0\0", SIGNATURE + b"\x21\x31\0\xd8" + bytes(216)):
        unknown = Behind(bed, header)
        assert b"USER" not in capabilities(unknown), header
        unknown.quit()


@pytest.mark.parametrize("service", ["pop3", "pop3 cleartext=no"])
def test_tls_at_the_proxy(bed, service):
    start = len(bed.log())
    p = Behind(bed, v2("198.51.100.1", CLIENT_SSL), service)
    offered = capabilities(p)
    assert b"USER" in offered and b"STLS" not in offered
    assert not any(b"-PLUS" in line or b"EXTERNAL" in line for line in offered)  # nothing here to bind to, no certificate seen
    assert p.log_in("t2").startswith(b"+OK")
    assert b"STLS" not in capabilities(p)
    p.quit()
    assert address_of_session(bed, "t2", start) == ("198.51.100.1", "proxy")
    not_tls = Behind(bed, v2("198.51.100.1", CLIENT_SSL.replace(b"\5\1", b"\5\2")), service)
    assert b"USER" not in capabilities(not_tls)
    not_tls.quit()


def test_its_own_connections(bed):
    """LOCAL: as checks of health make them; the address is the proxy's"""
    start = len(bed.log())
    for header in (SIGNATURE + b"\x20\0\0\0", v2("198.51.100.99", CLIENT_SSL, 0x20)):
        p = Behind(bed, header)
        assert b"USER" in capabilities(p) and b"STLS" in capabilities(p)
        p.quit()
    bed.wait_log(r"connection: addr=%s .*end=quit" % PROXY, start=start)
    assert "198.51.100.99" not in bed.log()[start:]


# ---- mail

def test_reception(bed):
    m = MailBehind(bed, v1("192.0.2.9"))
    m.hello()
    assert m.deliver("t4@localhost", b"Subject: x\r\n\r\nbody\r\n")[0].startswith(b"250")
    m.quit()
    assert b"[192.0.2.9]" in bed.received("t4", strip=False)[0]
    m = MailBehind(bed, v2("192.0.2.9"), "lmtp")
    m.hello()
    m.quit()
    far = MailBehind(bed, v2("198.51.100.1"), "lmtp")  # in none of lmtp_networks, though the proxy's neighbour is
    assert far.greeting.startswith(b"421")
    far.close()
    unknown = MailBehind(bed, b"PROXY UNKNOWN\r\n", "lmtp")  # the proxy may, whoever is behind it may not
    assert unknown.greeting.startswith(b"421")
    unknown.close()
    own = MailBehind(bed, SIGNATURE + b"\x20\0\0\0", "lmtp")
    assert own.greeting.startswith(b"220")
    own.close()
    inside = MailBehind(bed, v2("198.51.100.1", CLIENT_SSL))
    assert b"STARTTLS" not in inside.hello()
    inside.quit()
    outside = MailBehind(bed, v2("198.51.100.1"))
    assert b"STARTTLS" in outside.hello()
    outside.tls()
    outside.quit()


def test_limits_are_the_clients(bed):
    set_options(bed, smtp_connections="2")
    try:
        two = [MailBehind(bed, v2("192.0.2.20")) for _ in range(2)]
        assert all(m.greeting.startswith(b"220") for m in two)
        third, other = MailBehind(bed, v2("192.0.2.20")), MailBehind(bed, v2("192.0.2.21"))
        assert third.greeting.startswith(b"421") and other.greeting.startswith(b"220")
        for m in two + [third, other]:
            m.close()
    finally:
        set_options(bed, smtp_connections="10000")


# ---- who is not listened to

def closed(sock, secs=10):
    """without a word"""
    sock.settimeout(secs)
    try:
        assert sock.recv(100) == b""
    except ConnectionResetError:
        pass
    sock.close()


@pytest.mark.parametrize("service", SERVICES)
def test_strangers(bed, service):
    start = len(bed.log())
    s = connect(bed, service, STRANGER)
    s.sendall(v1())
    closed(s)
    bed.wait_log(r"door warning proxy: service=%s addr=%s closed: it is in none of proxy_networks\n" % (service.split()[0], STRANGER), start=start)
    assert "192.0.2.7" not in bed.log()[start:]


def hello():
    """the beginning of TLS"""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


WRONG = [
    (b"CAPA\r\n", "there is none"),
    (b"EHLO x\r\n", "there is none"),
    (b"PROXY", "it ended without a header"),
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", "it has no two ports"),
    (b"PROXY TCP4 example.org 198.51.100.1 1 2\r\n", "it has no two addresses"),
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 110\n", "its line does not end with CRLF"),
    (b"PROXY TCP4 " + b"1" * 10000, "its line is too long"),
    (SIGNATURE + b"\x21\x11\xff\xff" + bytes(65535), "it is too long"),
    (SIGNATURE + b"\x31\x11\0\x0c" + bytes(12), "it has an unknown version or command"),
    (v2(more=b"\2\0\7ex"), "one of its fields reaches beyond it"),
    (v2(more=b"\3\0\4abcd"), "its checksum is wrong"),
    (SIGNATURE[:7], "it ended without a header"),
]


def test_wrong_headers(bed):
    for data, why in WRONG + [(hello(), "there is none")]:
        start = len(bed.log())
        s = connect(bed, "pop3")
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        closed(s)
        bed.wait_log(r"proxy: service=pop3 addr=%s closed: %s\n" % (PROXY, why), start=start)


def test_silence(bed):
    """five seconds, whatever comes of the header; and nobody else waits for it"""
    start, began = len(bed.log()), time.monotonic()
    silent, half = connect(bed, "pop3"), connect(bed, "pop3s")
    half.sendall(v1()[:20])
    Behind(bed, v2()).quit()
    for sock in (silent, half):
        closed(sock, 20)
    assert 4 < time.monotonic() - began
    bed.wait_log(r"service=pop3 addr=%s closed: it said no header\n" % PROXY, start=start)
    bed.wait_log(r"service=pop3s addr=%s closed: its header did not come to an end\n" % PROXY, start=start)


def test_a_flood_is_no_flood_of_lines(bed):
    start = len(bed.log())
    for _ in range(300):
        connect(bed, "pop3", STRANGER).close()
    Behind(bed, v2()).quit()
    time.sleep(0.2)
    assert len(re.findall(r"warning proxy: ", bed.log()[start:])) <= 200  # a hundred in ten seconds, of which two may have begun


def test_the_end_of_the_server(bed):
    """it does not wait for those who have said nothing yet"""
    silent = connect(bed, "pop3")
    silent.sendall(b"PROXY ")
    time.sleep(0.2)
    pid, start = bed.pid, len(bed.log())
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    closed(silent)
    bed.wait_log("master info stop: ended", start=start)
    assert time.monotonic() - began < 4
    bed.restart()
