"""bed: a running server for the live tests, and plain clients of POP3, SMTP and LMTP that hide nothing."""
import base64
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
TESTBED = TOP + "/tests/testbed"


class Bed:
    """a testbed in a directory of its own; `options` are "name=value" lines for its configuration"""

    def __init__(self, options=(), stock=False):
        self.dir = tempfile.mkdtemp(prefix="bed-", dir="/tmp")
        argv = [TESTBED, "up", self.dir] + (["--stock"] if stock else [])
        for o in options:
            argv += ["--set", o]
        try:
            self._run(argv)
        except Exception:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        with open(self.dir + "/target.json") as f:
            self.target = json.load(f)
        with open(self.dir + "/testbed.json") as f:
            self.programs = json.load(f)
        self.ports = self.target["ports"]
        self.cert = self.dir + "/cert.pem"

    def _run(self, argv, **kw):
        p = subprocess.run(argv, capture_output=True, text=True, **kw)
        if p.returncode != 0:
            raise RuntimeError("%s: %s%s" % (" ".join(argv), p.stdout, p.stderr))
        return p.stdout

    # ---- the server
    @property
    def pid(self):
        with open(self.target["pidfile"]) as f:
            return int(f.read())

    def down(self):
        self._run([TESTBED, "down", self.dir])

    def restart(self):
        return int(self._run([TESTBED, "restart", self.dir]))

    def close(self):
        try:
            self.down()
            said = self.sanitizers()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not said, said

    def sanitizers(self):
        """what they said of the server's processes, in the log, which is where stderr goes"""
        try:
            return re.findall(r"^.*(?:ERROR: \w+Sanitizer|runtime error: ).*(?:\n.*){0,12}", self.log(), re.M)
        except OSError:  # a test has taken the log away
            return []

    def log(self):
        with open(self.target["log"], errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, secs=10, start=0):
        """the first match of a pattern in the log behind `start`, waiting for it"""
        end = time.monotonic() + secs
        while True:
            m = re.search(pattern, self.log()[start:])
            if m:
                return m
            assert time.monotonic() < end, "no %r in the log:\n%s" % (pattern, self.log()[start:][-2000:])
            time.sleep(0.05)

    def roles(self):
        """{role: [pids]} of the children of the master"""
        out, master = {}, self.pid
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open("/proc/%s/stat" % name) as f:
                        stat = f.read()
                    with open("/proc/%s/cmdline" % name) as f:
                        words = f.read().split("\0")
                except OSError:
                    continue
                if int(stat.rsplit(")", 1)[1].split()[1]) == master and stat.rsplit(")", 1)[1].split()[0] != "Z":
                    role = words[words.index("--role") + 1] if "--role" in words else os.path.basename(words[0])
                    out.setdefault({"bustia-mail": "mail"}.get(role, role), []).append(int(name))
        return out

    def role(self, name, secs=10):
        """the pid of a process of this role, once it is what it will be: the moment between fork and exec is passed over"""
        end = time.monotonic() + secs
        while name not in self.roles():
            assert time.monotonic() < end, (name, self.roles())
            time.sleep(0.02)
        return self.roles()[name][0]

    def tool(self, *args, stdin="", check=True):
        """runs `bustia` with this server's configuration"""
        p = subprocess.run([self.programs["bustia"], "-c", self.target["config"], *args], input=stdin, capture_output=True, text=True)
        assert not check or p.returncode == 0, (args, p.stdout, p.stderr)
        return p

    # ---- users and mail
    def user(self, role="main"):
        u = self.target["users"][role]
        return u["user"], u["pass"]

    def pool(self, i):
        return "t%d" % i, self.target["pool"]["pass"]

    def maildir(self, name):
        return "%s/mail/%s" % (self.dir, name)

    def seed(self, name, messages):
        with tempfile.TemporaryDirectory() as d:
            for i, m in enumerate(messages, 1):
                with open("%s/%05d.eml" % (d, i), "wb") as f:
                    f.write(m)
            self._run([TESTBED, "seed", self.dir, name, d])

    def append(self, name, message):
        with tempfile.NamedTemporaryFile() as f:
            f.write(message)
            f.flush()
            self._run([TESTBED, "append", self.dir, name, f.name])

    def files(self, name):
        """paths of all messages in new and cur"""
        out = []
        for sub in ("new", "cur"):
            box = "%s/%s" % (self.maildir(name), sub)
            out += ["%s/%s" % (box, f) for f in sorted(os.listdir(box)) if not f.startswith(".")]
        return out

    # ---- sessions
    def connect(self, port="pop3", timeout=20, source=None):
        return Pop(self, port, timeout, source)

    def mail(self, port="lmtp", timeout=20, source=None, hello="tester"):
        """a connection of LMTP or SMTP that has said who it is; port "unix": LMTP on the unix socket"""
        return Mail(self, port, timeout, source, hello)

    def received(self, name, strip=True):
        """the messages of a maildrop as RETR gives them, none by a surrogate, oldest first; without the trace fields"""
        p = self.login(name, self.password(name), utf8=True)
        out = [p.retr(i + 1) for i in range(p.stat()[0])]
        p.quit()
        return [untraced(m) for m in out] if strip else out

    def password(self, name):
        for u in self.target["users"].values():
            if u["user"] == name:
                return u["pass"]
        return self.target["pool"]["pass"]

    def empty(self, name):
        """no message is left in the maildrop"""
        p = self.login(name, self.password(name))
        for i in range(p.stat()[0]):
            p.ok("DELE %d" % (i + 1))
        assert p.quit().startswith(b"+OK")

    def login(self, name=None, password=None, port="pop3", timeout=20, utf8=False):
        """a session in TRANSACTION; waits for a lock that a session just ended still holds"""
        if name is None:
            name, password = self.user()
        elif password is None:
            password = self.target["pool"]["pass"]
        end = time.monotonic() + 10
        while True:
            p = self.connect(port, timeout)
            if utf8:
                p.ok("UTF8")
            assert p.cmd("USER " + name).startswith(b"+OK")
            answer = p.cmd("PASS " + password)
            if answer.startswith(b"+OK"):
                p.welcome = answer
                return p
            p.close()
            assert b"[IN-USE]" in answer and time.monotonic() < end, answer
            time.sleep(0.05)


