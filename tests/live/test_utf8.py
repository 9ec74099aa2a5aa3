"""UTF8 and LANG (RFC 6856): what a client is sent that reads UTF-8 in headers, and one that does not (RFC 6858)."""
import email
import email.policy
import os
import poplib
import time

import pytest
from bed import wire

INVALID = "invalid@internationalized-address.invalid"

LETTER = (
    "Return-Path: <josé@exämple.org>\n"
    "Received: from exämple.org by here; Mon, 2 Nov 2026 10:00:00 +0000\n"
    "From: José Pérez <josé@exämple.org>\n"
    "To: Ann <ann@example.org>,\n Zoë <zoe@example.org>\n"
    "Date: Mon, 2 Nov 2026 10:00:00 +0000\n"
    "Subject: Grüße aus Köln, 日本語\n"
    "Message-ID: <1@example.org>\n"
    "X-Note: naïve\n"
    "Content-Type: multipart/mixed; boundary=b; x=é\n"
    "\n"
    "--b\n"
    "Content-Disposition: attachment; filename=\"é.txt\"\n"
    "\n"
    "Größe\n.\n..two\n.dot\n"
    "--b--\n").encode()

PLAIN = b"From: a@b\nSubject: plain\n\nb\xc3\xb6dy \xff\n.x\n"
LATIN = b"From: J\xe9r\xf4me <j@b>\r\nSubject: \xe9t\xe9\r\n\r\nx"
LONG = (b"X-Long: " + b"x" * 1500000 + b"\nX-Eight: " + b"\xc3\xa9" * 40000 + b"\nTo:" + b" \xc3\xa9 <a@b>," * 300 +
        b"\nSubject: \xc3\xa9\n\nthe body\n")
MANY = b"".join(b"To: \xc3\xa9%d <a@b>\n" % i + b"X-%d: " % i + b"y" * 900 + b"\n" for i in range(5000)) + b"\n" + b"z" * 300000
HEADLESS = "Subject: é".encode()
MESSAGES = [LETTER, PLAIN, LATIN, LONG, MANY, HEADLESS, wire(LETTER)]
MANGLED = (1, 3, 4, 5, 6, 7)


@pytest.fixture(scope="module")
def user(bed):
    name, password = bed.pool(31)
    bed.seed(name, MESSAGES)
    return name, password


def session(bed, user, utf8=False, port="pop3"):
    p = bed.connect(port)
    if utf8:
        p.ok("UTF8")
    p.ok("USER " + user[0])
    p.ok("PASS " + user[1])
    return p


def head_of(message):
    return message.split(b"\r\n\r\n", 1)[0] + b"\r\n"



@pytest.mark.parametrize("port", ["pop3", "pop3s"])
@pytest.mark.parametrize("utf8", [True, False])
def test_sizes_are_those_of_what_is_sent(bed, user, utf8, port):
    p = session(bed, user, utf8, port)
    sizes = [int(l.split()[1]) for l in p.multi("LIST")]
    assert p.stat() == (len(MESSAGES), sum(sizes))
    for i, message in enumerate(MESSAGES, 1):
        got = p.retr(i)
        assert len(got) == sizes[i - 1], i
        body = wire(message)[wire(message).find(b"\r\n\r\n"):] if b"\r\n\r\n" in wire(message) else b""
        assert got.endswith(body)
        if utf8 or i not in MANGLED:
            assert got == wire(message)
        else:
            assert all(c < 128 for c in head_of(got))
        assert int(p.ok("LIST %d" % i).split()[2]) == sizes[i - 1]
    assert p.quit().startswith(b"+OK")


