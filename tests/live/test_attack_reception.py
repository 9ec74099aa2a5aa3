"""What a hostile sender, or a moment at which things meet badly, may not bring about where mail comes in."""
import os
import signal
import socket
import subprocess
import time

MANY = 4000


def test_stop_while_a_slow_client_has_answers_to_come(own_bed):
    """all recipients of a message have it; a server that is told to stop then still says so, however slowly it is read"""
    bed = own_bed("recipients=%d" % MANY)
    s = socket.socket(socket.AF_UNIX)  # its buffer holds fewer answers than these
    s.settimeout(60)
    s.connect(bed.dir + "/lmtp")
    f = s.makefile("rb")
    assert f.readline().startswith(b"220 ")
    s.sendall(b"LHLO tester\r\n")
    while f.readline()[3:4] == b"-":
        pass
    s.sendall(b"MAIL FROM:<sender@example.org>\r\n")
    assert f.readline().startswith(b"250 ")
    for i in range(0, MANY, 100):
        s.sendall(b"RCPT TO:<t%d>\r\n" % (1 + i // 100 % 8) * 100)
        assert all(f.readline().startswith(b"250 ") for _ in range(100))
    s.sendall(b"DATA\r\n")
    assert f.readline().startswith(b"354 ")
    start = len(bed.log())
    s.sendall(b"Subject: x\r\n\r\nhello\r\n.\r\n")
    bed.wait_log(r"message: id=.* delivered=%d" % MANY, secs=60, start=start)
    os.kill(bed.pid, signal.SIGTERM)
    time.sleep(0.5)
    answers = [f.readline() for _ in range(MANY)]
    assert all(a.startswith(b"250 2.0.0 ") for a in answers), [a for a in answers if not a.startswith(b"250 ")][:3]
    assert f.readline().startswith(b"421 4.3.2 ")
    assert f.readline() == b""
    s.close()


def test_import_of_a_line_without_end(own_bed, tmp_path):
    """one line of an mbox file is larger than any message may be: its message is not taken, cut short as it would be, and it
    takes no memory of its own size"""
    bed = own_bed("message_size=1M")
    source = str(tmp_path / "mbox")
    with open(source, "wb") as f:
        f.write(b"From a@b.example Tue Nov 24 18:00:00 2026\nSubject: 1\n\nfirst\n\n"
                b"From a@b.example Tue Nov 24 18:00:01 2026\nSubject: 2\n\nbegins ")
        f.truncate(300 << 20)
        f.seek(0, os.SEEK_END)
        f.write(b"\n\nFrom a@b.example Tue Nov 24 18:00:02 2026\nSubject: 3\n\n" + b"x" * 200000 + b"\nlast\n")
    p = subprocess.Popen([bed.programs["bustia"], "-c", bed.target["config"], "import", "t1", source], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env=dict(os.environ, HOME=str(tmp_path)))
    out, told = p.stdout.read(), p.stderr.read()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    assert p.returncode == os.EX_DATAERR and "message 2 is larger" in told and "1 not" in out, (out, told)
    assert used.ru_maxrss < 200 << 10, used.ru_maxrss
    assert sorted(os.path.getsize(f) > 200000 for f in bed.files("t1")) == [False, True]
