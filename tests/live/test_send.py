"""`bustia send`: what goes is what was written, with the head that a message must have and no field that nobody wrote; who is not to be seen
is not; and whatever a server does, what was written is not lost. The server is mailserver.py."""
import email
import email.policy
import glob
import os
import re
import shlex
import socket
import subprocess
import threading

import pytest
from collecting import BUSTIA, Collecting
from mailserver import CUT, MailServer
from popserver import PopServer, certificate
from test_reader import COMMANDS, Terminal, harmless, mail, told

pytestmark = pytest.mark.asan

ANNA = "Anna Muster <anna@example.test>"


def on_server(tmp_path, server, pop=1, **options):
    options = {"from": ANNA, "smtp_server": "localhost:%d" % server.port, "smtp_tls": "none", **options}
    return Collecting(tmp_path).account(pop, **options)


def send(where, *words, text="Hello.\n"):
    path = where.folder + "/input"
    with open(path, "wb") as f:
        f.write(text.encode() if isinstance(text, str) else text)
    with open(path, "rb") as f:
        return where.bustia("send", "-a", where.file, "one", *words, stdin=f)


def parsed(mail):
    return email.message_from_bytes(mail.text.replace(b"\r\n", b"\n"), policy=email.policy.default)


def drafts(where):
    return sorted(glob.glob(where.folder + "/state/**/drafts/*", recursive=True))


# ---- what goes

def test_a_letter(tmp_path):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        run = send(where, "--to", "Ben <ben@example.test>, carl@example.test", "--cc", "\"Dörte, D.\" <doerte@example.test>", "--bcc", "secret@example.test",
                   "--subject", "Größe: 100 %", text="Grüße\n.\n..\n" + "x" * 1200 + "\nFrom there\n")
        assert "sent to 4 recipients" in told(run)
        m = server.mails[0]
        assert m.sender == "anna@example.test" and m.to == ["ben@example.test", "carl@example.test", "doerte@example.test", "secret@example.test"]
        assert b"secret@" not in m.text and b"Bcc" not in m.text and not re.search(rb"[\x80-\xff]", m.text)
        assert max(map(len, m.text.split(b"\r\n"))) <= 998
        p = parsed(m)
        assert p["From"] == ANNA and p["Subject"] == "Größe: 100 %" and [a.addr_spec for a in p["To"].addresses] == m.to[:2]
        assert p["Cc"].addresses[0].display_name == "Dörte, D."
        assert re.fullmatch(r"<[^\s<>@]+@example\.test>", p["Message-ID"]) and p["Date"].datetime and p["MIME-Version"] == "1.0"
        assert p.get_content() == "Grüße\n.\n..\n" + "x" * 1200 + "\nFrom there\n"
        assert drafts(where) == []


def test_ids_differ(tmp_path):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        for _ in range(3):
            told(send(where, "--to", "b@example.test"))
        assert len({parsed(m)["Message-ID"] for m in server.mails}) == 3


def test_files_are_attached(tmp_path):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        for name, data in (("größe \".pdf", b"%PDF\0\r\n.\r\n"), ("b.txt", b"text\n"), ("c.log", "ä".encode() * 40000 + b"\n"),
                           ("d.log", b"a\0b"), ("e.log", b"gr\xfc\xdfe\n"), ("f.log", "x".encode() + b"\xc3"), ("g.txt", b"gr\xfc\xdfe\n")):
            with open("%s/%s" % (where.folder, name), "wb") as f:
                f.write(data)
        told(send(where, "--to", "b@example.test", "--attach", where.folder + "/größe \".pdf", "--attach=" + where.folder + "/b.txt"))
        text, one, two = parsed(server.mails[0]).iter_parts()
        assert text.get_content() == "Hello.\n"
        assert one.get_filename() == "größe \".pdf" and one.get_content_type() == "application/pdf" and one.get_content() == b"%PDF\0\r\n.\r\n"
        assert two.get_filename() == "b.txt" and two["Content-Type"].params["charset"] == "utf-8"
        told(send(where, "--to", "b@example.test", *("--attach=%s/%s" % (where.folder, f) for f in ("c.log", "d.log", "e.log", "f.log", "g.txt"))))
        text, *files = parsed(server.mails.pop()).iter_parts()
        assert [f.get_content_type() for f in files] == ["text/plain"] + ["application/octet-stream"] * 3 + ["text/plain"]
        assert files[0]["Content-Type"].params["charset"] == "utf-8" and files[0].get_content() == "ä" * 40000 + "\n"
        assert files[1].get_content() == b"a\0b" and files[2].get_content() == b"gr\xfc\xdfe\n" and "charset" not in files[4]["Content-Type"].params
        assert "cannot be opened" in told(send(where, "--to", "b@example.test", "--attach", "/nonexistent"), 66)
        assert "not a file" in told(send(where, "--to", "b@example.test", "--attach", "/dev/zero"), 65)
        assert len(server.mails) == 1 and len(drafts(where)) == 2


