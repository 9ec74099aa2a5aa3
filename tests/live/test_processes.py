"""The roles when one of them dies, when the server is told to stop or to read its files again: who is cut off, who is not."""
import base64
import ctypes
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest
from bed import wire
from late import late

WITHIN = 2.0  # the role is back within a second: the limit times two

TEXT = b"From: a@example.test\nSubject: x\n\nbody\n"


def fill(bed, i, n=3):
    name, password = bed.pool(i)
    bed.seed(name, [TEXT] * n)
    return name, password


def kill(bed, role):
    """-9 to every process of a role; returns when the master has buried them"""
    start = len(bed.log())
    pids = bed.roles()[role]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        bed.wait_log(r"ended: role=%s pid=%d signal 9" % (role, pid), start=start)
    return start


def gone(pid):
    """no such process, or one that nobody has buried yet"""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait_gone(pids, secs=10):
    end = time.monotonic() + secs
    while not all(gone(p) for p in pids):
        assert time.monotonic() < end, "still there: %s" % [p for p in pids if not gone(p)]
        time.sleep(0.02)


def login_again(bed, name, password, secs=20, port="pop3"):
    """a log-in that succeeds in the end"""
    end = time.monotonic() + secs
    while True:
        try:
            p = bed.connect(port)
            p.ok("USER " + name)
            answer = p.cmd("PASS " + password)
            if answer.startswith(b"+OK"):
                return p
            p.close()
        except (OSError, EOFError):
            pass
        assert time.monotonic() < end, "no log-in within %.1f s" % secs
        time.sleep(0.02)


@pytest.mark.parametrize("role", ["door", "auth", "control"])
def test_back_within_a_second(own_bed, role):
    """the middle one of three times: a machine at work may hold up one of them"""
    bed, took = own_bed(), []
    bed.login(*bed.pool(0)).quit()  # remembered; but for auth, which forgets it
    while sum(t <= WITHIN for t in took) < 2 and sum(t > WITHIN for t in took) < 2:
        time.sleep(1.2)  # one that ends sooner is started later
        kill(bed, role)
        start = time.monotonic()
        if role == "control":
            while bed.tool("who", check=False).returncode != 0:
                time.sleep(0.02)
        else:
            login_again(bed, *bed.pool(0)).quit()
        took.append(time.monotonic() - start - late(start, WITHIN))
    assert sum(t <= WITHIN for t in took) == 2, took


# ---- door

def test_door_killed(own_bed):
    bed = own_bed()
    name, password = fill(bed, 0)
    other, _ = fill(bed, 1)
    plain = bed.login(name, password)
    plain.ok("DELE 1")
    tls = bed.login(other, password, port="pop3s")
    tls.ok("DELE 1")
    waiting = bed.connect()
    kill(bed, "door")
    assert waiting.rest() == b""
    with pytest.raises((EOFError, OSError)):
        tls.cmd("NOOP")
    assert plain.retr(2) == wire(TEXT)  # it had left the door
    assert plain.quit().startswith(b"+OK")
    p = login_again(bed, other, password)
    assert p.stat()[0] == 3  # the broken session deleted nothing
    p.quit()
    assert len(bed.files(name)) == 2


def test_door_killed_while_a_password_is_checked(own_bed):
    bed = own_bed("failure_delay=3s")
    name, password = fill(bed, 0)
    old = bed.connect()
    old.ok("USER " + name)
    old.send("PASS " + password + "\r\n")
    kill(bed, "door")
    p = login_again(bed, name, password)  # nobody got the old one's grant: the maildrop is free
    assert p.stat()[0] == 3
    p.quit()
    bed.tool("who")


def test_closed_while_a_password_is_checked(own_bed):
    bed = own_bed()
    for i in range(20):
        name, password = fill(bed, i)
        p = bed.connect()
        p.ok("USER " + name)
        p.send("PASS " + password + "\r\n")
        p.close()
    for i in range(20):
        name, password = bed.pool(i)
        login_again(bed, name, password).quit()
    time.sleep(0.5)
    assert "0 sessions" in bed.tool("who").stdout.lower() or "t1" not in bed.tool("who").stdout


# ---- auth

