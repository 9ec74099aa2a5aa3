"""The server under a service manager: what it is told (a NOTIFY_SOCKET of the test's own), and sockets that the manager has
opened before (systemd-socket-activate, and descriptors as it passes them)."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from bed import TOP
from freeports import free_port


class Manager:
    """what comes to NOTIFY_SOCKET"""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + name[1:] if name[0] == "@" else name)
        self.heard = []

    def hear(self, secs):
        """the next datagram as {name: value}, None if none comes"""
        self.sock.settimeout(secs)
        try:
            text = self.sock.recv(4096).decode()
        except TimeoutError:
            return None
        said = dict(line.split("=", 1) for line in text.splitlines())
        self.heard.append(said)
        return said

    def until(self, word, secs=20):
        end = time.monotonic() + secs
        while time.monotonic() < end:
            said = self.hear(max(0.01, end - time.monotonic()))
            if said and word in said:
                return said
        raise AssertionError("%s is not said: %r" % (word, self.heard))

    def drain(self):
        while self.hear(0.01):
            pass


@pytest.fixture
def manager(monkeypatch, tmp_path):
    """manager(watchdog=seconds): its environment is that of every server started after"""
    made = []

    def make(name=None, watchdog=None):
        name = name or str(tmp_path / "notify")
        made.append(Manager(name))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        if watchdog:
            monkeypatch.setenv("WATCHDOG_USEC", str(int(watchdog * 1e6)))
        return made[-1]

    yield make
    for m in made:
        m.sock.close()


def change(b, line, to):
    with open(b.target["config"]) as f:
        text = f.read()
    assert line in text
    with open(b.target["config"], "w") as f:
        f.write(text.replace(line, to))


@pytest.mark.asan
def test_what_is_said(own_bed, manager):
    m = manager("@bustia-test-%d" % os.getpid())
    b = own_bed("hostname=before.example")
    first = m.until("READY")
    assert first["READY"] == "1" and first["STATUS"] == "Serving" and "WATCHDOG" not in first and len(m.heard) == 1, m.heard
    log = b.log()
    for role in ("door", "auth", "control"):
        assert "ready: role=%s" % role in log

    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    change(b, "hostname = before.example", "hostname = after.example")
    slow = b.role("auth")
    os.kill(slow, signal.SIGSTOP)
    os.kill(b.pid, signal.SIGHUP)
    said = m.until("RELOADING")
    try:
        assert m.hear(0.7) is None  # one of them has not read it yet
    finally:
        os.kill(slow, signal.SIGCONT)
    assert said["RELOADING"] == "1" and "READY" not in said
    assert before <= int(said["MONOTONIC_USEC"]) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
    assert m.until("READY")["STATUS"] == "Serving"
    p = b.connect()  # READY means that the roles have it
    assert b"after.example" in p.greeting
    p.close()

    change(b, "hostname = after.example", "nonsense = 1")
    os.kill(b.pid, signal.SIGHUP)
    m.until("RELOADING")
    assert "errors" in m.until("READY")["STATUS"]

    change(b, "nonsense = 1", "hostname = after.example")
    os.kill(b.pid, signal.SIGTERM)
    said = m.until("STOPPING")
    assert said["STOPPING"] == "1" and int(said["EXTEND_TIMEOUT_USEC"]) > 0


def no_role_knows(b):
    for role in ("door", "auth", "control", "mail"):
        with open("/proc/%d/environ" % b.role(role), "rb") as f:
            found = f.read()
        assert b"NOTIFY" not in found and b"WATCHDOG" not in found and b"LISTEN" not in found, (role, found)
    with open("/proc/%d/environ" % b.pid, "rb") as f:
        assert b"NOTIFY_SOCKET" in f.read()


def test_watchdog(own_bed, manager):
    """It is fed about twice as often as asked for, though a role dies and comes again; not while one hangs."""
    m = manager(watchdog=1)
    b = own_bed()
    m.until("READY")
    b.login("t0").quit()
    no_role_knows(b)
    for _ in range(3):
        m.until("WATCHDOG")
    os.kill(b.role("auth"), signal.SIGKILL)
    m.drain()
    m.until("WATCHDOG")
    for role in ("door", "auth", "control"):
        pid = b.role(role)
        os.kill(pid, signal.SIGSTOP)
        try:
            m.hear(0.7)  # what was under way
            m.drain()
            assert m.hear(1.2) is None, (role, m.heard[-3:])
        finally:
            os.kill(pid, signal.SIGCONT)
        m.until("WATCHDOG")
    os.kill(b.pid, signal.SIGSTOP)
    try:
        m.drain()
        assert m.hear(1.2) is None
    finally:
        os.kill(b.pid, signal.SIGCONT)
    m.until("WATCHDOG")


# ---- sockets that were there before

LISTENED = ("pop3", "pop3s", "lmtp")


def inode(pid, fd):
    return os.readlink("/proc/%d/fd/%d" % (pid, fd))


def listening(port=0, kind=socket.SOCK_STREAM, host="127.0.0.1"):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    return s


def start_with(b, socks, names=None, stderr=None):
    """bustiad as a manager starts it: descriptors from 3 on, their number, and whose they are"""
    words = ["sh", "-c", 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"', "sh", b.programs["bustiad"], "-c", b.target["config"]]
    env = dict(os.environ, LISTEN_FDS=str(len(socks)), **({"LISTEN_FDNAMES": names} if names else {}))
    high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(socks)]

    def descriptors():
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)

    # what a manager passes is inherited by everything else that we start, too: so it is closed here at once
    p = subprocess.Popen(words, preexec_fn=descriptors, pass_fds=range(3, 3 + len(socks)), env=env, stderr=stderr,
                         stdin=subprocess.DEVNULL, text=True)
    for fd in high:
        os.close(fd)
    return p


def test_socket_activation(own_bed, peer, manager):
    """systemd-socket-activate holds the ports, starts the server at the first connection, and the server opens none of them anew"""
    m = manager()
    b = own_bed()
    b.seed("t1", [b"Subject: one\n\nbody\n"])
    b.down()
    m.drain()
    prefix = [] if shutil.which("systemd-socket-activate") else peer("systemd")
    listen = ["127.0.0.1:%d" % b.ports[name] for name in LISTENED] + [b.dir + "/lmtp"]
    words = prefix + ["systemd-socket-activate", "--fdname=" + ":".join(LISTENED + ("unix",)), "-E", "NOTIFY_SOCKET"]
    for at in listen:
        words += ["-l", at]
    activate = subprocess.Popen(words + [b.programs["bustiad"], "-c", b.target["config"]], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                p = b.login("t1", b.pool(1)[1])
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end and activate.poll() is None
                time.sleep(0.05)
        m.until("READY")
        assert p.stat()[0] == 1
        assert p.quit().startswith(b"+OK")
        master = b.pid
        ports = {"%s" % b.ports[n] for n in b.ports}
        inherited = {inode(master, 3 + i) for i in range(len(listen))}
        held = {os.readlink("/proc/%d/fd/%s" % (master, fd)) for fd in os.listdir("/proc/%d/fd" % master)
                if int(fd) >= 3 + len(listen)}
        assert all(i.startswith("socket:") for i in inherited) and not inherited & held and ports
        p = b.login("t1", b.pool(1)[1], port="pop3s")
        p.quit()
        for port in ("lmtp", "unix", "smtp"):  # smtp: none that was passed; the server's own beside them
            b.mail(port).quit()
        assert os.path.exists(b.dir + "/lmtp")
        b.down()
        assert os.path.exists(b.dir + "/lmtp")  # the manager's, who goes on listening there
    finally:
        if activate.poll() is None:
            activate.terminate()
        activate.wait(20)


@pytest.mark.asan
def test_inherited_sockets_refused(own_bed):
    b = own_bed()
    b.down()

    def refused(socks, what, names=None):
        p = start_with(b, socks, names, subprocess.PIPE)
        said = p.communicate(timeout=20)[1]
        assert p.returncode == 78 and re.search(what, said), said
        assert "already" not in said, said  # the check knows whose the port is

    taken = listening(b.ports["pop3"])
    refused([taken], r"127\.0\.0\.1:%d \(pop3\), which takes no connections" % b.ports["pop3"], "pop3")
    taken.listen(5)
    other = listening()
    other.listen(5)
    refused([taken, other], r"127\.0\.0\.1:%d \(odd\), and no `listen` names it" % other.getsockname()[1], "pop3:odd")
    datagrams = listening(b.ports["smtp"], socket.SOCK_DGRAM)
    refused([taken, datagrams], r"127\.0\.0\.1:%d, which takes no connections" % b.ports["smtp"])
    with open(os.devnull) as null:
        refused([taken, null], r"no socket \(null\), and no `listen` names it", "a:null")
    if socket.has_dualstack_ipv6():
        other.close()
        both = listening(host="::")  # IPv4 too, as it is from the start
        both.listen(5)
        line = "listen = [::]:%d pop3\n" % both.getsockname()[1]
        with open(b.target["config"], "a") as f:
            f.write(line)
        refused([taken, both], r"which takes IPv4 too; it needs BindIPv6Only=ipv6-only")
        change(b, line, "")
        both.close()
    for s in (taken, datagrams):
        s.close()
    os.environ.update(LISTEN_PID="1", LISTEN_FDS="3")  # somebody else's: nothing is inherited
    try:
        b.restart()
    finally:
        del os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"]


# ---- the unit

UNIT = TOP + "/systemd/bustiad.service.in"


def unit(b=None):
    with open(UNIT) as f:
        return f.read().replace("@sbindir@", os.path.dirname(b.programs["bustiad"]) if b else "/bin")


def setting(name):
    """the words of a setting of the unit"""
    return re.search(r"(?m)^%s=(.*)$" % name, unit()).group(1).split()


@pytest.fixture(scope="module")
def systemd(peer):
    return [] if shutil.which("systemd-analyze") else peer("systemd")


def test_the_units_are_good(bed, systemd, tmp_path):
    """systemd reads them without a word, and finds little that could still be taken away"""
    paths = [str(tmp_path / name) for name in ("bustiad.service", "bustiad.socket")]
    shutil.copy(TOP + "/systemd/bustiad.socket", paths[1])

    def verify(text):
        with open(paths[0], "w") as f:
            f.write(text)
        p = subprocess.run(systemd + ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True)
        return p.stdout + p.stderr

    def exposure(text):
        with open(paths[0], "w") as f:
            f.write(text)
        p = subprocess.run(systemd + ["systemd-analyze", "security", "--offline=true", "--no-pager", paths[0]], capture_output=True, text=True)
        return float(re.search(r"Overall exposure level for bustiad.service: ([\d.]+)", p.stdout).group(1))

    good = unit(bed)
    assert verify(good) == ""
    assert verify(good.replace("ProtectSystem", "ProtectSistem")) != ""
    assert exposure(good) <= 3.5
    assert exposure(re.sub(r"(?m)^(Protect|System|Capab).*$", "", good)) > 5


def test_the_unit_permits_what_is_called(systemd):
    """each call that the master's own filter lets through, for itself or for what it starts"""
    def calls(words):
        out = set()
        for w in words:
            if w[0] != "@":
                out.add(w)
                continue
            p = subprocess.run(systemd + ["systemd-analyze", "syscall-filter", w], capture_output=True, text=True, check=True)
            out |= calls(l.strip() for l in p.stdout.splitlines()[1:] if l.strip() and l.strip()[0] != "#")
        return out

    with open(TOP + "/src/daemon/jail_seccomp.c") as f:
        needed = set(re.findall(r"SCMP_SYS\((\w+)\)", f.read()))
    permitted = calls(setting("SystemCallFilter"))
    assert len(needed) > 100 and needed - permitted == set()
    assert "mount" not in permitted and "ptrace" not in permitted