def test_an_empty_message_is_not_sent(tmp_path):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        with open(where.folder + "/a.txt", "w") as f:
            f.write("text")
        assert "the standard input is empty; nothing is sent" in told(where.bustia("send", "-a", where.file, "--to", "b@example.test", "one"), 65)
        assert "nothing is sent" in told(where.bustia("send", "-a", where.file, "one"), 65)
        assert server.mails == [] and drafts(where) == []
        told(where.bustia("send", "-a", where.file, "--to", "b@example.test", "--attach", where.folder + "/a.txt", "one"))
        assert len(server.mails) == 1


@pytest.mark.parametrize("words", [
    ["--to", "b@example.test", "--subject", "x\nBcc: evil@example.test"], ["--to", "b@example.test\r\nX: y"], ["--to", "b@example.test", "--from", "a@example.test\n\nbody"],
    ["--to", "b@example.test", "--cc", "c@example.test\rX: y"], ["--to", "b@example.test", "--bcc", "c@example.test\0".rstrip("\0") + "\x7f"],
    ["--to", "<b@example.test> SIZE=1\r\nRCPT TO:<evil@example.test>"], ["--to", "no address"], ["--to", "b@"], ["--to", ","],
    ["--to", "b@example.test", "--from", "a@example.test, b@example.test"], ["--to", "b@exa mple.test"], ["--to", "b@example.test>"],
    ["--to", "b@example.test", "--subject", "\x1b[31m"]])
def test_no_field_is_injected(tmp_path, words):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        run = send(where, *words)
        harmless(run.out)
        if run.status == 0:  # what was understood is one address, and no more than that
            assert server.mails[0].to == ["b@example.test"] and {f.lower() for f in parsed(server.mails[0]).keys()} <= {
                "from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding"}, server.mails[0].text
            assert b"evil" not in server.mails[0].text
        else:
            assert run.status in (64, 65) and server.mails == []


def test_a_text_is_no_head_where_the_head_is_said(tmp_path):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        told(send(where, "--to", "b@example.test", text="Bcc: evil@example.test\nTo: evil@example.test\n\nx\n"))
        assert server.mails[0].to == ["b@example.test"] and parsed(server.mails[0]).get_content().startswith("Bcc: evil")


def test_a_written_message(tmp_path):
    with MailServer() as server:
        where = on_server(tmp_path, server)
        told(send(where, text="To: b@example.test\nSubject: Öl\nBcc: secret@example.test\n\nText\n"))
        told(send(where, "-", text=b"From: Other <other@example.test>\r\nTo: b@example.test,\r\n c@example.test\r\nBcc: secret@example.test,\r\n\tmore@example.test\r\n"
                  b"Subject: x\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\nX-Mine: 1\r\n\r\nBcc: stays\r\n\xc3\xb6\r\n.\r\nend"))
        one, two = server.mails
        assert one.to == ["b@example.test", "secret@example.test"] and parsed(one)["Subject"] == "Öl" and b"secret@" not in one.text
        assert two.sender == "other@example.test" and two.to == ["b@example.test", "c@example.test", "secret@example.test", "more@example.test"]
        p = parsed(two)
        assert b"secret@" not in two.text and b"more@" not in two.text and p["X-Mine"] == "1" and p["Message-ID"] and len(p.get_all("Date")) == 1
        assert two.text.endswith(b"\r\n\r\nBcc: stays\r\n\xc3\xb6\r\n.\r\nend\r\n") and p["MIME-Version"] == "1.0"
        assert "to whom?" in told(send(where, text="Just a text.\n"), 64)
        assert "no recipient" in told(send(where, text="From: a@example.test\nSubject: x\nX-Y: z\n\ntext\n"), 65)
        assert "NUL" in told(send(where, text=b"To: a@example.test\nX-Y: z\n\n\0\n"), 65)
        assert len(server.mails) == 2


