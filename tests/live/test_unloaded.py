"""A maildrop of which a mail process has only the totals answers as one whose messages it has: the same octets, however the store keeps its
listings, and however the client reads. What cannot be had ends the session, and never looks whole."""
import ssl

import pytest
from bed import Bed
from test_slow import Far, memory

MANY = 20000
KEPT = ["", ",lazy", ",lazy,text"]

DIALOGUE = ["STAT", "LIST 2", "UIDL 3", "LIST 4", "NOOP", "CAPA", "LIST", "UIDL", "RSET", "RETR 2", "TOP 3 1", "DELE 1", "LIST", "UIDL",
            "LIST 1", "STAT", "RSET", "LIST", "UIDL 1", "DELE 3", "QUIT"]


@pytest.fixture(scope="module")
def bed():
    b = Bed(["allow_memory_store=yes"])
    yield b
    b.close()


names = iter("unloaded%d" % i for i in range(1000))


def drop(bed, words):
    return memory(bed, next(names), words)


def everything(p):
    said = b""
    while True:
        more = p.sock.recv(65536)
        if not more:
            return p.buf + said
        said += more


def transcript(bed, words, commands, port="pop3"):
    """of a session whose client says all at once, and reads what comes"""
    p = bed.login(drop(bed, words), "pw", port=port)
    p.send("".join(c + "\r\n" for c in commands))
    said = everything(p)
    p.close()
    return said


def test_the_same_octets(bed):
    for commands in (DIALOGUE, ["LIST", "DELE 3", "UIDL", "QUIT"]):
        said = [transcript(bed, "messages=3" + kept, commands) for kept in KEPT]
        assert said[0].endswith(b"\r\n") and b"-ERR [" not in said[0]
        assert said[1:] == said[:1] * 2
    assert transcript(bed, "messages=0,lazy,text", DIALOGUE[:9] + ["QUIT"]) == transcript(bed, "messages=0", DIALOGUE[:9] + ["QUIT"])


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_many_messages(bed, port):
    """listings much larger than any buffer; and who marks something first has it left out"""
    said = [transcript(bed, "messages=%d%s" % (MANY, kept), ["NOOP", "LIST", "UIDL", "DELE 7", "UIDL", "QUIT"], port) for kept in KEPT]
    assert said[0].count(b"\r\n") == 3 * MANY + 8
    assert said[1:] == said[:1] * 2


def test_a_client_that_reads_late(bed):
    """who asks for a listing again and again without reading has all of them in the end"""
    p = bed.login(drop(bed, "messages=%d,lazy,text" % MANY), "pw")
    p.send("UIDL\r\n" * 20 + "QUIT\r\n")
    others = bed.login(drop(bed, "messages=2,lazy,text"), "pw")
    assert len(others.uidl()) == 2
    others.quit()
    assert everything(p).count(b"\r\n") == 20 * (MANY + 2) + 1
    p.close()


def test_text_that_is_not_to_be_had(bed):
    """is written from the messages"""
    said = [transcript(bed, "messages=500" + words, ["LIST", "UIDL", "QUIT"]) for words in ("", ",lazy,text,fail=text,fail=keep")]
    assert said[1] == said[0]


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_text_that_ends_early(bed, port):
    """ends the session in the midst: no final dot, and over TLS no close_notify"""
    p = Far(bed, port)
    p.ok("USER " + drop(bed, "messages=%d,lazy,text,text-ends=350000" % MANY))
    p.ok("PASS pw")
    p.send("UIDL\r\nNOOP\r\n")
    try:
        said = everything(p)
        assert port == "pop3"
        assert len(said) > 350000 - 160000
    except ssl.SSLError as e:
        assert port == "pop3s", e
        said = p.buf
    assert b"\r\n.\r\n" not in said and b"Still here" not in said
    bed.wait_log("broken-listing")
    assert "the listing ends after" in bed.log()
    p.close()


@pytest.mark.parametrize("command", ["RETR 1", "DELE 1", "UIDL 1", "LIST"])
def test_messages_that_are_not_to_be_had(bed, command):
    """end the session with a reason; until then everything is answered that needs none of them"""
    lines = transcript(bed, "messages=3,lazy,fail=load", ["STAT", "LIST 4", "NOOP", command, "QUIT"]).split(b"\r\n")
    assert lines[0].startswith(b"+OK 3 ")
    assert lines[1:] == [b"-ERR There is no such message", b"+OK Still here", b"-ERR [SYS/TEMP] The maildrop cannot be read now", b""]
    bed.wait_log("end=unreadable")
