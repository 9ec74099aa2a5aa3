"""Who takes all places, tries all passwords or leaves no descriptors: others are served beside. Each test prints its figure; its bar is twice
what is promised, for machines that are busy."""
import multiprocessing
import os
import resource
import select
import signal
import socket
import time

import pytest
from bed import Bed, Pop

PROMISED = 2.0  # seconds that an honest user waits while one address holds whatever it can
MANY = 10000
HONEST = "127.0.0.2"
ATTACKER = "127.1.0.1"


def strict(*more):
    """as shipped, but that this machine's own addresses are held to the limits, too"""
    return Bed(["trusted_networks=", "cleartext_networks=127.0.0.0/8", *more], stock=True)


@pytest.fixture(scope="module")
def bed():
    b = strict()
    b.shipped = open(b.target["config"]).read()
    yield b
    b.close()


def configure(bed, options):
    """takes options up while it runs, and all others as shipped; how long the log is then"""
    start = len(bed.log())
    with open(bed.target["config"], "w") as f:
        f.write(bed.shipped + "".join("%s = %s\n" % tuple(o.split("=")) for o in options))
    os.kill(bed.pid, signal.SIGHUP)
    bed.wait_log(r"reload: \S+ read", start=start)
    return len(bed.log())


# ---- connections that say nothing

def hold(port, sources, count, said, ready, stop):
    """In a process of its own: keeps `count` connections open that say `said` and no more; what is closed is opened again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    poll, socks, number, opened = select.epoll(), {}, 0, 0
    while not stop.is_set():
        for _ in range(200):
            if len(socks) >= count:
                break
            s = socket.socket()
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no port waits for its end
            s.bind((sources[number % len(sources)], 0))
            s.connect_ex(("127.0.0.1", port))
            poll.register(s, select.EPOLLIN | select.EPOLLOUT if said else select.EPOLLIN)
            socks[s.fileno()] = s
            number += 1
            opened += 1
        if opened >= count:
            ready.set()
        for fd, what in poll.poll(0.02):
            s = socks[fd]
            try:
                if what & select.EPOLLOUT:
                    s.send(said)
                    poll.modify(fd, select.EPOLLIN)
                elif s.recv(4096) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(fd)
                del socks[fd]
                s.close()
    os._exit(0)


class Holding:
    def __init__(self, *args):
        ready, self.stop = multiprocessing.Event(), multiprocessing.Event()
        self.process = multiprocessing.Process(target=hold, args=(*args, ready, self.stop))
        self.process.start()
        assert ready.wait(60), "the connections were not opened"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.process.join(20)


def hello():
    """the first half of a ClientHello"""
    import ssl
    out = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    data = out.read()
    return data[:len(data) // 2]


def session(bed, port, source=HONEST):
    """seconds from the connection to the end of a whole session, however often he must try"""
    name, password = bed.pool(0)
    start = time.monotonic()
    while True:
        p = None
        try:
            p = Pop(bed, port, 10, source)
            p.ok("USER " + name)
            p.ok("PASS " + password)
            p.stat()
            p.quit()
            return time.monotonic() - start
        except (OSError, EOFError, AssertionError):
            assert time.monotonic() - start < 30
            time.sleep(0.05)
        finally:
            if p:
                p.close()


def held(bed):
    """connections that the door has"""
    (door,) = bed.roles()["door"]
    return len(os.listdir("/proc/%d/fd" % door))


def files(count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < count + 200:
        pytest.skip("RLIMIT_NOFILE is %d" % hard)


@pytest.mark.parametrize("port, sources, more", [
    ("pop3", 1, ()),
    ("pop3s", 1, ()),
    ("pop3", 1, ("address_waiting=0", "connections=4000")),    # nothing but the ceiling of all
    ("pop3s", 40, ()),                                         # more than tls_waiting, from several
    ("pop3", 40, ("connections=4000",)),
], ids=["pop3", "pop3s", "ceiling", "tls_waiting", "several"])
def test_ten_thousand_silent_connections(bed, port, sources, more):
    """they do not keep somebody else from being served"""
    files(MANY)
    log = configure(bed, more)
    session(bed, port)
    addresses = ["127.1.0.%d" % (i + 1) for i in range(sources)]
    with Holding(bed.ports[port], addresses, MANY, hello() if port == "pop3s" else b""):
        took = []
        for _ in range(10):
            took.append(session(bed, port))
            time.sleep(0.1)
        print("%d connections of %d addresses to %s, %d held: a session took at most %.3f s, median %.3f s" %
              (MANY, sources, port, held(bed), max(took), sorted(took)[5]))
        assert max(took) < 2 * PROMISED
    assert len(bed.log()) - log < 1 << 19  # no line for each
    bed.wait_log(r"warning crowded: \S+ .*(refused|made room)")  # once in ten seconds