def test_lines_end_one_way(tmp_path):
    """no lone CR, which one server takes for a line's end and another does not: no message is hidden in another"""
    hidden = b"a\r\n.\r\nb\r.\rMAIL FROM:<x@example.test>\rc\n.\nd\xff"
    with MailServer() as server:
        where = on_server(tmp_path, server)
        told(send(where, "--to", "b@example.test", text=hidden))
        assert len(server.mails) == 1 and server.said()[-1] == b"QUIT"
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", server.mails[0].text)
        assert parsed(server.mails[0]).get_content() == "a\n.\nb\n.\nMAIL FROM:<x@example.test>\nc\n.\nd\u00ff\n"
        assert "CR" in told(send(where, text=b"To: b@example.test\nX-Mine: 1\n\n" + hidden), 65)
        assert len(server.mails) == 1


# ---- an answer

def test_an_answer(tmp_path):
    theirs = mail("Re: =?utf-8?q?=C3=9Cbung=0D=0ABcc=3A_evil=40example.test?=", sender='"=?utf-8?q?x=22=2C_evil=40example.test=2C_y?=" <ben@example.test>',
                  body="One\r\n> two\r\n\x1b[31mthree\r\n", more="Cc: anna@example.test, carl@example.test\r\nReferences: <a@b>\r\n <c\x1b@d> <e@f>\r\n")
    with MailServer() as server, PopServer([theirs]) as pop:
        where = on_server(tmp_path, server, pop.port)
        told(send(where, "--reply", "1", text="Yes.\n"))
        m = server.mails[0]
        assert m.to == ["ben@example.test"], m.to
        p = parsed(m)
        assert p["Subject"].startswith("Re: Übung") and "Bcc" not in p and p["References"].split()[0] == "<a@b>" and "\x1b" not in p["References"]
        assert p["In-Reply-To"] == p["References"].split()[-1] and p.get_content() == "Yes.\n"
        told(send(where, "--reply", "1", "--all", text="Yes.\n"))
        assert server.mails[1].to == ["ben@example.test", "carl@example.test"] or server.mails[1].to == ["ben@example.test", "ben@example.test", "carl@example.test"]


def test_an_answer_in_the_editor(tmp_path):
    theirs = mail("Question", body="One\r\n> two\r\n\x1b[31mthree\r\n")
    with MailServer() as server, PopServer([theirs]) as pop:
        where = on_server(tmp_path, server, pop.port)
        script = where.folder + "/editor"
        with open(script, "w") as f:
            f.write("#!/bin/sh\ncp \"$2\" %s/seen\n[ \"$1\" = -x ] && echo Answer. >> \"$2\"\n" % where.folder)
        os.chmod(script, 0o755)
        t = Terminal(where, "send", "-a", where.file, "--reply", "1", "one", env={"EDITOR": script + " -x", "VISUAL": ""})
        t.until("Send it? [y/N]")
        t.say("y\n")
        status, out = t.end()
        assert status == 0 and "sent to 1" in out
        with open(where.folder + "/seen", encoding="utf-8") as f:
            seen = harmless(f.read())
        assert "To: Anna <anna@example.test>\n" in seen and "Anna wrote:\n> One\n>> two\n> ^[[31mthree\n" in seen
        assert parsed(server.mails[0]).get_content().endswith("> ^[[31mthree\nAnswer.\n") and drafts(where) == []
        # not sent: kept, and sent later
        t = Terminal(where, "send", "-a", where.file, "--to", "b@example.test", "one", env={"EDITOR": script + " -x"})
        t.until("Send it? [y/N]")
        t.say("n\n")
        status, out = t.end()
        assert status == 0 and "it is kept" in out and len(drafts(where)) == 1 and len(server.mails) == 1
        assert os.stat(drafts(where)[0]).st_mode & 0o777 == 0o600
        told(where.bustia("send", "-a", where.file, "--draft", "one", drafts(where)[0]))
        assert server.mails[1].to == ["b@example.test"] and drafts(where) == []
        # nothing was written
        status, out = Terminal(where, "send", "-a", where.file, "--to", "b@example.test", "one", env={"EDITOR": script + " -y; true"}).end()
        assert status == 0 and "nothing was written" in out and drafts(where) == [] and len(server.mails) == 2
        status, out = Terminal(where, "send", "-a", where.file, "--to", "b@example.test", "one", env={"EDITOR": "false"}).end()
        assert status == 75 and len(drafts(where)) == 1 and len(server.mails) == 2