def test_auth_killed(own_bed):
    bed = own_bed("failure_delay=5s")
    name, password = fill(bed, 0)
    session = bed.login(name, password)
    session.ok("DELE 3")
    waiting = bed.connect()
    waiting.ok("USER nobody")
    waiting.send("PASS wrong\r\n")
    time.sleep(0.3)  # it waits for its tick at auth now
    exchange = bed.connect()
    exchange.send("AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=" + name.encode() + b",r=abcdefgh").decode() + "\r\n")
    assert exchange.line().startswith(b"+ ")
    kill(bed, "auth")
    assert waiting.line().startswith(b"-ERR [SYS/TEMP]")
    assert exchange.cmd(base64.b64encode(b"c=biws,r=x,p=x").decode()).startswith(b"-ERR [SYS/TEMP]")
    login_again(bed, *bed.pool(1)).quit()
    assert session.stat()[0] == 2
    assert name in bed.tool("who").stdout  # the new auth has been told what runs
    assert session.quit().startswith(b"+OK")
    assert len(bed.files(name)) == 2
    end = time.monotonic() + 20
    while name in bed.tool("who").stdout:
        assert time.monotonic() < end
        time.sleep(0.05)


def sockets(pid):
    """descriptors here of the sockets of another process, in its order"""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(434, pid, 0)
    for n in sorted(int(n) for n in os.listdir("/proc/%d/fd" % pid)):
        if os.readlink("/proc/%d/fd/%d" % (pid, n)).startswith("socket:"):
            fd = libc.syscall(438, pidfd, n, 0)
            assert fd >= 0, os.strerror(ctypes.get_errno())
            yield fd
    os.close(pidfd)


@pytest.mark.root
def test_channel_between_door_and_auth_broken(own_bed):
    """while both live: nothing joins them again but a door that is started anew"""
    bed = own_bed()
    name, password = fill(bed, 0)
    auth, door = bed.role("auth"), bed.role("door")
    channels = [socket.socket(fileno=fd) for fd in sockets(auth)]
    channels[-1].shutdown(socket.SHUT_RDWR)  # the master's came first, then control's; the door is started last
    p = bed.connect()
    p.ok("USER " + name)
    assert p.cmd("PASS " + password).startswith(b"-ERR [SYS/TEMP]")
    bed.wait_log(r"role=door pid=%d has lost its channel to role=auth pid=%d, which lives" % (door, auth))
    login_again(bed, name, password).quit()
    assert bed.role("auth") == auth and bed.role("door") != door


# ---- mail

def test_mail_killed(own_bed):
    bed = own_bed()
    name, password = fill(bed, 0)
    a = bed.login(name, password)
    a.ok("DELE 1")
    b = bed.login("other", bed.target["users"]["other"]["pass"], port="pop3s")
    victims = bed.roles()["mail"]
    kill(bed, "mail")
    for p in (a, b):
        with pytest.raises((EOFError, OSError)):
            p.cmd("NOOP")
    assert len(bed.files(name)) == 3
    login_again(bed, name, password).quit()
    assert not set(victims) & set(bed.roles()["mail"])


def test_mail_killed_while_it_opens(own_bed):
    """who waits for a maildrop that is being opened gets an answer, and may try again on the same connection"""
    bed = own_bed("allow_memory_store=yes")
    where = "memory:%s/mail/slow?messages=2,sleep=4000" % bed.dir
    uid = str(bed.target["pool"]["uid"])
    bed.tool("user", "add", "slow", "--store", where, "--uid", uid, "--gid", str(bed.target["pool"]["gid"]), "--password-stdin", stdin="pw\n")
    for port in ("pop3", "pop3s"):
        p = bed.connect(port)
        p.ok("USER slow")
        p.send("PASS pw\r\n")
        time.sleep(0.7)
        kill(bed, "mail")
        assert p.line().startswith(b"-ERR [SYS/TEMP]")
        p.ok("USER t3")
        p.ok("PASS " + bed.target["pool"]["pass"])
        p.quit()


# ---- control

def test_control_killed(own_bed):
    bed = own_bed()
    name, password = fill(bed, 0)
    p = bed.login(name, password)
    kill(bed, "control")
    end = time.monotonic() + 20
    while bed.tool("who", check=False).returncode != 0:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert name in bed.tool("who").stdout
    p.quit()


# ---- master

