"""The reader in the terminal: `bustia list|show|headers|save|delete` against our own server over TLS, over what was collected, and against
servers that lie (popserver.py). No byte of mail or server commands a terminal."""
import base64
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time

import pytest
from collecting import BUSTIA, Collecting
from popserver import PopServer, certificate

pytestmark = pytest.mark.asan

# What a terminal would obey: CSI, OSC (a title, a link, the clipboard), a single C1 octet, BEL, DCS, the direction of text
COMMANDS = "\x1b[31m|\x1b]0;title\x07|\x1b]52;c;cm0gLXJm\x1b\\|\x9b2J|\x90q|\x08\x08|\u202egnp.exe"
FORBIDDEN = [chr(c) for c in list(range(0x20)) + list(range(0x7f, 0xa0)) + list(range(0x202a, 0x202f)) + list(range(0x2066, 0x206a)) if chr(c) not in "\n\t"]


def harmless(text):
    found = [c for c in FORBIDDEN if c in text]
    assert not found, (found, text)
    return text


def mail(subject="hello", sender="Anna <anna@example.test>", body="A line.\r\n", more=""):
    return ("From: %s\r\nTo: ben@example.test\r\nSubject: %s\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
            "Message-ID: <%s@example.test>\r\n%s\r\n%s" % (sender, subject, abs(hash(subject + body)), more, body)).encode()


def attached(parts, html=None):
    """a message with files: (name as a parameter's octets, what is in it)"""
    text = 'From: anna@example.test\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    text += "--b\r\nContent-Type: text/plain\r\n\r\nSee the files.\r\n"
    if html:
        text += "--b\r\nContent-Type: text/html\r\n\r\n%s\r\n" % html
    out = text.encode()
    for name, data in parts:
        out += (b'--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n'
                b'Content-Disposition: attachment; filename="' + name + b'"\r\n\r\n' + base64.encodebytes(data).replace(b"\n", b"\r\n"))
    return out + b"--b--\r\n"


def on_server(tmp_path, server, **options):
    """an account of a scripted server"""
    return Collecting(tmp_path).account(server.port, **options)


def told(run, status=0):
    """what it printed, which no terminal obeys"""
    assert run.status == status, run
    return harmless(run.out)