# ---- servers that refuse, and worse

def kept_and_sent_again(where, server, status, *words, to):
    """what failed is kept, and goes as the reader says"""
    run = send(where, *words)
    out = told(run, status)
    hint = re.search(r"to send it: bustia send (.*)", out)
    assert hint and len(drafts(where)) == 1, out
    server.instead.clear()
    before = len(server.mails)
    told(where.bustia("send", *shlex.split(hint[1])))
    assert len(server.mails) == before + 1 and server.mails[-1].to == to and drafts(where) == []
    return out


def test_a_refused_recipient_is_told(tmp_path):
    def rcpt(session, address):
        return b"550 5.1.1 no \x1b[31m such %s\r\n" % address.encode() if address.startswith("no") else None
    with MailServer(instead={"RCPT": rcpt}) as server:
        where = on_server(tmp_path, server)
        out = kept_and_sent_again(where, server, 65, "--to", "yes@example.test, nobody@example.test", "--bcc", "no$one'&`x@example.test", "--subject", "s",
                                  to=["nobody@example.test", "no$one'&`x@example.test"])
        assert "nobody@example.test: the server says 550 5.1.1" in out and "no$one'&`x@example.test: " in out and "2 of 3 recipients did not get it" in out
        assert server.mails[0].to == ["yes@example.test"]
        assert server.mails[1].text.split(b"Message-ID")[0] and parsed(server.mails[1])["Subject"] == "s" and b"x@example" not in server.mails[1].text


@pytest.mark.parametrize("word,said,status", [
    ("greeting", b"554 5.3.2 not today\r\n", None), ("MAIL", b"451 4.3.0 later\r\n", 75), ("MAIL", b"550 5.7.1 not you\r\n", 65), ("DATA", b"451 4.3.0 later\r\n", 75),
    (".", b"552 5.2.2 full\r\n", 65), (".", b"452 4.2.2 full\r\n", 75), ("RCPT", CUT, 75), ("DATA", CUT, 75), ("greeting", CUT, 75)])
def test_what_was_written_is_kept(tmp_path, word, said, status):
    with MailServer(instead={word: lambda s, a: said, "keep": lambda s: False}) as server:
        where = on_server(tmp_path, server)
        run = send(where, "--to", "b@example.test", "--subject", "s")
        harmless(run.out)
        assert run.status == status or (status is None and run.status != 0), run
        server.instead.clear()
        told(where.bustia("send", "-a", where.file, "--draft", "one", drafts(where)[0]))
        assert len(server.mails) == 1 and parsed(server.mails[0]).get_content() == "Hello.\n" and drafts(where) == []


@pytest.mark.parametrize("word,known", [("greeting", True), ("DATA", True), (".", False)])
def test_a_server_that_says_nothing(tmp_path, word, known):
    halt = threading.Event()
    with MailServer(instead={word: lambda s, a: halt.wait(60) and CUT}) as server:
        run = send(where := on_server(tmp_path, server), "--to", "b@example.test")
        halt.set()
        assert ("not known" in told(run, 75)) != known and run.seconds < 20 and len(drafts(where)) == 1, run


def test_nobody_knows_whether_it_was_taken(tmp_path):
    with MailServer(instead={".": lambda s, a: CUT}) as server:
        where = on_server(tmp_path, server)
        out = told(send(where, "--to", "b@example.test"), 75)
        assert "not known" in out and len(drafts(where)) == 1


