"""TOP reads as much of a message as a header mostly has, and more where that does not end it: whatever its length, and wherever a piece of it
ends, the same octets go out. They are gathered where more commands wait."""
import os
import time

import pytest
from bed import Bed, wire
from test_index import kept

EDGES = (4096, 8192, 4096 + 8192)  # where what is read at once ends, more or less


def header(octets, end=b"\n"):
    """so many, its empty line not counted"""
    line = b"X-Filler: " + b"x" * 60 + end
    text = b"Subject: head" + end + line * ((octets - 100) // len(line))
    return text + b"X-Last: " + b"y" * (octets - len(text) - 8 - len(end)) + end


BODY = b".dot\n..dots\n\nthe third is empty\nno end"

MESSAGES = [b"", b"\n", b"\r\n", b"\n\n", b".\n", b"no header ends here", b"Subject: no header ends here\n", b"Subject: nor here\r", b"A: b\n\n",
            b"\nall body\n", b"A: b\r\n\r\nc\r\n", header(5000)[:-1], header(50000), header(4096)]
MESSAGES += [header(edge + more, end) + end + BODY for edge in EDGES for end in (b"\n", b"\r\n") for more in (-3, -2, -1, 0, 1)]
MESSAGES += [header(n) + b"\n" + BODY * 3000 for n in (300, 4094, 8190)]
# The empty line is the very first thing of the next piece, in two halves, or lacks its end.
MESSAGES += [header(4096, b"\r\n")] + [header(4095, b"\r\n") + end for end in (b"\r", b"\r\n", b"\rnot empty\r\n\r\nbody\r\n")]


def top(message, n):
    head, body = [], None
    for line in wire(message).split(b"\r\n")[:-1] if message else ():
        if body is None:
            head.append(line)
            body = [] if line == b"" else None
        elif len(body) < n:
            body.append(line)
    return b"".join(line + b"\r\n" for line in head + (body or []))


@pytest.fixture(scope="module")
def bed():
    b = Bed()
    yield b
    b.close()


@pytest.fixture(scope="module")
def user(bed):
    name, password = bed.pool(0)
    bed.seed(name, MESSAGES)
    return name, password


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
@pytest.mark.parametrize("lines", [0, 1, 3, 1000])
def test_headers_of_any_length(bed, user, port, lines):
    """one at a time and all at once, the short ones first and the long ones first"""
    numbers = range(1, len(MESSAGES) + 1)
    for order in (numbers, sorted(numbers, key=lambda n: -len(MESSAGES[n - 1]))):
        p = bed.login(*user, port=port)
        for n in order:
            p.ok("TOP %d %d" % (n, lines))
            assert p.body() == top(MESSAGES[n - 1], lines), n
        p.send("".join("TOP %d %d\r\n" % (n, lines) for n in order))
        for n in order:
            assert p.line().startswith(b"+OK")
            assert p.body() == top(MESSAGES[n - 1], lines), n
        assert p.quit().startswith(b"+OK")


def test_among_other_commands(bed, user):
    """what is marked has no header; RETR and STAT between two TOPs change nothing"""
    p = bed.login(*user)
    p.send("TOP 24 0\r\nDELE 1\r\nTOP 1 0\r\nRETR 25\r\nTOP 26 2\r\nRSET\r\nTOP 1 0\r\nNOOP\r\n")
    assert p.line().startswith(b"+OK") and p.body() == top(MESSAGES[23], 0)
    assert p.line().startswith(b"+OK") and p.line().startswith(b"-ERR")
    assert p.line().startswith(b"+OK") and p.body() == wire(MESSAGES[24])
    assert p.line().startswith(b"+OK") and p.body() == top(MESSAGES[25], 2)
    assert p.line().startswith(b"+OK") and p.line().startswith(b"+OK") and p.body() == top(MESSAGES[0], 0)
    assert p.line().startswith(b"+OK") and p.quit().startswith(b"+OK")


def replaced(path, how):
    with open(path, "rb") as f:
        was = f.read()
    if how == "edited":  # the same size, in place
        with open(path, "r+b") as f:
            f.write(b"Subject: HEAD")
    elif how == "grown":
        with open(path, "ab") as f:
            f.write(b"more\n")
    elif how == "shrunk":
        os.truncate(path, 1000)
    elif how == "moved":
        os.rename(path, path.replace("/new/", "/cur/") + ":2,S")
    elif how == "another":  # of another inode, too
        with open(path + ".new", "wb") as f:
            f.write(was)
        os.rename(path + ".new", path)
    else:
        os.unlink(path)
    if how == "fifo":
        os.mkfifo(path)
    elif how == "link":
        os.symlink("/etc/passwd", path)
    elif how == "directory":
        os.mkdir(path)


@pytest.mark.parametrize("how", ["edited", "grown", "shrunk", "gone", "fifo", "link", "directory", "another", "moved"])
def test_what_is_not_what_was_listed(bed, how):
    """after the log-in, and while it is being read: an answer of that message as it is, or -ERR; never of anything else; those beside are served"""
    name, password = bed.pool(1)
    bed.empty(name)
    texts = [b"Subject: head %d\n" % i + header(3000) + b"\n" + b"body\n" * 300 for i in range(3)]
    bed.seed(name, texts)
    for seen in (False, True):
        time.sleep(0.05)  # what has changed within this tick of the clock would be looked at again
        kept(bed, name)  # so that the index is known to be true, and no directory need be looked at
        p = bed.login(name, password)
        if seen:
            p.multi("TOP 2 0")
        (path,) = [f for f in bed.files(name) if open(f, "rb").read() == texts[1]]
        replaced(path, how)
        p.send("TOP 1 0\r\nTOP 2 0\r\nTOP 3 0\r\n")
        assert p.line().startswith(b"+OK") and p.body() == top(texts[0], 0)
        answer = p.line()
        if how == "moved":
            assert answer.startswith(b"+OK") and p.body() == top(texts[1], 0)
        elif how == "edited" and answer.startswith(b"+OK"):
            assert p.body() == top(b"Subject: HEAD" + texts[1][13:], 0)
        else:
            assert answer.startswith(b"-ERR"), answer
        assert p.line().startswith(b"+OK") and p.body() == top(texts[2], 0)
        assert p.quit().startswith(b"+OK")
        if how == "directory":
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
        if not seen:
            bed.empty(name)
            bed.seed(name, texts)
