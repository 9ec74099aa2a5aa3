"""`bustia expire`: what goes, when, and what keeps it from going: a session, the clock, a record that is not to be believed."""
import json
import os
import re
import shutil
import stat
import subprocess
import time

import pytest

from bed import TOP

DAY = 86400
MESSAGE = b"Subject: %d\r\n\r\nmessage\r\n"


class Tool:
    """`bustia expire` on a bed, at moments of the test's choice"""

    def __init__(self, bed, tmp_path):
        self.bed = bed
        self.now = int(time.time()) + 10  # nothing that the test puts there is younger
        self.ns = 0
        self.up = 1000
        self.state = tmp_path / "state" / "state"
        self.conf = str(tmp_path / "conf")
        with open(bed.target["config"]) as f:
            text = f.read()
        with open(self.conf, "w") as f:
            f.write(re.sub(r"(?m)^expire_state = .*", "expire_state = %s" % self.state, text))
        self.fault = os.path.dirname(os.path.dirname(os.path.dirname(bed.programs["bustia"]))) + "/tests/fault/"
        self.library = self.fault + "libstopped.so"

    def pass_time(self, seconds):
        self.now += seconds
        self.up += seconds

    def begin(self, *words, command=("expire",), fault=None):
        env = dict(os.environ, LD_PRELOAD=self.library, STOPPED_WALL=str(self.now), STOPPED_UP=str(self.up), STOPPED_NS=str(self.ns),
                   ASAN_OPTIONS="verify_asan_link_order=0")
        if fault:
            env.update(LD_PRELOAD="%s %slibfault.so" % (self.library, self.fault), FAULT=fault)
        return subprocess.Popen([self.bed.programs["bustia"], "-c", self.conf, *command, *words], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=env)

    def end(self, p):
        out, err = p.communicate(timeout=100)
        return subprocess.CompletedProcess(p.args, p.returncode, out, err)

    def __call__(self, *words, status=0, fault=None):
        p = self.end(self.begin(*words, fault=fault))
        assert p.returncode == status, (words, p.returncode, p.stdout, p.stderr)
        self.err = p.stderr
        return p.stdout

    def rows(self, *words, **kw):
        return [json.loads(line) for line in self("--json", *words, **kw).splitlines()]

    def removed(self, name, **kw):
        (row,) = [r for r in self.rows(name, **kw) if "removed" in r]
        assert not row["skipped"] and row["error"] is None, row
        return row["removed"]


@pytest.fixture
def tool(bed, tmp_path):
    """its state begins with an earlier run"""
    t = Tool(bed, tmp_path)
    t("--confirm-clock")
    return t


@pytest.fixture
def box(bed):
    """box(i, n, days): the name of a user of the pool with n messages and an expiry"""
    users = []

    def fill(i, n, days):
        name = "t%d" % i
        users.append(name)
        bed.seed(name, [MESSAGE % k for k in range(n)])
        bed.tool("user", "set", name, "--expire", str(days))
        return name

    yield fill
    for name in users:
        bed.tool("user", "set", name, "--expire", "default")
        bed.empty(name)


def record(bed, name):
    return bed.maildir(name) + "/bustia-first"


