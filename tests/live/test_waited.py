"""A real auth, and master, door and mail process played by this test: who has shown his password and then waits, for a maildrop or for a
mail process, is judged by what he is when his turn comes; and what `bustia kick` ends is also who waits."""
import re
import sqlite3
import subprocess

import frames
import pytest
from test_busy_messages import PASS, TLS, auth, nothing, own_bed_of_module, said  # noqa: F401
from test_route import FIRST

ERR_TEMP, ERR_AUTH = 1, 4  # enum err_kind

pytestmark = [pytest.mark.asan, pytest.mark.root]

WAIT = "busy = wait\nbusy_wait = 30s\nfailure_delay = 20ms\n"
REVOKE = ("user", "app-password", "revoke", "anna", "phone")
ADD = ("user", "app-password", "add", "anna", "phone")
PASSWD = ("user", "passwd", "anna", "--password-stdin")
SET = ("user", "set", "anna")
# what is done meanwhile: with an app password?, the commands, the answer (None: he comes in)
CHANGES = {
    "disabled": (False, [SET + ("--disable",)], ERR_AUTH),
    "another password": (False, [PASSWD], ERR_AUTH),
    "gone": (False, [("user", "del", "anna")], ERR_AUTH),
    "POP3 off": (False, [SET + ("--pop3", "off")], ERR_AUTH),
    "another store": (False, [SET + ("--store", "maildir:%s/mail/elsewhere")], ERR_TEMP),
    "another uid": (False, [SET + ("--uid", str(FIRST + 1))], ERR_TEMP),
    "nothing of his": (False, [("user", "set", "berta", "--disable"), ADD], None),
    "app password revoked": (True, [REVOKE], ERR_AUTH),
    "app password made anew": (True, [REVOKE, ADD], ERR_AUTH),
    "app password, and disabled": (True, [SET + ("--disable",)], ERR_AUTH),
    "app password, and another of his own": (True, [PASSWD], None),
}


def change(a, how):
    for words in CHANGES[how][1]:
        a.tool(*[w % a.tmp if "%s" in w else w for w in words], stdin="other\n")


def password(a, how):
    """what he shows; an app password of an hour ago"""
    if not CHANGES[how][0]:
        return b"pw"
    out = subprocess.run([a.bed.programs["bustia"], "-c", a.config, *ADD], check=True, capture_output=True, text=True).stdout
    db = sqlite3.connect(str(a.tmp / "db/users.db"))
    db.execute("UPDATE app_password SET created = created - 3600")
    db.commit()
    db.close()
    return re.search(r": ([a-z0-9-]{23})$", out.strip())[1].encode()


def verify(a, n, shown=b"pw", name="anna", address="127.0.0.1"):
    frames.send(a.door, "VERIFY", door=1, n=n, num=[PASS, TLS], texts=[name, shown, address])


def a_session(a, mail, n=1):
    verify(a, n)
    assert said(mail, "EXPECT")[0][2] == n
    assert said(a.door, "GRANTED")[0][2] == n


def one_waits(a, mail, n, shown=b"pw"):
    verify(a, n, shown)
    said(mail, "YIELD")
    said(a.door, "PROBE")


def is_answered(a, mail, n, answer):
    got, = said(a.door, "DENIED" if answer else "GRANTED")
    assert got[2] == n and got[3][0] == (answer or 1)
    if answer:
        nothing(mail)
    else:
        assert said(mail, "EXPECT")[0][2] == n


@pytest.mark.parametrize("how", CHANGES)
def test_who_waits_for_a_maildrop(auth, how):  # noqa: F811
    a = auth(WAIT)
    mail = a.mail(1)
    shown = password(a, how)
    a_session(a, mail)
    one_waits(a, mail, 2, shown)
    change(a, how)
    frames.send(mail, "ENDED", door=1, n=1)
    is_answered(a, mail, 2, CHANGES[how][2])


@pytest.mark.parametrize("how", ["disabled", "another uid", "app password revoked", "nothing of his"])
def test_who_waits_for_a_mail_process(auth, how):  # noqa: F811
    a = auth(WAIT + "login_delay = 600s\n")
    shown = password(a, how)
    verify(a, 1, shown)
    need, = said(a.master, "NEED")
    change(a, how)
    mail = a.mail(1, token=need[3][0])
    is_answered(a, mail, 1, CHANGES[how][2])
    if how == "disabled":  # and it does not count for LOGIN-DELAY
        a.tool(*SET, "--enable")
        verify(a, 2, shown)
        assert said(a.door, "GRANTED")[0][2] == 2


def kicked(a, name="anna"):
    """how many, as it is told"""
    ours, theirs = frames.pair()
    frames.send(a.master, "CONTROL", fd=theirs.fileno())
    theirs.close()
    frames.send(ours, "KICK", num=[7], texts=[name])
    done = frames.receive(ours)
    ours.close()
    assert done[0] == "DONE" and done[3][0] == 7
    return done[3][1]


def test_a_kick_ends_who_waits_for_a_maildrop_too(auth):  # noqa: F811
    a = auth(WAIT)
    mail = a.mail(1)
    a_session(a, mail)
    for n in (2, 3):
        one_waits(a, mail, n)
    assert kicked(a, "berta") == 0
    assert kicked(a) == 3
    denied = said(a.door, "DENIED", "DENIED")
    assert {(d[2], d[3][0]) for d in denied} == {(2, ERR_TEMP), (3, ERR_TEMP)}
    assert said(mail, "END")[0][2] == 1
    frames.send(mail, "ENDED", door=1, n=1)
    nothing(mail)
    nothing(a.door)
    a_session(a, mail, 4)  # who is only kicked may come again


def test_a_kick_ends_who_waits_for_a_mail_process_too(auth):  # noqa: F811
    """who then comes by the same connection, as somebody else, waits for a mail process of his own"""
    a = auth(WAIT + "login_delay = 600s\n")
    verify(a, 1)
    need, = said(a.master, "NEED")
    assert kicked(a) == 1
    got, = said(a.door, "DENIED")
    assert got[2] == 1 and got[3][0] == ERR_TEMP
    verify(a, 1, name="carla")
    other, = said(a.master, "NEED")
    assert other[3][1] == FIRST + 1
    mail = a.mail(1, token=need[3][0])
    nothing(mail)
    nothing(a.door)
    his = a.mail(2, FIRST + 1, other[3][0])
    assert said(his, "EXPECT")[0][4][0] == b"carla"
    said(a.door, "GRANTED")
    verify(a, 2)
    assert said(mail, "EXPECT")[0][4][0] == b"anna"
