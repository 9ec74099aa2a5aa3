"""A client whose link has been cut keeps nobody from his maildrop: whoever comes has it within 5 s. One that is there, and only says or
reads nothing, is not taken for dead."""
import shutil
import socket
import time

import pytest
from bed import Bed, Pop
from netns import Cable

WITHIN = 2 * 5.0  # the bar, generously: other things run on this machine
BIG = b"Subject: big\n\n" + b"0123456789abcdef" * 4 * 1024 * 128  # 8 MB: more than the sockets hold
KINDS = ["pop3", "pop3s"]

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("ip"), reason="needs ip, of iproute2")]


@pytest.fixture(scope="module")
def cable():
    c = Cable()
    yield c
    c.close()


@pytest.fixture(scope="module")
def far(cable):
    """a server at one end of the cable, which may be reached by it"""
    with cable.inside("here"):
        b = Bed(["busy=wait", "busy_wait=%ds" % (WITHIN + 5), "cleartext_networks=127.0.0.0/8 192.0.2.0/24"])
        with open(b.target["config"], "a") as f:
            for port, service in (("pop3", "pop3"), ("pop3s", "pop3s")):
                f.write("listen = %s:%d %s\n" % (cable.HERE, b.ports[port], service))
        b.restart()
    yield b
    b.close()


class Far(Pop):
    """a client at the other end, or at this one, whose system takes no more than it must"""

    def __init__(self, bed, cable, kind, where="there"):
        self.bed, self.buf = bed, b""
        with cable.inside(where):
            self.sock = socket.socket()
        self.sock.settimeout(60)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.sock.connect((cable.HERE, bed.ports["pop3s" if kind == "pop3s" else "pop3"]))
        if kind == "pop3s":
            self.tls()
        self.greeting = self.line()


def come(p, name, password):
    p.ok("USER " + name)
    p.send("PASS %s\r\n" % password)
    return p


def near(bed, cable, kind="pop3"):
    with cable.inside("here"):
        return bed.connect("pop3s" if kind == "pop3s" else "pop3", timeout=60)


numbers = iter(range(40))


@pytest.fixture
def name(far):
    return "t%d" % next(numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_an_idle_one_is_replaced(far, cable, name, kind):
    far.seed(name, [b"Subject: x\n\n"] * 2)
    dead = come(Far(far, cable, kind), name, far.password(name))
    assert dead.line().startswith(b"+OK")
    dead.ok("DELE 1")
    time.sleep(0.5)  # nothing is on its way, not even an acknowledgement
    cable.cut()
    try:
        start = time.monotonic()
        p = come(near(far, cable, kind), name, far.password(name))
        assert p.line().startswith(b"+OK")
        took = time.monotonic() - start
        assert took < WITHIN, took
        print("replaced after %.1f s" % took)
        assert p.stat()[0] == 2
        p.quit()
    finally:
        dead.close()
        cable.mend()




@pytest.mark.parametrize("kind", KINDS)
def test_one_that_reads_a_message(far, cable, name, kind):
    """the link is cut in the midst of it; and one that has stopped reading, but is there, gets all of it later"""
    far.seed(name, [BIG])
    there = "t%d" % next(numbers)
    far.seed(there, [BIG])
    alive = come(Far(far, cable, kind, "here"), there, far.password(there))
    assert alive.line().startswith(b"+OK")
    alive.send("RETR 1\r\n")
    dead = come(Far(far, cable, kind), name, far.password(name))
    assert dead.line().startswith(b"+OK")
    dead.send("RETR 1\r\n")
    for _ in range(20):
        dead.fill()
    cable.cut()
    try:
        start = time.monotonic()
        other = come(near(far, cable), there, far.password(there))
        p = come(near(far, cable, kind), name, far.password(name))
        assert p.line().startswith(b"+OK")
        took = time.monotonic() - start
        assert took < WITHIN, took
        print("replaced after %.1f s" % took)
        p.quit()
        time.sleep(max(0, start + 6 - time.monotonic()))  # so long it has been asked
        other.close()
        alive.line()
        assert len(alive.body()) > len(BIG)
        alive.quit()
    finally:
        dead.close()
        cable.mend()


def test_refused_and_yet_asked(far, cable, name):
    """with refuse nobody waits; but who comes again a little later is let in"""
    far.seed(name, [b"Subject: x\n\n"])
    config = far.target["config"]
    with open(config) as f:
        old = f.read()
    with open(config, "w") as f:
        f.write("\n".join(line for line in old.split("\n") if not line.startswith("busy")) + "busy = refuse\n")
    with cable.inside("here"):
        far.restart()
    dead = come(Far(far, cable, "pop3"), name, far.password(name))
    assert dead.line().startswith(b"+OK")
    cable.cut()
    try:
        start = time.monotonic()
        answer = b"-ERR [IN-USE]"
        tries = 0
        while answer.startswith(b"-ERR [IN-USE]") and time.monotonic() - start < WITHIN:
            p = come(near(far, cable), name, far.password(name))
            answer = p.line()
            tries += 1
            time.sleep(0.5)
        assert answer.startswith(b"+OK"), answer
        assert tries > 1
        p.quit()
    finally:
        dead.close()
        cable.mend()
