"""Who takes all places, tries all passwords or leaves no descriptors: others are served beside. Each test prints its figure; its bar is twice
what is promised, for machines that are busy. All kinds of silent connections come with LOAD=full."""
import base64
import ctypes
import multiprocessing
import os
import re
import resource
import select
import signal
import socket
import ssl
import subprocess
import time

import pytest
from abuse import FULL
from bed import Bed, Pop
from test_bounds import limit_files

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
        names = [o.split("=")[0] for o in options]
        f.writelines(l for l in bed.shipped.splitlines(True) if l.split(" ")[0] not in names)
        f.writelines("%s = %s\n" % tuple(o.split("=")) for o in options)
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


LONG = pytest.mark.skipif(not FULL, reason="one of several kinds: with LOAD=full")


@pytest.mark.parametrize("port, sources, more", [
    pytest.param("pop3", 1, (), id="pop3"),
    pytest.param("pop3s", 1, (), id="pop3s"),
    pytest.param("pop3s", 40, (), id="tls_waiting"),  # more than that, from several
    pytest.param("pop3", 1, ("address_waiting=0", "connections=4000"), id="ceiling", marks=LONG),
    pytest.param("pop3s", 1, ("trusted_networks=127.0.0.0/8",), id="trusted", marks=LONG),  # as shipped: without a limit of its own
    pytest.param("pop3", 40, ("connections=4000",), id="several", marks=LONG),
    pytest.param("smtp", 500, ("connections=4000",), id="smtp", marks=LONG),  # 20 of each address, in the places of all
])
def test_ten_thousand_silent_connections(bed, port, sources, more):
    """they do not keep somebody else from being served"""
    files(MANY)
    log = configure(bed, more)
    mine = "pop3" if port == "smtp" else port
    session(bed, mine)
    addresses = ["127.1.%d.%d" % (i // 250, i % 250 + 1) for i in range(sources)]
    with Holding(bed.ports[port], addresses, MANY, hello() if port == "pop3s" else b""):
        took = []
        for _ in range(10):
            took.append(session(bed, mine))
            time.sleep(0.1)
        print("%d connections of %d addresses to %s, %d held: a session took at most %.3f s, median %.3f s" %
              (MANY, sources, port, held(bed), max(took), sorted(took)[5]))
        assert max(took) < 2 * PROMISED
        assert len(bed.log()) - log < 1 << 19  # no line for each
    bed.wait_log(r"warning crowded: \S+ .*(refused|made room)")  # once in ten seconds


def network_of_our_own(fn, addresses):
    """runs fn in a process with a network namespace of its own, whose loopback has these addresses; its exit status"""
    def child():
        if ctypes.CDLL(None).unshare(0x40000000):  # CLONE_NEWNET
            os._exit(77)
        for words in ["link set lo up"] + ["-6 addr add %s/64 dev lo nodad" % a for a in addresses]:
            if subprocess.run(["ip"] + words.split()).returncode:
                os._exit(77)
        fn()

    p = multiprocessing.Process(target=child)
    p.start()
    p.join(120)
    return p.exitcode


def one_network_is_one_address():
    def connect(source):
        s = socket.create_connection(("::1", 1110), timeout=20, source_address=(source, 0))
        socks.append(s)
        return s.recv(512)[:15]

    socks, refused = [], b"-ERR [SYS/TEMP]"
    bed = strict("address_waiting=3")
    try:
        with open(bed.target["config"], "a") as f:
            f.write("listen = [::]:1110 pop3\n")
        bed.restart()
        for i in (1, 1, 2):
            assert connect("2001:db8:0:1::%d" % i).startswith(b"+OK")
        assert connect("2001:db8:0:1::3") == refused
        assert connect("2001:db8:0:2::1").startswith(b"+OK")
        assert connect("2001:db8:0:1::1") == refused
        bed.wait_log(r"address_waiting addr=2001:db8:0:1::3: 1 refused")
        socks[0].close()
        time.sleep(0.5)
        assert connect("2001:db8:0:1::3").startswith(b"+OK")
        assert connect("2001:db8:0:1::1") == refused
        time.sleep(6)  # now they have been silent for long enough
        assert connect("2001:db8:0:1::1").startswith(b"+OK")
        assert socks[1].recv(512).startswith(refused) and socks[1].recv(512) == b""
    finally:
        bed.close()


@pytest.mark.root
def test_an_ipv6_network_of_64_bits_is_one_address():
    sources = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1::3", "2001:db8:0:2::1"]
    status = network_of_our_own(one_network_is_one_address, sources)
    if status == 77:
        pytest.skip("no network namespace with addresses can be made here")
    assert status == 0


def test_exchanges_that_are_left_open(bed):
    """they are not in the way of others'"""
    configure(bed, [])
    many = []
    for i in range(1100):
        s = socket.create_connection(("127.0.0.1", bed.ports["pop3"]), timeout=20, source_address=("127.3.0.%d" % (i % 4 + 1), 0))
        first = base64.b64encode(b"n,,n=somebody%d,r=abcdef" % i)
        s.sendall(b"AUTH SCRAM-SHA-256 %s\r\n" % first)
        many.append(s)
    answers = []
    for s in many:
        answer = b""
        while answer.count(b"\n") < 2:
            answer += s.recv(4096)
        answers.append(answer.split(b"\r\n")[1])
    assert sum(a.startswith(b"+ ") for a in answers) >= 1000
    for i in range(5):
        p = Pop(bed, "pop3", 20, "127.0.0.%d" % (i + 20))
        assert p.plain(*bed.pool(33 + i)).startswith(b"+OK")
        p.quit()
    for s in many:
        s.close()


# ---- wrong passwords

WRONG_A_SECOND = 100
REMEMBERED = 0.2  # seconds: promised to who is remembered
FRESH = 2.0       # to who is not


def try_wrong(port, names, addresses, a_second, stop, sent, wrong):
    """In a process of its own: so many log-ins a second with a wrong password, each on a connection of its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    poll, open_, start, n = select.epoll(), {}, time.monotonic(), 0
    while not stop.is_set():
        while n < (time.monotonic() - start) * a_second and len(open_) < 3000:
            s = socket.socket()
            s.setblocking(False)
            s.bind((addresses[n % len(addresses)], 0))
            s.connect_ex(("127.0.0.1", port))
            poll.register(s, select.EPOLLIN)
            open_[s.fileno()] = [s, b"", "USER %s\r\nPASS wrong%d\r\n" % (names[n % len(names)], n)]
            n += 1
        for fd, _ in poll.poll(0.02):
            one = open_[fd]
            try:
                data = one[0].recv(4096)
            except OSError:
                data = b""
            one[1] += data
            if one[2] and b"\n" in one[1]:
                one[0].send(one[2].encode())
                one[2] = ""
                sent.value += 1
            if not data or b"-ERR" in one[1]:
                wrong.value += b"-ERR [AUTH]" in one[1]
                poll.unregister(fd)
                one[0].close()
                del open_[fd]
    os._exit(0)


class Trying:
    def __init__(self, bed, names, addresses, a_second=WRONG_A_SECOND):
        self.stop, self.start = multiprocessing.Event(), time.monotonic()
        self.sent, self.wrong = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
        self.process = multiprocessing.Process(
            target=try_wrong, args=(bed.ports["pop3"], names, addresses, a_second, self.stop, self.sent, self.wrong))
        self.process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start
        self.stop.set()
        self.process.join(20)


def enter(bed, i, source):
    """seconds from PASS to its answer, which is yes"""
    name, password = bed.pool(i)
    p = Pop(bed, "pop3", 30, source)
    try:
        p.ok("USER " + name)
        start = time.monotonic()
        p.ok("PASS " + password)
        took = time.monotonic() - start
        p.quit()
        return took
    finally:
        p.close()


@pytest.mark.parametrize("addresses", [100, 1], ids=["many", "one"])
def test_a_hundred_wrong_passwords_a_second(bed, addresses):
    """whom auth remembers is let in at once; and who is not does not stand behind all of them"""
    configure(bed, ["address_failures=0", "user_failures=0"] if addresses == 1 else [])
    sources = ["127.2.0.%d" % (i + 1) for i in range(addresses)]
    names = [bed.pool(i)[0] for i in range(8)]
    enter(bed, 0, HONEST)
    with Trying(bed, names, sources) as trying:
        took, fresh = [], []
        for i in range(25):
            took.append(enter(bed, 0, HONEST))
            time.sleep(0.1)
        end = time.monotonic() + 60
        while trying.wrong.value < addresses or trying.sent.value < 300:  # each of them has failed, or most have
            assert time.monotonic() < end
            time.sleep(0.1)
        for i in range(4):
            fresh.append(enter(bed, i + 1 + 4 * (addresses == 1), "127.0.0.%d" % (i + 8 + addresses)))
    took.sort()
    print("%d wrong passwords in %.1f s from %d addresses, %d of them checked: whom auth remembers waits %.3f s (median), %.3f s at "
          "most; others %.3f s at most" % (trying.sent.value, trying.seconds, addresses, trying.wrong.value, took[12], took[-1], max(fresh)))
    assert took[12] < 2 * REMEMBERED and took[-1] < 4 * REMEMBERED
    assert max(fresh) < 2 * FRESH


def refused_with(bed, name, password, source):
    p = Pop(bed, "pop3", 30, source)
    p.ok("USER " + name)
    answer = p.cmd("PASS " + password)
    p.close()
    return answer


def test_nobody_is_locked_out_by_his_name(bed):
    """wrong passwords from one address hold off that address, for that user; not the user"""
    log = configure(bed, ["failure_delay=0", "user_failures=3"])  # one comes back after 20 s
    name, password = bed.pool(9)
    enter(bed, 8, "127.0.3.1")
    answers = [refused_with(bed, name, "wrong", "127.0.3.1") for _ in range(6)]
    assert [a[:11] for a in answers] == [b"-ERR [AUTH]"] * 3 + [b"-ERR [SYS/T"] * 3
    assert refused_with(bed, name, password, "127.0.3.1").startswith(b"-ERR [SYS/TEMP]")
    assert refused_with(bed, name, password, "127.0.3.2").startswith(b"+OK")
    assert enter(bed, 8, "127.0.3.1") < 5  # another user of that address
    bed.wait_log(r"warning crowded: user_failures addr=127\.0\.3\.1: 1 refused", start=log)


def test_wrong_passwords_of_one_address(bed):
    """beyond address_failures only those who have logged in from there lately may try"""
    configure(bed, ["failure_delay=0", "address_failures=4", "user_failures=5"])  # one comes back after 15 s
    enter(bed, 8, "127.0.3.3")
    answers = [refused_with(bed, "somebody%d" % i, "wrong", "127.0.3.3") for i in range(8)]
    assert [a[:11] for a in answers] == [b"-ERR [AUTH]"] * 4 + [b"-ERR [SYS/T"] * 4
    assert refused_with(bed, *bed.pool(9), "127.0.3.3").startswith(b"-ERR [SYS/TEMP]")
    enter(bed, 8, "127.0.3.3")
    assert refused_with(bed, *bed.pool(9), "127.0.3.4").startswith(b"+OK")


def test_log_ins_a_minute(bed):
    configure(bed, ["failure_delay=0", "address_logins=5", "user_logins=3"])
    for _ in range(3):
        enter(bed, 20, "127.0.4.1")
    assert refused_with(bed, *bed.pool(20), "127.0.4.2").startswith(b"-ERR [SYS/TEMP]")
    for i in (21, 22):
        enter(bed, i, "127.0.4.1")
    assert refused_with(bed, *bed.pool(23), "127.0.4.1").startswith(b"-ERR [SYS/TEMP]")
    enter(bed, 23, "127.0.4.2")
    configure(bed, ["failure_delay=0", "address_logins=5", "user_logins=3", "trusted_networks=127.0.4.0/24"])
    for i in range(24, 32):
        enter(bed, i, "127.0.4.1")
    assert refused_with(bed, *bed.pool(20), "127.0.4.1").startswith(b"-ERR [SYS/TEMP]")  # which is his own


def test_sessions_at_once(bed):
    """of an address, wherever they are: in the door (TLS) or in a mail process; and what has ended does not count"""
    configure(bed, ["failure_delay=0", "address_sessions=3"])
    ends = []
    for i, port in ((8, "pop3"), (9, "pop3s"), (10, "pop3")):
        p = Pop(bed, port, 30, "127.0.5.1")
        p.ok("USER " + bed.pool(i)[0])
        p.ok("PASS " + bed.pool(i)[1])
        ends.append(p)
    assert refused_with(bed, *bed.pool(11), "127.0.5.1").startswith(b"-ERR [SYS/TEMP]")
    enter(bed, 11, "127.0.5.2")
    (auth,) = bed.roles()["auth"]
    os.kill(auth, signal.SIGKILL)  # its successor hears what runs
    end = time.monotonic() + 20
    while not refused_with(bed, *bed.pool(12), "127.0.5.2").startswith(b"+OK"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert refused_with(bed, *bed.pool(11), "127.0.5.1").startswith(b"-ERR [SYS/TEMP]")
    ends.pop().quit()
    end = time.monotonic() + 10
    while not refused_with(bed, *bed.pool(11), "127.0.5.1").startswith(b"+OK"):
        assert time.monotonic() < end
        time.sleep(0.1)
    for p in ends:
        p.quit()


# ---- no descriptors left

QUIET = 0.25  # of a processor: whoever has nothing to do but to wait for descriptors


def starve(pid, free=0):
    """of the descriptors that it may have, so many are free; what gives it the others back"""
    used = {int(fd) for fd in os.listdir("/proc/%d/fd" % pid)}
    limit, left = 0, free
    while left >= 0:
        left -= limit not in used
        limit += 1
    with open("/proc/%d/limits" % pid) as f:
        old = re.search(r"^Max open files +(\d+)", f.read(), re.M)[1]
    limit_files(pid, limit - 1)
    return lambda: limit_files(pid, old)


def busy(pid, seconds=1.5):
    """the part of a processor that a process takes; one that has ended takes none"""
    def used():
        with open("/proc/%d/stat" % pid) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    try:
        before = used()
        time.sleep(seconds)
        return (used() - before) / seconds
    except OSError:
        return 0.0


def silent(bed, port, source, count):
    """connections that wait in vain, and do not come again"""
    out = []
    for _ in range(count):
        s = socket.socket()
        s.settimeout(10)
        s.bind((source, 0))
        s.connect(("127.0.0.1", bed.ports[port]))
        out.append(s)
    return out


def lines(bed, start):
    return bed.log()[start:].count("\n")


def test_no_descriptors_at_the_door(bed):
    """those of one address go, others are served, nobody spins"""
    log = configure(bed, [])
    (door,) = bed.roles()["door"]
    free = starve(door, 40)
    many = silent(bed, "pop3", ATTACKER, 200)
    try:
        took = [session(bed, port) for port in ("pop3", "pop3s") for _ in range(3)]
        part = busy(door)
        print("no descriptors at the door: a session took at most %.3f s; %.3f of a processor, %d lines" % (max(took), part, lines(bed, log)))
        assert max(took) < 2 * PROMISED and part < QUIET and lines(bed, log) < 200 + 50
    finally:
        free()
        for s in many:
            s.close()
    session(bed, "pop3s")


def test_every_descriptor_is_taken_by_who_waits(bed):
    """however little was left for log-ins, each of them finds what it needs, at the first try"""
    configure(bed, [])
    (door,) = bed.roles()["door"]
    session(bed, "pop3s")
    many = silent(bed, "pop3", ATTACKER, 200)
    free = starve(door)
    try:
        for i, port in enumerate(("pop3", "pop3s", "pop3", "pop3s")):
            name, password = bed.pool(i + 1)
            p = Pop(bed, port, 10, HONEST)
            p.ok("USER " + name)
            p.ok("PASS " + password)
            p.quit()
            p.close()
    finally:
        free()
        for s in many:
            s.close()


def test_no_descriptor_at_all_at_the_door(bed):
    """who comes is told so, and the door rests; then it serves again"""
    log = configure(bed, [])
    (door,) = bed.roles()["door"]
    session(bed, "pop3")
    time.sleep(0.3)
    free = starve(door)
    many = silent(bed, "pop3", ATTACKER, 100)
    try:
        assert all(s.recv(100).startswith(b"-ERR [SYS/TEMP] ") for s in many)
        part = busy(door)
        print("no descriptor at all: %.3f of a processor, %d lines" % (part, lines(bed, log)))
        assert part < QUIET and lines(bed, log) < 20
    finally:
        free()
        for s in many:
            s.close()
    assert session(bed, "pop3") < 5


def tried(bed, user, times):
    """the answers to right passwords; a connection that ends without one is none"""
    out = []
    for _ in range(times):
        try:
            out.append(refused_with(bed, *user, HONEST))
        except (OSError, EOFError) as e:
            out.append(repr(e).encode())
    return out


def served_again(bed, user, secs=30):
    end = time.monotonic() + secs
    while not tried(bed, user, 1)[0].startswith(b"+OK"):
        assert time.monotonic() < end
        time.sleep(0.2)


TRIES = 20


@pytest.mark.parametrize("role", ["mail", "auth"])
def test_no_descriptors_of_a_role(bed, role):
    """log-ins that would need one are put off; what runs goes on; nobody spins or fills the log; then all is served again. An auth that
    cannot be told of a new mail process is started anew."""
    configure(bed, ["failure_delay=0"])
    p = bed.login(*bed.pool(30))
    log, pid = len(bed.log()), bed.role(role)
    user = bed.pool(31) if role == "mail" else bed.user()  # as root a user of another uid, who needs a process
    free = starve(pid)
    try:
        answers = tried(bed, user, TRIES)
        part = busy(pid)
        p.ok("NOOP")
        print("no descriptors: %s: %d of %d put off, %.3f of a processor, %d lines" % (
            role, sum(a.startswith(b"-ERR [SYS/TEMP]") for a in answers), TRIES, part, lines(bed, log)))
        assert all(a.startswith((b"-ERR [SYS/TEMP]", b"+OK", b"-ERR [IN-USE]")) for a in answers), answers
        assert role == "auth" or not any(a.startswith(b"+OK") for a in answers)
        assert part < QUIET and lines(bed, log) < 3 * TRIES
    finally:
        if os.path.exists("/proc/%d" % pid):
            free()
    p.ok("NOOP")
    p.quit()
    served_again(bed, user)


def test_no_descriptors_of_the_master(bed):
    """nobody can be started: log-ins that need a process are put off, a role that dies comes back later"""
    configure(bed, ["failure_delay=0"])
    served_again(bed, bed.pool(32))
    for pid in bed.roles()["mail"]:
        os.kill(pid, signal.SIGKILL)
    bed.wait_log(r"ended: role=mail .* signal 9")
    time.sleep(0.5)
    log = len(bed.log())
    free = starve(bed.pid)
    try:
        answers = tried(bed, bed.pool(32), TRIES)
        assert all(a.startswith(b"-ERR [SYS/TEMP]") for a in answers), answers
        assert lines(bed, log) < 3 * TRIES
        os.kill(bed.role("door"), signal.SIGKILL)
        log = len(bed.log())
        part = busy(bed.pid, 2)
        print("no descriptors: master: %.3f of a processor, %d lines" % (part, lines(bed, log)))
        assert part < QUIET and lines(bed, log) < 20
    finally:
        free()
    served_again(bed, bed.pool(32))