def test_gone_at_its_age_and_not_a_second_before(bed, tool, box):
    name = box(22, 3, 2)
    assert tool.removed(name) == 0  # met now, however old the file may be
    tool.pass_time(DAY // 2)
    bed.append(name, MESSAGE % 3)
    assert tool.removed(name) == 0
    tool.pass_time(DAY + DAY // 2 - 1)
    assert tool.removed(name) == 0
    assert len(bed.files(name)) == 4
    tool.pass_time(1)
    assert tool.removed(name) == 3
    p = bed.login(*bed.pool(22))
    assert p.stat()[0] == 1 and b"Subject: 3" in p.retr(1)
    p.quit()
    tool.pass_time(DAY // 2)
    assert tool.removed(name) == 1
    assert bed.files(name) == []


def test_the_part_of_a_second_counts(bed, tool, box):
    """met in the middle of a second: a whole day later is the middle of another"""
    name = box(38, 1, 1)
    tool.ns = 999999999
    assert tool.removed(name) == 0
    tool.pass_time(DAY)
    tool.ns = 0
    assert tool.removed(name) == 0
    tool.pass_time(1)
    assert tool.removed(name) == 1


def test_switching_it_on_deletes_nothing_at_once(bed, tool, box):
    name = box(23, 2, 1)
    for path in bed.files(name):
        os.utime(path if path.startswith("/") else bed.maildir(name) + "/" + path, (1, 1))
    assert tool.removed(name) == 0
    assert len(bed.files(name)) == 2


def test_others_keep_theirs(bed, tool, box):
    one, zero, never = box(22, 2, 1), box(23, 2, 0), box(24, 2, "never")
    tool()
    tool.pass_time(1000 * DAY)
    out = tool()
    assert one in out and zero not in out and never not in out
    assert [len(bed.files(n)) for n in (one, zero, never)] == [0, 2, 2]
    tool(zero, never)
    assert "removed at QUIT" in tool.err and "for ever" in tool.err
    assert [len(bed.files(n)) for n in (zero, never)] == [2, 2]
    assert "no user nobody-here" in (tool("nobody-here", status=66), tool.err)[1]


def test_a_plan_changes_nothing(bed, tool, box):
    name = box(25, 2, 3)
    tool(name)
    bed.append(name, MESSAGE % 2)
    tool.pass_time(DAY)
    tool(name)
    tool.pass_time(2 * DAY)
    before = {n: os.lstat(n).st_mtime_ns for n in (record(bed, name), str(tool.state))}
    due = tool.now
    wills = [(r["messages"], r["now"], r["due"]) for r in tool.rows("--plan", name) if "due" in r]
    assert wills == [(2, True, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))),
                     (1, False, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due + DAY)))]
    assert re.search(r"2  to be removed now\n.* 1  to be removed 20", tool("--plan", name))
    assert {n: os.lstat(n).st_mtime_ns for n in before} == before and len(bed.files(name)) == 3
    # It also makes no maildrop where there is none.
    shutil.rmtree(bed.maildir(name))
    assert tool.rows("--plan", name)[0]["messages"] == 0 and tool.removed(name) == 0
    assert not os.path.exists(bed.maildir(name))
    os.makedirs(bed.maildir(name) + "/new")
    os.chown(bed.maildir(name), bed.target["pool"]["uid"], bed.target["pool"]["gid"])
    shutil.rmtree(bed.maildir(name) + "/new")


def test_a_session_has_its_mailbox_to_itself(bed, tool, box):
    name = box(26, 2, 1)
    tool(name)
    tool.pass_time(DAY)
    p = bed.login(*bed.pool(26))
    (row,) = tool.rows(name)
    assert row["skipped"] and row["removed"] == 0
    assert "skipped: a session has the mailbox" in tool(name)
    assert b"Subject: 0" in p.retr(1) and p.stat()[0] == 2
    p.quit()
    end = time.monotonic() + 20
    while tool.rows(name)[0]["skipped"]:
        assert time.monotonic() < end
    assert bed.files(name) == []


def test_sessions_beside_go_on(bed, tool, box):
    """a removal that takes its time, a session elsewhere, and who comes to the mailbox meanwhile"""
    name, other = box(35, 300, 1), box(36, 3, 30)
    tool()
    tool.pass_time(DAY)
    p = bed.login(*bed.pool(36))
    run = tool.begin("--json", fault="unlinkat:SLOW:%s/new/:1-1000" % name)
    met, served = set(), 0
    while run.poll() is None:
        assert b"Subject: 1" in p.retr(2)
        served += 1
        q = bed.connect()
        q.ok("USER " + name)
        answer = q.cmd("PASS " + bed.pool(35)[1])
        met.add(q.stat()[0] if answer.startswith(b"+OK") else answer[:13])
        q.close()
    done = {r["user"]: r for r in map(json.loads, tool.end(run).stdout.splitlines())}
    assert done[other]["skipped"] and p.stat()[0] == 3
    if done[name]["skipped"]:  # one of those who came was faster; his session may still be ending
        end = time.monotonic() + 20
        while bed.files(name):
            assert time.monotonic() < end
            tool(name)
    assert served and met <= {0, 300, b"-ERR [IN-USE]"}, met
    p.quit()
    assert bed.files(name) == [] and len(bed.files(other)) == 3


