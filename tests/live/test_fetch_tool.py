"""`bustia fetch`, `mark-seen` and `status` as a person, a script and a service manager use them. The server is popserver.py, or our own."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import termios
import time

import pytest
from bed import wire
from collecting import BUSTIA, Collecting
from freeports import free_port
from popserver import CAPA, PopServer

MAILS = [b"From: a@example.test\r\nSubject: mail %d\r\n\r\ntext %d\r\n" % (i, i) for i in range(1, 6)]
STORED = [m.replace(b"\r\n", b"\n") for m in MAILS]
LARGE = b"From: l@example.test\r\nSubject: large\r\n\r\n" + b"all of it\r\n" * 2000
WELL, NOTHING_NEW, LATER, REFUSED, CONFIG, USAGE = 0, 1, 75, 77, 78, 64

pytestmark = pytest.mark.asan


@pytest.fixture
def collecting(tmp_path):
    return Collecting(tmp_path)


def nobody():
    """a port at which nobody listens, nor comes to listen: it is none of those that the kernel gives away"""
    return free_port()


def state(collecting, name="one"):
    """the file that remembers what became of the account's messages"""
    return "%s/state/bustia/%s.db" % (collecting.folder, name)


def sql(collecting, text, *values, name="one"):
    db = sqlite3.connect(state(collecting, name))
    with db:
        rows = db.execute(text, values).fetchall()
    db.close()
    return rows


def count(server, word):
    return sum(c.split()[0] == word for c in server.said())


# ---- once

def test_once(collecting):
    with PopServer(MAILS) as s:
        run = collecting.account(s.port).fetch()
        assert run.status == WELL
        assert run.out == ("one: 5 messages on the server, 5 to fetch (%d B)\none: 5 new, 5 left on the server\n" % sum(map(len, MAILS)))
        assert sorted(collecting.mails()) == STORED and len(s.left()) == 5
        run = collecting.fetch()
        assert (run.status, run.out) == (WELL, "one: nothing new, 5 left on the server\n")
        assert count(s, "RETR") == 5 and len(collecting.mails()) == 5


def test_a_script_can_ask_for_what_is_new(collecting):
    with PopServer(MAILS[:1]) as s:
        collecting.account(s.port)
        assert collecting.fetch("--exit-new", "--quiet").status == WELL
        run = collecting.fetch("--exit-new", "--quiet")
        assert (run.status, run.out) == (NOTHING_NEW, "")


def test_one_that_is_broken_stops_no_other(collecting):
    with PopServer(MAILS) as good, PopServer(MAILS[:2], users={"anna": "other"}) as strict, PopServer(MAILS, stall="connect") as mute:
        c = collecting.account(nobody(), "down").account(mute.port, "mute").account(strict.port, "strict").account(good.port, "good")
        run = c.fetch()
        assert run.status == REFUSED, run
        assert sorted(c.mails("good")) == STORED and c.mails("strict") == c.mails("down") == c.mails("mute") == []
        assert re.search(r"(?m)^bustia: down: .*refused", run.out) and re.search(r"(?m)^bustia: strict: ", run.out), run
        assert re.search(r"(?m)^bustia: mute: ", run.out) and "secret" not in run.out, run
        assert "4 accounts, 5 new messages; 2 failed for now; 1 could not log in\n" in run.out
        assert c.fetch("good").status == WELL and c.fetch("down").status == LATER and c.fetch("strict").status == REFUSED


def test_an_account_that_is_wrong_stops_no_other(collecting):
    with PopServer(MAILS) as s:
        c = collecting.account(s.port, "wrong", deliver="nowhere:at all").account(s.port, "good")
        run = c.fetch()
        assert run.status == CONFIG and re.search(r'(?m)^bustia: wrong: deliver = "nowhere:at all".*line \d+ of /', run.out), run
        assert sorted(c.mails("good")) == STORED
        assert c.fetch("good").status == WELL and c.bustia("status", "-a", c.file).status == CONFIG


def test_an_account_that_is_not_enabled(collecting):
    with PopServer(MAILS) as s:
        c = collecting.account(s.port, enabled="no")
        assert c.fetch().status == WELL and c.mails() == []
        assert c.fetch("one").status == WELL and len(c.mails()) == 5


USES = [(["--wath"], 'no option "--wath"; did you mean --watch?'), (["--plann"], 'no option "--plann"; did you mean --plan?'),
        (["-x"], 'no option "-x"\n'), (["--plan", "--test"], "exclude"), (["--whole"], "wants a word"), (["--whole", "u"], "one account"),
        (["--watch", "--plan"], "--watch"), (["--moved"], "named"), (["onne"], 'did you mean "one"'), (["-a"], "wants a word")]


@pytest.mark.parametrize("words,says", USES, ids=[" ".join(u[0]) for u in USES])
def test_wrong_use(collecting, words, says):
    run = collecting.account(nobody()).fetch(*words)
    assert run.status == USAGE and says in run.out, run
    assert not os.path.exists(state(collecting))


