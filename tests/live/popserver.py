"""popserver: a POP3 server of the tests' own, in this process, that can be told to misbehave.

    with PopServer(messages, users={"anna": "secret"}) as s:
        s.port, s.sessions[-1].commands, s.left()

It is honest unless it is told otherwise: messages are removed at QUIT, a session sees what was there at its log-in. `instead` has answers
in the place of the honest ones: a function of (session, argument) that returns octets, or None for the honest answer, by command word,
and by "greeting". `cut`: after so many octets of replies the connection ends (`how` = "fin", "reset", or "tls": without close_notify).
`stall`: a word that is never answered; "connect" and "handshake" too. Used only on loopback.
"""
import base64
import hashlib
import socket
import ssl
import struct
import subprocess
import threading
import time

CAPA = ["TOP", "USER", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"]


def certificate(folder, names=("localhost",), days=30, name="server", addresses=("127.0.0.1",)):
    """a self-signed pair below `folder`: (certificate, key); a client believes it if it is given as its `tls_ca`"""
    cert, key = "%s/%s.pem" % (folder, name), "%s/%s.key" % (folder, name)
    alt = ",".join(["DNS:" + n for n in names] + ["IP:" + a for a in addresses])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", str(days), "-subj", "/CN=" + names[0]] + (["-addext", "subjectAltName=" + alt] if alt else []),
                   check=True, capture_output=True)
    return cert, key


class Cut(Exception):
    """the connection ends here"""


class Session(threading.Thread):
    def __init__(self, server, sock):
        super().__init__(daemon=True)
        self.server, self.sock = server, sock
        self.plain = sock  # below TLS
        self.commands, self.sent, self.secure, self.user, self.quit = [], 0, False, None, False
        self.rest = b""
        self.marked = set()
        self.drop = []

    # ---- octets

    def send(self, data):
        s = self.server
        if s.cut is not None and self.sent + len(data) >= s.cut:
            data = data[:max(0, s.cut - self.sent)]
            self.put(data)
            raise Cut()
        self.put(data)

    def put(self, data):
        for at in range(0, len(data), self.server.piece):
            self.sock.sendall(data[at:at + self.server.piece])
        self.sent += len(data)

    def line(self):
        while b"\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r")

    def end(self, how):
        try:
            if how == "reset":
                self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == "fin" and self.secure:
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        if how == "tls" and self.secure:
            # TCP ends, TLS does not say so
            try:
                self.plain.shutdown(socket.SHUT_WR) if self.plain.fileno() >= 0 else self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.sock.close()

    def secure_it(self):
        if self.server.stall == "handshake":
            self.server.halt.wait()
            raise Cut()
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True, suppress_ragged_eofs=True)
        self.plain = self.sock
        self.secure = True

    # ---- the conversation

    def run(self):
        how = "fin"
        try:
            if self.server.stall == "connect":
                self.server.halt.wait()
            if self.server.implicit:
                self.secure_it()
            self.answer("greeting", "", b"+OK ready %s\r\n" % self.server.stamp)
            while not self.quit:
                self.command(self.line().decode("latin-1"))
        except Cut:
            how = self.server.how
        except (OSError, EOFError, ssl.SSLError):
            pass
        self.end(how)

    def answer(self, word, arg, honest):
        if self.server.stall == word:
            self.server.halt.wait()
            raise Cut()
        if self.server.delay:
            time.sleep(self.server.delay)
        fn = self.server.instead.get(word)
        said = fn(self, arg) if fn else None
        self.send(honest() if said is None and callable(honest) else honest if said is None else said)
        return said is None

    def command(self, line):
        word, _, arg = line.partition(" ")
        word = word.upper()
        self.commands.append(line)
        fn = getattr(self, "do_" + word.lower(), None)
        if fn:
            fn(arg)
        else:
            self.answer(word, arg, b"-ERR unknown\r\n")

    def multi(self, lines):
        return b"".join(x + b"\r\n" for x in lines) + b".\r\n"

    def do_capa(self, arg):
        words = [c.encode() for c in self.server.capa or []]
        if self.server.tls and not self.secure:
            words.append(b"STLS")
        if self.server.sasl:
            words.append(b"SASL " + self.server.sasl.encode())
        self.answer("CAPA", arg, b"+OK\r\n" + self.multi(words) if self.server.capa is not None else b"-ERR unknown\r\n")

    def do_stls(self, arg):
        if not self.server.tls or self.secure:
            self.answer("STLS", arg, b"-ERR no\r\n")
        elif self.answer("STLS", arg, b"+OK begin\r\n"):
            self.rest = b""
            self.secure_it()

    def enter(self):
        with self.server.lock:
            self.drop = list(self.server.drop)
        return b"+OK %d messages\r\n" % len(self.drop)

    def do_user(self, arg):
        self.user = arg
        self.answer("USER", arg, b"+OK\r\n")

    def judge(self, word, arg, good):
        self.answer(word, arg, self.enter() if good else b"-ERR [AUTH] no\r\n")
        if not good:
            self.user = None

    def do_pass(self, arg):
        self.judge("PASS", arg, self.server.users.get(self.user) == arg)

    def do_apop(self, arg):
        name, _, digest = arg.partition(" ")
        known = self.server.users.get(name, "")
        self.user = name
        self.judge("APOP", arg, hashlib.md5(self.server.stamp + known.encode()).hexdigest() == digest)

    def do_auth(self, arg):
        mechanism, _, initial = arg.partition(" ")
        if mechanism.upper() not in self.server.sasl.split():
            self.answer("AUTH", arg, b"-ERR no such mechanism\r\n")
            return
        if not initial:
            self.send(b"+ \r\n")
            initial = self.line().decode("latin-1")
            self.commands.append(initial)
        text = b"" if initial == "=" else base64.b64decode(initial)
        if mechanism.upper() == "PLAIN":
            _, name, password = text.split(b"\0")
            self.user = name.decode()
            self.judge("AUTH", arg, self.server.users.get(self.user) == password.decode())
        else:  # OAUTHBEARER, XOAUTH2: the token is in it
            self.user = next(iter(self.server.users))
            self.judge("AUTH", arg, b"auth=Bearer " + self.server.token.encode() + b"\1" in text)

    def message(self, arg):
        number = int(arg.split()[0]) if arg.split() and arg.split()[0].isdigit() else 0
        return number if 1 <= number <= len(self.drop) and number not in self.marked else 0

    def body(self, message):
        lines = message.split(b"\r\n")
        if lines[-1] == b"":
            lines.pop()
        return self.multi([b"." + x if x.startswith(b".") else x for x in lines])

    def do_stat(self, arg):
        here = [m for i, m in enumerate(self.drop, 1) if i not in self.marked]
        self.answer("STAT", arg, b"+OK %d %d\r\n" % (len(here), sum(len(m.text) for m in here)))

    def rows(self, arg, of):
        if arg:
            n = self.message(arg)
            return b"+OK %d %s\r\n" % (n, of(self.drop[n - 1])) if n else b"-ERR no such message\r\n"
        return b"+OK\r\n" + self.multi([b"%d %s" % (i, of(m)) for i, m in enumerate(self.drop, 1) if i not in self.marked])

    def do_list(self, arg):
        self.answer("LIST", arg, lambda: self.rows(arg, lambda m: b"%d" % len(m.text)))

    def do_uidl(self, arg):
        if "UIDL" in (self.server.capa or ["UIDL"]) and self.server.uidl:
            self.answer("UIDL", arg, lambda: self.rows(arg, lambda m: m.uid))
        else:
            self.answer("UIDL", arg, b"-ERR unknown\r\n")

    def do_retr(self, arg):
        n = self.message(arg)
        self.answer("RETR", arg, lambda: b"+OK\r\n" + self.body(self.drop[n - 1].text) if n else b"-ERR no such message\r\n")

    def do_top(self, arg):
        n, lines = self.message(arg), int(arg.split()[1])
        head, _, text = self.drop[n - 1].text.partition(b"\r\n\r\n") if n else (b"", b"", b"")
        part = head + b"\r\n\r\n" + b"".join(x + b"\r\n" for x in text.split(b"\r\n")[:lines])
        self.answer("TOP", arg, b"+OK\r\n" + self.body(part) if n else b"-ERR no such message\r\n")

    def do_dele(self, arg):
        n = self.message(arg)
        if self.answer("DELE", arg, b"+OK\r\n" if n else b"-ERR no such message\r\n") and n:
            self.marked.add(n)

    def do_rset(self, arg):
        self.marked.clear()
        self.answer("RSET", arg, b"+OK\r\n")

    def do_noop(self, arg):
        self.answer("NOOP", arg, b"+OK\r\n")

    def do_quit(self, arg):
        gone = {self.drop[n - 1] for n in self.marked}
        if self.server.update == "before":  # removed, and the answer may be lost
            self.server.remove(gone)
        honest = self.answer("QUIT", arg, b"+OK bye\r\n")
        if honest and self.server.update == "after":
            self.server.remove(gone)
        self.quit = True


