"""Uids that change their meaning: given to another message, lost for a check, unusable for a check. Nothing is lost, and nothing comes
twice."""
import sqlite3

import pytest

from collecting import Collecting, change, text
from popserver import CAPA, PopServer

pytestmark = pytest.mark.asan

OK, FOR_NOW = 0, 75
ONE_BY_ONE = [c for c in CAPA if c != "PIPELINING"]


def lf(*messages):
    return sorted(m.replace(b"\r\n", b"\n") for m in messages)


@pytest.fixture
def box(tmp_path):
    def make(server, **options):
        return Collecting(tmp_path).account(server.port, **options)
    return make


def rows(c, name="one"):
    db = sqlite3.connect("file:%s/state/bustia/%s.db?mode=ro" % (c.folder, name), uri=True)
    with db:
        found = db.execute("SELECT uid, state, failures, gone, turn FROM message").fetchall()
    db.close()
    return {r[0]: r[1:] for r in found}


def fetched(c):
    r = c.fetch("one")
    assert r.status == OK, r
    return sorted(c.mails())


# ---- given to another message


@pytest.mark.parametrize("how", ["cut", "refused"])
def test_a_uid_that_another_message_has_now_and_that_fails_at_first(box, how):
    """a failure does not make it the one that was known"""
    def fail(session, arg):
        if how == "refused":
            return b"-ERR not now\r\n"
        session.server.cut = session.sent + 30
    with PopServer([(text(1), b"1")]) as s:
        c = box(s, delete="now")
        assert fetched(c) == lf(text(1)) and s.left() == []
        s.add(text(2, 2000), b"1")
        s.instead = {"RETR": fail}
        assert c.fetch("one").status == FOR_NOW and len(s.left()) == 1
        s.cut, s.instead = None, {}
        assert fetched(c) == lf(text(1), text(2, 2000)) and s.left() == []


def test_a_uid_that_is_given_away_when_its_row_was_forgotten(box):
    """the message that had it still lies in the Maildir, by the same account and uid"""
    with PopServer([(text(1), b"1")]) as s:
        c = box(s, delete="now")
        assert fetched(c) == lf(text(1)) and s.left() == []
        change(c, "UPDATE message SET gone = gone - 31 * 86400")
        s.add(text(2, 500), b"another")
        assert len(fetched(c)) == 2 and list(rows(c)) == ["another"]
        s.add(text(3, 1000), b"1")
        assert fetched(c) == lf(text(1), text(2, 500), text(3, 1000)) and s.left() == []


@pytest.mark.parametrize("kind", ["marked", "headers", "quarantined"])
def test_a_uid_that_had_a_message_which_was_left(box, kind):
    with PopServer([(text(1, 20000), b"1")]) as s:
        c = box(s, size_limit="10k" if kind == "headers" else None, oversize="headers", attempts="1")
        deliver = "deliver = maildir:" + c.box()
        if kind == "marked":
            assert c.bustia("mark-seen", "-a", c.file, "one").status == OK
        elif kind == "headers":
            assert len(fetched(c)) == 1
        else:
            c.text = c.text.replace(deliver, "deliver = command:exit 65")
            c.save()
            assert c.fetch("one").status == FOR_NOW
            c.text = c.text.replace("deliver = command:exit 65", deliver)
            c.save()
        before, s.drop = s.drop, []
        had = len(fetched(c))
        s.drop = before
        assert len(fetched(c)) == had  # it is the same
        s.drop = []
        fetched(c)
        s.add(text(2), b"1")
        mails = fetched(c)
        assert len(mails) == had + 1 and lf(text(2))[0] in mails
        assert len(fetched(c)) == had + 1


def test_unsettled_and_given_on_large(box):
    """the size of what had the uid before says nothing of the one that has it now"""
    with PopServer([(text(1), b"1")], instead={"QUIT": lambda s, a: b""}) as s:
        c = box(s, delete="now")
        assert c.fetch("one").status == FOR_NOW and s.left() == []
        s.instead = {}
        s.add(text(2, 200000), b"1")
        assert fetched(c) == lf(text(1), text(2, 200000)) and s.left() == []


def test_unsettled_then_never(box):
    """that it was compared is noted: it is not fetched in each check"""
    def retrs():
        return len([x for x in s.said() if x.startswith("RETR")])
    with PopServer([(text(i), b"%d" % i) for i in range(3)], update="never", instead={"QUIT": lambda s, a: b""}) as s:
        c = box(s, delete="now")
        assert c.fetch("one").status == FOR_NOW
        s.instead = {}
        c.text = c.text.replace("delete = now", "delete = never")
        c.save()
        assert len(fetched(c)) == 3
        n = retrs()
        assert len(fetched(c)) == 3 and retrs() == n


# ---- of an account


def test_an_account_that_has_another_name_now(box):
    """it has no state under that name, and the Maildir knows the messages all the same"""
    with PopServer([text(i) for i in range(5)]) as s:
        c = box(s)
        assert len(fetched(c)) == 5
        c.text = c.text.replace("account = one", "account = two")
        c.save()
        assert c.fetch("two").status == OK and len(c.mails()) == 5
        s.add(text(5))
        assert c.fetch("two").status == OK and len(c.mails()) == 6


# ---- not to be used for a check


