"""mail: what powercut.py says to a server, and what it finds in a Maildir afterwards."""
import os
import re
import socket

LINE = b"a line of text, as long as lines of mail are: sixty-four octets\r\n"


def text(tag, lines=460):
    """a message that knows its name, and whose last line tells that it is whole"""
    return b"From: a@example.test\r\nSubject: %s\r\n\r\n" % tag.encode() + LINE * lines + b"END\r\n"


class Peer:
    def __init__(self, where, timeout=15):
        """where: a port of 127.0.0.1, or the path of a socket"""
        if isinstance(where, int):
            self.sock = socket.create_connection(("127.0.0.1", where), timeout)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(where)
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def reply(self):
        """the last line of a reply; OSError if the peer is gone"""
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionError("cut off: %r" % line)
            if line[3:4] != b"-":
                return line[:-2]

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply()


def deliver(where, dialect, rcpt, tag, lines=460):
    """hands one message over; True only if it was acknowledged"""
    try:
        with Peer(where) as p:
            for line, good in ((("LHLO" if dialect == "lmtp" else "EHLO") + " here.example.test", b"2"),
                               ("MAIL FROM:<sender@example.test>", b"2"), ("RCPT TO:<%s>" % rcpt, b"2"), ("DATA", b"3")):
                if not p.say(line).startswith(good):
                    return False
            p.sock.sendall(text(tag, lines))
            return p.say(".").startswith(b"2")
    except OSError:
        return False


def empty_by_pop3(port, user, password):
    """deletes every message there is; True only if QUIT was confirmed"""
    try:
        with Peer(port) as p:
            p.say("USER " + user)
            if not p.say("PASS " + password).startswith(b"+OK"):
                return False
            for n in range(int(p.say("STAT").split()[1])):
                if not p.say("DELE %d" % (n + 1)).startswith(b"+OK"):
                    return False
            return p.say("QUIT").startswith(b"+OK")
    except OSError:
        return False


# ---- the Maildir

def files(box, *subs):
    return ["%s/%s/%s" % (box, sub, f) for sub in subs for f in os.listdir("%s/%s" % (box, sub))]


def look(box, wanted):
    """(tags of `wanted` that are not there, files that are torn, files that are the second with their tag)"""
    seen, torn, twice = set(), [], []
    for path in files(box, "new", "cur"):
        with open(path, "rb") as f:
            data = f.read()
        m = re.search(rb"^Subject: (\S+)", data, re.M)
        if not m or not data.rstrip().endswith(b"\nEND"):
            torn.append(path)
            continue
        tag = m[1].decode()
        if tag in seen:
            twice.append(path)
        seen.add(tag)
    return sorted(set(wanted) - seen), torn, twice


def empty(box):
    for path in files(box, "new", "cur", "tmp"):
        os.unlink(path)
