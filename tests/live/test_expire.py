"""EXPIRE: what is announced, before the log-in and after it, and what becomes of it."""
import os
import re
import signal
import time

import pytest

MESSAGE = b"Subject: %d\r\n\r\nmessage\r\n"


def capa(p, word="EXPIRE"):
    rows = [row.decode().split(" ", 1) for row in p.multi("CAPA") if row.split(b" ")[0].decode() == word]
    assert len(rows) <= 1, rows
    return rows[0][1] if rows else None


def before(bed):
    """what a stranger is told"""
    p = bed.connect()
    said = capa(p)
    p.quit()
    return said


def after(bed, i):
    """what a user is told who has logged in"""
    p = bed.login(*bed.pool(i))
    said = capa(p)
    p.quit()
    return said


def announced(bed, wanted, secs=20):
    """auth looks at the database again every two seconds"""
    end = time.monotonic() + secs
    while before(bed) != wanted:
        assert time.monotonic() < end, (before(bed), wanted)
        time.sleep(0.2)


@pytest.fixture
def messages(bed):
    """messages(i, n): so many in the maildrop of this user of the pool"""
    users = []

    def fill(i, n):
        name = "t%d" % i
        users.append(name)
        bed.seed(name, [MESSAGE % k for k in range(n)])
        return name

    yield fill
    for name in users:
        bed.tool("user", "set", name, "--expire", "default")
        bed.empty(name)


def test_never_where_nobody_says_more(bed):
    announced(bed, "NEVER")
    assert after(bed, 0) == "NEVER"


def test_differs_from_user_to_user(own_bed):
    bed = own_bed()
    bed.tool("user", "set", "t1", "--expire", "30")
    announced(bed, "30 USER")
    assert after(bed, 1) == "30" and after(bed, 2) == "NEVER"
    bed.tool("user", "set", "t2", "--expire", "0")
    announced(bed, "0 USER")
    assert after(bed, 2) == "0"
    bed.tool("user", "set", "t2", "--disable")  # he will never be told anything
    announced(bed, "30 USER")
    # The configuration's, for who has none of his own; a door and an auth that are new know it at once.
    conf = bed.target["config"]
    with open(conf, "a") as f:
        f.write("expire = 30\n")
    os.kill(bed.pid, signal.SIGHUP)
    announced(bed, "30")
    assert after(bed, 1) == "30" and after(bed, 3) == "30"
    for role in ("door", "auth"):
        os.kill(bed.role(role), signal.SIGKILL)
        announced(bed, "30")
    bed.tool("user", "set", "t3", "--expire", "never")
    announced(bed, "30 USER")
    assert after(bed, 3) == "NEVER"


def test_zero_deletes_at_quit_what_was_read(bed, messages):
    name = messages(20, 5)
    bed.tool("user", "set", name, "--expire", "0")
    p = bed.login(*bed.pool(20))
    assert capa(p) == "0"
    p.retr(1)
    p.multi("TOP 2 0")
    p.retr(3)
    p.ok("RSET")
    p.ok("DELE 4")
    assert p.stat()[0] == 4
    assert re.match(rb"\+OK .*3 message", p.cmd("QUIT"))
    p = bed.login(*bed.pool(20))
    assert [b"Subject: %d" % k in p.retr(i) for i, k in ((1, 1), (2, 4))] == [True, True] and p.stat()[0] == 2
    p.close()  # without QUIT nothing goes (RFC 1939 6)
    bed.wait_log('user="%s" .*read=2 deleted=0' % name)
    p = bed.login(*bed.pool(20))
    assert p.stat()[0] == 2
    p.quit()


def test_other_numbers_delete_nothing_at_quit(bed, messages):
    name = messages(21, 2)
    for days in ("1", "never"):
        bed.tool("user", "set", name, "--expire", days)
        p = bed.login(*bed.pool(21))
        p.retr(1)
        p.quit()
        assert len(bed.files(name)) == 2