def test_master_killed(own_bed):
    bed = own_bed()
    name, password = fill(bed, 0)
    other, _ = fill(bed, 1)
    plain, tls = bed.login(name, password), bed.login(other, password, port="pop3s")
    new = bed.connect()
    roles = bed.roles()
    pids = [p for l in roles.values() for p in l]
    os.kill(bed.pid, signal.SIGKILL)
    time.sleep(0.5)
    with pytest.raises(OSError):
        bed.connect()
    assert new.rest().startswith(b"-ERR [SYS/TEMP]")
    for p in (plain, tls):
        p.ok("DELE 1")
        assert p.retr(2) == wire(TEXT)
    wait_gone(roles["control"])
    bed.restart()  # no stale lock, pid or port
    login_again(bed, *bed.pool(2)).quit()
    for p in (plain, tls):
        assert p.quit().startswith(b"+OK")
    wait_gone(pids)
    assert len(bed.files(name)) == len(bed.files(other)) == 2


def leave_free(pid, n):
    """of the descriptors a process may have, this many are free"""
    used = {int(fd) for fd in os.listdir("/proc/%d/fd" % pid)}
    limit = 0
    while n >= 0:
        n -= limit not in used
        limit += 1
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit - 1, old[1]))
    return old


@pytest.mark.parametrize("free", range(6))
def test_no_descriptors_for_a_new_process(own_bed, free):
    """the master can start it, but not tell it all, or not join it to the others: who waits for it is answered"""
    bed = own_bed()
    name, password = bed.pool(0)
    p = bed.connect()
    p.ok("USER " + name)
    old = leave_free(bed.pid, free)
    start = time.monotonic()
    answer = p.cmd("PASS " + password)
    assert time.monotonic() - start < 3
    resource.prlimit(bed.pid, resource.RLIMIT_NOFILE, old)
    if free < 3:  # a pair for it, of which one end stays, then one end each for door and auth at a time
        assert answer.startswith(b"-ERR [SYS/TEMP]"), answer
    if answer.startswith(b"-ERR"):
        p.ok("USER " + name)
        assert p.cmd("PASS " + password).startswith(b"+OK")
    p.quit()
    assert len(bed.roles()["mail"]) == 1


def test_no_descriptors_for_a_role(own_bed):
    """one that was started lame is not left so"""
    bed = own_bed()
    (auth,) = bed.roles()["auth"]
    old = leave_free(bed.pid, 1)  # what the channel to the dead one had is free too
    kill(bed, "auth")
    p = bed.connect()
    p.ok("USER t0")
    assert p.cmd("PASS pool-pass").startswith(b"-ERR [SYS/TEMP]")
    time.sleep(0.5)
    resource.prlimit(bed.pid, resource.RLIMIT_NOFILE, old)
    login_again(bed, *bed.pool(0), secs=30).quit()


# ---- connections, wherever they are

def test_connections_are_counted_once(own_bed):
    """those that have left the door for a mail process too, also after auth or the door has been started again"""
    bed = own_bed("connections=6")
    plain = [bed.login(*bed.pool(i)) for i in range(3)]
    tls = [bed.login(*bed.pool(3), port="pop3s")]

    def room(n, secs=20):
        """exactly n more connections are let in"""
        end = time.monotonic() + secs
        while True:
            more = [bed.connect() for _ in range(n + 1)]
            greetings = [p.greeting for p in more]
            for p in more:
                p.close()
            if all(g.startswith(b"+OK") for g in greetings[:n]) and greetings[n].startswith(b"-ERR [SYS/TEMP] "):
                return
            assert time.monotonic() < end, greetings
            time.sleep(0.2)

    room(2)
    plain.pop().quit()
    room(3)
    kill(bed, "auth")
    login_again(bed, *bed.pool(5)).quit()
    room(3)
    kill(bed, "door")  # the session over TLS ends with it
    login_again(bed, *bed.pool(5)).quit()
    room(4)
    for p in plain:
        p.ok("NOOP")
        p.quit()
    room(6)
    for p in tls:
        p.close()


# ---- SIGTERM