class Terminal:
    """a program on a terminal of its own"""

    def __init__(self, where, *words, env=None, columns=80):
        self.out = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                os.execve(BUSTIA, [BUSTIA, *words], {**where.environment, "PAGER": "", "TERM": "xterm", **(env or {})})
            finally:
                os._exit(127)

    def until(self, text, secs=20):
        end = time.monotonic() + secs
        while text.encode() not in self.out:
            assert time.monotonic() < end, self.out
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    piece = os.read(self.fd, 65536)
                except OSError:
                    piece = b""
                assert piece, self.out
                self.out += piece

    def say(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        try:
            while True:
                piece = os.read(self.fd, 65536)
                if not piece:
                    break
                self.out += piece
        except OSError:
            pass
        os.close(self.fd)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return status, harmless(self.out.decode(errors="backslashreplace").replace("\r\n", "\n"))


# ---- our own server, over TLS

@pytest.fixture
def ours(bed, tmp_path, request):
    """t26's maildrop on the testbed, and an account of it"""
    name, password = bed.pool(26)
    bed.empty(name)
    where = Collecting(tmp_path)
    with open(os.open(where.folder + "/pool", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(password + "\n")
    where.account(bed.ports["pop3s"], tls="implicit", tls_ca=bed.cert, user=name, password_file=where.folder + "/pool")
    where.name = name
    yield where
    bed.empty(name)


def test_list_show_headers(bed, ours):
    bed.seed(ours.name, [mail("first"), mail("=?utf-8?q?na=C3=AFve?=", sender="=?utf-8?q?Zo=C3=AB?= <zoe@example.test>", body="One.\r\n.two\r\n")])
    out = told(ours.bustia("list", "-a", ours.file, "one"))
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2"] and "naïve" in out and "Zoë" in out and "2026-11-02" in out
    out = told(ours.bustia("show", "-a", ours.file, "one", "2"))
    assert "From: Zoë <zoe@example.test>\n" in out and out.endswith("\n\nOne.\n.two\n")
    out = told(ours.bustia("headers", "one", "-a", ours.file, "1"))
    assert "Subject: first\n" in out and "A line" not in out
    assert "\r\nSubject: first\r\n" in ours.bustia("show", "--raw", "-a", ours.file, "one", "1").out
    assert "no message 3: there are 2" in told(ours.bustia("show", "-a", ours.file, "one", "3"), 66)


def test_newest_by_default(bed, ours):
    bed.seed(ours.name, [mail("m%d" % i) for i in range(40)])
    out = told(ours.bustia("list", "-a", ours.file, "one"))
    assert " m39\n" in out and " m15\n" in out and " m14\n" not in out and "newest 25 of 40" in out
    assert told(ours.bustia("list", "--all", "-a", ours.file, "one")).count("\n") == 40
    assert told(ours.bustia("list", "-a", ours.file, "one", "3", "5")).count("\n") == 2


def test_a_long_maildrop_is_listed_in_bounded_time(tmp_path):
    with PopServer([mail("m%d" % i) for i in range(5000)]) as server:
        where = on_server(tmp_path, server)
        run = where.bustia("list", "-a", where.file, "one")
        assert "newest 25 of 5000" in told(run) and " m4999\n" in run.out and sum(c.startswith("TOP ") for c in server.said()) == 25
        assert sum(c.startswith(("RETR", "DELE")) for c in server.said()) == 0


def test_uids_and_delete(bed, ours):
    bed.seed(ours.name, [mail("a"), mail("b"), mail("c")])
    uids = [line.split()[2] for line in told(ours.bustia("list", "--uids", "-a", ours.file, "one")).splitlines()]
    run = ours.bustia("delete", "--yes", "-a", ours.file, "one", "2")
    assert "named by their uid" in told(run, 64) and uids[1] in run.out
    assert "nobody can be asked" in told(ours.bustia("delete", "-a", ours.file, "one", "2"), 64)
    assert len(bed.files(ours.name)) == 3
    assert "1 message is deleted" in told(ours.bustia("delete", "--yes", "-a", ours.file, "one", "uid:" + uids[1]))
    left = told(ours.bustia("list", "-a", ours.file, "one"))
    assert " a\n" in left and " c\n" in left and " b\n" not in left
    assert "no message with the uid" in told(ours.bustia("delete", "--yes", "-a", ours.file, "one", "uid:" + uids[1]), 66)
    assert len(bed.files(ours.name)) == 2


@pytest.mark.parametrize("answer,left", [("y\n", 1), ("n\n", 2), ("\n", 2)])
def test_delete_asks(bed, ours, answer, left):
    bed.seed(ours.name, [mail("keep"), mail("lose \x1b[31m" + COMMANDS)])
    t = Terminal(ours, "delete", "-a", ours.file, "one", "2")
    t.until("Delete it on the server? [y/N]")
    t.say(answer)
    status, out = t.end()
    assert status == 0 and "lose" in out and "keep" not in out
    assert ("1 message is deleted" in out) == (left == 1) and ("nothing was deleted" in out) == (left == 2)
    assert len(bed.files(ours.name)) == left


def test_on_a_terminal_the_pager_is_used(bed, ours):
    bed.seed(ours.name, [mail("long", body="".join("line %d\x1b[2J\r\n" % i for i in range(200)))])
    status, out = Terminal(ours, "show", "-a", ours.file, "one", "1", env={"PAGER": "sed s/^line/LINE/"}).end()
    assert status == 0 and "LINE 199^[[2J" in out
    status, out = Terminal(ours, "show", "-a", ours.file, "one", "1", env={"PAGER": "head -3"}).end()
    assert status == 0 and out.count("\n") == 3  # who leaves the pager has seen enough


def test_on_a_narrow_terminal_the_subject_has_half(tmp_path):
    with PopServer([mail("a subject of very many letters, more than there is room for by far", sender="Anna Amalia <anna@example.test>")]) as server:
        where = on_server(tmp_path, server)
        for columns, date, least in ((80, True, 20), (72, True, 14), (71, False, 36), (40, False, 20), (30, False, 16)):
            status, out = Terminal(where, "list", "-a", where.file, "one", columns=columns).end()
            line = out.rstrip("\n")
            assert status == 0 and "\n" not in line and len(line) <= columns, line
            assert ("2026-11" in line) == date and "a subject of very many letters, more"[:least - 1] in line, line
            assert ("Ann" in line) == (columns >= 40), line


def test_a_sender_that_cannot_be_made_out_is_shown(tmp_path):
    with PopServer([mail("x", sender="\x1b[2J <>"), mail("y", sender="<@>,;:")]) as server:
        where = on_server(tmp_path, server)
        rows = told(where.bustia("list", "-a", where.file, "one")).splitlines()
        assert "[2J" in rows[0] and "<@>" in rows[1], rows
        assert "From: " in told(where.bustia("show", "-a", where.file, "one", "1"))
        assert "From: <@>" in told(where.bustia("show", "-a", where.file, "one", "2"))


# ---- what a terminal would obey

def test_no_octet_commands_a_terminal(tmp_path):
    word = "=?utf-8?b?%s?=" % base64.b64encode(COMMANDS.encode()).decode()
    messages = [mail("x" + COMMANDS, sender="\"%s\" <a@example.test>" % COMMANDS, body=COMMANDS + "\r\n"),
                mail(word, sender=word + " <b@example.test>", more="Content-Type: text/html\r\n", body="<p>%s &#27;[31m &#x9b;2J</p>\r\n" % COMMANDS),
                attached([(word.encode(), b"data"), (COMMANDS.encode(), b"raw"), (b"x\x1b[31m.txt", b"y")]),
                mail("raw octets", body="x").replace(b"x", b"\x9b2J\xff\xfe\x85\xc2\x9b31m")]
    with PopServer(messages, instead={"greeting": lambda s, a: b"+OK \x1b[31mhi\r\n"}) as server:
        where = on_server(tmp_path, server)
        for words in (["list"], *[[w, str(i)] for w in ("show", "headers") for i in (1, 2, 3, 4)], ["show", "--raw", "1"], ["show", "--html", "2"]):
            raw = words[1:2] == ["--raw"]  # octets as they are, unless somebody sits there
            run = where.bustia(words[0], "-a", where.file, *(w for w in words[1:] if w[:1] == "-"), "one", *(w for w in words[1:] if w[:1] != "-"))
            assert run.status == 0, run
            if not raw:
                harmless(run.out)
            status, out = Terminal(where, words[0], "-a", where.file, *(w for w in words[1:] if w[:1] == "-"), "one", *(w for w in words[1:] if w[:1] != "-")).end()
            assert status == 0 and out
        for locale in ("C", "POSIX"):
            status, out = Terminal(where, "list", "-a", where.file, "one", env={"LC_ALL": locale}).end()
            assert status == 0 and out.isascii()
        folder = tmp_path / "saved"
        folder.mkdir()
        told(where.bustia("save", "-a", where.file, "--folder", str(folder), "one", "3"))
        names = os.listdir(folder)
        assert len(names) == 3
        for name in names:
            harmless(name)


def test_a_servers_errors_command_nothing(tmp_path):
    no = b"-ERR \x1b]0;owned\x07\x1b[31m\x9b2J no\r\n"
    for word, words in {"PASS": ["list", "one"], "LIST": ["list", "one"], "RETR": ["show", "one", "1"], "DELE": ["delete", "--yes", "one", "uid:u1"]}.items():
        with PopServer([(mail(), b"u1")], instead={word: lambda s, a: no}) as server:
            where = on_server(tmp_path / word, server) if (tmp_path / word).mkdir() is None else None
            run = where.bustia(words[0], "-a", where.file, *words[1:])
            assert run.status != 0 and "no" in harmless(run.out), (word, run)
            assert len(server.left()) == 1


# ---- files

def test_names_stay_in_the_folder(tmp_path):
    names = [b"../../evil.txt", b"/etc/passwd", b"..\\\\..\\\\win.ini", b"..", b".profile", b"-rf", b"a/../../b.txt", b"\0x", b"", b"same.txt", b"same.txt",
             b"x" * 400 + b".pdf"]
    folder = tmp_path / "in" / "saved"
    folder.mkdir(parents=True)
    (folder / "same.txt").write_bytes(b"mine")
    os.symlink(str(tmp_path / "target"), str(folder / "evil.txt"))
    with PopServer([attached([(n, b"data of %d" % i) for i, n in enumerate(names)])]) as server:
        where = on_server(tmp_path, server)
        before = set(os.listdir(tmp_path)) | {"out"}
        told(where.bustia("save", "-a", where.file, "--folder", str(folder), "one", "1"))
        assert set(os.listdir(tmp_path)) | {"out"} == before and os.listdir(tmp_path / "in") == ["saved"]
        assert not (tmp_path / "target").exists() and (folder / "same.txt").read_bytes() == b"mine"
        saved = sorted(os.listdir(folder))
        contents = sorted((folder / n).read_bytes() for n in saved if n not in ("same.txt", "evil.txt"))
        assert contents == sorted(b"data of %d" % i for i in range(len(names)))
        assert all(not n.startswith((".", "-")) and len(n) < 256 for n in saved), saved
        told(where.bustia("save", "-a", where.file, "--folder", str(folder), "one", "1"))
        assert sorted((folder / n).read_bytes() for n in saved if n not in ("same.txt", "evil.txt")) == contents
        assert len(os.listdir(folder)) == len(saved) + len(names)


def test_parts_by_number_and_the_whole(tmp_path):
    message = attached([(b"one.bin", b"\0\1\2" * 1000), (b"two.txt", b"zwei")], html="<b>bold</b>")
    folder = tmp_path / "saved"
    folder.mkdir()
    with PopServer([message]) as server:
        where = on_server(tmp_path, server)
        out = told(where.bustia("show", "-a", where.file, "one", "1"))
        assert "[3] one.bin, application/octet-stream, 3.0k\n" in out and "[4] two.txt" in out and "bold" in out
        told(where.bustia("save", "-a", where.file, "--folder", str(folder), "one", "1", "4"))
        assert os.listdir(folder) == ["two.txt"] and (folder / "two.txt").read_bytes() == b"zwei"
        told(where.bustia("save", "--raw", "-a", where.file, "--folder", str(folder), "one", "1"))
        assert (folder / "message.eml").read_bytes().replace(b"\r\n", b"\n") == message.replace(b"\r\n", b"\n")
        told(where.bustia("save", "--all", "-a", where.file, "--folder", str(folder), "one", "1"))
        assert sorted(os.listdir(folder)) == ["message.eml", "one.bin", "part-1.txt", "part-2.html", "two-1.txt", "two.txt"]
        assert "no part 9" in told(where.bustia("save", "-a", where.file, "--folder", str(folder), "one", "1", "9"), 65)
        assert "cannot be opened" in told(where.bustia("save", "-a", where.file, "--folder", str(folder / "none"), "one", "1"), 66)


# ---- servers that lie, and servers that know little

def test_without_top_and_uidl(tmp_path):
    with PopServer([mail("small"), mail("large", body="x" * 70 + "\r\n") * 1], capa=None, uidl=False, instead={"TOP": lambda s, a: b"-ERR unknown\r\n"}) as server:
        where = on_server(tmp_path, server)
        run = where.bustia("list", "-a", where.file, "one")
        assert run.status == 0, run
        assert "small" in harmless(run.out) and "large" in run.out
        assert "1 message is deleted" in told(where.bustia("delete", "--yes", "-a", where.file, "one", "1"))
        assert len(server.left()) == 1


def endless(piece, head=b""):
    def answer(session, arg):
        session.put(head)
        while True:
            session.put(piece)
    return answer


ENDLESS = {
    "a head": ("TOP", b"+OK\r\n", b"X: y\r\n" * 1000), "a head's line": ("TOP", b"+OK\r\n", b"x" * 60000), "LIST": ("LIST", b"+OK\r\n", b"1 1\r\n" * 1000),
    "a message": ("RETR", b"+OK\r\n", b"x\r\n" * 20000), "a uid": ("UIDL", b"+OK\r\n1 ", b"u" * 60000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends(tmp_path, name):
    """ends by itself, in bounded memory"""
    word, head, piece = ENDLESS[name]
    with PopServer([mail()], instead={word: endless(piece, head)}) as server:
        where = on_server(tmp_path, server)
        command = "show" if word == "RETR" else "list"
        with open(where.folder + "/out", "wb") as f:
            p = subprocess.Popen([BUSTIA, command, "-a", where.file, "one"] + ["1"] * (command == "show"), stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                 env=dict(where.environment, TMPDIR="/nonexistent"))
            pid, status, usage = os.wait4(p.pid, 0)
            p.returncode = os.waitstatus_to_exitcode(status)
        with open(where.folder + "/out", errors="backslashreplace") as f:
            harmless(f.read())
        assert p.returncode > 0
        assert "asan" in BUSTIA or usage.ru_maxrss < 64 * 1024, usage.ru_maxrss


def test_deletion_that_is_not_answered(tmp_path):
    with PopServer([(mail(), b"u1")], instead={"QUIT": lambda s, a: b"-ERR not all\r\n"}) as server:
        run = (where := on_server(tmp_path, server)).bustia("delete", "--yes", "-a", where.file, "one", "uid:u1")
        assert "deleted\n" not in told(run, 75)


def test_one_uid_for_two(tmp_path):
    with PopServer([(mail("a"), b"u1"), (mail("b"), b"u1")]) as server:
        where = on_server(tmp_path, server)
        assert "to 2 messages" in told(where.bustia("delete", "--yes", "-a", where.file, "one", "uid:u1"), 65)
        assert len(server.left()) == 2


def test_cut_inside_a_message(tmp_path):
    for cut in range(200, 900, 70):
        with PopServer([mail(body="line\r\n" * 100)], cut=cut) as server:
            (tmp_path / str(cut)).mkdir()
            where = on_server(tmp_path / str(cut), server)
            run = where.bustia("show", "-a", where.file, "one", "1")
            assert run.status == 75 and "line" not in run.out, run


def test_a_certificate_of_nobody(tmp_path):
    pair = certificate(str(tmp_path))
    with PopServer([mail()], tls=pair, implicit=True) as server:
        where = on_server(tmp_path, server, tls="implicit")
        told(where.bustia("list", "-a", where.file, "one"), 77)
        assert not [c for c in server.said() if "secret" in c]


# ---- MIME and HTML that are bombs

BOMBS = {
    "parts in parts": b"Content-Type: multipart/mixed; boundary=\"0\"\r\n\r\n" + b"".join(
        b"--%d\r\nContent-Type: multipart/mixed; boundary=\"%d\"\r\n\r\n" % (i, i + 1) for i in range(3000)),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 3000,
    "parts": b"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 30000,
    "fields": b"X: y\r\n" * 200000 + b"\r\nx\r\n",
    "one field": b"Subject: " + b"x" * 3000000 + b"\r\n\r\nx\r\n",
    "addresses": b"To: " + b"a@b,\r\n " * 30000 + b"c@d\r\n\r\nx\r\n",
    "comments": b"To: " + b"(" * 100000 + b"\r\n\r\nx\r\n",
    "words": b"Subject: " + b"=?utf-8?q?a?=\r\n " * 30000 + b"\r\n\r\nx\r\n",
    "elements": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 300000,
    "tables": b"Content-Type: text/html\r\n\r\n" + b"<table><tr><td>" * 50000 + b"x",
    "entities": b"Content-Type: text/html\r\n\r\n<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">" + b"".join(
        b"<!ENTITY a%d \"%s\">" % (i, b"&a%d;" % (i - 1) * 10 if i else b"&a;" * 10) for i in range(12)) + b"]><p>&a11;&a11;</p>",
    "attributes": b"Content-Type: text/html\r\n\r\n<p " + b"a=b " * 500000 + b">x</p>",
    "parameters": b"Content-Type: text/plain" + b";\r\n a*%d=x" % 1 * 50000 + b"\r\n\r\nx\r\n",
    "references": b"References: " + b"<a@b>\r\n " * 30000 + b"\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path, name):
    with PopServer([BOMBS[name]]) as server:
        where = on_server(tmp_path, server)
        for command in ("list", "show", "save"):
            run = where.bustia(command, "-a", where.file, "one", *["1"] * (command != "list"), timeout=60)
            harmless(run.out)
            assert run.status in (0, 65), run
            assert run.seconds < 45, run
            assert len(run.out) < 20000000


# ---- over what was collected

def test_over_a_maildir(bed, ours):
    bed.seed(ours.name, [mail("here"), mail("there")])
    box = "maildir:" + bed.maildir(ours.name)
    before = sorted(bed.files(ours.name))
    assert "there" in told(ours.bustia("list", box)) and "A line." in told(ours.bustia("show", box, "1"))
    assert "files are not deleted" in told(ours.bustia("delete", "--yes", box, "1"), 64)
    assert sorted(bed.files(ours.name)) == before
    assert "no Maildir" in told(ours.bustia("list", "maildir:" + ours.folder), 65) and "cannot be opened" in told(ours.bustia("list", box + "x"), 66)


def test_over_what_was_collected(tmp_path):
    with PopServer([(mail("eins"), b"u1"), (mail("zwei"), b"u2"), (mail("drei"), b"u3")]) as server:
        where = on_server(tmp_path, server)
        assert "nothing" in told(where.bustia("list", "--collected", "-a", where.file, "one"), 66)
        run = where.fetch("one")
        assert run.status == 0, run
        server.add(mail("vier"), b"u4")
        marks = [line[0] for line in told(where.bustia("list", "-a", where.file, "one")).splitlines()]
        assert marks == ["c", "c", "c", " "]
        server.remove(set(server.drop))
        out = told(where.bustia("list", "--collected", "--uids", "-a", where.file, "one"))
        assert [line.split()[2] for line in out.splitlines()] == ["u1", "u2", "u3"]
        assert "Subject: zwei" in told(where.bustia("show", "--collected", "-a", where.file, "one", "uid:u2"))
        assert "Subject: drei" in told(where.bustia("headers", "--collected", "-a", where.file, "one", "3"))
        # a mail reader moves and flags it: it is found all the same; and what it deletes is not listed
        new = where.box() + "/new/"
        names = {open(new + n, "rb").read().split(b"Subject: ")[1][:4]: n for n in os.listdir(new)}
        os.rename(new + names[b"zwei"], where.box() + "/cur/" + names[b"zwei"].split(":")[0] + ":2,S")
        os.unlink(new + names[b"eins"])
        assert "Subject: zwei" in told(where.bustia("show", "--collected", "-a", where.file, "one", "uid:u2"))
        assert len(told(where.bustia("list", "--collected", "-a", where.file, "one")).splitlines()) == 2
        assert 'no option "--collected"' in told(where.bustia("delete", "--collected", "-a", where.file, "one", "uid:u2"), 64)


def test_while_a_check_is_at_work(tmp_path):
    """the state is read as it is, and the collector is not disturbed"""
    go = threading.Event()
    with PopServer([(mail("eins"), b"u1")]) as server:
        where = on_server(tmp_path, server, silence_timeout="30s")
        assert where.fetch("one").status == 0
        server.add(mail("zwei"), b"u2")
        server.instead["RETR"] = lambda session, arg: None if go.wait(30) else None
        before = len(server.sessions)
        fetch = subprocess.Popen([BUSTIA, "fetch", "-a", where.file, "one"], env=where.environment, stdin=subprocess.DEVNULL)
        while not any(c.startswith("RETR") for s in server.sessions[before:] for c in s.commands):
            time.sleep(0.02)
        marks = [line[0] for line in told(where.bustia("list", "-a", where.file, "one")).splitlines()]
        assert marks[0] == "c" and "Subject: eins" in told(where.bustia("show", "--collected", "-a", where.file, "one", "1"))
        go.set()
        assert fetch.wait(30) == 0
        assert "Subject: zwei" in told(where.bustia("show", "--collected", "-a", where.file, "one", "uid:u2"))


def test_usage(tmp_path):
    where = Collecting(tmp_path)
    where.account(1, name="work")
    assert 'did you mean "work"?' in told(where.bustia("list", "-a", where.file, "wrok"), 64)
    for words, said in ((["show"], "show wants an account: one of the accounts file, or maildir:PATH"),
                        (["delete", "--yes"], "delete wants an account: one of the accounts file, or maildir:PATH"),
                        (["headers", "work"], 'headers wants a message behind "work": a number of `bustia list`, or a uid'),
                        (["show", "work", "1", "2"], 'show does not want so many words; "2" is one too many'),
                        (["list", "--uid", "work"], 'there is no option "--uid"; did you mean --uids?'),
                        (["send", "--subjct=x", "work"], 'there is no option "--subjct=x"; did you mean --subject?'),
                        (["list", "-x", "work"], 'there is no option "-x"')):
        out = told(where.bustia(*words, "-a", where.file), 64)
        assert out.startswith("bustia: %s\nusage: bustia %s [" % (said, words[0])) and out.count("usage:") == 1, out
        assert out.count("ACCOUNT [" if words[0] in ("list", "send") else "ACCOUNT MESSAGE") == 1, out
    assert "usage: bustia list" in told(where.bustia("list", "--help"))
    assert 'there is no account "/var/x"; a folder is written maildir:/var/x\n' in told(where.bustia("list", "-a", where.file, "/var/x"), 64)
    assert "`bustia conf --accounts --sample` prints one to begin with" in told(where.bustia("list", "-a", where.file + "x", "work"), 78)
    where.text += "account = broken\nserver = \n"
    where.save()
    told(where.bustia("list", "-a", where.file, "broken"), 78)
    told(where.bustia("list", "-a", where.file, "work"), 75)  # another account's mistake is not its own


