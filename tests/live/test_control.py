"""`bustia who` and `bustia kick` against a server that answers as it likes: what is printed, and what is not believed."""
import os
import socket
import struct
import subprocess
import tempfile
import threading

import pytest

from bed import TOP

BUSTIA = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"
ROW = struct.Struct("=IIQQQ252s64s160sIII")
REQUEST = struct.Struct("=II252s512s64s32s")
KIND_ROW, KIND_DONE, KIND_ERROR = 1, 2, 3


def row(kind, user=b"", address=b"", text=b"", ms=0, read=0, deleted=0, uid=0, tls=0, count=0, version=2):
    return ROW.pack(version, kind, ms, read, deleted, user, address, text, uid, tls, count)


class Server:
    """takes one request on a control socket of its own and answers with the bytes it is given"""

    def __init__(self, answer):
        self.folder = tempfile.TemporaryDirectory(dir="/tmp")
        d = self.folder.name
        self.conf = d + "/conf"
        with open(self.conf, "w") as f:
            f.write("run_dir = %s\nlisten = 127.0.0.1:1 pop3\n" % d)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(d + "/control.sock")
        self.socket.listen()
        self.socket.settimeout(0.05)
        self.over = False
        self.asked = None
        self.thread = threading.Thread(target=self.serve, args=(answer,))
        self.thread.start()

    def serve(self, answer):
        while not self.over and self.asked is None:
            try:
                self.one(answer, self.socket.accept()[0])
            except socket.timeout:
                pass

    def one(self, answer, s):
        try:
            with s:
                s.settimeout(20)
                self.asked = s.recv(REQUEST.size, socket.MSG_WAITALL)
                for i in range(0, len(answer), 100):  # in pieces: a row need not come whole
                    s.sendall(answer[i:i + 100])
        except OSError:
            pass

    def ask(self, *words):
        p = subprocess.run([BUSTIA, "-c", self.conf, *words], capture_output=True, text=True, timeout=60)
        self.over = True
        self.thread.join()
        self.socket.close()
        self.folder.cleanup()
        return p


def test_who_prints_a_table():
    s = Server(row(KIND_ROW, b"anna", b"192.0.2.7", ms=67000, read=3, deleted=1, uid=1000, tls=1) +
               row(KIND_ROW, b"x\x1b[2J\xff", b"2001:db8::7", ms=3600000 * 25, uid=1001) + row(KIND_DONE, count=2))
    p = s.ask("who")
    assert (p.returncode, p.stderr) == (0, "")
    assert p.stdout == ("USER          ADDRESS      TLS     SINCE    READ  DELETED  UID\n"
                        "anna          192.0.2.7    yes      1:07       3        1  1000\n"
                        "x\\x1b[2J\\xff  2001:db8::7  no   25:00:00       0        0  1001\n")
    assert s.asked == REQUEST.pack(2, 1, b"", b"", b"", b"")


@pytest.mark.parametrize("count,text", [(1, "1 session of anna ended\n"), (7, "7 sessions of anna ended\n")])
def test_kick_says_how_many(count, text):
    s = Server(row(KIND_DONE, count=count))
    p = s.ask("kick", "anna")
    assert (p.returncode, p.stdout, p.stderr) == (0, text, "")
    assert s.asked == REQUEST.pack(2, 2, b"anna", b"", b"", b"")


def test_kick_of_nobody():
    p = Server(row(KIND_DONE, count=0)).ask("kick", "a\x1bb")
    assert (p.returncode, p.stdout, p.stderr) == (1, "", "bustia: no session of a\\x1bb\n")


# err_kind: 1 temp, 3 busy, 4 auth; 99 is none of this version
@pytest.mark.parametrize("kind,status", [(1, 75), (4, 77), (99, 75), (0, 75)])
def test_an_error_gives_its_status(kind, status):
    p = Server(row(KIND_ERROR, text=b"no \x1b way", count=kind)).ask("who")
    assert (p.returncode, p.stdout, p.stderr) == (status, "", "bustia: no \\x1b way\n")


@pytest.mark.parametrize("answer", [
    b"",
    row(KIND_DONE)[:-1],
    row(KIND_ROW, b"anna"),
    row(KIND_DONE, version=1),
    row(4),
    row(KIND_ROW, b"a" * 252) + row(KIND_DONE, count=1),
    row(KIND_ROW, b"a\0hidden") + row(KIND_DONE, count=1),
    row(KIND_ROW, b"anna", tls=2) + row(KIND_DONE, count=1),
    row(KIND_ROW, b"anna") + row(KIND_DONE, count=2),
], ids=["nothing", "half", "no-end", "version", "kind", "no-nul", "hidden", "tls", "count"])
def test_half_an_answer_is_not_believed(answer):
    p = Server(answer).ask("who")
    assert p.returncode == 75 and p.stdout == "" and p.stderr.startswith("bustia: ")


def test_no_server():
    s = Server(b"")
    os.unlink(s.folder.name + "/control.sock")
    p = s.ask("who")
    assert p.returncode == 75 and "does it run" in p.stderr


def test_names_that_cannot_be():
    s = Server(b"")
    p = s.ask("kick", "a" * 252)
    assert p.returncode == 65 and s.asked is None
    for words in (["kick"], ["kick", ""], ["kick", "a", "b"], ["who", "x"]):
        p = Server(b"").ask(*words)
        assert p.returncode == 64 and p.stderr.startswith("usage: bustia ")