@pytest.mark.root
def test_accounts_and_folders(systemd, tmp_path):
    """sysusers.d makes each account that the configuration names by default, and tmpfiles.d what is theirs"""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for words in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        file = TOP + "/systemd/" + words[0].split("-")[1] + ".conf"
        p = subprocess.run(systemd + words + ["--root=%s" % root, file], capture_output=True, text=True)
        assert p.returncode == 0, p.stderr
    accounts = {line.split(":")[0]: int(line.split(":")[2]) for line in (root / "etc/passwd").read_text().splitlines()}
    with open(TOP + "/src/base/conf_table.c") as f:
        needed = set(re.findall(r'_user", &CONF_KIND_USER, AT\(\w+\), "(bustia-\w+)"', f.read())) - {"bustia-mail"}
    assert len(needed) >= 4 and set(accounts) == needed and max(accounts.values()) < 1000
    users = os.stat(root / "var/lib/bustia")
    assert users.st_uid == accounts["bustia-auth"] and users.st_mode & 0o777 == 0o700
    assert os.stat(root / "var/mail/bustia").st_uid == 0


CONFINED = """set -e
mount --bind {dir} {dir}
mount --bind {mail} {mail}
mount -o remount,bind,ro /
{more}
mount -t proc -o hidepid=invisible proc /proc
exec setpriv --bounding-set=-all,{caps} --inh-caps=-all --no-new-privs {bustiad} -c {conf}
"""


