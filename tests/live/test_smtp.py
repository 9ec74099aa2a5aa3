"""Mail that comes in by SMTP (RFC 5321): for this server's mailboxes alone, one answer for all, no line that ends where it should not."""
import os
import re
import signal
import threading
import time

import pytest
from bed import Bed, Mail, stuffed, untraced

HELLO = b"Subject: hello\r\n\r\nA line.\r\n"


@pytest.fixture
def box(bed, request):
    """a pool user's maildrop, emptied"""
    name = "t%d" % (10 + sum(request.node.name.encode()) % 20)
    bed.empty(name)
    yield name
    bed.empty(name)


# ---- one answer

@pytest.mark.asan
def test_one_answer_for_all(bed, box):
    m = bed.mail("smtp")
    assert m.greeting.startswith(b"220 localhost ESMTP")
    m.ok("MAIL FROM:<a@example.org> BODY=8BITMIME SIZE=100")
    for to, code in [(box, b"250 2.1.5"), ("nobody@localhost", b"550 5.1.1"), ("a@elsewhere.example", b"550 5.7.1"),
                     ("t9@localhost", b"250 2.1.5"), (box + "+list@localhost", b"250 2.1.5"), ("postmaster", b"250")]:
        assert m.cmd("RCPT TO:<%s>" % to).startswith(code), to
    m.data(HELLO)
    assert m.reply().startswith(b"250 2.0.0 ")
    assert m.quit().startswith(b"221")
    assert bed.received(box) == [HELLO]  # named twice, one copy
    assert bed.received("t9") == [HELLO]
    one = bed.received(box, strip=False)[0]
    assert b"Delivered-To: %s\r\n" % box.encode() in one and b"with ESMTP id" in one and b"\tfor <" not in one
    bed.empty("t9")
    bed.empty("main")


def test_nothing_for_anybody_if_one_fails(own_bed):
    """what fails before the first rename leaves nothing anywhere, and the whole is put off"""
    bed = own_bed()
    os.rename(bed.maildir("t2") + "/tmp", bed.maildir("t2") + "/away")
    open(bed.maildir("t2") + "/tmp", "w").close()
    m = bed.mail("smtp")
    assert m.deliver(["t1", "t2", "other"], HELLO)[0].startswith(b"451 4.3.0")
    for name in ("t1", "other"):
        assert bed.files(name) == []
        end = time.monotonic() + 5  # the answer does not wait until drafts are thrown away
        while os.listdir(bed.maildir(name) + "/tmp"):
            assert time.monotonic() < end, name
            time.sleep(0.02)
    os.unlink(bed.maildir("t2") + "/tmp")
    os.rename(bed.maildir("t2") + "/away", bed.maildir("t2") + "/tmp")
    assert m.deliver(["t1", "t2", "other"], HELLO)[0].startswith(b"250")
    m.quit()
    for name in ("t1", "t2", "other"):
        assert bed.received(name) == [HELLO]


@pytest.mark.asan
def test_never_relays(bed):
    m = bed.mail("smtp")
    m.ok("MAIL FROM:<t1@localhost>")
    for to in ("a@example.org", "t1%example.org@elsewhere.example", "@localhost:a@example.org", "a@[127.0.0.1]", "a@[IPv6:::1]",
               '"a@example.org"@example.com', "t1@localhost.example.org"):
        assert m.cmd("RCPT TO:<%s>" % to).startswith(b"5"), to
    assert m.cmd("DATA").startswith(b"503")
    m.quit()


def test_helo(bed, box):
    m = bed.mail("smtp", hello=None)
    m.ok("HELO old.example.org")
    m.deliver(box, HELLO)
    m.quit()
    assert b"Received: from old.example.org ([127.0.0.1])\r\n\tby localhost with SMTP id" in bed.received(box, strip=False)[0]


# ---- smuggling: only CRLF.CRLF ends a message. What follows a false end must never be run as a command.

ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\r\n.\n", b"\r\n\r.\r\n", b"\r\n.\r\r\n",
        b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\n.\n\n", b"\r\r.\r\r", b"\n.\r\r\n", b"\r\n.\n\r\n", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\r\n .\r\n",
        b"\r\n. \r\n", b"\x85.\x85", b"\r\n.\x0b\r\n", b"\x0c.\x0c"]
SECOND = b"MAIL FROM:<ceo@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"


