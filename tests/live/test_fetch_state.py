"""What becomes of each message, from one check to the next: whatever a server's uids, answers and endings, and whatever the destination
says, nothing is lost and nothing comes twice."""
import email
import os
import sqlite3
import stat
import subprocess
import time

import pytest

import collecting
from collecting import Collecting
from popserver import CAPA, PopServer

pytestmark = pytest.mark.asan

OK, FOR_NOW = 0, 75


def text(n, size=0):
    return b"Subject: message %d\r\n\r\nbody %d\r\n" % (n, n) + b"x" * 60 * (size > 0) + b"\r\n%s" % (b"y" * 70 + b"\r\n") * (size // 72)


def lf(octets):
    return octets.replace(b"\r\n", b"\n")


@pytest.fixture
def box(tmp_path):
    def make(server, **options):
        c = Collecting(tmp_path)
        c.server = server
        return c.account(server.port, **options)
    return make


def rows(c, name="one"):
    db = sqlite3.connect("file:%s/state/bustia/%s.db?mode=ro" % (c.folder, name), uri=True)
    with db:
        found = db.execute("SELECT uid, state, failures, gone, turn FROM message").fetchall()
    db.close()
    return {r[0]: r[1:] for r in found}


STATES = ["new", "seen", "fetched", "delivered", "headers", "marked", "quarantined", "deleted"]


def states(c, name="one"):
    return sorted(STATES[r[0]] for r in rows(c, name).values())


def fetched(c):
    r = c.fetch("one")
    assert r.status == OK, r
    return sorted(c.mails())


# ---- uids


def test_a_server_without_uidl_is_known_by_content(box):
    with PopServer([text(i) for i in range(5)] + [text(0)], uidl=False) as s:
        c = box(s)
        assert fetched(c) == sorted(lf(text(i)) for i in (0, 0, 1, 2, 3, 4))  # two that are the same are two
        assert len(fetched(c)) == 6
        s.add(text(9))
        assert fetched(c).count(lf(text(9))) == 1
        assert len(fetched(c)) == 7


def test_a_server_without_uidl_and_delete(box):
    with PopServer([text(i) for i in range(5)], uidl=False) as s:
        c = box(s, delete="now")
        assert len(fetched(c)) == 5 and s.left() == []
        s.add(text(0))  # octet for octet what is here already: with nothing else to tell them apart it is the same
        s.add(text(7))
        assert len(fetched(c)) == 6 and s.left() == []


def test_a_server_that_has_lost_uidl_for_a_moment(box):
    with PopServer([text(i) for i in range(4)]) as s:
        c = box(s)
        assert len(fetched(c)) == 4
        s.uidl = False
        r = c.fetch("one")
        assert r.status == FOR_NOW and "UIDL" in r.out and len(c.mails()) == 4, r
        s.uidl = True
        assert len(fetched(c)) == 4


def test_a_server_that_has_uidl_now(box):
    with PopServer([text(i) for i in (0, 1, 2, 2)], uidl=False) as s:
        c = box(s, keep_newest="4")
        assert len(fetched(c)) == 4
        s.uidl = True
        s.add(text(3))
        assert len(fetched(c)) == 5
        assert len(fetched(c)) == 5 and s.left() == [text(i) for i in (1, 2, 2, 3)]
        assert not any(uid.startswith("=") for uid in rows(c))


@pytest.mark.parametrize("capa", [None, [], ["UIDL"]])
def test_a_server_without_capa_or_top(box, capa):
    with PopServer([text(i) for i in range(3)], capa=capa) as s:
        c = box(s)
        assert len(fetched(c)) == 3
        assert len(fetched(c)) == 3
        # one by one: nothing was announced
        assert not any(x.startswith("TOP") for x in s.said())


def test_a_uid_that_two_messages_have_is_none(box):
    with PopServer([(text(1), b"same"), (text(2), b"same"), (text(3), b"own")]) as s:
        c = box(s)
        assert fetched(c) == sorted(lf(text(i)) for i in (1, 2, 3))
        assert len(fetched(c)) == 3
        s.drop = s.drop[1:]  # now it is one's own
        assert len(fetched(c)) == 3 and len(fetched(c)) == 3


def test_a_uid_that_another_message_has_now_too(box):
    with PopServer([(text(1), b"same")]) as s:
        c = box(s)
        assert len(fetched(c)) == 1
        s.add(text(2), b"same")
        assert len(fetched(c)) == 2 and len(fetched(c)) == 2
        s.drop.pop()
        assert len(fetched(c)) == 2


def test_a_uid_that_comes_back_with_the_same_content(box):
    with PopServer([(text(i), b"uid%d" % i) for i in range(4)]) as s:
        c = box(s)
        assert len(fetched(c)) == 4
        all_of_them, s.drop = s.drop, []
        assert len(fetched(c)) == 4  # the server has lost its list for a moment
        assert all(r[2] > 0 for r in rows(c).values())
        s.drop = all_of_them
        assert len(fetched(c)) == 4
        assert all(r[2] == 0 for r in rows(c).values())


def test_a_uid_that_is_given_to_another_message(box):
    with PopServer([(text(1), b"1")]) as s:
        c = box(s, delete="now")
        assert fetched(c) == [lf(text(1))] and s.left() == []
        s.add(text(2), b"1")
        assert fetched(c) == sorted(lf(text(i)) for i in (1, 2)) and s.left() == []
        s.add(text(3), b"1")
        assert len(fetched(c)) == 3 and s.left() == []


def test_the_state_is_lost_and_the_messages_meet_themselves(box):
    with PopServer([text(i) for i in range(20)]) as s:
        c = box(s)
        assert len(fetched(c)) == 20
        for f in os.listdir(c.folder + "/state/bustia"):
            os.unlink("%s/state/bustia/%s" % (c.folder, f))
        assert len(fetched(c)) == 20


def test_another_maildrop_under_the_same_account(box):
    with PopServer([text(1)], users={"anna": "secret", "berta": "secret"}) as s:
        c = box(s)
        assert len(fetched(c)) == 1
        c.text = c.text.replace("user = anna", "user = berta")
        c.save()
        r = c.fetch("one")
        assert r.status == 78 and "--moved" in r.out
        r = c.fetch("--moved", "one")
        assert r.status == OK and len(c.mails()) == 1


# ---- the end of a session


def quit_unheard(session, arg):
    return b""


@pytest.mark.parametrize("update", ["before", "never"])
def test_quit_is_not_answered(box, update):
    """removed or not: it is settled by the next listing"""
    with PopServer([text(i) for i in range(8)], update=update, instead={"QUIT": quit_unheard}) as s:
        c = box(s, delete="now")
        r = c.fetch("one")
        assert r.status == FOR_NOW and "may have deleted" in r.out, r
        assert len(c.mails()) == 8
        assert len(s.left()) == (0 if update == "before" else 8)
        assert states(c) == ["deleted"] * 8
        s.instead, s.update = {}, "before"
        assert len(fetched(c)) == 8 and s.left() == []


@pytest.mark.parametrize("size", [0, 500])
def test_quit_is_not_answered_and_the_uid_is_given_on(box, size):
    """of the same size, too: nothing is deleted unseen"""
    with PopServer([(text(1), b"1")], instead={"QUIT": quit_unheard}) as s:
        c = box(s, delete="now")
        assert c.fetch("one").status == FOR_NOW and s.left() == []
        s.instead = {}
        s.add(text(2, size), b"1")
        assert fetched(c) == sorted(lf(m) for m in (text(1), text(2, size))) and s.left() == []


def test_quit_is_refused(box):
    with PopServer([text(i) for i in range(3)], update="after", instead={"QUIT": lambda s, a: b"-ERR [SYS/TEMP] 3 remain\r\n"}) as s:
        c = box(s, delete="now")
        r = c.fetch("one")
        assert r.status == FOR_NOW and "3 remain" in r.out
        s.instead = {}
        assert len(fetched(c)) == 3 and s.left() == []


def test_the_connection_is_cut_between_messages(box):
    """what came whole is there, and nothing was deleted"""
    def cut(session, arg):
        if arg == "4":
            session.server.cut, session.server.how = session.sent, "reset"
    with PopServer([text(i) for i in range(8)], capa=[c for c in CAPA if c != "PIPELINING"], instead={"RETR": cut}) as s:
        c = box(s, delete="now")
        assert c.fetch("one").status == FOR_NOW
        assert len(c.mails()) == 3 and len(s.left()) == 8
        s.instead, s.cut = {}, None
        assert len(fetched(c)) == 8 and s.left() == []


# ---- what is left, what goes


def test_keep_newest(box):
    with PopServer([text(i) for i in range(10)]) as s:
        c = box(s, keep_newest="4")
        assert len(fetched(c)) == 10 and s.left() == [text(i) for i in range(6, 10)]
        s.add(text(10))
        assert len(fetched(c)) == 11 and s.left() == [text(i) for i in range(7, 11)]


def test_deleted_after_days(box):
    with PopServer([text(i) for i in range(3)]) as s:
        c = box(s, delete="14d")
        assert len(fetched(c)) == 3 and len(s.left()) == 3
        db = sqlite3.connect(c.folder + "/state/bustia/one.db")
        with db:
            db.execute("UPDATE message SET first = first - 15 * 86400")
        db.close()
        s.add(text(3))
        assert len(fetched(c)) == 4 and s.left() == [text(3)]


def test_too_large_is_left_then_fetched_whole(box):
    big = text(1, 50000)
    with PopServer([(text(0), b"small"), (big, b"big")]) as s:
        c = box(s, size_limit="10k", delete="now")
        r = c.fetch("one")
        assert r.status == OK and "too large" in r.out and "big" in r.out, r
        assert c.mails() == [lf(text(0))] and s.left() == [big]
        r = c.fetch("one")
        assert "too large" not in r.out and s.left() == [big]  # it is told once
        assert c.fetch("--whole", "big", "one").status == OK
        assert sorted(c.mails()) == sorted([lf(text(0)), lf(big)]) and s.left() == []


def test_too_large_headers_then_whole(box):
    big = text(1, 50000)
    with PopServer([(text(0), b"small"), (big, b"big")]) as s:
        c = box(s, size_limit="10k", oversize="headers", delete="now")
        mails = fetched(c)
        assert len(mails) == 2 and mails[1].startswith(b"Subject: message 1\n\n[The rest") and b"--whole big one" in mails[1]
        assert s.left() == [big] and len(fetched(c)) == 2
        r = c.fetch("--whole", "big", "one")
        assert r.status == OK and sorted(c.mails())[2] == lf(big) and s.left() == []


def test_headers_of_a_multipart_are_text(box):
    big = b"Subject: m\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\nTo: a@b\r\n\r\n--b\r\n\r\n" + text(1, 50000) + b"--b--\r\n"
    with PopServer([(big, b"big")]) as s:
        c = box(s, size_limit="10k", oversize="headers")
        m = email.message_from_bytes(fetched(c)[0])
        assert m["To"] == "a@b" and m["X-Bustia-Content-Type"] and not m.is_multipart()
        assert "--whole big one" in m.get_payload()


def stalls(session, arg):
    if arg == "3":
        session.send(b"+OK\r\nSubject: large\r\n\r\n" + b"x" * 70 + b"\r\n")
        for _ in range(100):
            time.sleep(0.1)
            session.send(b"y" * 70 + b"\r\n")
        session.send(b".\r\n")
        return b""


def test_what_is_whole_does_not_wait_for_a_large_one(box):
    with PopServer([text(0), text(1), text(2, 8000)], instead={"RETR": stalls}) as s:
        c = box(s)
        p = subprocess.Popen([collecting.BUSTIA, "fetch", "-a", c.file, "one"], env=c.environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 8
        while len(c.mails()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert p.poll() is None and len(c.mails()) == 2
        p.terminate()
        p.wait(10)

def test_too_large_is_deleted_where_the_account_says_so(box):
    with PopServer([text(0), text(1, 50000)]) as s:
        c = box(s, size_limit="10k", oversize="delete")
        assert fetched(c) == [lf(text(0))] and s.left() == [text(0)]


def test_mark_seen(box):
    with PopServer([text(i) for i in range(4)]) as s:
        c = box(s, delete="now")
        r = c.bustia("mark-seen", "-a", c.file, "one")
        assert r.status == OK and "4 messages" in r.out and c.mails() == []
        s.add(text(4))
        assert fetched(c) == [lf(text(4))] and len(s.left()) == 4
        assert not any(x.startswith(("RETR 1", "DELE 1")) for x in s.said())


def test_mark_seen_without_uids(box):
    with PopServer([text(0)], uidl=False) as s:
        c = box(s)
        r = c.bustia("mark-seen", "-a", c.file, "one")
        assert r.status == 78 and "no uids" in r.out


# ---- failures


def command(c, script):
    path = c.folder + "/take"
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(path, stat.S_IRWXU)
    c.text = c.text.replace("deliver = maildir:" + c.box(), "deliver = command:" + path)
    c.save()
    return c


TAKES = 'cat > "%s/last"; if grep -q "message 2$" "%s/last"; then echo no such mail >&2; exit %d; fi; cat "%s/last" >> "%s/all"\n'


def taken(c):
    with open(c.folder + "/all", "rb") as f:
        return sorted(x for x in f.read().split(b"Subject: ") if x)


@pytest.mark.parametrize("status", [65, 75])
def test_one_bad_message_goes_to_quarantine(box, status):
    """for good or for now: after so many attempts it is kept as it came, and no other was ever held up"""
    with PopServer([text(i) for i in range(6)]) as s:
        c = box(s, attempts="3", delete="now")
        command(c, TAKES % (c.folder, c.folder, status, c.folder, c.folder))
        for attempt in range(3):
            assert not attempt or states(c).count("quarantined") == 0
            r = c.fetch("one")
            assert r.status == FOR_NOW and "no such mail" in r.out, r
            assert len(taken(c)) == 5 + attempt
            s.add(text(10 + attempt))
        folder = c.folder + "/state/bustia/quarantine/one"
        eml = [f for f in os.listdir(folder) if f.endswith(".eml")]
        assert len(eml) == 1 and len(os.listdir(folder)) == 2
        with open(folder + "/" + eml[0], "rb") as f:
            assert f.read() == text(2)
        with open(folder + "/" + eml[0].replace(".eml", ".reason")) as f:
            assert "no such mail" in f.read()
        r = c.fetch("one")
        assert r.status == OK and s.left() == [text(2)]
        assert len(taken(c)) == 8


def test_a_destination_that_fails_is_no_messages_fault(box):
    with PopServer([text(i) for i in range(10)]) as s:
        c = box(s, attempts="2", delete="now")
        command(c, "cat > /dev/null; echo the disk is full >&2; exit 75\n")
        for _ in range(4):
            r = c.fetch("one")
            assert r.status == FOR_NOW and "the disk is full" in r.out, r
        assert all(r[1] == 0 for r in rows(c).values()) and len(s.left()) == 10
        command(c, "")
        c.text = c.text.replace("command:" + c.folder + "/take", "maildir:" + c.box())
        c.save()
        assert len(fetched(c)) == 10 and s.left() == []


def test_a_destination_that_refuses_all_for_good_is_not_asked_for_all(box):
    with PopServer([text(i) for i in range(60)]) as s:
        c = box(s, attempts="5")
        command(c, "cat > /dev/null; echo never >&2; exit 77\n")
        assert c.fetch("one").status == FOR_NOW
        assert len([r for r in rows(c).values() if r[1]]) <= 25


def test_the_server_refuses_one(box):
    no = {"RETR": lambda s, arg: b"-ERR it is damaged\r\n" if arg == "3" else None}
    with PopServer([text(i) for i in range(6)], instead=no) as s:
        c = box(s, delete="now")
        for _ in range(2):
            r = c.fetch("one")
            assert r.status == FOR_NOW and "it is damaged" in r.out, r
            assert len(c.mails()) == 5 and s.left() == [text(2)]
            no["RETR"] = s.instead["RETR"] = lambda s, arg: b"-ERR it is damaged\r\n"
        s.instead = {}
        assert len(fetched(c)) == 6 and s.left() == []


def test_what_broke_the_connection_comes_last(box):
    def cut(session, arg):
        if arg == "2":
            session.server.cut = session.sent + 30
    with PopServer([text(i, 2000) for i in range(6)], instead={"RETR": cut}, capa=[c for c in CAPA if c != "PIPELINING"]) as s:
        c = box(s)
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 1
        s.cut = None
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 5
        s.cut, s.instead = None, {}
        assert len(fetched(c)) == 6


# ---- time


def drip(session, arg):
    session.send(b"+OK\r\n")
    for i in range(1, 100000):
        session.send(b"%d uid-%060d\r\n" % (i, i) * 20)
        time.sleep(0.1)


def test_a_check_has_an_end_whatever_comes(box):
    with PopServer([text(0)], instead={"UIDL": drip}) as s:
        c = box(s, check_timeout="3s")
        r = c.fetch("one")
        assert r.status == FOR_NOW and "longer than 3 s as a whole" in r.out and r.seconds < 2 * 3, r


# ---- pauses


def test_login_delay_is_obeyed(box):
    with PopServer([text(0)], capa=CAPA + ["LOGIN-DELAY 3600"]) as s:
        c = box(s)
        assert len(fetched(c)) == 1
        r = c.fetch()  # nobody's hand: it is passed over
        assert r.status == OK and "LOGIN-DELAY" in r.out, r
        r = c.fetch("one")
        assert r.status == FOR_NOW and "LOGIN-DELAY" in r.out, r
        assert len(s.sessions) == 1


def test_a_refused_password_is_not_tried_at_once_again(box):
    with PopServer([text(0)], users={"anna": "another"}) as s:
        c = box(s)
        assert c.fetch("one").status == 77
        r = c.fetch()
        assert len(s.sessions) == 1 and r.status == OK and "not checked" in r.out, r
        assert c.fetch("one").status == 77 and len(s.sessions) == 2  # a person may


def test_expire_is_told(box):
    with PopServer([text(0), text(1, 50000)], capa=CAPA + ["EXPIRE 30"]) as s:
        c = box(s, size_limit="10k")
        r = c.fetch("one")
        assert r.status == OK and "within 30 days (EXPIRE)" in r.out, r
