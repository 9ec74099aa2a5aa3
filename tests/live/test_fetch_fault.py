"""Whose fault it is: a message's, the server's, the destination's, the account's; and what that does to the others."""
import os
import sqlite3
import stat

import pytest

from collecting import Collecting
from popserver import CAPA, PopServer

pytestmark = pytest.mark.asan

OK, FOR_NOW, NOT_ALLOWED = 0, 75, 77


def text(n, size=0):
    return b"Subject: message %d\r\n\r\nbody %d\r\n" % (n, n) + b"y" * 70 * (size // 70) + b"\r\n"


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


def change(c, sql, name="one"):
    db = sqlite3.connect("%s/state/bustia/%s.db" % (c.folder, name))
    with db:
        db.execute(sql)
    db.close()


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