@pytest.mark.asan
@pytest.mark.parametrize("how", ["data", "data-bytes", "bdat", "bdat-bytes"])
@pytest.mark.parametrize("end", ENDS, ids=[e.hex() for e in ENDS])
def test_smuggling(bed, box, end, how):
    """kept as data, or refused as a whole; in no case a second message"""
    hidden = b"Subject: first\r\n\r\nbody" + end + SECOND % box.encode()
    whole = hidden[:-3]  # what an honest sender has as one message: the last ".CRLF" is its end
    m = bed.mail("smtp")
    m.begin(box)
    if how.startswith("data"):
        m.ok("DATA", b"354")
        raw = hidden
        answers = 1
    else:
        raw = b"BDAT %d\r\n" % len(whole) + whole + b"BDAT 0 LAST\r\n"
        answers = 2
    for piece in [raw[i:i + 1] for i in range(len(raw))] if how.endswith("bytes") else [raw]:
        m.send(piece)
    replies = [m.reply() for _ in range(answers)]
    assert m.cmd("NOOP").startswith(b"250"), replies  # no further answer came between
    m.quit()
    got = bed.received(box)
    if replies[-1].startswith(b"250"):
        sent = re.sub(rb"(?m)(\A|\r\n)\.", rb"\1", whole) if how.startswith("data") else whole
        assert got == [sent]
    else:
        assert replies[-1].startswith(b"554 5.6.0"), replies
        assert got == []


@pytest.mark.asan
@pytest.mark.parametrize("command", [b"MAIL FROM:<a@b.c>\nRCPT TO:<t1>", b"NOOP\rNOOP", b"NOOP\n", b"NO\0OP", b"\nNOOP", b"NOOP\r\r",
                                     b"RSET\x85NOOP"])
def test_commands_end_with_crlf_alone(bed, command):
    m = bed.mail("smtp")
    assert m.cmd(command).startswith(b"5")
    assert m.cmd("NOOP").startswith(b"250")
    m.quit()


# ---- STARTTLS

@pytest.mark.asan
def test_starttls(bed, box):
    m = bed.mail("smtp")
    assert b"STARTTLS" in m.hello()
    m.ok("MAIL FROM:<before@example.org>")
    m.ok("RCPT TO:<t9>")
    m.tls()  # all that was said before is forgotten (RFC 3207 section 4.2)
    assert b"STARTTLS" not in m.hello()
    assert m.cmd("RCPT TO:<t1>").startswith(b"503")
    m.deliver(box, HELLO)
    m.quit()
    one = bed.received(box, strip=False)[0]
    assert re.search(rb"with ESMTPS\r\n\t\(TLSv1\.[23] [A-Z0-9_-]+\) id ", one) and b"before@" not in one