def test_term(own_bed):
    bed = own_bed("drain_timeout=20s")
    name, password = fill(bed, 0)
    other, _ = fill(bed, 1)
    plain, tls = bed.login(name, password), bed.login(other, password, port="pop3s")
    new = bed.connect()
    master = bed.pid
    pids = [master] + [p for l in bed.roles().values() for p in l]
    os.kill(master, signal.SIGTERM)
    assert new.rest().startswith(b"-ERR [SYS/TEMP]")
    with pytest.raises(OSError):
        bed.connect()
    for p in (plain, tls):
        p.ok("DELE 1")
        assert p.quit().startswith(b"+OK")
    wait_gone(pids)
    assert len(bed.files(name)) == len(bed.files(other)) == 2


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_term_while_a_maildrop_is_opened(own_bed, port):
    """refused after the word to stop: told so, and closed at once"""
    bed = own_bed("allow_memory_store=yes", "drain_timeout=60s")
    where = "memory:%s/mail/slow?messages=2,sleep=60000" % bed.dir
    bed.tool("user", "add", "slow", "--store", where, "--uid", str(bed.target["pool"]["uid"]), "--gid", str(bed.target["pool"]["gid"]),
             "--password-stdin", stdin="pw\n")
    p = bed.connect(port)
    p.ok("USER slow")
    p.send("PASS pw\r\nUSER t3\r\n")
    bed.wait_log("ready: role=mail")
    time.sleep(0.3)
    pids = [bed.pid] + [q for l in bed.roles().values() for q in l]
    (mail,) = bed.roles()["mail"]
    os.kill(bed.pid, signal.SIGTERM)
    time.sleep(0.3)
    os.kill(mail, signal.SIGKILL)
    assert p.line().startswith(b"-ERR [SYS/TEMP]")
    assert p.rest() == b""
    wait_gone(pids, secs=20)


def test_term_deadline(own_bed):
    bed = own_bed("drain_timeout=1s")
    name, password = fill(bed, 0)
    p = bed.login(name, password)
    p.ok("DELE 1")
    pids = [bed.pid] + [q for l in bed.roles().values() for q in l]
    os.kill(bed.pid, signal.SIGTERM)
    start = time.monotonic()
    wait_gone(pids, secs=20)
    assert time.monotonic() - start < 4 + late(start, 4)
    assert p.rest() == b""
    assert len(bed.files(name)) == 3


def test_term_again(own_bed):
    """who cannot wait is told what was waited for"""
    bed = own_bed("drain_timeout=60s")
    name, password = fill(bed, 0)
    p = bed.login(name, password)
    mail = bed.role("mail")
    pids = [bed.pid] + [q for l in bed.roles().values() for q in l]
    os.kill(bed.pid, signal.SIGTERM)
    bed.wait_log("running sessions have")
    time.sleep(0.3)
    os.kill(pids[0], signal.SIGTERM)
    wait_gone(pids, secs=20)
    bed.wait_log("role=mail pid=%d was still waited for" % mail)
    assert "deadline" not in bed.log()
    assert p.rest() == b""


# ---- SIGHUP

def hup(bed):
    start = len(bed.log())
    os.kill(bed.pid, signal.SIGHUP)
    return start


def certificate(bed, days, name="localhost"):
    cert, key = bed.dir + "/new.pem", bed.dir + "/new.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                    "-out", cert, "-days", str(days), "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name],
                   check=True, capture_output=True)
    return cert, key


def tls_files(bed):
    with open(bed.target["config"]) as f:
        options = dict(l.split("=", 1) for l in f.read().splitlines() if "=" in l and not l.startswith("#"))
    options = {k.strip(): v.strip() for k, v in options.items()}
    return options["tls_cert"], options["tls_key"]


def served(bed):
    p = bed.connect("pop3s")
    der = p.sock.getpeercert(binary_form=True)
    p.close()
    return der


def test_hup_certificate(own_bed):
    bed = own_bed()
    name, password = fill(bed, 0)
    old = served(bed)
    session = bed.login(name, password, port="pop3s")
    cert, key = certificate(bed, 30)
    there_cert, there_key = tls_files(bed)
    with open(cert) as a, open(there_cert, "w") as b:
        b.write(a.read())
    start = hup(bed)  # the key does not fit yet
    bed.wait_log(r"configuration: .*key", start=start)
    bed.wait_log(r"the old (certificate|configuration) goes on", start=start)
    bed.cert = there_cert
    with pytest.raises(Exception):
        served(bed)  # the old pair is still served, and the file is new
    with open(key) as a, open(there_key, "w") as b:
        b.write(a.read())
    bed.wait_log(r"certificate loaded", start=hup(bed))
    assert served(bed) != old
    session.ok("NOOP")  # keeps the certificate it began with
    session.quit()


