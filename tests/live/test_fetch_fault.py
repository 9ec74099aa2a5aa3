"""Whose fault it is: a message's, the server's, the destination's, the account's; and what that does to the others."""
import os
import socket
import sqlite3
import stat
import threading

import pytest

from collecting import Collecting, change, text
from popserver import CAPA, PopServer
from freeports import free_port
from test_check import OWNER, Place

pytestmark = pytest.mark.asan

OK, FOR_NOW, NOT_ALLOWED, CONFIG = 0, 75, 77, 78


@pytest.fixture
def box(tmp_path):
    def make(server, **options):
        return Collecting(tmp_path).account(server.port, **options)
    return make


def rows(c, name="one"):
    db = sqlite3.connect("file:%s/state/bustia/%s.db?mode=ro" % (c.folder, name), uri=True)
    with db:
        found = db.execute("SELECT uid, state, failures, whole FROM message").fetchall()
    db.close()
    return {r[0]: r[1:] for r in found}


QUARANTINED = 6


def command(c, script):
    """`$1` of it: the message's subject"""
    path = c.folder + "/take"
    with open(path, "w") as f:
        f.write('#!/bin/sh\ncat > %s/last\nset -- "$(head -n 1 %s/last | sed "s/^Subject: message //")"\n%s\necho $1 >> %s/all\n'
                % (c.folder, c.folder, script, c.folder))
    os.chmod(path, stat.S_IRWXU)
    if "command:" not in c.text:
        c.text = c.text.replace("deliver = maildir:" + c.box(), "deliver = command:" + path)
        c.save()
    return c


def taken(c):
    try:
        with open(c.folder + "/all") as f:
            return sorted(int(n) for n in f.read().split())
    except FileNotFoundError:
        return []


def retrieved(s):
    return len([x for x in s.said() if x.startswith("RETR")])


# ---- a destination


def test_a_destination_that_fails_in_the_middle_is_no_messages_fault(box):
    with PopServer([text(i) for i in range(60)], capa=[c for c in CAPA if c != "PIPELINING"]) as s:
        c = command(box(s, attempts="3"), "[ $1 -lt 10 ] || { echo the disk is full >&2; exit 75; }")
        r = c.fetch("one")
        assert r.status == FOR_NOW and "the disk is full" in r.out, r
        assert taken(c) == list(range(10))
        assert retrieved(s) < 20, retrieved(s)  # it is not asked for all of them
        assert len([r for r in rows(c).values() if r[1]]) <= 3
        for _ in range(3):
            assert c.fetch("one").status == FOR_NOW
        assert [r for r in rows(c).values() if r[0] == QUARANTINED] == []
        command(c, "")
        assert c.fetch("one").status == OK and taken(c) == list(range(60))


def test_some_bad_messages_at_the_beginning_hold_up_no_others(box):
    """for now they are not taken, and nobody knows whose fault it is until another message is"""
    with PopServer([text(i) for i in range(8)]) as s:
        c = command(box(s, attempts="3"), "[ $1 -gt 3 ] || exit 75")
        for _ in range(60):
            c.fetch("one")
            if len(taken(c)) == 4:
                break
        assert taken(c) == [4, 5, 6, 7]
        for i in range(8, 40):  # those that come later are taken, and so it is the others' own fault
            s.add(text(i))
            c.fetch("one")
            if len([r for r in rows(c).values() if r[0] == QUARANTINED]) == 4:
                break
        assert len([r for r in rows(c).values() if r[0] == QUARANTINED]) == 4
        c.fetch("one")
        assert taken(c) == list(range(4, i + 1))


def test_a_quit_without_an_answer_does_not_hide_what_was_wrong(box):
    with PopServer([text(i) for i in range(20)], capa=[c for c in CAPA if c != "PIPELINING"], instead={"QUIT": lambda s, arg: b""}) as s:
        c = command(box(s, delete="now"), "[ $1 -lt 5 ] || { echo the disk is full >&2; exit 75; }")
        r = c.fetch("one")
        assert r.status == FOR_NOW and "the disk is full" in r.out.split("then:")[1], r


def lmtp_that_ends(heard):
    """it takes messages and says nothing of them"""
    def serve(s):
        f = s.makefile("rwb", buffering=0)
        f.write(b"220 here\r\n")
        for line in f:
            if line.startswith(b"DATA"):
                f.write(b"354 go on\r\n")
                heard.append(b"".join(iter(f.readline, b".\r\n")))
                s.shutdown(socket.SHUT_RDWR)
                return
            f.write(b"250 well\r\n")

    def accept():
        while True:
            s, _ = listener.accept()
            with s:
                serve(s)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def test_a_server_that_never_says_whether_it_took_a_message_is_not_given_all(box):
    """each of them may be there, and is handed over once more"""
    heard = []
    with PopServer([text(i) for i in range(40)]) as s:
        c = box(s, deliver="lmtp:127.0.0.1:%d" % lmtp_that_ends(heard), deliver_to="anna@example.test")
        assert c.fetch("one").status == FOR_NOW
        assert 1 <= len(heard) <= 3, len(heard)


@pytest.mark.root
def test_a_mailbox_that_is_not_opened_is_no_messages_fault(box, tmp_path):
    p = Place(str(tmp_path / "server"), free_port())
    p.add_user("anna")
    conf = p.write("first_uid = %d\n" % (OWNER + 1))
    with PopServer([text(i) for i in range(4)]) as s:
        c = box(s, deliver="mailbox:anna", attempts="2")
        for _ in range(3):
            r = c.bustia("-c", conf, "fetch", "-a", c.file, "one")
            assert r.status == CONFIG and "below first_uid" in r.out, r
        assert rows(c) == {}


