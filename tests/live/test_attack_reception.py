"""What a hostile sender, or a moment at which things meet badly, may not bring about where mail comes in."""
import os
import signal
import socket
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
