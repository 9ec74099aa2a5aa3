"""What the server counts, as its operator reads it: the numbers are exactly those of what was done, in a form that is exactly OpenMetrics,
and nobody who asks for them can hold the server up."""
import base64
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from bed import TOP
from freeports import free_port
from openmetrics import parse

MESSAGE = b"From: a@example.test\r\nSubject: x\r\n\r\nbody\r\n"


@pytest.fixture
def counted(own_bed):
    """a server that tells what it counts: (bed, port)"""
    def make(*options):
        port = free_port()
        return own_bed("metrics_listen=127.0.0.1:%d" % port, "metrics_user=61011", *options), port
    return make


def ask(port, path="/metrics", method="GET", timeout=20):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    c.request(method, path)
    r = c.getresponse()
    body = r.read().decode()
    c.close()
    return r, body


def read(port):
    r, body = ask(port)
    assert r.status == 200
    return Counts(parse(body)[0])


class Counts:
    def __init__(self, samples):
        self.samples = samples

    def __call__(self, name, **labels):
        return self.samples["bustia_" + name, tuple(sorted('%s="%s"' % l for l in labels.items()))]

    def since(self, before):
        """what has changed, but for what changes by itself"""
        return {name: n - before.samples[name] for name, n in self.samples.items()
                if n != before.samples[name] and not re.match("bustia_(memory|processes)|.*_seconds", name[0])}


def until(condition, secs=20):
    end = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)



def names(changes):
    return {name + ("{%s}" % ",".join(labels) if labels else ""): n for (name, labels), n in changes.items()}


def test_one_password_at_once_is_hashed_once(counted):
    """who waits for the check of a password that is remembered when his turn comes needs none"""
    b, port = counted("password_threads=1", "user_sessions=0")
    before, many = read(port), [b.connect() for _ in range(8)]
    for p in many:
        p.ok("USER t2")
    for p in many:
        p.send("PASS %s\r\n" % b.pool(2)[1])
    for p in many[:3]:
        p.close()  # whether the check has begun or not
    answers = [p.line() for p in many[3:]]
    assert all(a.startswith(b"+OK") or b"[IN-USE]" in a for a in answers), answers
    for p in many:
        p.close()
    after = read(port)
    checks = {way: after("password_checks_total", way=way) - before("password_checks_total", way=way) for way in ("hashed", "remembered")}
    assert checks["hashed"] == 1 and 4 <= checks["remembered"] <= 7, checks


