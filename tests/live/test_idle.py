"""What idle connections hold: little for each, and no buffers. The aim is 2 and 4 kB, over TLS 18 and 20, of which OpenSSL has 14; the
ceilings are twice that, over TLS less than one more of its buffers of 17 kB."""
import crypt
import os
import socket
import time

import abuse
import pytest
from bed import Bed, Pop

FEW, MANY = 200, 700
MESSAGES = 2
CEILING = {"pop3": (4, 8), "pop3s": (27, 30)}  # kB of a connection: before the log-in, after it
TALKERS = 80
WORDS, READ = 8, 2  # kB more, of each that has been active: less than any buffer it needed meanwhile

pytestmark = [pytest.mark.root,  # to read the roles' memory maps
              pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="the sanitizers keep memory")]


@pytest.fixture(scope="module")
def crowd():
    """a server with MANY users, each with MESSAGES messages of 100 kB, one file of all"""
    abuse.many_files(2 * MANY + 200)
    bed = Bed(["mail_sessions=5000", "tls_waiting=5000", "connections=5000"])
    pool = bed.target["pool"]
    with open(bed.dir + "/message", "wb") as f:
        f.write(b"Subject: idle\n\n" + b"A line of a message, and a dot:\n.\n" * 3000)
        os.fchown(f.fileno(), pool["uid"], pool["gid"])
    verifier = crypt.crypt("pw", "$6$rounds=1000$saltsalt")
    with open(bed.dir + "/many", "w") as f:
        for i in range(MANY):
            f.write("m%d:{CRYPT}%s:%d:%d::::\n" % (i, verifier, pool["uid"], pool["gid"]))
    bed.tool("user", "import", bed.dir + "/many", "--maildir")
    for i in range(MANY):
        for k in range(MESSAGES):
            os.link(bed.dir + "/message", "%s/new/%d.m" % (bed.maildir("m%d" % i), 1700000000 + k))
    bed.login(*bed.pool(0)).quit()  # so that there is a mail process
    yield bed
    bed.close()


def held(bed):
    """kB that the roles hold and no file has; what they share of programs and libraries may be shared with others beside"""
    return sum(abuse.pss_of(pid, "Pss_Anon|Pss_Shmem") for pids in bed.roles().values() for pid in pids) >> 10


def connect(bed, i, port):
    """from several addresses, as the ports of one may run out"""
    p = Pop.__new__(Pop)
    p.bed, p.buf = bed, b""
    p.sock = socket.socket()
    p.sock.bind(("127.0.0.%d" % (2 + i % 8), 0))
    p.sock.settimeout(30)
    p.sock.connect(("127.0.0.1", bed.ports[port]))
    if port == "pop3s":
        p.tls()
    p.greeting = p.line()
    return p


def log_in(p, i):
    p.send("USER m%d\r\nPASS pw\r\n" % i)
    p.line()
    assert p.line().startswith(b"+OK"), i


def more(bed, peers, n, port):
    for i in range(len(peers), n):
        peers.append(connect(bed, i, port))
    return settled(bed)


def settled(bed):
    abuse.at_rest(bed)
    return held(bed)


def talk(p):
    """what a client says before the log-in, and every buffer is needed for: a line is thrown away, a response is 16 kB"""
    p.ok("CAPA")
    while p.line() != b".":
        pass
    assert p.cmd("x" * 20000).startswith(b"-ERR")
    assert p.cmd("AUTH PLAIN").startswith(b"+")
    assert p.cmd("!" * 16000).startswith(b"-ERR")


def read(p):
    for text in ("LIST", "UIDL", "RETR 1", "TOP 2 5"):
        p.multi(text)
    p.ok("DELE 1")
    p.ok("RSET")


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_an_idle_connection_is_small_and_holds_no_buffer(crowd, port, figure):
    before, after = CEILING[port]
    peers = []
    few = more(crowd, peers, FEW, port)
    many = more(crowd, peers, MANY, port)
    one = (many - few) / (MANY - FEW)
    figure("before the log-in", one, before, "kB")
    for p in peers[:TALKERS]:
        talk(p)
    talked = settled(crowd)
    figure("after many words", (talked - many) / TALKERS, WORDS, "kB more")
    for i, p in enumerate(peers):
        log_in(p, i)
    there = settled(crowd)  # what the door has freed for those who left it is still its own, and counts here
    figure("after the log-in", one + (there - talked) / MANY, after, "kB")
    for p in peers:
        read(p)
    figure("after many messages", (settled(crowd) - there) / MANY, READ, "kB more")
    for p in peers:
        p.close()