BROKEN = {"all the same": lambda s, a: b"+OK\r\n1 0\r\n2 0\r\n3 0\r\n.\r\n", "none": lambda s, a: b"+OK\r\n1 \r\n2 \r\n3\r\n.\r\n",
          "left out": lambda s, a: b"+OK\r\n2 uid1\r\n.\r\n", "new": lambda s, a: b"+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n"}


@pytest.mark.parametrize("how", BROKEN)
def test_uids_that_are_others_for_a_check(box, how):
    """their content tells that they are known"""
    with PopServer([(text(i), b"uid%d" % i) for i in range(3)]) as s:
        c = box(s)
        assert len(fetched(c)) == 3
        s.instead = {"UIDL": BROKEN[how]}
        if how == "left out":
            change(c, "UPDATE message SET state = 1 WHERE uid = 'uid1'")  # so that LIST is asked
        assert len(fetched(c)) == 3
        assert len(fetched(c)) == 3
        s.instead = {}
        assert len(fetched(c)) == 3
        s.add(text(3), b"uid3")
        assert fetched(c) == lf(*[text(i) for i in range(4)])


@pytest.mark.parametrize("junk", [b"", b"x y z\r\n"])
def test_what_was_left_and_is_gone_is_not_remembered(box, junk):
    """a server that lists other uids each time does not fill the state, whatever else it lists"""
    def uidl(session, arg):
        return b"+OK\r\n" + junk + session.multi([b"%d %s" % (i, m.uid) for i, m in enumerate(session.drop, 1)])
    with PopServer(instead={"UIDL": uidl}) as s:
        c = box(s, size_limit="1k")
        for check in range(3):
            s.drop = []
            for i in range(5):
                s.add(text(i, 2000), b"%d-%d" % (check, i))
            assert fetched(c) == []
            assert len(rows(c)) == 5


# ---- others for all, from now on


def give_others(server):
    for i, m in enumerate(server.drop):
        m.uid = b"other%d" % i


def refuse_the_fifth(session, arg):
    return b"-ERR [SYS/TEMP] not now\r\n" if arg == "5" else None


def test_reuid_cut(box):
    """what is known by its new uid already says nothing of the rest"""
    def cut(session, arg):
        if arg == "5":
            session.server.cut = session.sent + 30
    with PopServer([(text(i, 500), b"uid%d" % i) for i in range(10)], capa=ONE_BY_ONE) as s:
        c = box(s)
        assert len(fetched(c)) == 10
        give_others(s)
        s.instead = {"RETR": cut}
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 10
        s.instead, s.cut = {}, None
        assert len(fetched(c)) == 10
        s.add(text(10), b"other10")
        assert len(fetched(c)) == 11 and sorted(rows(c)) == sorted("other%d" % i for i in range(11))


def test_reuid_one_refused(box):
    """what the server did not give is compared in the next check, and until then nothing counts as gone"""
    with PopServer([(text(i, 500), b"uid%d" % i) for i in range(10)], capa=ONE_BY_ONE) as s:
        c = box(s)
        assert len(fetched(c)) == 10
        give_others(s)
        s.instead = {"RETR": refuse_the_fifth}
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 10
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 10
        s.instead = {}
        assert len(fetched(c)) == 10 and sorted(rows(c)) == ["other%d" % i for i in range(10)]


def refuse_the_last(session, arg):
    return b"-ERR never\r\n" if session.drop[int(arg) - 1].uid == b"other5" else None


def refused_for_good(box, s):
    """six, of which the last one's content can never be compared under its new uid"""
    c = box(s)
    assert len(fetched(c)) == 6
    give_others(s)
    s.instead = {"RETR": refuse_the_last}
    for _ in range(8):
        c.fetch("one")
    return c


def test_reuid_one_refused_for_good(box):
    """what others remove counts as gone all the same"""
    with PopServer([(text(i, 500), b"uid%d" % i) for i in range(6)], capa=ONE_BY_ONE) as s:
        c = refused_for_good(box, s)
        s.drop = s.drop[2:]
        for _ in range(2):
            c.fetch("one")
        assert rows(c)["other0"][2] and rows(c)["other1"][2] and not rows(c)["other2"][2]


def test_reuid_one_refused_for_good_and_one_given_on(box):
    """a uid that is given on several checks later is another message's"""
    with PopServer([(text(i, 500), b"uid%d" % i) for i in range(6)], capa=ONE_BY_ONE) as s:
        c = refused_for_good(box, s)
        gone = s.drop.pop(0)
        for _ in range(3):
            c.fetch("one")
        s.add(text(77, 900), gone.uid)
        for _ in range(3):
            c.fetch("one")
        assert text(77, 900).replace(b"\r\n", b"\n") in c.mails(), rows(c)


def test_reuid_unsettled(box):
    """QUIT went unanswered, so nobody knows what has been deleted; then all that is still there has other uids"""
    with PopServer([(text(i), b"%d" % i) for i in range(1, 4)], update="never", instead={"QUIT": lambda s, a: b""}) as s:
        c = box(s, delete="now")
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 3
        s.instead = {}
        give_others(s)
        c.fetch("one")
        assert len(c.mails()) == 3


def test_reuid_no_uidl_before(box):
    with PopServer([text(i, 500) for i in range(10)], uidl=False, capa=ONE_BY_ONE) as s:
        c = box(s)
        assert len(fetched(c)) == 10
        s.uidl = True
        s.instead = {"RETR": refuse_the_fifth}
        assert c.fetch("one").status == FOR_NOW and len(c.mails()) == 10
        s.instead = {}
        assert len(fetched(c)) == 10