class Message:
    def __init__(self, text, uid):
        self.text, self.uid = text, uid


class PopServer:
    def __init__(self, messages=(), users=None, capa=CAPA, sasl="", token="", tls=None, implicit=False, uidl=True, instead=None, cut=None,
                 how="fin", stall=None, delay=0, piece=65536, stamp=b"<1.2@test>", update="before"):
        """messages: octets with CRLF, or (octets, uid). tls: (certificate, key)"""
        self.users = users or {"anna": "secret"}
        self.drop = []
        for m in messages:
            self.add(*m) if isinstance(m, tuple) else self.add(m)
        self.capa, self.sasl, self.token, self.uidl = capa, sasl, token, uidl
        self.instead, self.cut, self.how, self.stall, self.delay, self.piece = dict(instead or {}), cut, how, stall, delay, piece
        self.stamp, self.update, self.implicit = stamp, update, implicit
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.sessions, self.lock, self.halt = [], threading.Lock(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def add(self, text, uid=None):
        """a message that arrives: sessions that begin later see it"""
        uid = uid if uid is not None else hashlib.sha256(text + b"%d" % len(self.drop)).hexdigest()[:40].encode()
        self.drop.append(Message(text, uid))

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            s = Session(self, sock)
            self.sessions.append(s)
            s.start()

    def remove(self, gone):
        with self.lock:
            self.drop = [m for m in self.drop if m not in gone]

    def left(self):
        with self.lock:
            return [m.text for m in self.drop]

    def said(self):
        """all that clients said, a line each"""
        return [c for s in self.sessions for c in s.commands]

    def close(self):
        self.halt.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # else a thread that is just about to accept does so on the next one's descriptor
        except OSError:
            pass
        self.accepting.join(10)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
