"""realserver: a POP3 server that runs privately for a test; realservers.py has those that there are.

Each listens on two ports of 127.0.0.1, for implicit TLS and for STLS, with a certificate of the tests' own authority, and has one user.
Their packages are unpacked, not installed (tests/peer); what they write is below a temporary folder or in a mount namespace of their own,
and gone at the end. Takes root: a server becomes its user.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from bed import Pop
from freeports import free_port
from mta import family, started

USER, PASSWORD = "anna", "Real-Pass-9"
UID = 61010  # nobody's on an ordinary system
TLS, STLS = "implicit", "starttls"


def authority(folder):
    """a private authority, and a server's pair that it signed: (ca, certificate, key)"""
    ca, cert, key = folder + "/ca.pem", folder + "/cert.pem", folder + "/key.pem"

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", ca, "-days", "30", "-subj", "/CN=A private authority")
    openssl("req", *new, "-keyout", key, "-out", "cert.req", "-subj", "/CN=localhost")
    with open(folder + "/alt", "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "cert.req", "-CA", ca, "-CAkey", "ca.key", "-CAcreateserial", "-out", cert, "-days", "30", "-extfile", "alt")
    os.chmod(key, 0o600)
    return ca, cert, key


# ---- one that runs

class Real:
    """PACKAGES: what tests/peer unpacks. SCRIPT: shell that ends with the server in the foreground; {word}s are replaced by `words`.
    OWN, NEVER: shapes of messages (hostilemail.py) that it gives in other octets than were stored, or that no client can get from it, and
    why; MAY: some of a shape. WRAPS: shapes that it gives in other octets to who has not said UTF8. ADDS: what it puts into all. VARIES: what is made anew each time it gives a message that it wrote itself."""
    name = user = None
    PACKAGES, SCRIPT, VERSION = [], "", "true"
    password = PASSWORD
    OWN, MAY, NEVER, ADDS, VARIES = {}, {}, {}, None, None
    WRAPS = dict.fromkeys(("utf8_header", "torn_utf8", "octets"),
                          "a message with 8 bits in its header is wrapped into one that says so, for who does not say UTF8 (RFC 6856)")
    login_delay = 0  # s, as CAPA says

    def __init__(self, peer, pair):
        self.ca, cert, key = pair
        self.user = USER
        self.dir = tempfile.mkdtemp(prefix="real-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        for src, name in ((cert, "cert.pem"), (key, "key.pem")):
            shutil.copy(src, "%s/%s" % (self.dir, name))
        self.ports = {TLS: free_port(), STLS: free_port()}
        self.count = 0
        self.process = None
        try:
            self.prepare()
            self.start(peer)
        except BaseException:
            self.close()
            raise

    def words(self):
        return {"dir": self.dir, "tls": str(self.ports[TLS]), "stls": str(self.ports[STLS]), "user": USER, "password": PASSWORD, "uid": str(UID)}

    def start(self, peer):
        words = self.words()
        script = re.sub(r"\{(%s)\}" % "|".join(words), lambda m: words[m[1]], ACCOUNT + self.SCRIPT)
        log = open(self.dir + "/start.log", "ab")
        self.process = subprocess.Popen(peer(*self.PACKAGES) + ["bash", "-c", "set -e\n" + script], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        log.close()
        end = time.monotonic() + 90
        for access in (STLS, TLS):
            while True:
                assert self.process.poll() is None and time.monotonic() < end, self.said()
                try:
                    self.login(access).quit()
                    break
                except (OSError, EOFError, AssertionError) as e:
                    if time.monotonic() > end - 1:
                        raise AssertionError("%s: %r\n%s" % (self.name, e, self.said())) from e
                    time.sleep(0.2)
        out = self.inside("bash", "-c", self.VERSION).stdout.decode(errors="replace").split()
        self.version = " ".join([w for w in out if re.match(r"[0-9][0-9.]*[0-9]", w)][:1])

    def inside(self, *argv, **kw):
        """a command where the server is unpacked"""
        return subprocess.run(["nsenter", "--mount", "--target", str(self.process.pid), *argv], capture_output=True, **kw)

    def said(self):
        out = ""
        for name in sorted(os.listdir(self.dir)):
            if name.endswith("log"):
                with open("%s/%s" % (self.dir, name), errors="replace") as f:
                    out += "%s:\n%s\n" % (name, f.read()[-4000:])
        return out

    def close(self):
        if self.process:
            began = family(self.process.pid)
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
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- mail

    def prepare(self):
        """before it starts"""
        for sub in ("", "/tmp", "/new", "/cur"):
            os.makedirs(self.box() + sub, exist_ok=True)
            os.chown(self.box() + sub, UID, UID)
        os.chown(self.dir + "/home", UID, UID)

    def box(self):
        return self.dir + "/home/Maildir"

    def seed(self, mails):
        """replaces what is in the maildrop, and what the server noted about it: the uids are new ones"""
        for path, folders, files in os.walk(self.box()):
            for f in files:
                os.unlink("%s/%s" % (path, f))
        self.append(mails)

    def append(self, mails):
        for m in mails:
            self.count += 1
            name = "%d.M%06dP1.real" % (1700000000 + self.count, self.count)
            with open("%s/tmp/%s" % (self.box(), name), "wb") as f:
                f.write(m)
                os.fchown(f.fileno(), UID, UID)
            os.rename("%s/tmp/%s" % (self.box(), name), "%s/new/%s" % (self.box(), name))

    # ---- what it says to a client that hides nothing

    def utf8(self):
        p = Raw(self, TLS)
        lines = p.multi("CAPA")
        p.quit()
        return any(line.split()[0] == b"UTF8" for line in lines)

    def login(self, access=TLS, utf8=False):
        """a session in TRANSACTION; waits for a lock that one just ended still holds"""
        end = time.monotonic() + 20
        while True:
            p = Raw(self, access)
            try:
                if utf8:
                    p.ok("UTF8")
                p.ok("USER " + self.user)
                answer = p.cmd("PASS " + self.password)
                if answer.startswith(b"+OK"):
                    return p
            except (EOFError, ConnectionError) as e:
                answer = repr(e).encode()
            p.close()
            assert time.monotonic() < end, answer
            time.sleep(0.1)

    def delete(self, numbers):
        p = self.login()
        for n in numbers:
            p.ok("DELE %d" % n)
        assert p.cmd("QUIT").startswith(b"+OK")
        p.rest()  # Courier deletes after it said so
        p.close()

    def without(self, octets):
        return self.ADDS.sub(b"", octets, count=1) if self.ADDS else octets

    def given(self, utf8=False):
        """the octets that RETR gives for each message, dots taken off, to who has said UTF8 or not. Who has asked for the uids, as collectors do, is given others by
        one of the servers. A few are asked for at once, since all of these allow it"""
        p, out = self.login(utf8=utf8), []
        count = len(p.uidl())
        while len(out) < count:
            some = range(len(out) + 1, min(len(out) + 16, count) + 1)
            p.send("".join("RETR %d\r\n" % n for n in some))
            for n in some:
                answer = p.line()
                assert answer.startswith(b"+OK"), (n, answer)
                out.append(p.body())
        p.quit()
        return out

    def uids(self):
        p = self.login()
        out = p.uidl()
        p.quit()
        return out

    def left(self, wanted=None):
        """how many messages there are; waits for so many"""
        end = time.monotonic() + 10
        while True:
            p = self.login()
            n = p.stat()[0]
            p.quit()
            if wanted in (None, n) or time.monotonic() > end:
                return n
            time.sleep(0.1)

    def capabilities(self):
        p = self.login()
        out = p.multi("CAPA")
        p.quit()
        return out


class Raw(Pop):
    """bed.Pop over both kinds of TLS, believing the private authority alone"""

    def __init__(self, server, access):
        self.server = server
        self.sock = socket.create_connection(("127.0.0.1", server.ports[access]), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        if access == TLS:
            self.over_tls()
        self.greeting = self.line()
        if access == STLS:
            self.stls()

    def over_tls(self):
        self.sock = ssl.create_default_context(cafile=self.server.ca).wrap_socket(self.sock, server_hostname="localhost")


# The user, in the namespace's own /etc
ACCOUNT = r"""
echo '{user}:x:{uid}:{uid}::{dir}/home:/bin/sh' >>/etc/passwd
echo '{user}:x:{uid}:' >>/etc/group
echo '{user}:'"$(openssl passwd -6 '{password}')"':19000::::::' >>/etc/shadow
"""
