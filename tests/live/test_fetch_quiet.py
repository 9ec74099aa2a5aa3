"""A check that finds what the last one found goes by the last one's note (ACCOUNT.quiet), and reads no database. It must never hide mail:
whatever is another, of the listing, of the account, of the state or of the time, makes the next check a whole one."""
import os
import re
import shutil
import time

import pytest
from collecting import Collecting
from popserver import PopServer

MAILS = [b"Subject: %d\r\n\r\nbody %d\r\n" % (i, i) for i in range(5)]


@pytest.fixture
def quiet(tmp_path):
    """an account whose last check was quiet: (collecting, server, its note)"""
    with PopServer(MAILS) as s:
        c = Collecting(tmp_path)
        c.account(s.port)
        for _ in range(2):
            well(c)
        note = [d + "/one.quiet" for d, _, files in os.walk(c.folder) if "one.quiet" in files]
        assert len(note) == 1 and len(c.mails()) == 5
        yield c, s, note[0]


def well(c):
    run = c.fetch("one")
    assert run.status == 0, run
    return run


def test_reads_no_database(quiet):
    c, s, note = quiet
    database = note[:-len("quiet")] + "db"
    os.utime(database, ns=(0, os.stat(database).st_mtime_ns))  # a time before that of its change: a read would be noted (relatime)
    before = os.stat(database)
    run = well(c)
    after = os.stat(database)
    assert after.st_atime_ns == 0 and after.st_mtime_ns == before.st_mtime_ns and "5 left" in run.out, run
    assert os.stat(note).st_mtime > time.time() - 5
    assert c.mails() and len(s.left()) == 5


def test_new_mail_comes(quiet):
    c, s, note = quiet
    for i in range(3):
        s.add(b"Subject: new\r\n\r\nnew %d\r\n" % i)
        well(c)
        assert len(c.mails()) == 6 + i
        well(c)
        well(c)
        assert len(c.mails()) == 6 + i and os.path.exists(note)


def test_one_that_went_and_one_that_came(quiet):
    """as many as before, under the same numbers"""
    c, s, note = quiet
    s.remove(s.drop[4:])
    s.add(b"Subject: other\r\n\r\nother\r\n")
    well(c)
    assert len(c.mails()) == 6


@pytest.mark.parametrize("change", ["delete = now\n", "keep_newest = 2\n"])
def test_another_account(quiet, change):
    c, s, note = quiet
    c.text += change
    c.save()
    well(c)
    assert len(s.left()) == (2 if "newest" in change else 0)


def test_time_goes_by(quiet):
    """what is deleted after some time is deleted, though nothing else has happened"""
    c, s, note = quiet
    c.text += "delete = 3s\n"
    c.save()
    run = c.fetch("one")
    if run.status != 0:  # days are the least
        pytest.skip(run.out)
    end = time.monotonic() + 15
    while s.left() and time.monotonic() < end:
        time.sleep(0.5)
        well(c)
    assert s.left() == [] and len(c.mails()) == 5


@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "link", "folder"])
def test_a_note_that_is_none(quiet, harm):
    c, s, note = quiet
    with open(note, "rb") as f:
        text = f.read()
    os.unlink(note)
    if harm == "link":
        os.symlink("/etc/passwd", note)
    elif harm == "folder":
        os.mkdir(note)
    else:
        with open(note, "wb") as f:
            f.write({"empty": b"", "cut": text[:-1], "flipped": text[:60] + bytes([text[60] ^ 1]) + text[61:]}[harm])
    s.add(b"Subject: new\r\n\r\nnew\r\n")
    well(c)
    well(c)
    assert len(c.mails()) == 6


def test_a_note_that_comes_back(quiet):
    """after a power cut it may be there again, older than the database: it is none"""
    c, s, note = quiet
    shutil.copy2(note, note + ".old")
    kept = list(s.drop)
    s.add(b"Subject: new\r\n\r\nnew\r\n")
    well(c)
    s.drop = kept
    os.rename(note + ".old", note)
    well(c)  # the new one is gone from the server, which is to be noted
    assert not os.path.exists(note)
    well(c)
    assert os.path.exists(note) and len(c.mails()) == 6


def test_trouble_after_it_is_noted(quiet):
    c, s, note = quiet
    s.users = {"anna": "other"}
    run = c.fetch("one")
    assert run.status > 0
    run = c.bustia("status", "-a", c.file)
    assert re.search(r"log|password|refuse", run.out) and not os.path.exists(note), run
    s.users = {"anna": "secret"}
    s.add(b"Subject: new\r\n\r\nnew\r\n")
    well(c)
    assert len(c.mails()) == 6


def test_the_board_tells_of_it(quiet):
    c, s, note = quiet
    run = c.bustia("status", "--json", "-a", c.file)
    first = re.findall(r'"(?:checked|last\w*)": *"?([^",}]*)', run.out)
    time.sleep(1.1)
    well(c)
    run = c.bustia("status", "--json", "-a", c.file)
    assert first and re.findall(r'"(?:checked|last\w*)": *"?([^",}]*)', run.out) != first, run
    assert "5" in run.out


def test_login_delay_is_obeyed(quiet):
    c, s, note = quiet
    s.capa = s.capa + ["LOGIN-DELAY 600"]
    well(c)
    assert not os.path.exists(note)
    before = len(s.sessions)
    c.fetch()
    assert len(s.sessions) == before