def test_hup_options(own_bed):
    bed = own_bed("idle_timeout=600s")
    name, password = fill(bed, 0)
    with open(bed.target["config"]) as f:
        text = f.read()
    with open(bed.target["config"], "w") as f:
        f.write(text.replace("idle_timeout = 600s", "idle_timeout = 1s").replace("idle_timeout=600s", "idle_timeout=1s"))
    bed.wait_log(r"reload: .* read", start=hup(bed))
    time.sleep(0.2)
    p = bed.login(name, password)
    p.sock.settimeout(4)
    assert p.rest() == b""
    with open(bed.target["config"], "a") as f:
        f.write("\nno_such_option = 1\n")
    bed.wait_log(r"the old configuration goes on", start=hup(bed))
    bed.login(name, password).quit()


def test_hup_log_file(own_bed):
    """logrotate: the file is moved away, SIGHUP, and every role writes into the new one"""
    bed = own_bed()
    log = bed.target["log"]
    name, password = fill(bed, 0)
    bed.login(name, password).quit()
    os.rename(log, log + ".1")
    os.kill(bed.pid, signal.SIGHUP)
    end = time.monotonic() + 5
    while not os.path.exists(log):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.3)
    bed.login(name, password).quit()
    end = time.monotonic() + 5
    while " mail info session:" not in open(log).read():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_hup_during_sessions(own_bed):
    """fifty reloads while sessions come and go: none is cut"""
    bed = own_bed()
    stop, failures, done = threading.Event(), [], []

    def work(i):
        name, password = bed.pool(i)
        while not stop.is_set():
            try:
                p = bed.login(name, password, port=("pop3", "pop3s")[i % 2])
                assert p.retr(1) == wire(TEXT)
                assert p.quit().startswith(b"+OK")
                done.append(i)
            except Exception as e:
                failures.append(repr(e))
                return

    for i in range(4):
        fill(bed, i)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for _ in range(50):
        hup(bed)
        time.sleep(0.05)
    stop.set()
    for t in threads:
        t.join()
    assert not failures and len(done) > 20


# ---- the operator

def test_who_and_kick(own_bed):
    bed = own_bed()
    name, password = fill(bed, 0)
    other, _ = fill(bed, 1)
    p, q = bed.login(name, password), bed.login(other, password, port="pop3s")
    p.ok("DELE 1")
    q.retr(1)
    out = bed.tool("who").stdout
    rows = {l.split()[0]: l.split() for l in out.splitlines()[1:]}
    assert rows[name][-3:-1] == ["0", "1"] and rows[other][-3:-1] == ["1", "0"], out  # read, deleted
    assert "1" in bed.tool("kick", name).stdout
    assert p.rest().startswith(b"-ERR [SYS/TEMP]")
    assert len(bed.files(name)) == 3
    q.ok("NOOP")
    q.quit()
    nobody = bed.tool("kick", "nobody-here", check=False)
    assert (nobody.returncode, nobody.stdout, nobody.stderr) == (1, "", "bustia: no session of nobody-here\n")


@pytest.mark.root
def test_roles_have_nothing_of_the_operators_environment(own_bed):
    bed = own_bed()
    bed.login(*fill(bed, 0)).quit()
    for pids in bed.roles().values():
        for pid in pids:
            with open("/proc/%d/environ" % pid, "rb") as f:
                names = {v.split(b"=")[0] for v in f.read().split(b"\0") if v}
            assert names <= {b"ASAN_OPTIONS", b"UBSAN_OPTIONS", b"LSAN_OPTIONS", b"LD_PRELOAD", b"FAULT"}, names


def test_started_twice(own_bed):
    """the second says why it does not start, and takes nothing of the first's along"""
    bed = own_bed()
    second = subprocess.run([bed.programs["bustiad"], "-c", bed.target["config"]], capture_output=True, text=True, timeout=20)
    assert second.returncode != 0 and ("runs already" in second.stderr or "in use" in second.stderr), second.stderr
    bed.wait_log("start: bustiad")
    assert os.path.exists("/proc/%d" % bed.pid)  # the pid file still says it
    bed.login(*fill(bed, 0)).quit()
    bed.tool("who")