@pytest.mark.parametrize("word", ["fetch", "mark-seen", "status", "user"])
def test_help_needs_nothing(collecting, word):
    run = collecting.bustia("-c", "/nowhere", word, "--help")
    assert run.status == WELL and run.out.startswith("usage: bustia %s " % word), run


def test_accounts_that_cannot_be_read(collecting):
    run = collecting.bustia("fetch", "-a", collecting.folder + "/no-such-file")
    assert run.status == CONFIG and "no-such-file" in run.out
    run = collecting.bustia("fetch")
    assert run.status == CONFIG and ".config/bustia/accounts" in run.out and "--sample" in run.out
    for text, says in (("", "no account here"), ("tls = none\n", "no account"), ("account = one\naccount = one\n", "line 2")):
        collecting.text = text
        collecting.save()
        run = collecting.fetch()
        assert run.status == CONFIG and says in run.out and ":0:" not in run.out, run
    os.chmod(collecting.file, 0o666)
    run = collecting.fetch()
    assert run.status == CONFIG and "chmod" in run.out, run


def test_a_state_that_cannot_be_kept(collecting):
    """nothing is fetched of which it could not be noted that it was"""
    with PopServer(MAILS) as s:
        collecting.account(s.port)
        collecting.environment["XDG_STATE_HOME"] = "/proc/nowhere"
        run = collecting.fetch()
        assert run.status == LATER and "/proc/nowhere" in run.out and s.said() == [] and collecting.mails() == [], run


def test_a_hundred_accounts(collecting):
    with PopServer(MAILS[:2]) as s:
        for i in range(100):
            collecting.account(s.port, "a%d" % i)
        run = collecting.fetch("--quiet")
        assert (run.status, run.out) == (WELL, "")
        assert all(len(collecting.mails("a%d" % i)) == 2 for i in range(100))