@pytest.mark.root
def test_confined_as_by_the_unit(own_bed, manager):
    """The unit's capabilities, no_new_privs, a system that is read-only but for the server's folders, and processes hidden: all is
    served. And a mail_root that is read-only with the rest is named."""
    m = manager()
    port = free_port()
    b = own_bed("metrics_listen=127.0.0.1:%d" % port, "metrics_user=61011")
    b.down()
    caps = ",".join("+" + c[4:].lower() for c in setting("CapabilityBoundingSet"))

    def start(more=""):
        m.drain()
        script = CONFINED.format(dir=b.dir, mail=b.dir + "/mail", more=more, caps=caps, bustiad=b.programs["bustiad"], conf=b.target["config"])
        p = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script], stderr=subprocess.PIPE, text=True)
        m.until("READY")
        return p

    server = start()
    try:
        with open("/proc/%d/status" % b.pid) as f:
            status = dict(line.split(":\t", 1) for line in f.read().splitlines())
        assert status["NoNewPrivs"] == "1" and bin(int(status["CapBnd"], 16)).count("1") == len(setting("CapabilityBoundingSet"))
        assert b.mail("unix").deliver("t1", b"Subject: x\r\n\r\nbody\r\n")[0].startswith(b"250")
        p = b.login("t1", b.pool(1)[1], port="pop3s")
        assert p.stat()[0] == 1
        p.ok("DELE 1")
        assert p.quit().startswith(b"+OK")
        os.kill(b.pid, signal.SIGHUP)
        m.until("RELOADING")
        m.until("READY")
        start_of = len(b.log())
        os.kill(b.role("door"), signal.SIGKILL)
        b.wait_log("ready: role=door", start=start_of)
        b.login("t1", b.pool(1)[1]).quit()
        end = time.monotonic() + 20
        while not re.search(r'bustia_memory_bytes\{role="mail"\} [1-9]', fetched(port)):  # of a process that is hidden from the master
            assert time.monotonic() < end
            time.sleep(0.2)
    finally:
        b.down()
        said = server.communicate(timeout=20)[1]
    assert server.returncode == 0 and "read-only" not in said, said

    server = start("mount -o remount,bind,ro %s/mail" % b.dir)
    try:
        assert b.mail().deliver("t1", b"Subject: x\r\n\r\nbody\r\n")[0].startswith(b"451")
        b.login("t1", b.pool(1)[1]).quit()
    finally:
        b.down()
        said = server.communicate(timeout=20)[1]
    assert re.search(r"warning: mail_root = \S+ is read-only: .*ReadWritePaths=", said), said


def fetched(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        out = b""
        while True:
            data = s.recv(65536)
            if not data:
                return out.decode()
            out += data