def test_a_whole_message_from_a_pipe_is_kept(tmp_path):
    text = b"To: b@example.test\nX-Mine: 1\nBcc: c@example.test\n\ntext\n"
    with MailServer(instead={"MAIL": lambda s, a: b"451 4.3.0 later\r\n"}) as server:
        where = on_server(tmp_path, server)
        out = told(send(where, text=text), 75)
        assert open(drafts(where)[0], "rb").read() == text
        server.instead.clear()
        told(where.bustia("send", *shlex.split(re.search(r"to send it: bustia send (.*)", out)[1])))
        assert server.mails[0].to == ["b@example.test", "c@example.test"] and b"c@example" not in server.mails[0].text


def test_no_server_there(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        where = Collecting(tmp_path).account(1, **{"from": ANNA, "smtp_server": "localhost:%d" % s.getsockname()[1], "smtp_tls": "none"})
        told(send(where, "--to", "b@example.test"), 75)
    assert len(drafts(where)) == 1


# ---- logging in

def test_the_password_is_shown_inside_tls_only(tmp_path):
    pair = certificate(str(tmp_path))
    with MailServer(tls=pair, users={"anna": "secret"}, auth="PLAIN") as server:
        where = on_server(tmp_path, server, smtp_tls="starttls", smtp_tls_ca=pair[0])
        told(send(where, "--to", "b@example.test"))
        assert server.mails[0].secure and server.mails[0].user == "anna"
    (tmp_path / "b").mkdir()
    with MailServer(tls=pair, users={"anna": "secret"}, auth="PLAIN", implicit=True) as server:
        where = on_server(tmp_path / "b", server, smtp_tls="implicit", smtp_tls_ca=pair[0], smtp_user="anna")
        told(send(where, "--to", "b@example.test"))
        assert server.mails[0].user == "anna"
    for folder, options, instead, status in (("c", {"smtp_tls_ca": None}, {}, 77), ("d", {"smtp_tls_ca": pair[0]}, {"STARTTLS": lambda s, a: b"454 4.7.0 no\r\n"}, None),
                                             ("e", {"smtp_tls_ca": pair[0], "smtp_user": "other"}, {}, 77)):
        (tmp_path / folder).mkdir()
        with MailServer(tls=pair, users={"anna": "secret"}, auth="PLAIN", instead=instead) as server:
            where = on_server(tmp_path / folder, server, smtp_tls="starttls", **options)
            run = send(where, "--to", "b@example.test")
            assert run.status == status or (status is None and run.status != 0), run
            assert server.mails == [] and len(drafts(where)) == 1
            assert folder == "e" or not any(c.upper().startswith(b"AUTH") for c in server.said())


def test_the_account_says_where(tmp_path):
    where = Collecting(tmp_path).account(1)
    assert "names no smtp_server" in told(send(where, "--to", "b@example.test"), 78)
    (tmp_path / "b").mkdir()
    with MailServer() as server:
        where = Collecting(tmp_path / "b").account(1, smtp_server="localhost:%d" % server.port, smtp_tls="none")
        assert "from whom" in told(send(where, "--to", "b@example.test"), 78)
        told(send(where, "--to", "b@example.test", "--from", "me@example.test"))
        assert server.mails[0].sender == "me@example.test"


def test_killed_before_the_answer(tmp_path):
    """what a pipe has brought is in a file by then"""
    def stop(session, arg):
        os.kill(stop.p.pid, 9)
        stop.p.wait()
        return CUT
    with MailServer(instead={"greeting": stop}) as server:
        where = on_server(tmp_path, server)
        ready = threading.Event()
        server.instead["greeting"] = lambda s, a: (ready.wait(), stop(s, a))[1]
        stop.p = subprocess.Popen([BUSTIA, "send", "-a", where.file, "--to", "b@example.test", "one"], stdin=subprocess.PIPE,
                                  env=dict(os.environ, HOME=where.folder, XDG_STATE_HOME=where.folder + "/state"))
        ready.set()
        stop.p.stdin.write(b"Hello.\n" + COMMANDS.encode())
        stop.p.stdin.close()
        stop.p.wait(30)
        assert stop.p.returncode == -9
        with open(drafts(where)[0], "rb") as f:
            assert f.read().endswith(b"\n\nHello.\n" + COMMANDS.encode())