def test_two_at_once(collecting):
    def slow(session, arg):
        time.sleep(1)

    with PopServer(MAILS[:2], instead={"RETR": slow}) as s:
        collecting.account(s.port, window=1)
        first = subprocess.Popen([BUSTIA, "fetch", "-a", collecting.file, "one"], env=collecting.environment, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        wait(lambda: count(s, "RETR"))
        run = collecting.fetch()
        assert run.status == LATER and "another process" in run.out and len(s.sessions) == 1, run
        assert collecting.fetch("--plan").status == WELL  # looking is no work
        out = first.communicate(timeout=30)[0]
        assert first.returncode == WELL and "2 new" in out and len(collecting.mails()) == 2
        assert sql(collecting, "SELECT failures FROM board") == [(0,)]


def wait(fn, secs=20):
    end = time.monotonic() + secs
    while not fn():
        assert time.monotonic() < end
        time.sleep(0.05)


# ---- before it is done

def test_a_plan_changes_nothing(collecting):
    with PopServer(MAILS[:3]) as s:
        run = collecting.account(s.port, delete="now").fetch("--plan")
        assert run.status == WELL
        assert len(re.findall(r"(?m)^one: message [123] \(\w+\): fetch: new; then delete: the account leaves nothing", run.out)) == 3, run
        assert "nothing was changed" in run.out
        assert not os.path.exists(state(collecting)) and not os.path.exists(collecting.box())
        assert count(s, "RETR") == count(s, "DELE") == 0
        collecting.fetch()
        s.add(MAILS[3])
        run = collecting.fetch("--plan")
        assert len(re.findall("fetch: new", run.out)) == 1, run
        assert len(s.left()) == 1 and len(collecting.mails()) == 3


def test_a_test_says_what_it_found(collecting):
    with PopServer(MAILS, capa=CAPA + ["LOGIN-DELAY 5", "EXPIRE 60", "IMPLEMENTATION a \x1b[31mred one"], sasl="PLAIN") as s:
        run = collecting.account(s.port).fetch("--test")
        assert run.status == WELL and "all is well" in run.out, run
        for text in ('logged in as "anna" by PLAIN', "TOP yes", "pipelining yes", "5 s between log-ins", "60 days", "5 messages are there"):
            assert text in run.out, (text, run)
        assert "\x1b" not in run.out
        assert not os.path.exists(state(collecting)) and count(s, "RETR") == 0
    with PopServer(users={"anna": "other"}) as s:
        assert Collecting(collecting.folder).account(s.port).fetch("--test").status == REFUSED


def with_no_reader(c, *words):
    """its status and what goes to where errors go, where nobody reads what it prints"""
    read, write = os.pipe()
    os.close(read)
    p = subprocess.run([BUSTIA, *words], stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE, env=c.environment, timeout=60)
    os.close(write)
    return p.returncode, p.stderr.decode()


def test_whoever_reads_may_go(collecting):
    with PopServer(MAILS) as s:
        c = collecting.account(s.port)
        assert with_no_reader(c, "fetch", "--plan", "-a", c.file, "one") == (WELL, "")
        assert with_no_reader(c, "list", "-a", c.file, "one") == (WELL, "")
        assert with_no_reader(c, "show", "-a", c.file, "one", "1") == (WELL, "")
        assert with_no_reader(c, "fetch", "-a", c.file, "one") == (WELL, "")
        assert sorted(c.mails()) == STORED
        with open("/dev/full", "w") as full:  # what could not be written is told all the same
            p = subprocess.run([BUSTIA, "fetch", "--plan", "-a", c.file, "one"], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                               env=c.environment, timeout=60)
            assert p.returncode == 74 and b"No space left" in p.stderr
            p = subprocess.run([BUSTIA, "list", "-a", c.file, "one"], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                               env=c.environment, timeout=60)
            assert p.returncode == LATER and b"cannot be written" in p.stderr


def test_what_is_marked_is_never_fetched(collecting):
    with PopServer(MAILS[:4]) as s:
        c = collecting.account(s.port, delete="now")
        run = c.bustia("mark-seen", "-a", c.file)
        assert run.status == USAGE and run.out.startswith("bustia: what is marked is never fetched: name the accounts whose mail is meant\nusage: "), run
        run = c.bustia("mark-seen", "--plan", "-a", c.file, "one")
        assert run.status == USAGE and run.out.startswith("bustia: mark-seen fetches nothing: it goes with "), run
        run = c.bustia("status", "--jsn")
        assert run.status == USAGE and run.out.startswith('bustia: there is no option "--jsn"; did you mean --json?\nusage: bustia status '), run
        run = c.bustia("mark-seen", "-a", c.file, "one")
        assert (run.status, run.out.splitlines()[-1]) == (WELL, "one: 4 messages taken as seen")
        s.add(MAILS[4])
        run = c.fetch()
        assert run.status == WELL and "1 new" in run.out, run
        assert c.mails() == STORED[4:] and s.left() == MAILS[:4]  # what was not fetched is not deleted
        assert count(s, "RETR") == 1


def test_without_uids_nothing_can_be_marked(collecting):
    with PopServer(MAILS, uidl=False) as s:
        c = collecting.account(s.port)
        run = c.bustia("mark-seen", "-a", c.file, "one")
        assert run.status == CONFIG and "no uids" in run.out, run
        assert c.fetch("one").status == WELL and sorted(c.mails()) == STORED  # it has not become worse
        assert c.fetch("one").status == WELL and len(c.mails()) == 5


# ---- what is left on the server

def test_headers_then_all_of_it(collecting):
    with PopServer([MAILS[0], (LARGE, b"big")]) as s:
        c = collecting.account(s.port, size_limit="10k", oversize="headers", delete="now")
        assert c.fetch().status == WELL
        heads = [m for m in c.mails() if b"Subject: large" in m]
        assert len(c.mails()) == 2 and len(heads) == 1 and b"all of it" not in heads[0]
        assert b"bustia fetch --whole big one" in heads[0]
        assert s.left() == [LARGE] and count(s, "TOP") == 1
        assert c.fetch().status == WELL and len(c.mails()) == 2
        assert c.fetch("--whole", "none", "one").status == LATER
        run = c.fetch("--whole", "big", "one")
        assert run.status == WELL and "1 new" in run.out, run
        assert LARGE.replace(b"\r\n", b"\n") in c.mails() and s.left() == []


def test_what_is_too_large_is_left_and_told_once(collecting):
    with PopServer([MAILS[0], (LARGE, b"big")], capa=CAPA + ["EXPIRE 3"]) as s:
        c = collecting.account(s.port, size_limit="10k")
        run = c.fetch()
        assert run.status == WELL and re.search(r"one: left: too large.*within 3 days \(EXPIRE\) \(message big\)", run.out), run
        assert c.mails() == STORED[:1] and "left: " not in c.fetch().out
        run = c.fetch("--whole", "big", "one")
        assert run.status == WELL and "before" not in run.out and len(c.mails()) == 2 and len(s.left()) == 2, run
        run = c.fetch("--whole", "big", "one")
        assert run.status == WELL and len(c.mails()) == 2, run
        assert run.out.startswith("one: left: it was delivered whole before, and is not fetched again (message big)\none: nothing new, 2 left"), run


def test_too_large_is_deleted_where_that_is_wished(collecting):
    with PopServer([MAILS[0], LARGE]) as s:
        c = collecting.account(s.port, size_limit="10k", oversize="delete")
        assert c.fetch().status == WELL and c.mails() == STORED[:1] and s.left() == MAILS[:1]


def test_the_newest_stay(collecting):
    with PopServer(MAILS[:3]) as s:
        c = collecting.account(s.port, keep_newest=2)
        run = c.fetch()
        assert run.status == WELL and "3 new, 1 deleted, 2 left on the server" in run.out, run
        assert s.left() == MAILS[1:3] and sorted(c.mails()) == STORED[:3]
        s.add(MAILS[3])
        assert c.fetch().status == WELL and s.left() == MAILS[2:4]


def test_after_some_days_it_goes(collecting):
    with PopServer(MAILS[:3]) as s:
        c = collecting.account(s.port, delete="3d")
        assert c.fetch().status == WELL and len(s.left()) == 3
        sql(c, "UPDATE message SET first = first - 3 * 86400 + 600 WHERE uid = ?", s.drop[0].uid.decode())
        sql(c, "UPDATE message SET first = first - 3 * 86400 - 1 WHERE uid = ?", s.drop[1].uid.decode())
        assert "delete: first seen 3 days ago" in c.fetch("--plan").out and len(s.left()) == 3
        run = c.fetch()
        assert run.status == WELL and "nothing new, 1 deleted, 2 left on the server" in run.out, run
        assert s.left() == [MAILS[0], MAILS[2]] and len(c.mails()) == 3


# ---- when

def test_login_delay_is_obeyed(collecting):
    with PopServer(MAILS, capa=CAPA + ["LOGIN-DELAY 3"]) as s:
        c = collecting.account(s.port)
        assert c.fetch().status == WELL
        run = c.fetch()
        assert run.status == WELL and re.search("not checked: .*LOGIN-DELAY", run.out) and len(s.sessions) == 1, run
        run = c.fetch("one")  # also a person waits
        assert run.status == LATER and "LOGIN-DELAY" in run.out and len(s.sessions) == 1, run
        wait(lambda: c.fetch("one").status == WELL, 10)
        assert len(s.sessions) == 2
        assert c.bustia("status", "-a", c.file).status == WELL  # waiting is no failure


def test_a_server_that_is_down_is_left_in_peace(collecting):
    with PopServer(MAILS, users={"anna": "other"}) as s:
        c = collecting.account(s.port)
        assert c.fetch().status == REFUSED
        run = c.fetch()
        assert run.status == WELL and re.search(r"not checked: the last check failed, the next is due in \d\d min\n", run.out) and len(s.sessions) == 1, run
        assert c.fetch("one").status == REFUSED and len(s.sessions) == 2  # a person need not wait
        checked, after, failures = sql(c, "SELECT checked, next, failures FROM board")[0]
        assert failures == 2 and after - checked >= 1800  # a lock-out is worse than late mail
        s.users["anna"] = "secret"
        assert c.fetch("one").status == WELL and sql(c, "SELECT failures, error FROM board") == [(0, "")]


def test_a_message_nobody_takes_goes_to_quarantine(collecting):
    with PopServer([MAILS[0], MAILS[1].replace(b"\r\n\r\n", b"\r\nX-Bad: yes\r\n\r\n"), MAILS[2]]) as s:
        took = collecting.folder + "/took"
        c = collecting.account(s.port, attempts=2, delete="now", deliver="command:m=$(cat); case $m in *X-Bad*) echo no such thing >&2; exit 65;; esac; "
                               "echo \"$m\" >> %s" % took)
        run = c.fetch()
        assert run.status == LATER and re.search(r"(?m)^bustia: one: failed: ", run.out) and len(s.left()) == 1, run
        run = c.fetch("one")
        assert re.search(r"put into quarantine: (/\S+\.eml): ", run.out), run
        path = re.search(r"put into quarantine: (/\S+\.eml)", run.out)[1]
        assert path.startswith(c.folder + "/state/bustia/quarantine/one/")
        with open(path, "rb") as f:
            assert f.read() == s.left()[0]
        assert os.stat(path).st_mode & 0o77 == 0
        run = c.fetch("one")
        assert run.status == WELL and "nothing new" in run.out and len(s.left()) == 1, run
        with open(took) as f:
            assert f.read().count("Subject:") == 2


def test_another_maildrop_is_not_the_same(collecting):
    with PopServer(MAILS, users={"anna": "secret", "berta": "secret"}) as s:
        c = collecting.account(s.port)
        assert c.fetch().status == WELL
        c.text = c.text.replace("user = anna", "user = berta")
        c.save()
        run = c.fetch()
        assert run.status == CONFIG and "anna at localhost" in run.out and "--moved" in run.out, run
        assert c.fetch("--moved", "one").status == WELL and len(c.mails()) == 5
        assert c.fetch().status == WELL


# ---- who is told

def test_a_notice_is_given_once(collecting):
    notes = collecting.folder + "/notes"
    with PopServer(MAILS) as s:
        s.stall = None
        s.users["anna"] = "other"
        c = collecting.account(s.port, notice_after=2, notice_command='echo "$BUSTIA_ACCOUNT $BUSTIA_FAILURES ${BUSTIA_ERROR:-well}" >> %s' % notes)
        for _ in range(4):
            assert c.fetch("one").status == REFUSED
        c.fetch()  # too early: nothing is known of it
        with open(notes) as f:
            lines = f.read().splitlines()
        assert len(lines) == 1 and lines[0].startswith("one 2 ") and "well" not in lines[0], lines
        s.users["anna"] = "secret"
        assert c.fetch("one").status == WELL and c.fetch("one").status == WELL
        with open(notes) as f:
            assert f.read().splitlines()[1:] == ["one 0 well"]


def test_a_board(collecting):
    with PopServer(MAILS[:2]) as s:
        c = collecting.account(s.port, "good").account(nobody(), "down").account(s.port, "new", enabled="no")
        c.fetch()
        run = c.bustia("status", "-a", c.file)
        lines = run.out.splitlines()
        assert run.status == 1 and lines[0].split() == ["ACCOUNT", "LAST", "CHECK", "NEXT", "NEW", "LEFT", "STATE"], run
        assert re.match(r"good +\d+ s ago +in \d+ (s|min) +2 +2 +well$", lines[1]), run
        assert re.match(r"down +\d+ s ago +in \d+ (s|min) +0 +- +\S.*refused", lines[2]) and len(lines) == 3, run
        run = c.bustia("status", "-a", c.file, "--json", "good", "down", "new")
        t = Terminal(c, "status", "-a", c.file, columns=60)
        assert t.end() == 1
        rows = t.out.replace("\r\n", "\n").splitlines()
        assert len(rows) == 3 and max(map(len, rows)) == len(rows[2]) == 60 and rows[2].endswith("…") and rows[1].endswith("well"), rows
        run = c.bustia("status", "-a", c.file, "--json", "good", "down", "new")
        good, down, new = map(json.loads, run.out.splitlines())
        assert (good["account"], good["fetched"], good["left"], good["failures"], good["error"]) == ("good", 2, 2, 0, "")
        assert good["checked"] == good["succeeded"] and good["next"] > good["checked"]
        assert down["failures"] == 1 and down["succeeded"] is None and "refused" in down["error"] and down["left"] is None
        assert new["checked"] is new["fetched"] is new["left"] is None and not new["enabled"]
        with open(state(c, "good"), "wb") as f:
            f.write(b"this is no database" * 100)
        run = c.bustia("status", "-a", c.file)
        assert run.status == LATER and "unknown" in run.out, run


def test_json(collecting):
    with PopServer(MAILS[:2]) as s:
        c = collecting.account(s.port).account(nobody(), "down")
        with open(c.folder + "/err", "w") as err:
            p = subprocess.run([BUSTIA, "fetch", "-a", c.file, "--json"], env=c.environment, stdout=subprocess.PIPE, stderr=err, text=True)
        rows = [json.loads(line) for line in p.stdout.splitlines()]
        assert p.returncode == LATER and os.path.getsize(c.folder + "/err") == 0
        one = [r for r in rows if r.get("account") == "one"]
        kinds = [r["event"] for r in one]
        assert kinds[0] == "step" and kinds[-1] == "done" and kinds.count("delivered") == 2, kinds
        listed = one[kinds.index("listed")]
        assert (listed["messages"], listed["to_fetch"], listed["bytes"]) == (2, 2, sum(map(len, MAILS[:2])))
        assert sorted(r["uid"] for r in one if r["event"] == "delivered") == sorted(m.uid.decode() for m in s.drop)
        assert (one[-1]["result"], one[-1]["fetched"], one[-1]["left"]) == ("ok", 2, 2)
        down = [r for r in rows if r.get("account") == "down"][-1]
        assert down["event"] == "done" and down["result"] == "failed" and "refused" in down["error"] and "text" not in down
        assert rows[-1]["event"] == "summary" and rows[-1]["status"] == LATER and rows[-1]["accounts"] == 2


def test_an_output_that_is_gone(collecting):
    """who reads it may go; the mail is fetched all the same"""
    with PopServer(MAILS) as s:
        collecting.account(s.port)
        p = subprocess.Popen([BUSTIA, "fetch", "-a", collecting.file], env=collecting.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdout.close()
        assert p.wait(30) == WELL and sorted(collecting.mails()) == STORED


def test_without_input_and_output(collecting):
    """what is printed must not go into a socket or a database that was opened in their place"""
    with PopServer(MAILS) as s:
        collecting.account(s.port)
        p = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BUSTIA, "fetch", "-a", collecting.file, "one"], env=collecting.environment)
        assert p.returncode == WELL and sorted(collecting.mails()) == STORED
        assert collecting.fetch().out == "one: nothing new, 5 left on the server\n"


