"""What is per user: app passwords, POP3 off, the last log-in, LOGIN-DELAY."""
import os
import re
import signal
import time

import pytest
from bed import Bed

REFUSED = b"-ERR [AUTH] The name or the password is wrong"


@pytest.fixture(scope="module")
def town():
    """a server of this module's own: what is per user is changed here"""
    b = Bed(options=["failure_delay=300ms"])
    yield b
    b.close()


def attempt(bed, name, password):
    """the answer to PASS; waits for a lock that a session just ended still holds"""
    end = time.monotonic() + 10
    while True:
        p = bed.connect()
        p.ok("USER " + name)
        line = p.cmd("PASS " + password)
        if line.startswith(b"+OK"):
            p.quit()
            return line
        p.close()
        if b"[IN-USE]" not in line or time.monotonic() > end:
            return line
        time.sleep(0.05)


def tool(bed, *words):
    return bed.tool("user", *words).stdout


def app(bed, name, label):
    out = tool(bed, "app-password", "add", name, label)
    found = re.search(r": ([a-z0-9]{5}(-[a-z0-9]{5}){3})$", out.strip())
    assert found, out
    return found[1]


def within(secs, check):
    end = time.monotonic() + secs
    while not check():
        assert time.monotonic() < end
        time.sleep(0.3)


def test_app_passwords(town):
    name, own = town.pool(0)
    phone, desk = app(town, name, "phone"), app(town, name, "desk")
    for password in (own, phone, desk, phone):
        assert attempt(town, name, password).startswith(b"+OK"), password
    p = town.connect("pop3s")
    assert p.plain(name, phone).startswith(b"+OK")
    p.quit()
    other = town.pool(1)[0]
    assert attempt(town, other, phone) == REFUSED
    assert attempt(town, name, phone[:-1]) == REFUSED
    tool(town, "app-password", "revoke", name, "phone")
    assert attempt(town, name, phone) == REFUSED  # at once
    assert attempt(town, name, desk).startswith(b"+OK")
    assert attempt(town, name, own).startswith(b"+OK")
    tool(town, "set", name, "--disable")
    assert attempt(town, name, desk) == REFUSED
    tool(town, "set", name, "--enable")
    out = tool(town, "app-password", "list", name)
    assert "desk" in out and "phone" not in out and desk not in out and phone not in town.log()


def test_pop3_off(town):
    name, own = town.pool(2)
    label = app(town, name, "phone")
    tool(town, "set", name, "--pop3", "off")
    started = time.monotonic()
    answers = {attempt(town, name, own), attempt(town, name, "wrong"), attempt(town, name, label)}
    assert answers == {REFUSED}  # nothing tells who does not know the password
    assert time.monotonic() - started > 0.8
    assert re.search(r"off: user=\"?%s\"? may not log in" % re.escape(name), town.log()), town.log()[-2000:]
    m = town.mail()
    m.deliver([name], b"Subject: x\r\n\r\nx\r\n")
    m.close()
    tool(town, "set", name, "--pop3", "on")
    p = town.login(name, own)
    assert p.stat()[0] == 1  # it had been delivered
    p.quit()


def test_last_log_in(town):
    name, own = town.pool(3)
    assert "last      never" in tool(town, "show", name)
    assert name in tool(town, "list", "--unused", "90d")
    assert attempt(town, name, app(town, name, "tablet")).startswith(b"+OK")
    # Written at most once a minute: a stop writes what is left.
    town.restart()
    assert re.search(r"last +20\d\d-\d\d-\d\d \d\d:\d\d UTC from 127\.0\.0\.1\n", tool(town, "show", name))
    assert re.search(r"tablet +20\S+ \S+ 20\S+ \S+ 127\.0\.0\.1", tool(town, "app-password", "list", name))
    rows = tool(town, "list", "--unused", "90d")
    assert name + " " not in rows and town.pool(4)[0] in rows
    # And the first after a start within seconds.
    assert attempt(town, *town.pool(4)).startswith(b"+OK")
    within(20, lambda: "UTC from" in tool(town, "show", town.pool(4)[0]))


def capa(p):
    return [row for row in p.multi("CAPA") if row.startswith(b"LOGIN-DELAY")]


