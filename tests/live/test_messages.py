"""What a log-in and a delivery cost in messages between the processes: counted by strace, and compared with the table of doc/flows.md."""
import base64
import collections
import os
import re
import shutil
import signal
import subprocess
import time

import frames
import pytest
import tracing
from bed import TOP, Mail

CALL = re.compile(r'^(?:\[pid +)?(\d+)\]? .*?send(?:msg|to|mmsg)\((\d+), .*?"((?:\\x[0-9a-f]{2})*)"')


def table(of="A log-in"):
    """[(from, to, message)] as the page has them; of "TAKEN or REFUSED" the first"""
    with open(TOP + "/doc/flows.md") as f:
        text = f.read().split("## " + of)[1].split("\n## ")[0]
    return [(m[1], m[2], m[3]) for m in re.finditer(r"^\| *[\d+] *\| *(\w+) → (\w+) *\| *([A-Z_]+)", text, re.M)]


def numbers_said():
    """how many messages the page says that a log-in, and a whole session, take"""
    words = {"four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
    with open(TOP + "/doc/flows.md") as f:
        text = f.read()
    return (words[re.search(r"## A log-in: (\w+) messages", text)[1]], words[re.search(r"whole session costs (\w+) messages", text)[1]])


class Trace:
    """strace on all roles: [(role, message)] of what each says by its channels"""

    def __init__(self, bed, out):
        self.out = out
        self.roles = {pid: role for role, pids in bed.roles().items() for pid in pids}
        self.roles[bed.pid] = "master"
        argv = ["strace", "-f", "-xx", "-s", str(frames.HEAD.size), "-e", "trace=sendmsg,sendto,sendmmsg", "-o", out]
        for pid in self.roles:
            argv += ["-p", str(pid)]
        self.p = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        attached = 0
        while attached < len(self.roles):
            line = self.p.stderr.readline()
            if "attached" in line:
                attached += 1
            elif not line or "not permitted" in line or "Operation" in line:
                self.p.kill()
                self.p.wait()
                pytest.skip("strace may not attach here: " + line.strip())
        time.sleep(0.2)

    def threads(self):
        """{thread: role}: where a disk was slow once, another thread than the first has the loop since"""
        out = dict(self.roles)
        for pid, role in self.roles.items():
            try:
                out.update({int(t): role for t in os.listdir("/proc/%d/task" % pid)})
            except FileNotFoundError:
                continue
        return out

    def end(self):
        threads = self.threads()
        self.p.send_signal(signal.SIGINT)
        self.p.communicate(timeout=20)
        said = []
        with open(self.out) as f:
            for line in f:
                m = CALL.match(line)
                if not m:
                    continue
                data = bytes.fromhex(m[3].replace("\\x", ""))
                if len(data) < frames.HEAD.size:
                    continue  # too short for a frame: it went to a client
                kind = int.from_bytes(data[:4], "little")
                if kind in frames.NAMES:
                    said.append((threads.get(int(m[1]), "?"), frames.NAMES[kind]))
        return said


pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")]


def sessions(bed, tmp_path, run, count=3):
    """{(role, message): how many} for so many sessions, on warm processes"""
    name, password = bed.pool(39)
    bed.login(name, password).quit()
    time.sleep(0.3)
    trace = Trace(bed, str(tmp_path / "strace"))
    try:
        for _ in range(count):
            run(name, password)
            tracing.quiet(trace.out)
    finally:
        said = trace.end()
    return collections.Counter(said), said


def test_the_page_is_about_itself():
    log_in, whole = numbers_said()
    rows = table()
    assert len(rows) == whole and [r[2] for r in rows[:log_in]] == ["VERIFY", "EXPECT", "GRANTED", "TAKE"]
    assert {r[2] for r in rows} <= set(frames.TYPES)


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_a_session_costs_what_the_page_says(bed, tmp_path, port):
    seen, said = sessions(bed, tmp_path, lambda name, password: bed.login(name, password, port=port).quit())
    assert seen == {(who, what): 3 for who, _, what in table()}, said
    assert [what for _, what in said[:4]] == [what for _, _, what in table()[:4]]


def test_a_step_of_sasl_costs_one_pair_more(bed, tmp_path):
    def run(name, password):
        p = bed.connect()
        assert p.cmd("AUTH PLAIN").startswith(b"+")
        assert p.cmd(base64.b64encode(("\0%s\0%s" % (name, password)).encode()).decode()).startswith(b"+OK")
        p.quit()

    seen, said = sessions(bed, tmp_path, run)
    wanted = collections.Counter({(who, what): 3 for who, _, what in table()})
    wanted[("door", "VERIFY")] += 3
    wanted[("auth", "CHALLENGE")] += 3
    assert seen == wanted, said


def test_polling_and_reading_cost_none(bed, tmp_path):
    name, password = bed.pool(39)
    bed.seed(name, [b"Subject: x\n\nbody\n"] * 20)

    def run(name, password):
        p = bed.login(name, password)
        p.uidl()
        for i in range(20):
            p.retr(i + 1)
            p.ok("DELE %d" % (i + 1))
        p.ok("RSET")
        p.quit()

    seen, said = sessions(bed, tmp_path, run, 1)
    assert seen == {(who, what): 1 for who, _, what in table()}, said


# ---- deliveries

def deliveries(bed, tmp_path, run, *warm):
    """what is said for one transaction, by processes that are there already"""
    for name in warm:
        m = Mail(bed)
        assert m.deliver(name + "@localhost", b"Subject: warm\r\n\r\n")[0].startswith(b"250")
        m.quit()
    trace = Trace(bed, str(tmp_path / "strace"))
    try:
        run()
        tracing.quiet(trace.out)
    finally:
        said = trace.end()
    return collections.Counter(said), said


def send(bed, to, port="lmtp"):
    m = Mail(bed, port)
    answers = m.deliver(to, b"Subject: x\r\n\r\nbody\r\n")
    assert all(a.startswith(b"250") for a in answers), answers
    m.quit()


def test_a_delivery_costs_what_the_page_says(bed, tmp_path):
    rows = table("A delivery")
    assert [what for _, _, what in rows] == ["WHOSE", "ADMIT", "TARGET", "RECIPIENT", "MESSAGE", "DELIVER", "DELIVERED"]
    seen, said = deliveries(bed, tmp_path, lambda: send(bed, "t38@localhost"), "t38")
    assert seen == {(who, what): 1 for who, _, what in rows}, said


def test_a_quota_costs_one_more(bed, tmp_path):
    seen, said = deliveries(bed, tmp_path, lambda: send(bed, "t39@localhost"), "t39")
    wanted = collections.Counter({(who, what): 1 for who, _, what in table("A delivery")})
    wanted[("deliver", "ROOM")] += 1
    assert seen == wanted, said


def test_further_recipients(bed, tmp_path):
    to = ["t%d@localhost" % i for i in range(35, 39)]
    seen, said = deliveries(bed, tmp_path, lambda: send(bed, to), "t38")
    wanted = collections.Counter({(who, what): 1 if what == "MESSAGE" else 4 for who, _, what in table("A delivery")})
    assert seen == wanted, said


def test_one_answer_for_several(bed, tmp_path):
    to = ["t%d@localhost" % i for i in range(36, 39)]
    seen, said = deliveries(bed, tmp_path, lambda: send(bed, to, "smtp"), "t38")
    wanted = collections.Counter({(who, what): 1 if what == "MESSAGE" else 3 for who, _, what in table("A delivery")})
    wanted[("deliver", "PREPARED")] += 3
    wanted[("door", "COMMIT")] += 3
    assert seen == wanted, said


def test_a_transaction_that_is_given_up(bed, tmp_path):
    def run():
        m = Mail(bed)
        m.begin("t38@localhost")
        m.ok("RSET")
        m.quit()

    seen, said = deliveries(bed, tmp_path, run, "t38")
    wanted = collections.Counter({(who, what): 1 for who, _, what in table("A delivery")[:4]})
    wanted[("door", "FORGET")] += 1
    wanted[("deliver", "FORGOTTEN")] += 1
    assert seen == wanted, said
