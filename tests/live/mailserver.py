"""mailserver: an SMTP server of the tests' own, in this process, that keeps what it is given and can be told to misbehave.

    with MailServer(tls=pair, users={"anna": "secret"}) as s:
        s.port, s.mails[-1].sender, .to, .text

`instead` has answers in the place of the honest ones: a function of (session, line) that returns octets, None for the honest answer, or
CUT, by command word, and by "greeting" and "." (the end of a message). Used only on loopback.
"""
import base64
import socket
import ssl
import threading

CUT = object()


class Mail:
    def __init__(self, sender, to, text, secure, user):
        self.sender, self.to, self.text, self.secure, self.user = sender, to, text, secure, user


class Session(threading.Thread):
    def __init__(self, server, sock):
        super().__init__(daemon=True)
        self.server, self.sock, self.rest = server, sock, b""
        self.secure, self.user, self.sender, self.to, self.commands, self.over = False, None, None, [], [], False

    def line(self):
        while b"\r\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def secure_it(self):
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.secure, self.rest = True, b""

    def run(self):
        try:
            if self.server.implicit:
                self.secure_it()
            self.answer("greeting", b"", b"220 here\r\n")
            while not self.over:
                self.command(self.line())
        except (OSError, EOFError, ssl.SSLError):
            pass
        self.sock.close()

    def answer(self, word, line, honest):
        """True: it was the honest one"""
        fn = self.server.instead.get(word)
        said = fn(self, line) if fn else None
        if said is CUT:
            raise EOFError
        self.sock.sendall(honest if said is None else said)
        return said is None

    def command(self, line):
        word, _, arg = line.decode("utf-8", "replace").partition(" ")
        word = word.upper()
        self.commands.append(line)
        getattr(self, "do_" + word.lower(), lambda a: self.answer(word, line, b"502 5.5.2 unknown\r\n"))(arg)

    def do_ehlo(self, arg):
        words = ["here", "PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        words += ["STARTTLS"] * (self.server.tls is not None and not self.secure) + ["AUTH " + self.server.auth] * bool(self.server.auth and self.secure)
        self.answer("EHLO", arg, "".join("250%s%s\r\n" % ("-" if i < len(words) - 1 else " ", w) for i, w in enumerate(words)).encode())

    def do_starttls(self, arg):
        if self.answer("STARTTLS", arg, b"220 go on\r\n"):
            self.secure_it()

    def do_auth(self, arg):
        text = arg.partition(" ")[2]
        if not text:
            self.sock.sendall(b"334 \r\n")
            text = self.line().decode()
        _, user, password = base64.b64decode(text).decode().split("\0")
        good = self.server.users.get(user) == password
        if self.answer("AUTH", arg, b"235 2.7.0 yes\r\n" if good else b"535 5.7.8 no\r\n") and good:
            self.user = user

    def do_mail(self, arg):
        self.sender, self.to = arg.split(">")[0].split("<")[1], []
        self.answer("MAIL", arg, b"250 2.1.0 yes\r\n")

    def do_rcpt(self, arg):
        address = arg.split(">")[0].split("<")[1]
        if self.answer("RCPT", address, b"250 2.1.5 yes\r\n"):
            self.to.append(address)

    def do_data(self, arg):
        if not self.to:
            self.answer("DATA", arg, b"554 5.5.1 nobody\r\n")
            return
        if not self.answer("DATA", arg, b"354 go on\r\n"):
            return
        lines = []
        while True:
            line = self.line()
            if line == b".":
                break
            lines.append((line[1:] if line[:1] == b"." else line) + b"\r\n")
        fn = self.server.instead.get("keep")
        if not fn or fn(self):
            self.server.mails.append(Mail(self.sender, list(self.to), b"".join(lines), self.secure, self.user))
        self.answer(".", arg, b"250 2.0.0 taken\r\n")

    def do_rset(self, arg):
        self.sender, self.to = None, []
        self.answer("RSET", arg, b"250 2.0.0 yes\r\n")

    def do_quit(self, arg):
        self.answer("QUIT", arg, b"221 2.0.0 bye\r\n")
        self.over = True


class MailServer:
    def __init__(self, tls=None, implicit=False, users=None, auth="", instead=None):
        """tls: (certificate, key)"""
        self.users, self.auth, self.instead, self.implicit = users or {}, auth, dict(instead or {}), implicit
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.mails, self.sessions = [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sessions.append(Session(self, sock))
            self.sessions[-1].start()

    def said(self):
        return [c for s in self.sessions for c in s.commands]

    def close(self):
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
