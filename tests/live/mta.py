"""mta: a mail transfer agent that runs privately beside a test server, and what all of them must do with it."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from freeports import free_port

DOMAIN = "box.example.test"

# Lines as mail has them: dots in front, 8 bits, nothing but blanks, as long as SMTP allows; and no header that an MTA adds.
MESSAGE = (b"From: Anna <%(from)s>\r\nTo: <%(to)s>\r\nSubject: %(subject)s\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
           b"Message-ID: <%(subject)s@sender.example.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
           b"Content-Transfer-Encoding: 8bit\r\nContent-Disposition: inline\r\n\r\n"
           b"first\r\n.\r\n..\r\n.dot\r\n...\r\n \t \r\n\r\nsm\xc3\xb8rrebr\xc3\xb8d \xe6\x97\xa5\xe6\x9c\xac\r\n"
           + b"x" * 990 + b"\r\nFrom the start of a line\r\n>From\r\nlast\r\n")


def message(sender, to, subject):
    return MESSAGE % {b"from": sender.encode(), b"to": to.encode(), b"subject": subject.encode()}


def started(pid):
    """when a process began, in ticks; None: there is none, or it is dead"""
    try:
        with open("/proc/%d/stat" % pid) as f:
            words = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if words[0] == "Z" else int(words[19])


def family(pid):
    """{pid: start} of a process's descendants"""
    parent = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    parent[int(name)] = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found, more = set(), {pid}
    while more:
        more = {p for p, of in parent.items() if of in more} - found
        found |= more
    return {p: started(p) for p in found if started(p) is not None}


class Mta:
    """packages: what tests/peer unpacks; script: shell that ends with the server in the foreground, with {dir} and {port}"""

    def __init__(self, peer, packages, script, greeting):
        self.dir = tempfile.mkdtemp(prefix="mta-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        words = {"dir": self.dir, "port": str(self.port)}
        script = re.sub(r"\{(dir|port)\}", lambda m: words[m[1]], script)
        self.log = open(self.dir + "/start.log", "ab")
        self.process = subprocess.Popen(peer(*packages, "swaks") + ["bash", "-c", "set -e\n" + script], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self.wait(greeting)
        except AssertionError:
            self.close()
            raise

    def wait(self, greeting):
        end = time.monotonic() + 60
        while True:
            assert self.process.poll() is None and time.monotonic() < end, self.said()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as s:
                    s.settimeout(10)
                    assert re.match(greeting, s.recv(500))
                    return
            except OSError:
                time.sleep(0.1)

    def said(self):
        """its logs, for a test that fails"""
        out = ""
        for name in sorted(os.listdir(self.dir)):
            if name.endswith("log"):
                with open("%s/%s" % (self.dir, name), errors="replace") as f:
                    out += f.read()[-6000:]
        return out

    def inside(self, *argv, **kw):
        """a command where the MTA is installed"""
        return subprocess.run(["nsenter", "--mount", "--target", str(self.process.pid), *argv], capture_output=True, **kw)

    def submit(self, sender, to, data):
        """by SMTP; a message that is not taken fails the test"""
        with tempfile.NamedTemporaryFile(dir=self.dir) as f:
            f.write(data[:-2])  # swaks ends the last line
            f.flush()
            os.chmod(f.name, 0o644)
            p = self.inside("swaks", "--server", "127.0.0.1", "--port", str(self.port), "--helo", "sender.example.test",
                            "--from", sender, "--to", to, "--data", "@" + f.name)
        assert p.returncode == 0, p.stdout

    def sendmail(self, sender, to, data):
        p = self.inside("/usr/sbin/sendmail", "-i", "-f", sender, to, input=data.replace(b"\r\n", b"\n"))
        assert p.returncode == 0, p.stderr

    def close(self):
        began = family(self.process.pid)  # an MTA's own master may survive whoever started it
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for pid, start in began.items():
            with contextlib.suppress(ProcessLookupError):
                if started(pid) == start:
                    os.kill(pid, signal.SIGTERM)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- what arrives

TRACE = re.compile(rb"((Return-Path|Delivered-To|X-Original-To|Received|Envelope-To|Delivery-Date):[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)+")


def take(bed, user):
    """all messages of a maildrop, which is empty afterwards"""
    p = bed.login(user)
    out = [p.retr(n + 1) for n in range(p.stat()[0])]
    for n in range(len(out)):
        p.ok("DELE %d" % (n + 1))
    assert p.quit().startswith(b"+OK")
    return out


def arrived(bed, mta, user, n=1, secs=40):
    """the next n messages that arrive for a user"""
    out, end = [], time.monotonic() + secs
    while len(out) < n:
        if time.monotonic() > end:
            raise AssertionError("%d of %d messages\n%s\n%s" % (len(out), n, mta.said(), bed.log()[-3000:]))
        time.sleep(0.2)
        if bed.files(user):
            out += take(bed, user)
    assert len(out) == n
    return out


def exact(got, sent):
    """only trace fields stand before what was sent"""
    assert got.endswith(sent), (got.replace(b"x" * 990, b"(x)"), sent.replace(b"x" * 990, b"(x)"))
    assert TRACE.fullmatch(got[:len(got) - len(sent)]), got[:len(got) - len(sent)]


# ---- what each MTA is put through. `bed` is Bústia's, for DOMAIN; the user of a test is its own.

def address(user):
    return "%s@%s" % (user, DOMAIN)


def check_exact(bed, mta, user):
    """by SMTP and by sendmail(1)"""
    for how, send in (("smtp", mta.submit), ("sendmail", mta.sendmail)):
        sent = message(address("t30"), address(user), "%s-%s" % (how, user))
        send(address("t30"), address(user), sent)
        (got,) = arrived(bed, mta, user)
        exact(got, sent)
        assert got.startswith(b"Return-Path: <%s>\r\n" % address("t30").encode()), got


def check_bounce(bed, mta, user):
    """nobody of that name: the sender is told, in a message from <>"""
    mta.submit(address(user), address("nobody-here"), message(address(user), address("nobody-here"), "bounce"))
    (got,) = arrived(bed, mta, user, secs=120)  # OpenSMTPD lets more failures come together first
    assert got.startswith(b"Return-Path: <>\r\n") and b"nobody-here" in got and b"5.1.1" in got, got


def check_retry(bed, mta, user):
    """what cannot be delivered now is kept by the MTA, which tries again; nobody is told that it failed"""
    box = bed.maildir(user)
    os.chmod(box, 0)
    try:
        sent = message(address("t31"), address(user), "later-" + user)
        mta.submit(address("t31"), address(user), sent)
        time.sleep(4)
    finally:
        os.chmod(box, 0o700)
    assert not bed.files(user)
    (got,) = arrived(bed, mta, user)
    exact(got, sent)
    assert not bed.files("t31")


def check_stopped(bed, mta, users):
    """what is sent while bustiad is stopped arrives once it runs, each message once"""
    bed.down()
    sent = {}
    for n in range(12):
        user = users[n % len(users)]
        sent[n] = message(address("t32"), address(user), "stopped-%d" % n)
        mta.submit(address("t32"), address(user), sent[n])
    time.sleep(2)
    bed.restart()
    got = sum((arrived(bed, mta, user, 12 // len(users), 60) for user in users), [])
    time.sleep(2)
    assert not any(bed.files(user) for user in users)
    for n, text in sent.items():
        (one,) = [g for g in got if g.endswith(text)]
        exact(one, text)
    assert not bed.files("t32")