def test_the_surrogate_is_a_message(bed, user):
    p = session(bed, user)
    m = email.message_from_bytes(p.retr(1), policy=email.policy.default)
    assert m["Subject"] == "Grüße aus Köln, 日本語"
    sender = m["From"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("José Pérez (josé@exämple.org)", INVALID)
    assert [(a.display_name, a.addr_spec) for a in m["To"].addresses] == [("Ann", "ann@example.org"), ("Zoë", "zoe@example.org")]
    assert m["Return-Path"] == "<%s>" % INVALID
    assert m["Received"] is None and m["X-Note"] is None
    assert m["Message-ID"] == "<1@example.org>" and m["Date"]
    assert m["Content-Type"] == 'multipart/mixed; boundary="b"'
    assert not m.defects and not m["From"].defects and not m["To"].defects
    assert "unknown-8bit" in p.retr(3).decode("ascii", "replace")
    assert b"X-Long: " + b"x" * 1500000 + b"\r\n" in p.retr(4) and b"X-Eight" not in p.retr(4)
    p.quit()


def test_top_counts_the_lines_of_what_is_sent(bed, user):
    for utf8 in (True, False):
        p = session(bed, user, utf8)
        for i in range(1, len(MESSAGES) + 1):
            whole = p.retr(i)
            head, blank, body = whole.partition(b"\r\n\r\n")
            for n in (0, 1, 3, 100000):
                lines = body.splitlines(True)[:n]
                assert b"".join(l + b"\r\n" for l in p.multi("TOP %d %d" % (i, n))) == \
                    (head + blank + b"".join(lines) if blank else whole), (i, n)
        p.quit()


def test_the_unique_ids_are_the_same(bed, user):
    raw, other = session(bed, user, True), None
    ids = raw.multi("UIDL")
    raw.quit()
    other = session(bed, user)
    assert other.multi("UIDL") == ids
    other.quit()


def test_poplib(bed, user):
    c = poplib.POP3("127.0.0.1", bed.ports["pop3"], timeout=20)
    assert c.capa()["UTF8"] == ["USER"] and c.capa()["LANG"] == []
    c.utf8()
    c.user(user[0])
    c.pass_(user[1])
    assert b"Subject: " + "Grüße aus Köln, 日本語".encode() in c.retr(1)[1]
    with pytest.raises(poplib.error_proto):
        c.utf8()
    c.quit()


def test_utf8_comes_after_stls(bed):
    p = bed.connect()
    p.ok("UTF8")
    assert p.cmd("STLS") == b"-ERR STLS comes before UTF8"
    p.quit()
    p = bed.connect()
    p.stls()
    p.ok("UTF8")
    p.quit()


def test_deleting_what_was_sent_otherwise(bed):
    """totals follow the form that is sent, and RSET too"""
    name, password = bed.pool(30)
    bed.seed(name, [LETTER, PLAIN])
    p = session(bed, (name, password))
    before = p.stat()
    p.ok("DELE 1")
    assert p.stat() == (1, len(wire(PLAIN)))
    p.ok("RSET")
    assert p.stat() == before and before[1] != len(wire(LETTER)) + len(wire(PLAIN))
    p.ok("DELE 1")
    p.quit()
    p = session(bed, (name, password))
    assert p.stat() == (1, len(wire(PLAIN)))
    p.quit()
    bed.empty(name)


def test_a_header_that_was_changed_in_place(bed):
    """what is sent is what the file has by now, whatever was known of it; sizes are right from the next log-in on"""
    name, password = bed.pool(29)
    bed.seed(name, [PLAIN])
    for content in (LETTER, PLAIN, wire(LETTER)):
        p = session(bed, (name, password))
        p.stat()
        p.quit()
        time.sleep(0.03)
        path, = (os.path.join(d, f) for d in (bed.maildir(name) + "/new", bed.maildir(name) + "/cur") for f in os.listdir(d))
        with open(path, "r+b") as file:
            file.truncate(0)
            file.write(content)
        time.sleep(0.03)
        p = session(bed, (name, password))
        assert all(c < 128 for c in head_of(p.retr(1)))
        p.quit()
        p = session(bed, (name, password))
        got = p.retr(1)
        assert p.stat() == (1, len(got)) and (got == wire(PLAIN)) == (content == PLAIN)
        p.quit()
    bed.empty(name)


def test_as_it_is_for_everybody(own_bed):
    b = own_bed("utf8_downgrade=no", "language=ca")
    name, password = b.pool(0)
    b.seed(name, [LETTER])
    p = b.connect()
    assert not any(l.startswith(b"UTF8") for l in p.multi("CAPA"))
    assert p.cmd("UTF8") == b"-ERR UTF8 is not offered here"
    assert p.cmd("LANG *").decode() == "+OK ca Llengua canviada"
    p.ok("USER " + name)
    p.ok("PASS " + password)
    assert p.retr(1) == wire(LETTER) and p.stat() == (1, len(wire(LETTER)))
    p.quit()


@pytest.mark.parametrize("stls", [True, False])
def test_the_language_goes_on_past_stls_and_the_log_in(bed, user, stls):
    p = bed.connect()
    assert p.cmd("LANG fr-CA").decode() == "+OK fr Langue changée"
    if stls:
        p.stls()
    p.ok("USER " + user[0])
    assert p.cmd("PASS wrong").decode() == "-ERR [AUTH] Le nom ou le mot de passe est incorrect"
    p.ok("USER " + user[0])
    assert " a 7 message(s) (" in p.ok("PASS " + user[1]).decode()
    assert p.cmd("NOOP").decode() == "+OK Toujours là"
    assert p.cmd("LANG de").decode() == "+OK de Sprache gewechselt"
    assert p.quit().decode() == "+OK Auf Wiedersehen, 0 Nachricht(en) gelöscht"
