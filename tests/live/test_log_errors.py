"""`bustia log errors`: the last errors and warnings of each process of the running server, from its memory."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import frames

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\w+)\[(\d+)\] (error|warning) (.*)$")


def lines(bed):
    p = bed.tool("log", "errors")
    out = [LINE.match(line) for line in p.stdout.splitlines()]
    assert all(out), p.stdout
    return [m.groups() for m in out], p.stderr


def refused(bed, i, times=1):
    """log-ins that fail because of the maildrop: an error of the mail process"""
    for _ in range(times):
        p = bed.connect()
        p.ok("USER t%d" % i)
        assert b"[SYS/" in p.cmd("PASS " + bed.pool(i)[1])
        p.close()


def test_of_every_role_that_had_some(own_bed):
    bed = own_bed()
    assert lines(bed) == ([], "")
    shutil.rmtree(bed.maildir("t1") + "/new")
    with open(bed.maildir("t1") + "/new", "w"):
        pass
    refused(bed, 1)
    mail = str(bed.role("mail"))
    with open(bed.target["config"], "a") as f:
        f.write("store_threads = 9\n")
    os.kill(bed.pid, signal.SIGHUP)
    bed.wait_log("store_threads has changed")
    said, err = lines(bed)
    said.sort()
    assert err == "" and [s[:3] for s in said] == [("mail", mail, "error"), ("master", str(bed.pid), "warning")]
    assert said[0][3].startswith('open: user="t1" ') and "store_threads has changed" in said[1][3]
    # No more than the last of them.
    refused(bed, 1, 40)
    said, err = lines(bed)
    assert len([s for s in said if s[0] == "mail"]) == 32 and err == ""
    # Who hangs keeps nobody from reading the others.
    auth = bed.role("auth")
    os.kill(auth, signal.SIGSTOP)
    try:
        began = time.monotonic()
        said, err = lines(bed)
        assert "1 process did not answer" in err and len(said) == 33
        assert time.monotonic() - began < 20
    finally:
        os.kill(auth, signal.SIGCONT)
    assert lines(bed)[1] == ""


def test_words(bed):
    for words in (("log",), ("log", "error"), ("log", "errors", "x")):
        assert bed.tool(*words, check=False).returncode == 64


MASTER, DOOR, AUTH = range(3)  # enum role
ERROR = 0                      # enum log_level
ROOT, CONTROL = os.geteuid() == 0, 61001


def test_a_role_that_lies(bed, tmp_path):
    """one that was taken over ends for no other, so that nothing is missing unsaid, and spoils no other's lines"""
    (tmp_path / "run/empty").mkdir(parents=True)
    if ROOT:
        frames.let_through(str(tmp_path))
    conf = "run_dir = %s\n" % (tmp_path / "run")
    (tmp_path / "conf").write_text(conf)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "run/control.sock"))
    listener.listen()
    listener.setblocking(False)
    process, master, log = frames.start([bed.programs["bustiad"], "--role", "control"], conf, str(tmp_path / "log"))
    try:
        frames.send(master, "LISTEN", fd=listener.fileno())
        me = (CONTROL, CONTROL) if ROOT else (os.getuid(), os.getgid())
        frames.send(master, "GO", num=[*me, ROOT])
        assert frames.receive(master)[0] == "READY"
        tool = subprocess.Popen([bed.programs["bustia"], "-c", str(tmp_path / "conf"), "log", "errors"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        name, _, _, num, _ = frames.receive(master)
        assert name == "ERRORS"

        def line(role, pid, text, others=0):
            frames.send(master, "LINE_OF", num=[num[0], ERROR, 1700000000, 0, role, pid, others], texts=[text])

        line(MASTER, 10, "", 2)
        line(DOOR, 11, b"door: so far\0and further")
        for _ in range(33):
            line(DOOR, 11, "")
        line(DOOR, 11, "door: after its end")
        line(AUTH, 12, "auth: what there was")
        line(AUTH, 12, "")
        out, err = tool.communicate(timeout=30)
        assert (tool.returncode, err) == (0, "")
        assert [LINE.match(text).groups() for text in out.splitlines()] == [
            ("door", "11", "error", "door: so far"), ("auth", "12", "error", "auth: what there was")]
    finally:
        process.kill()
        process.wait()
        master.close()
        listener.close()
        os.close(log)