@pytest.mark.asan
def test_counts(counted):
    b, port = counted("hostname=localhost")
    r, body = ask(port)
    assert r.getheader("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    samples, types = parse(body)
    assert types["bustia_logins"] == "counter" and types["bustia_login_seconds"] == "histogram"
    b.seed("t1", [b"Subject: %d\n\nbody\n" % i for i in range(3)])

    # One session in the clear: reads two, of one of them the top too, deletes one.
    before = read(port)
    p = b.login("t1", b.pool(1)[1])
    until(lambda: read(port)("sessions") == 1)
    p.retr(1)
    p.retr(2)
    p.ok("TOP 1 0")
    p.body()
    p.ok("DELE 1")
    p.quit()
    line = b.wait_log(r'session: user="t1" .*octets=(\d+)')
    until(lambda: read(port)("sessions") == 0)
    after = read(port)
    assert names(after.since(before)) == {
        'bustia_connections_total{service="pop3"}': 1, 'bustia_logins_total{mechanism="PASS",result="ok"}': 1,
        'bustia_password_checks_total{way="hashed"}': 1, "bustia_sessions_opened_total": 1, "bustia_messages_retrieved_total": 2,
        "bustia_messages_deleted_total": 1, "bustia_messages_sent_bytes_total": int(line.group(1))}
    for name, n in (("login", 1), ("retrieve", 3)):
        assert after(name + "_seconds_count") - before(name + "_seconds_count") == n
        assert after(name + "_seconds_sum") > before(name + "_seconds_sum")

    # Others: a wrong password, the same user's maildrop in use, TLS with a SASL mechanism whose password is remembered.
    before = read(port)
    wrong = b.connect()
    wrong.cmd("USER t1")
    assert b"[AUTH]" in wrong.cmd("PASS wrong")
    held = b.connect("pop3s")
    assert held.plain(*b.pool(1)).startswith(b"+OK")
    assert b"[IN-USE]" in wrong.cmd("AUTH PLAIN " + base64.b64encode(("\0t1\0" + b.pool(1)[1]).encode()).decode())
    now = read(port)
    assert now("connections_held", service="pop3s") == 1 and now("connections_held", service="pop3") == 1
    wrong.cmd("QUIT")
    wrong.close()
    held.quit()
    until(lambda: read(port)("sessions") == 0 and read(port)("connections_held", service="pop3s") == 0)
    got = names(read(port).since(before))
    assert got == {
        'bustia_connections_total{service="pop3"}': 1, 'bustia_connections_total{service="pop3s"}': 1,
        'bustia_logins_total{mechanism="PASS",result="wrong"}': 1, 'bustia_logins_total{mechanism="PLAIN",result="ok"}': 1,
        'bustia_logins_total{mechanism="PLAIN",result="in_use"}': 1, 'bustia_password_checks_total{way="hashed"}': 1,
        'bustia_password_checks_total{way="remembered"}': 2, "bustia_sessions_opened_total": 1}, got

    # Mail that comes in.
    before = read(port)
    m = b.mail()
    assert m.deliver(["t2", "t3"], MESSAGE)[0].startswith(b"250")
    m.quit()
    got = names(read(port).since(before))
    got.pop('bustia_connections_held{service="lmtp"}', None)
    assert got == {'bustia_connections_total{service="lmtp"}': 1, 'bustia_deliveries_total{verdict="delivered"}': 2}, got

    # What only the master sees.
    assert read(port)("role_restarts_total", role="auth") == 0
    os.kill(b.role("auth"), signal.SIGKILL)
    until(lambda: read(port)("role_restarts_total", role="auth") == 1)
    now = read(port)
    assert now("role_failures_total", role="auth") == 1 and now("deliveries_total", verdict="delivered") == 2
    until(lambda: read(port)("processes", role="metrics") == 1)
    until(lambda: read(port)("memory_bytes", role="mail") > 0)
    now = read(port)
    for role in ("master", "door", "auth", "control", "metrics"):
        assert now("processes", role=role) == 1 and 1e5 < now("memory_bytes", role=role) < 1e9, role
    end = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", b.cert], capture_output=True, text=True).stdout
    assert abs(now("certificate_expiry_timestamp_seconds") - ssl.cert_time_to_seconds(end.strip().split("=")[1])) < 5

    os.kill(b.role("metrics"), signal.SIGKILL)  # what was counted is not its own
    until(lambda: again(port))
    assert read(port)("deliveries_total", verdict="delivered") == 2


def again(port):
    try:
        return read(port)("role_restarts_total", role="metrics") == 1
    except OSError:
        return False


def test_hostile_clients(counted):
    """Who is slow, many, long-winded or silent keeps nobody waiting, and costs little."""
    b, port = counted()
    pid = b.role("metrics")

    def memory():
        with open("/proc/%d/statm" % pid) as f:
            return int(f.read().split()[1]) * 4096

    read(port)
    before = memory()
    socks, most = [], 0
    for i in range(1000):
        if i % 16 == 0:
            most = max(most, len(os.listdir("/proc/%d/fd" % pid)))
        s = socket.socket()
        s.settimeout(20)
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        socks.append(s)
    stop = threading.Event()

    def drip():
        while not stop.wait(0.2):
            for s in socks:
                try:
                    s.send(b"G")
                except OSError:
                    pass

    t = threading.Thread(target=drip)
    t.start()
    try:
        for _ in range(3):
            read(port)
        assert b.login("t0").quit().startswith(b"+OK")
        most = max(most, len(os.listdir("/proc/%d/fd" % pid)))
        assert most <= 2 * 32 + 16  # two turns, and what it holds besides
        assert memory() - before < 8 << 20
    finally:
        stop.set()
        t.join()
        for s in socks:
            s.close()
    assert pid == b.role("metrics")

    def says(data, half=False):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
            try:
                s.sendall(data)
                if half:
                    s.shutdown(socket.SHUT_WR)
                return s.recv(200)
            except (ConnectionResetError, BrokenPipeError):
                return b""

    start = time.monotonic()
    assert says(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ") == b""  # a head that never ends
    assert time.monotonic() - start < 40
    assert b" 200 " not in says(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
    assert b" 200 " not in says(b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    assert b" 404 " in says(b"GET / HTTP/1.0\r\n\r\n")
    assert b" 404 " in says(b"GET /../../etc/passwd HTTP/1.0\r\n\r\n")
    says(b"\0\xff" * 1000 + b"\r\n\r\n", half=True)
    says(b"USER t1\r\nPASS x\r\n\r\n", half=True)
    r, body = ask(port, method="HEAD")
    assert r.status == 200 and body == ""
    read(port)
    assert pid == b.role("metrics")


@pytest.mark.root
def test_the_pages_are_apart(counted):
    """No role but metrics holds another's page, and metrics can write none"""
    b, port = counted()
    b.login("t0").quit()
    b.mail().deliver("t0", MESSAGE)
    seen = {}
    for role in ("door", "auth", "mail", "deliver", "control", "metrics"):
        with open("/proc/%d/maps" % b.role(role)) as f:
            maps = [(l.split()[1], l.split()[4]) for l in f if "bustia.metrics" in l]
        if role == "metrics":
            with open("/proc/%d/smaps" % b.role(role)) as f:  # nor can it be made writable: the kernel's "may write" is not set
                flags = re.findall(r"bustia\.metrics(?:.*\n)+?VmFlags: (.*)", f.read())
            assert len(flags) == 5 and not any("mw" in words.split() for words in flags), flags
            assert [m[0] for m in maps] == ["r--s"] * 5, maps
            assert {i for _, i in maps} >= set(seen.values())
        elif role == "control":
            assert not maps
        else:
            assert [m[0] for m in maps] == ["rw-s"] and maps[0][1] not in seen.values(), (role, maps)
            seen[role] = maps[0][1]
        assert not [fd for fd in os.listdir("/proc/%d/fd" % b.role(role)) if "bustia.metrics" in link(b.role(role), fd)], role
    with open("/proc/%d/status" % b.role("metrics")) as f:
        status = dict(line.split(":", 1) for line in f)
    assert set(status["Uid"].split()) == {"61011"} and status["Groups"].split() == [] and int(status["CapEff"], 16) == 0
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1" and status["Threads"].strip() == "1"
    assert os.path.samefile("/proc/%d/root" % b.role("metrics"), b.dir + "/run/empty")
    p = subprocess.run([b.programs["bustiad"], "-c", b.target["config"], "--probe", "metrics"], capture_output=True, text=True)
    assert p.returncode == 0 and "NOT OK" not in p.stdout, p.stdout + p.stderr


def link(pid, fd):
    try:
        return os.readlink("/proc/%d/fd/%s" % (pid, fd))
    except OSError:
        return ""


@pytest.mark.parametrize("value, said", [
    ("0.0.0.0:9110", "is not of this machine's loopback"), ("[::]:9110", "is not of this machine's loopback"),
    ("192.0.2.1:9110", "is not of this machine's loopback"), ("localhost:9110", "metrics_listen"), ("127.0.0.1", "metrics_listen")])
def test_only_loopback(value, said, tmp_path):
    bustia = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"
    conf = tmp_path / "conf"
    conf.write_text("metrics_listen = %s\nlisten = 127.0.0.1:11110 pop3\n" % value)
    p = subprocess.run([bustia, "check", "--server", str(conf)], capture_output=True, text=True)
    assert re.search(r"conf:1: error: metrics_listen = .*", p.stdout + p.stderr) and said in p.stdout + p.stderr, p.stdout + p.stderr
    conf.write_text("metrics_listen = 127.0.0.1:11110\nlisten = 127.0.0.1:11110 pop3\n")
    p = subprocess.run([bustia, "check", "--server", str(conf)], capture_output=True, text=True)
    assert "clashes with listen" in p.stdout + p.stderr