# ---- a message


def test_whole_is_tried_until_it_is_in_quarantine_and_then_not_again(box):
    with PopServer([(text(0), b"a"), (text(1, 20000), b"big")]) as s:
        c = command(box(s, size_limit="10k", attempts="2"), "[ $1 = 0 ] || exit 65")
        assert c.fetch("one").status == OK
        for _ in range(2):
            assert c.fetch("--whole", "big", "one").status == FOR_NOW
        for _ in range(3):
            c.fetch("one")
        assert rows(c)["big"][0] == QUARANTINED
        before = retrieved(s)
        assert c.fetch("one").status == OK
        assert retrieved(s) == before


def test_a_message_that_breaks_the_connection_holds_up_no_other_that_failed(box):
    """both failed before, and the one that breaks it comes first"""
    def cut(session, arg):
        if arg == "2":
            session.server.cut = session.sent + 30
    with PopServer([(text(i, 2000), b"u%d" % i) for i in range(4)], capa=[c for c in CAPA if c != "PIPELINING"]) as s:
        c = box(s)
        s.instead = {"RETR": lambda session, arg: b"-ERR not now\r\n" if arg == "4" else cut(session, arg) if arg == "2" else None}
        for _ in range(3):
            s.cut = None
            c.fetch("one")
        assert len(c.mails()) == 2 and rows(c)["u3"][1] and rows(c)["u1"][1]
        s.instead = {"RETR": cut}
        for _ in range(30):
            s.cut = None
            c.fetch("one")
            if len(c.mails()) == 3:
                break
        assert len(c.mails()) == 3


def test_a_server_that_answers_list_of_one_in_its_own_way(box):
    with PopServer([text(i) for i in range(30)], instead={"LIST": lambda s, arg: b"+OK 1234\r\n" if arg else None}) as s:
        c = box(s)
        assert c.fetch("one").status == OK
        s.add(text(30))
        c.fetch("one")
        assert c.fetch("one").status == OK and len(c.mails()) == 31


def test_a_message_that_breaks_the_connection_does_not_keep_what_is_to_go(box):
    """some checks reach QUIT"""
    def cut(session, arg):
        if arg == "1":
            session.server.cut = session.sent + 30
    with PopServer([text(i, 2000) for i in range(4)], capa=[c for c in CAPA if c != "PIPELINING"], instead={"RETR": cut}) as s:
        c = box(s, delete="now")
        for _ in range(5):
            s.cut = None
            c.fetch("one")
        assert len(c.mails()) == 3 and s.left() == [text(0, 2000)]
        s.cut, s.instead = None, {}
        for _ in range(2):
            c.fetch("one")
        assert len(c.mails()) == 4 and s.left() == []


def test_a_message_of_which_the_server_sends_nothing_is_not_taken(box):
    """LIST says that there is more, and DELE would be the end of it"""
    with PopServer([text(0), text(1)], instead={"RETR": lambda s, arg: b"+OK\r\n.\r\n" if arg == "1" else None}) as s:
        c = box(s, delete="now")
        r = c.fetch("one")
        assert r.status == FOR_NOW and "empty message" in r.out and s.left() == [text(0)], r
        assert len(c.mails()) == 1
        s.instead = {}
        assert c.fetch("one").status == OK and len(c.mails()) == 2 and s.left() == []


def test_an_empty_message_is_taken(box):
    with PopServer([b"", b"\r\n"]) as s:
        c = box(s, delete="now")
        assert c.fetch("one").status == OK and sorted(c.mails()) == [b"", b"\n"] and s.left() == []


def test_a_message_that_the_server_does_not_delete_is_told(box):
    with PopServer([text(0), text(1)], instead={"DELE": lambda s, arg: b"-ERR it is read-only\r\n" if arg == "1" else None}) as s:
        c = box(s, delete="now")
        r = c.fetch("one")
        assert "it is read-only" in r.out and s.left() == [text(0)], r


def test_a_uid_is_no_part_of_a_command_that_a_person_may_copy(box):
    with PopServer([(text(0, 20000), b";reboot;'#"), (text(1, 20000), b"--moved")]) as s:
        c = box(s, size_limit="10k", oversize="headers")
        assert c.fetch("one").status == OK
        mails = sorted(c.mails())
        assert b"--whole ';reboot;'\\''#' one" in mails[0] and b"--whole '--moved' one" in mails[1], mails


def test_a_message_that_is_refused_goes_to_quarantine_also_where_each_check_deletes(box):
    with PopServer([text(i) for i in range(4)], capa=[c for c in CAPA if c != "PIPELINING"]) as s:
        c = command(box(s, attempts="3", delete="now"), "[ $1 != 0 ] || exit 65")
        for i in range(4):
            c.fetch("one")
            s.add(text(4 + i))
        assert [r[0] for r in rows(c).values()].count(QUARANTINED) == 1


# ---- an account


def test_a_clock_that_is_put_back_keeps_nobody_out(box):
    with PopServer([text(0)], users={"anna": "another"}) as s:
        c = box(s)
        assert c.fetch("one").status == NOT_ALLOWED
        change(c, "UPDATE board SET checked = checked + 100000000, next = next + 100000000")
        s.users = {"anna": "secret"}
        r = c.fetch()  # nobody's hand
        assert r.status == OK and len(c.mails()) == 1, r


def test_a_name_that_was_wrong_before_anything_was_collected(box):
    with PopServer([text(0)]) as s:
        c = box(s, user="ana")
        assert c.fetch("one").status == NOT_ALLOWED
        c.text = c.text.replace("user = ana\n", "user = anna\n")
        c.save()
        r = c.fetch("one")
        assert r.status == OK and len(c.mails()) == 1, r