class Peer:
    """one connection: what is sent and received, byte by byte"""

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def fill(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError("the connection is closed; left over: %r" % self.buf[-200:])
        self.buf += data

    def line(self):
        while b"\r\n" not in self.buf:
            self.fill()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def cmd(self, text):
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self.reply()

    def reply(self):
        return self.line()

    def quit(self):
        answer = self.cmd("QUIT")
        self.close()
        return answer

    def rest(self):
        """everything until the server closes"""
        out, self.buf = self.buf, b""
        try:
            while True:
                data = self.sock.recv(1 << 18)
                if not data:
                    return out
                out += data
        except ConnectionResetError:
            return out

    def close(self):
        self.sock.close()

    def over_tls(self):
        ctx = ssl.create_default_context(cafile=self.bed.cert)
        self.sock = ctx.wrap_socket(self.sock, server_hostname="localhost")


class Pop(Peer):
    """a client of POP3"""

    def __init__(self, bed, port="pop3", timeout=20, source=None):
        self.bed = bed
        number = bed.ports[port] if isinstance(port, str) else port
        self.sock = socket.create_connection(("127.0.0.1", number), timeout=timeout, source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        if port == "pop3s":
            self.tls()
        self.greeting = self.line()

    def tls(self):
        self.over_tls()

    def stls(self):
        answer = self.cmd("STLS")
        assert answer.startswith(b"+OK"), answer
        self.tls()

    def ok(self, text):
        answer = self.cmd(text)
        assert answer.startswith(b"+OK"), (text, answer)
        return answer

    def body(self):
        """the rest of a multi-line reply, dots taken off"""
        seen = 0
        while not self.buf.startswith(b".\r\n") and self.buf.find(b"\r\n.\r\n", max(0, seen - 4)) < 0:
            seen = len(self.buf)
            self.fill()
        if self.buf.startswith(b".\r\n"):
            raw, self.buf = b"", self.buf[3:]
        else:
            i = self.buf.index(b"\r\n.\r\n")
            raw, self.buf = self.buf[:i + 2], self.buf[i + 5:]
        return re.sub(rb"(?m)^\.", b"", raw) if raw else raw

    def multi(self, text):
        self.ok(text)
        return self.body().split(b"\r\n")[:-1]

    def retr(self, n):
        self.ok("RETR %d" % n)
        return self.body()

    def uidl(self):
        return [l.split()[1].decode() for l in self.multi("UIDL")]

    def stat(self):
        return tuple(map(int, self.ok("STAT").split()[1:3]))

    def apop(self, name, password):
        stamp = re.search(rb"<[^>]+>", self.greeting).group(0)
        return self.cmd("APOP %s %s" % (name, hashlib.md5(stamp + password.encode()).hexdigest()))

    def plain(self, name, password):
        return self.cmd("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (name, password)).encode()).decode())


class Mail(Peer):
    """one that speaks SMTP or LMTP"""

    def __init__(self, bed, port="lmtp", timeout=20, source=None, hello="tester"):
        self.bed, self.port = bed, port
        if port == "unix":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(bed.dir + "/lmtp")
        else:
            number = bed.ports[port] if isinstance(port, str) else port
            self.sock = socket.create_connection(("127.0.0.1", number), timeout=timeout,
                                                 source_address=(source, 0) if source else None)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lmtp = port in ("lmtp", "unix")
        self.buf = b""
        self.greeting = self.reply()
        if hello:
            self.hello(hello)

    def reply(self):
        """a reply, its lines joined by LF"""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return b"\n".join(lines)

    def ok(self, text, code=b"250"):
        answer = self.cmd(text)
        assert answer.startswith(code), (text, answer)
        return answer

    def hello(self, name="tester"):
        return self.ok(("LHLO " if self.lmtp else "EHLO ") + name)

    def tls(self):
        self.ok("STARTTLS", b"220")
        self.over_tls()
        self.hello()

    def begin(self, to, sender="sender@example.org", size=None):
        self.ok("MAIL FROM:<%s>" % sender + (" SIZE=%d" % size if size else ""))
        for one in [to] if isinstance(to, str) else to:
            self.ok("RCPT TO:<%s>" % one)

    def data(self, message):
        """the message, in lines that end with CRLF, and what is answered: a list with LMTP's one reply for each recipient"""
        self.ok("DATA", b"354")
        self.send(stuffed(message))

    def deliver(self, to, message, sender="sender@example.org"):
        to = [to] if isinstance(to, str) else to
        self.begin(to, sender)
        self.data(message)
        return [self.reply() for _ in (to if self.lmtp else to[:1])]

    def bdat(self, to, pieces, sender="sender@example.org"):
        """the same in chunks (RFC 3030)"""
        to = [to] if isinstance(to, str) else to
        self.begin(to, sender)
        for i, piece in enumerate(pieces):
            last = i == len(pieces) - 1
            self.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if last else b"") + piece)
            if not last:
                answer = self.reply()
                assert answer.startswith(b"250"), answer
        return [self.reply() for _ in (to if self.lmtp else to[:1])]


def stuffed(message):
    """a message as DATA sends it (RFC 5321 section 4.5.2)"""
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", message) + b".\r\n"


TRACE = re.compile(rb"\AReturn-Path: <[^\r\n]*>\r\nDelivered-To: [^\r\n]*\r\nReceived: (?:[^\r\n]*\r\n[ \t])*[^\r\n]*\r\n")


def untraced(message):
    """without the fields that reception has put before it"""
    m = TRACE.match(message)
    assert m, message[:300]
    return message[m.end():]


def wire(message):
    """the octets that RETR must give for a stored message (RFC 1939 section 3)"""
    out = re.sub(rb"(?<!\r)\n", b"\r\n", message)
    return out if out.endswith(b"\r\n") else out + b"\r\n"