def test_login_delay(town):
    slow, fast = town.pool(5), town.pool(6)
    p = town.connect()
    assert capa(p) == [b"LOGIN-DELAY 60 USER"]  # a user of the testbed's
    p.quit()
    tool(town, "set", "delayed", "--login-delay", "default")
    tool(town, "set", slow[0], "--login-delay", "4s")

    def announced():
        q = town.connect()
        rows = capa(q)
        q.quit()
        return rows == [b"LOGIN-DELAY 4 USER"]

    within(20, announced)
    started = time.monotonic()  # before it: auth counts from when it lets him in, and his mail process may take its time
    p = town.login(*slow)
    assert capa(p) == [b"LOGIN-DELAY 4"]
    answer = attempt(town, *slow)
    if time.monotonic() - started < 2.9:  # while he is logged in too
        assert answer.startswith(b"-ERR [LOGIN-DELAY] "), answer
    p.quit()
    p = town.login(*fast)
    assert capa(p) == [b"LOGIN-DELAY 0"]
    p.quit()
    assert attempt(town, *fast).startswith(b"+OK")
    answer = attempt(town, *slow)
    if time.monotonic() - started < 2.9:  # a quarter early is taken
        assert answer.startswith(b"-ERR [LOGIN-DELAY] "), answer
    assert attempt(town, slow[0], "wrong") == REFUSED  # who has not shown who he is hears nothing of it
    within(20, lambda: attempt(town, *slow).startswith(b"+OK"))
    assert time.monotonic() - started >= 2.9
    tool(town, "set", slow[0], "--login-delay", "default")


def test_delay_is_no_one_elses_fault(town):
    """a log-in that finds the maildrop in use does not count"""
    name, own = town.pool(7)
    p = town.login(name, own)
    tool(town, "set", name, "--login-delay", "1h")
    q = town.connect()

    def in_use():
        q.ok("USER " + name)
        return q.cmd("PASS " + own).startswith(b"-ERR [IN-USE]")

    assert in_use()
    within(20, in_use)  # auth hears from the mail process a little later than the client does
    q.close()
    p.quit()
    within(20, lambda: attempt(town, name, own).startswith(b"+OK"))
    assert attempt(town, name, own).startswith(b"-ERR [LOGIN-DELAY]")
    role = town.role("auth")
    os.kill(role, signal.SIGKILL)  # a new one knows nothing of it, and is lenient
    within(20, lambda: attempt(town, name, own).startswith(b"+OK"))


def ask(bed, name, password, *words):
    """`bustia auth test`: the status, and what it says"""
    p = bed.tool("auth", "test", name, "--password-stdin", *words, stdin=password + "\n", check=False)
    assert p.stderr == "" or p.returncode not in (0, 77), p.stderr
    return p.returncode, p.stdout


def test_auth_test(town):
    name, own = town.pool(8)
    start = len(town.log())
    for method in ("pass", "plain", "login", "scram-sha-1", "scram-sha-256", "SCRAM-SHA-256-PLUS"):
        assert ask(town, name, own, "--method", method) == (0, "%s would be let in by %s\n" % (name, method))
        status, said = ask(town, name, own + "x", "--method", method)
        assert status == 77 and said.startswith("the password is wrong\n"), said
    assert "no secret for APOP" in ask(town, name, own, "--method", "apop")[1]
    town.tool("user", "set", name, "--apop", "--password-stdin", stdin=own + "\n")
    assert ask(town, name, own, "--method", "apop")[0] == 0
    assert "the password is wrong" in ask(town, name, own[:-1], "--method", "apop")[1]
    assert "EXTERNAL is not permitted" in ask(town, name, "", "--method", "external")[1]
    assert ask(town, name, own, "--address", "192.0.2.1")[1].startswith("from 192.0.2.1 only over TLS")
    label = app(town, name, "phone")
    assert ask(town, name, label) == (0, "it is his app password phone\n%s would be let in by plain\n" % name)
    assert "the password is wrong" in ask(town, name, label, "--method", "scram-sha-256")[1]
    assert ask(town, "nobody", own)[1].startswith("there is no user of this name\n")
    assert ask(town, name, own, "--method", "magic")[1].startswith("there is no such method\n")
    # All that keeps him out is said, whether the password is right or not.
    tool(town, "set", name, "--disable", "--pop3", "off")
    status, said = ask(town, name, "wrong")
    assert status == 77 and [line.split(" (")[0] for line in said.split("\n")[:3]] == [
        "he is disabled", "POP3 is off for him", "the password is wrong"]
    tool(town, "set", name, "--enable", "--pop3", "on", "--login-delay", "1h")
    assert attempt(town, name, own).startswith(b"+OK")
    assert "LOGIN-DELAY 3600 s" in ask(town, name, own)[1]
    log = town.log()[start:]
    assert own not in log and label not in log and "an administrator has tried" in log
    town.tool("user", "set", name, "--login-delay", "none")