@pytest.mark.parametrize("rule, told, left", [
    ("unlinkat:EROFS:%s/new/:1-100", "2 messages cannot be removed", 2),
    ("unlinkat:EIO:%s/new/:2-100", "1 messages cannot be removed", 1),
    ("fsync:EIO:%s/new:1", "fsync", 0),
    ("write:ENOSPC:%s/tmp/bustia-first:1-9", "No space left", 0),
    ("readdir:EIO:%s/new:1-100", "cannot be read", 2)])
def test_a_disk_that_fails(bed, tool, box, rule, told, left):
    name = box(37, 2, 1)
    tool(name)
    tool.pass_time(DAY // 2)
    bed.append(name, MESSAGE % 2)  # so that there is something to be written
    tool.pass_time(DAY // 2)
    out = tool("--json", name, status=75, fault=rule % name)
    assert told in json.loads(out)["error"] and told in tool.err
    assert len(bed.files(name)) == left + 1
    assert tool.removed(name) == left  # and all is well when the disk is
    assert len(bed.files(name)) == 1


def test_what_is_used_stays_true(bed, tool, box):
    name = box(27, 3, 1)
    bed.tool("quota", "recount", name)
    tool(name)
    tool.pass_time(DAY - 1)
    bed.append(name, MESSAGE % 9)
    bed.tool("quota", "recount", name)
    tool.pass_time(1)
    assert tool.removed(name) == 3
    words = bed.tool("quota", "show", name).stdout.splitlines()[1].split()
    assert words[1] == str(os.path.getsize(bed.maildir(name) + "/new/" + os.listdir(bed.maildir(name) + "/new")[0])) and words[3] == "1"


def test_the_record_is_the_owners(bed, tool, box):
    name = box(28, 1, 1)
    tool(name)
    st = os.lstat(record(bed, name))
    assert st.st_uid == bed.target["pool"]["uid"] and stat.S_IMODE(st.st_mode) == 0o600 and stat.S_ISREG(st.st_mode)
    with open(record(bed, name), "r+") as f:  # somebody makes it older: it is not what was written
        text = f.read()
        f.seek(0)
        f.write(re.sub(r"\n\d+ ", lambda m: "\n%d " % (int(m[0]) - 5 * DAY), text, count=1))
    assert tool.removed(name) == 0
    tool.pass_time(DAY - 1)
    assert tool.removed(name) == 0
    tool.pass_time(1)
    assert tool.removed(name) == 1


# ---- the clock

def test_the_first_run_only_records(bed, box, tmp_path):
    tool, name = Tool(bed, tmp_path), box(29, 1, 1)
    tool(name)
    assert "removes nothing" in tool.err
    tool.state.unlink()  # lost: there is nothing to compare the clock with, whatever the records say
    tool.pass_time(9 * DAY)
    assert tool.removed(name) == 0 and "removes nothing" in tool.err
    assert tool.removed(name) == 1


@pytest.mark.parametrize("by", [DAY + 1, -DAY - 1, 400 * DAY])
def test_nothing_goes_after_a_jump_until_it_is_confirmed(bed, tool, box, by):
    name = box(30, 1, 1)
    tool(name)
    tool.pass_time(4 * DAY)
    tool.now += by
    kept = tool.state.read_bytes()
    for _ in range(2):
        tool(name, status=75)
        assert "--confirm-clock" in tool.err and ("forward" if by > 0 else "back") in tool.err
    tool("--plan", name)
    assert "nothing is removed" in tool.err
    assert tool.state.read_bytes() == kept and len(bed.files(name)) == 1
    tool("--confirm-clock")
    assert tool.removed(name) == 1


@pytest.mark.parametrize("by", [DAY, -DAY])
def test_a_day_is_no_jump(bed, tool, box, by):
    name = box(31, 1, 5)
    tool(name)
    tool.pass_time(DAY)
    tool.now += by
    assert tool.removed(name) == 0


def test_from_one_boot_to_the_next(bed, tool, box):
    name = box(32, 1, 1)
    tool(name)
    old = tool.state.read_text()
    tool.state.write_text(re.sub(r"[0-9a-f]{8}-\S+", "another-boot", old))
    tool.now += 3600  # off for an hour, up for 1000 s
    tool.removed(name)
    tool.state.write_text(re.sub(r"[0-9a-f]{8}-\S+", "another-boot", old))
    tool.now += DAY + 1000
    tool(name, status=75)
    tool.up = DAY + 10000  # it has been up for so long
    tool.removed(name)
    assert bed.files(name) == []


def test_a_state_that_is_not_to_be_believed(bed, tool, box):
    name = box(33, 1, 1)
    tool(name)
    good = tool.state.read_text()
    tool.pass_time(DAY)
    for bad in ("", "x", good[:-1], good + "x\n", good.replace(" v1", " v2"), good.replace("\n", " 5\n"), "bustia-expire v1 1 1 b -1\n"):
        tool.state.write_text(bad)
        assert tool.removed(name) == 0 and "removes nothing" in tool.err, bad
    assert tool.state.read_text().startswith("bustia-expire v1 ")
    tool.state.chmod(0o666)
    assert tool.removed(name) == 0 and stat.S_IMODE(tool.state.stat().st_mode) == 0o644
    tool.state.rename(tool.state.parent / "other")
    tool.state.symlink_to("other")
    tool(name, status=75)
    tool.state.unlink()
    assert tool.removed(name) == 0 and tool.removed(name) == 1


# ---- who starts it

def checked(tool):
    """what `bustia check` says about it"""
    p = tool.end(tool.begin(command=("check", "--server")))
    return [line for line in p.stdout.splitlines() if "bustia expire" in line]


def test_check_tells_that_nobody_does_it(bed, box, tmp_path):
    tool = Tool(bed, tmp_path)
    assert checked(tool) == []  # nothing is promised
    name = box(34, 1, 5)
    assert ["has not run yet" in line and ": warning: " in line for line in checked(tool)] == [True]
    tool(name)  # not over all mailboxes
    assert ["over two days" in line for line in checked(tool)] == [True]
    tool()
    assert checked(tool) == []
    tool.pass_time(2 * DAY)
    assert checked(tool) == []
    tool.pass_time(1)
    assert ["over two days" in line for line in checked(tool)] == [True]
    tool()
    tool.now += DAY + 1
    assert ["--confirm-clock" in line for line in checked(tool)] == [True]
    tool("--confirm-clock")
    assert checked(tool) == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_reads_the_units(bed, tmp_path):
    with open(TOP + "/systemd/bustia-expire.service.in") as f:
        service = f.read().replace("@bindir@", os.path.dirname(bed.programs["bustia"]))
    with open(TOP + "/systemd/bustia-expire.timer") as f:
        timer = f.read()
    assert "@" not in service.replace("@system-service", "")

    def said(name, text):
        (tmp_path / name).write_text(text)
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True)
        return "".join(line for line in (p.stdout + p.stderr).splitlines(True) if "bustia-expire" in line or "Failed to" in line)

    if "Failed to" in said("bustia-expire.service", service):
        pytest.skip("systemd-analyze does not work here")
    assert said("bustia-expire.service", service) == "" and said("bustia-expire.timer", timer) == ""
    assert said("bustia-expire.timer", timer.replace("OnCalendar", "OnCalender")) != ""
    assert said("bustia-expire.service", service.replace("ProtectClock", "ProtectClok")) != ""


def test_words(bed, tool):
    for words in (("--confirm-clock", "--plan"), ("--confirm-clock", "t1"), ("--paln",)):
        tool(*words, status=64)
    assert "--plan" in tool.err