# ---- interrupted

def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return list(map(int, f.read().split()))


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_nothing_is_lost_nothing_comes_twice(collecting, signo):
    def slow(session, arg):
        time.sleep(0.3)

    with PopServer(MAILS, instead={"RETR": slow}) as s, PopServer(MAILS, instead={"RETR": slow}) as other:
        c = collecting.account(s.port, window=1, delete="now").account(other.port, "two", window=1)
        p = subprocess.Popen([BUSTIA, "fetch", "-a", c.file], env=c.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait(lambda: count(s, "RETR") >= 2 and count(other, "RETR") >= 2)
        crew = children(p.pid)
        assert len(crew) == 2
        p.send_signal(signo)
        out = p.communicate(timeout=20)[0]
        assert p.returncode == 128 + signo and "interrupted" in out, out
        assert not any(os.path.exists("/proc/%d" % pid) for pid in crew)
        s.instead.clear(), other.instead.clear()
        assert c.fetch("one", "two").status == WELL
        assert sorted(c.mails()) == sorted(c.mails("two")) == STORED and s.left() == []


def test_a_hang_up_that_is_ignored(collecting):
    def slow(session, arg):
        time.sleep(0.3)

    with PopServer(MAILS[:2], instead={"RETR": slow}) as s:
        collecting.account(s.port, window=1)
        p = subprocess.Popen(["nohup", BUSTIA, "fetch", "-a", collecting.file], env=collecting.environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait(lambda: count(s, "RETR"))
        os.killpg(p.pid, signal.SIGHUP)
        assert p.wait(20) == WELL and len(collecting.mails()) == 2


def test_the_end_of_who_watches_is_the_end_of_all(collecting):
    with PopServer(MAILS, stall="RETR") as s:
        collecting.text = collecting.text.replace("silence_timeout = 2s", "silence_timeout = 60s")
        collecting.account(s.port)
        p = subprocess.Popen([BUSTIA, "fetch", "-a", collecting.file], env=collecting.environment, stdout=subprocess.DEVNULL)
        wait(lambda: count(s, "RETR"))
        crew = children(p.pid)
        p.kill()
        p.wait()
        wait(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in crew), 5)


# ---- a terminal

class Terminal:
    def __init__(self, collecting, *words, rows=24, columns=80, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(BUSTIA, [BUSTIA, *words], dict(collecting.environment, TERM="xterm", **environment))
        self.out = ""
        self.size(rows, columns)

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def take(self, secs):
        """false: it has ended"""
        if not select.select([self.fd], [], [], secs)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.out += data.decode()
        return bool(data)

    def until(self, pattern, secs=20):
        end = time.monotonic() + secs
        while not re.search(pattern, self.out):
            assert self.take(0.1) and time.monotonic() < end, (pattern, self.out)

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self, secs=30):
        end = time.monotonic() + secs
        while self.take(0.1):
            assert time.monotonic() < end, self.out
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def screen(self, rows):
        """what stands there at the end, as a terminal shows it that knows our four sequences and no others"""
        lines, at = [""], 0
        for part in re.findall(r"\x1b\[(\d*)([A-Za-z])|(\r\n)|(\r)|([^\x1b\r\n]+)", self.out):
            number, letter, newline, back, text = part
            if letter == "A":
                at = max(0, at - int(number or 1))
            elif letter == "J":
                del lines[at + 1:]
                lines[at] = ""
            elif newline:
                at += 1
                if at == len(lines):
                    lines.append("")
            elif text:
                lines[at] = text
            else:
                assert back or letter == "K", part
        return lines


def drip(session, arg):
    """a message of 400 kB in half a second"""
    text = b"+OK\r\nSubject: slow\r\n\r\n"
    for _ in range(10):
        session.put(text + b"x" * 70 + b"\r\n" * 1)
        text = (b"y" * 70 + b"\r\n") * 555
        time.sleep(0.06)
    session.put(b".\r\n")
    return b""


DRIPPING = {"RETR": drip, "LIST": lambda s, arg: s.multi([b"+OK"] + [b"%d 400000" % i for i in range(1, len(s.drop) + 1)]) if not arg else None}


def test_a_terminal_shows_how_far_it_is(collecting):
    with PopServer(MAILS, instead=DRIPPING) as s:
        c = collecting.account(s.port, window=1).account(nobody(), "down")
        t = Terminal(c, "fetch", "-a", c.file)
        t.until(r"one +message 3 of 5, [\d.]+ (kB|MB) of 2\.0 MB, [\d.]+ kB/s, 0:0\d left")
        assert t.end() == LATER
        screen = t.screen(24)
        assert re.match(r"down +\S.*refused", screen[0]) and screen[1:] == ["one   5 new, 5 left on the server", "2 accounts, 5 new messages; 1 failed for now", ""], screen
        assert "\x1b[3" not in t.out  # no colours


def test_more_accounts_than_lines_and_a_window_that_changes(collecting):
    with PopServer(MAILS[:3], instead=DRIPPING) as s:
        for i in range(8):
            collecting.account(s.port, "a%d" % i, window=1)
        t = Terminal(collecting, "fetch", "-a", collecting.file, rows=6, columns=40)
        t.until(r"and 5 more")
        t.size(20, 100)
        at = len(t.out)
        t.until(r"a7 +message \d of 3")
        assert "more" not in t.out[t.out.index("a7", at):]
        assert t.end() == WELL
        screen = t.screen(20)
        assert sorted(screen[-10:-2]) == ["a%d  3 new, 3 left on the server" % i for i in range(8)] and screen[-2:] == ["8 accounts, 24 new messages", ""]


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_can_do_nothing(collecting, environment):
    with PopServer(MAILS) as s:
        collecting.account(s.port)
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(BUSTIA, [BUSTIA, "fetch", "-a", collecting.file], dict(collecting.environment, **environment))
        t = Terminal.__new__(Terminal)
        t.pid, t.fd, t.out = pid, fd, ""
        assert t.end() == WELL and "\x1b" not in t.out and "one: 5 new" in t.out


def test_who_is_asked_for_a_password_is_not_disturbed(collecting):
    def slow(session, arg):
        time.sleep(0.5)

    with PopServer(MAILS, users={"anna": "s3cr3t word"}) as asked, PopServer(MAILS[:1], instead={"RETR": slow}) as other:
        c = collecting.account(asked.port, "ask", password_file=None).account(other.port, "two").account(asked.port, "again", password_file=None)
        t = Terminal(c, "fetch", "-a", c.file)
        t.until("Password of anna at localhost: ")
        wait(lambda: not t.echoes(), 10)
        before = t.out
        t.take(1.5)
        assert "new" not in t.out[len(before):]
        t.type("s3cr3t word\n")
        t.until("(?s)Password.*Password")
        wait(lambda: not t.echoes(), 10)
        t.type("wrong\n")
        assert t.end() == REFUSED and "s3cr3t" not in t.out and "wrong\r" not in t.out, t.out
        assert sorted(c.mails("ask")) == STORED and c.mails("two") == STORED[:1] and c.mails("again") == []
        assert "PASS s3cr3t word" in asked.said() or any("AUTH" in x for x in asked.said())


def test_a_question_that_is_interrupted_leaves_the_terminal_as_it_was(collecting):
    with PopServer(MAILS) as s:
        c = collecting.account(s.port, password_file=None).account(s.port, "two", password_file=None)
        pid, fd = pty.fork()
        if pid == 0:  # a shell that goes on, so that the terminal can be looked at
            os.execve("/bin/sh", ["sh", "-c", '"$@"; echo "status $?"; read x', "sh", BUSTIA, "fetch", "-a", c.file], dict(c.environment, TERM="xterm"))
        t = Terminal.__new__(Terminal)
        t.pid, t.fd, t.out = pid, fd, ""
        wait(lambda: t.take(0.1) and not t.echoes(), 10)
        t.type("\x03")
        t.type("\x03")
        time.sleep(0.2)
        t.take(1)
        assert t.echoes()
        os.close(fd)
        os.waitpid(pid, 0)
        assert "interrupted" in t.out and c.mails() == [], t.out


# ---- a daemon

class Watch:
    def __init__(self, collecting, *words, **environment):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(collecting.folder + "/notify")
        self.log = collecting.folder + "/log"
        with open(self.log, "wb") as f:
            self.p = subprocess.Popen([BUSTIA, "fetch", "--watch", "-a", collecting.file, *words], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                      env=dict(collecting.environment, NOTIFY_SOCKET=collecting.folder + "/notify", **environment))

    def text(self):
        with open(self.log) as f:
            return f.read()

    def heard(self, pattern, secs=20):
        end = time.monotonic() + secs
        while True:
            self.manager.settimeout(max(0.01, end - time.monotonic()))
            text = self.manager.recv(4096).decode()
            if re.search(pattern, text):
                return text

    def logged(self, pattern, secs=20):
        wait(lambda: re.search(pattern, self.text()), secs)

    def end(self, signo=signal.SIGTERM):
        self.p.send_signal(signo)
        try:
            return self.p.wait(20)
        finally:
            self.p.kill()


@pytest.fixture
def watch(collecting):
    made = []

    def make(*words, **environment):
        made.append(Watch(collecting, *words, **environment))
        return made[-1]

    yield make
    for w in made:
        w.p.kill()
        w.p.wait()


def test_a_daemon(collecting, watch):
    with PopServer(MAILS[:1]) as s:
        c = collecting.account(s.port, interval="1s")
        w = watch()
        assert "1 account watched" in w.heard("READY=1")
        wait(lambda: c.mails() == STORED[:1])
        w.heard("STATUS=1 account watched, 0 checked now, 0 failing")
        s.add(MAILS[1])
        wait(lambda: len(c.mails()) == 2)
        # one more account, and another one that is gone
        c.account(s.port, "two", interval="1h")
        w.p.send_signal(signal.SIGHUP)
        w.heard("RELOADING=1\nMONOTONIC_USEC=[0-9]+")
        assert "2 accounts watched" in w.heard("READY=1")
        wait(lambda: len(c.mails("two")) == 2)
        w.logged("check: account=two result=ok fetched=2 deleted=0 failed=0 left=2")
        # what is wrong changes nothing
        good = c.text
        c.text += "account = three\nserver = \n"
        c.save()
        w.p.send_signal(signal.SIGHUP)
        w.logged("kept=yes")
        assert "2 accounts watched" in w.heard("READY=1")
        c.text = good.replace("account = one", "account = other").replace("interval = 1s", "interval = 1h")
        c.save()
        w.p.send_signal(signal.SIGHUP)
        wait(lambda: "account=other" in w.text())
        s.add(MAILS[2])
        n = len(s.sessions)
        time.sleep(2.5)
        assert len(s.sessions) == n  # "one" is gone, the others have their hour
        w.p.send_signal(signal.SIGUSR1)
        wait(lambda: len(c.mails("two")) == 3)
        assert w.end() == WELL and w.heard("STOPPING=1")
        assert "secret" not in w.text()


def test_a_daemon_ends_what_is_at_work(collecting, watch):
    with PopServer(MAILS, stall="RETR") as s:
        collecting.text = collecting.text.replace("silence_timeout = 2s", "silence_timeout = 60s")
        collecting.account(s.port)
        w = watch()
        wait(lambda: count(s, "RETR"))
        crew = children(w.p.pid)
        began = time.monotonic()
        assert len(crew) == 1 and w.end(signal.SIGINT) == WELL and time.monotonic() - began < 5
        assert not os.path.exists("/proc/%d" % crew[0])


def test_a_check_at_work_ends_by_what_it_began_with(collecting, watch):
    def slow(session, arg):
        time.sleep(0.5)

    with PopServer(MAILS[:2], instead={"RETR": slow}) as s:
        c = collecting.account(s.port, interval="1s", window=1)
        w = watch()
        wait(lambda: count(s, "RETR"))
        run = c.fetch("one")  # a person meets the daemon
        assert run.status == LATER and "another process" in run.out, run
        c.text = c.text.replace("box-one", "box-new")
        c.save()
        w.p.send_signal(signal.SIGHUP)
        w.logged("(?s)watch: .*accounts: file=")
        wait(lambda: "result=ok fetched=2" in w.text())
        assert len(c.mails("one")) == 2 and c.mails("new") == []
        s.add(MAILS[2])
        wait(lambda: c.mails("new") == STORED[2:3])
        assert len(c.mails("one")) == 2 and "result=failed" not in w.text() and w.end() == WELL


def test_a_daemon_feeds_its_watchdog(collecting, watch):
    collecting.account(nobody())
    w = watch(WATCHDOG_USEC="400000")
    w.heard("STATUS=1 account watched, 0 checked now, 1 failing")
    for _ in range(4):
        w.heard("WATCHDOG=1", 1)
    assert w.end() == WELL


def test_a_pause_outlives_the_daemon(collecting, watch):
    with PopServer(MAILS, users={"anna": "other"}) as s:
        collecting.account(s.port, interval="1s")
        w = watch()
        w.logged("check: account=one result=refused fetched=0 deleted=0 failed=0 error=")
        assert w.end() == WELL
        n = len(s.sessions)
        w.manager.close()
        os.unlink(collecting.folder + "/notify")
        w = watch()
        w.heard("READY=1")
        time.sleep(2)
        assert len(s.sessions) == n == 1 and w.end() == WELL


def test_a_daemon_tells_of_failures(collecting, watch):
    notes = collecting.folder + "/notes"
    port = nobody()
    collecting.account(port, interval="1s", notice_after=1, notice_command='echo "$BUSTIA_FAILURES $BUSTIA_ERROR" >> %s' % notes)
    w = watch("--json")
    wait(lambda: os.path.exists(notes) and os.path.getsize(notes))
    with open(notes) as f:
        assert re.match("1 .*refused", f.read())
    rows = [json.loads(x) for x in w.text().splitlines() if x.startswith("{")]
    assert rows[-1]["event"] == "done" and rows[-1]["result"] == "failed"
    assert w.end() == WELL


# ---- our own server

def test_from_our_own_server(collecting, bed):
    name, password = bed.pool(37)
    bed.seed(name, MAILS)
    with open(collecting.folder + "/secret", "w") as f:
        f.write(password + "\n")
    c = collecting.account(bed.ports["pop3s"], tls="implicit", tls_ca=bed.cert, user=name, delete="now")
    c.account(bed.ports["pop3"], "clear", tls="starttls", tls_ca=bed.cert, user=name)
    run = c.fetch("--test", "clear")
    assert run.status == WELL and "SCRAM-SHA-256" in run.out and "TLSv1.3" in run.out, run
    assert c.fetch("clear").status == WELL and [wire(m) for m in sorted(c.mails("clear"))] == MAILS
    run = c.fetch("one")
    assert run.status == WELL and "5 new, 5 deleted, 0 left" in run.out, run
    assert [wire(m) for m in sorted(c.mails())] == MAILS and bed.files(name) == []


# ---- the reader is another program

def test_the_reader_is_found_where_it_is(collecting):
    os.makedirs(collecting.folder + "/usr/bin")
    bustia, reader = collecting.folder + "/usr/bin/bustia", "#!/bin/sh\necho \"reads $@\"\nexit 7\n"
    shutil.copy(BUSTIA, bustia)

    def run(*words):
        return subprocess.run([bustia, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=collecting.environment)

    def install(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o755), "w") as f:
            f.write(reader)

    p = run("list", "one")
    assert p.returncode == 69 and "bustia-reader" in p.stdout and "not installed" in p.stdout, p
    for place in ("libexec", "bin"):
        path = "%s/usr/%s/bustia-reader" % (collecting.folder, place)
        install(path)
        for word in ("list", "show", "headers", "save", "delete", "send"):
            p = run(word, "one", "a b")
            assert (p.returncode, p.stdout) == (7, "reads %s one a b\n" % word), p
        os.unlink(path)
    install(collecting.folder + "/usr/bin/bustia-reader")
    os.chmod(collecting.folder + "/usr/bin/bustia-reader", 0o644)
    p = run("list", "one")
    assert p.returncode == 69 and "Permission denied" in p.stdout, p