@pytest.mark.asan
def test_starttls_injection(bed, box):
    """what was sent in clear behind STARTTLS is never run (CVE-2011-0411)"""
    m = bed.mail("smtp")
    m.send(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n" % box.encode() + stuffed(HELLO))
    assert m.reply().startswith(b"220")
    import ssl
    ctx = ssl.create_default_context(cafile=bed.cert)
    m.sock = ctx.wrap_socket(m.sock, server_hostname="localhost")
    assert m.buf == b""
    assert m.cmd("DATA").startswith(b"503")
    m.quit()
    assert bed.received(box) == []


def test_tls_has_no_alpn_of_pop3(bed):
    import ssl
    m = bed.mail("smtp")
    m.ok("STARTTLS", b"220")
    ctx = ssl.create_default_context(cafile=bed.cert)
    ctx.set_alpn_protocols(["smtp"])
    m.sock = ctx.wrap_socket(m.sock, server_hostname="localhost")
    assert m.sock.selected_alpn_protocol() is None
    m.hello()
    m.quit()


# ---- limits

@pytest.fixture(scope="module")
def narrow():
    b = Bed(["smtp_connections=3", "smtp_messages=5", "xclient_networks=127.0.0.9", "smtp_timeout=1s", "connections=40"])
    yield b
    b.close()


def test_connections_of_an_address(narrow):
    three = [narrow.mail("smtp", source="127.0.0.2") for _ in range(3)]
    m = narrow.mail("smtp", source="127.0.0.2", hello=None)
    assert m.greeting.startswith(b"421 4.7.0 ") and m.rest() == b""
    narrow.mail("smtp", source="127.0.0.3").quit()
    narrow.mail("lmtp", source="127.0.0.2").quit()  # only SMTP is from strangers
    [narrow.mail("smtp", source="127.0.0.9") for _ in range(5)]  # speaks for many
    three[0].quit()
    time.sleep(0.2)
    narrow.mail("smtp", source="127.0.0.2").quit()


def test_messages_of_an_address(narrow):
    m = narrow.mail("smtp", source="127.0.0.4")
    for _ in range(5):
        assert m.deliver("t1", HELLO)[0].startswith(b"250")
    assert m.cmd("MAIL FROM:<>").startswith(b"450 4.7.1")
    m.quit()
    m = narrow.mail("smtp", source="127.0.0.4")
    assert m.cmd("MAIL FROM:<>").startswith(b"450 4.7.1")
    m.quit()
    m = narrow.mail("smtp", source="127.0.0.9")  # for whom a proxy speaks has his own count
    m.ok("XCLIENT ADDR=192.0.2.77", b"220")
    m.hello()
    for _ in range(5):
        m.ok("MAIL FROM:<>")
        m.ok("RSET")
    assert m.cmd("MAIL FROM:<>").startswith(b"450 4.7.1")
    m.quit()
    m = narrow.mail("smtp", source="127.0.0.5")
    assert m.deliver("t1", HELLO)[0].startswith(b"250")
    m.quit()


@pytest.mark.parametrize("said", [b"", b"EHLO", b"EHLO x\r\nMAIL FROM:<>\r\n", b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<t2>\r\nDATA\r\nSubject"])
def test_silence(narrow, said):
    m = narrow.mail("smtp", hello=None, source="127.0.0.6")
    start = time.monotonic()
    m.send(said)
    assert m.rest().split(b"\r\n")[-2].startswith(b"421 4.")
    assert 0.9 <= time.monotonic() - start <= 4
    assert os.listdir(narrow.maildir("t2") + "/tmp") == []


def test_slow_but_steady(narrow):
    """each octet is progress"""
    m = narrow.mail("smtp", source="127.0.0.7")
    m.begin("t2")
    m.ok("DATA", b"354")
    message = stuffed(b"x: y\r\n\r\n")
    for i in range(len(message)):
        time.sleep(0.3)
        m.send(message[i:i + 1])
    assert m.reply().startswith(b"250")
    m.quit()


def test_connections_in_all(narrow):
    many = []
    try:
        for i in range(60):
            many.append(Mail(narrow, "lmtp", hello=None))
            if many[-1].greeting.startswith(b"421 4.3.2 "):
                break
        assert 20 <= len(many) <= 41, len(many)
    finally:
        for m in many:
            m.close()
    time.sleep(0.3)


# ---- the server's end

@pytest.mark.asan
def test_sigterm_in_starttls(own_bed):
    bed = own_bed()
    m = bed.mail("smtp")
    m.ok("STARTTLS", b"220")
    idle = bed.mail("smtp")
    os.kill(bed.pid, signal.SIGTERM)
    assert m.rest() == b""
    assert idle.reply().startswith(b"421 4.3.2")
    bed.restart()


def test_reload_while_messages_come_in(own_bed):
    """SIGHUP, again and again, disturbs nobody"""
    bed = own_bed()
    stop = threading.Event()

    def shake():
        while not stop.wait(0.05):
            os.kill(bed.pid, signal.SIGHUP)

    t = threading.Thread(target=shake)
    t.start()
    try:
        m = bed.mail("smtp")
        for i in range(60):
            assert m.deliver("t%d" % (i % 5), HELLO)[0].startswith(b"250")
        m.quit()
    finally:
        stop.set()
        t.join()
    assert sum(len(bed.received("t%d" % i)) for i in range(5)) == 60


def test_untraced_is_what_was_sent():
    assert untraced(b"Return-Path: <>\r\nDelivered-To: x\r\nReceived: a\r\n\tb;\r\n\tc\r\n" + HELLO) == HELLO


def test_tls_connections_have_a_ceiling_of_their_own(own_bed):
    """STARTTLS beyond it is put off, in the clear; pop3s is not shut out"""
    bed = own_bed("tls_waiting=2")
    held = []
    for _ in range(2):
        m = Mail(bed, "smtp")
        m.tls()
        held.append(m)
    m = Mail(bed, "smtp")
    assert m.cmd("STARTTLS").startswith(b"454 4.7.0")
    bed.wait_log("tls_waiting: 1 refused")
    m.ok("NOOP")
    assert bed.connect("pop3s").greeting.startswith(b"+OK")
    held.pop().close()
    time.sleep(0.3)
    m.ok("NOOP")
    m.tls()


def test_who_tries_names_is_sent_away(own_bed):
    """mail for many of whom half have left goes through; guesses end with the session, which is logged once; LMTP is for an MTA"""
    bed = own_bed("smtp_unknown=20")
    m = bed.mail("smtp")
    for _ in range(2):
        m.ok("MAIL FROM:<list@example.org>")
        for i in range(40):
            assert m.cmd("RCPT TO:<gone%d>" % i).startswith(b"550 5.1.1")
            m.ok("RCPT TO:<t%d>" % i)
        m.data(HELLO)
        assert m.reply().startswith(b"250")
    m.quit()
    m = bed.mail("smtp", source="127.0.0.2")
    m.ok("MAIL FROM:<>")
    for i in range(20):
        assert m.cmd("RCPT TO:<guess%d>" % i).startswith(b"550 5.1.1")
    m.send(b"RCPT TO:<guess>\r\nRCPT TO:<t1>\r\n")
    assert m.rest() == b"421 4.7.0 Too many recipients that are not here\r\n"
    m = bed.mail("lmtp")
    m.ok("MAIL FROM:<>")
    for i in range(60):
        assert m.cmd("RCPT TO:<guess%d>" % i).startswith(b"550 5.1.1")
    m.quit()
    bed.wait_log(r"addr=127\.0\.0\.2 tried names: unknown=21")
    assert bed.log().count("tried names") == 1


def test_what_is_refused_is_in_the_log(own_bed):
    """whose address it was, who sent it and what he was told; ten of a connection, then a count; what a peer says forges no line"""
    bed = own_bed("message_size=64k")
    m = bed.mail("smtp")
    m.ok("MAIL FROM:<ann@example.org>")
    m.cmd("RCPT TO:<nobody@localhost>")
    m.cmd("RCPT TO:<eve@elsewhere.example>")
    m.cmd("RCPT TO:<no recipient>")
    m.cmd('RCPT TO:<"x\\" reply=z">')
    m.ok("RCPT TO:<t1>")
    m.data(b"x: y\r\n\r\n" + b"0123456789\r\n" * 7000)
    assert m.reply().startswith(b"552 5.3.4")
    assert m.cmd("MAIL FROM:<ann@example.org> SIZE=1000000").startswith(b"552 5.3.4")
    m.quit()
    head = r"rejected: at=%s service=smtp addr=127\.0\.0\.1 "
    for at, rest in [("rcpt", r'id=\S+ from="ann@example\.org" to="nobody@localhost" reply="550 5\.1\.1 [^"]*"\n'),
                     ("rcpt", r'id=\S+ from="ann@example\.org" to="eve@elsewhere\.example" reply="550 5\.7\.1 [^"]*"\n'),
                     ("rcpt", r'id=\S+ from="ann@example\.org" to="" reply="501 5\.1\.3 [^"]*"\n'),
                     ("rcpt", r'id=\S+ from="ann@example\.org" to="\S*\\x22 reply=z\S*" reply="550 5\.1\.1 [^"]*"\n'),
                     ("message", r'from="ann@example\.org" reply="552 5\.3\.4 [^"]*"\n'),
                     ("mail", r'from="ann@example\.org" reply="552 5\.3\.4 [^"]*"\n')]:
        bed.wait_log(head % at + rest)
    assert "not_shown" not in bed.log()
    bed.tool("quota", "set", "t2", "1k", "none")
    m = bed.mail("lmtp")
    assert [r[:9] for r in m.deliver(["t1", "t2"], b"x: y\r\n\r\n" + b"0123456789\r\n" * 200, sender="ann@example.org")] == [b"250 2.0.0", b"552 5.2.2"]
    m.quit()
    bed.wait_log(r'rejected: at=delivery service=lmtp addr=\S+ id=\S+ from="ann@example\.org" to="t2" reply="552 5\.2\.2 [^"]*"\n')
    at = len(bed.log())
    m = bed.mail("lmtp")
    m.ok("MAIL FROM:<>")
    for i in range(14):
        m.cmd("RCPT TO:<gone%d>" % i)
    m.quit()
    bed.wait_log(r"reception: service=lmtp .* refused=14 errors=14 not_shown=4 time=", start=at)
    shown = [line for line in bed.log()[at:].splitlines() if " rejected: " in line]
    assert len(shown) == 10 and 'from="" to="gone9"' in shown[9]
