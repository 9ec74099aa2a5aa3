"""Moments in which a log-in meets the death of the process that was to serve it, and what a session leaves held."""
import os
import signal
import time

from late import late
from test_grants import worker  # noqa: F401  (a fixture: a mail process whose door and auth are the test)

TEXT = b"From: a@example.test\nSubject: x\n\nbody\n"


def wait_stopped(pid):
    end = time.monotonic() + 5
    while open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_grant_of_a_mail_process_that_has_died(own_bed):
    """auth grants a mail process whose end the door has seen already: an answer, not a wait until the deadline"""
    bed = own_bed()
    name, password = bed.pool(0)
    bed.seed(name, [TEXT])
    bed.login(name, password).quit()  # its password is remembered, its mail process runs
    roles = bed.roles()
    auth, mail = roles["auth"][0], roles["mail"][0]
    client = bed.connect(timeout=10)
    client.ok("USER " + name)
    start = len(bed.log())
    os.kill(auth, signal.SIGSTOP)
    try:
        wait_stopped(auth)
        client.send(b"PASS %s\r\n" % password.encode())
        time.sleep(0.3)  # the door asks auth first, then hears of the end
        os.kill(mail, signal.SIGKILL)
        bed.wait_log(r"ended: role=mail pid=%d signal 9" % mail, start=start)
        time.sleep(0.3)
    finally:
        os.kill(auth, signal.SIGCONT)
    assert client.line().startswith(b"-ERR [SYS/TEMP]")
    client.ok("USER " + name)
    client.ok("PASS " + password)
    client.quit()


def test_a_kicked_session_holds_no_lock(bed):
    """also while its client neither reads nor closes"""
    name, password = bed.pool(33)
    bed.seed(name, [TEXT])
    kicked = bed.login(name, password)
    bed.tool("kick", name)
    assert kicked.line().startswith(b"-ERR [SYS/TEMP]")
    start = time.monotonic()
    while True:
        client = bed.connect()
        client.ok("USER " + name)
        answer = client.cmd("PASS " + password)
        client.close()
        if answer.startswith(b"+OK"):
            break
        # Less than the time for which the socket waits for its peer to close.
        assert b"[IN-USE]" in answer and time.monotonic() < start + 1 + late(start, 1), answer
        time.sleep(0.05)
    kicked.close()


def test_a_counter_that_falls_on_another_doors_session(worker):  # noqa: F811
    """a door names a session by a number that has the key of another's: it is no door any more"""
    w = worker()
    w.expect(5, door=2)
    client = w.take((1 << 44 ^ 2 << 44) ^ 5)
    assert client.recv(100) == b""
    w.door.settimeout(5)
    assert w.door.recv(1) == b""


def test_a_mail_process_without_room_for_descriptors_is_not_cut_off(worker):  # noqa: F811
    """a session whose descriptor finds no room is refused; the door stays, and is served when there is room again"""
    w = worker(descriptors_most=40)
    w.expect(1)
    clients = [w.take(1)]
    assert w.answer(1) == "TAKEN"
    clients += [w.take(n) for n in range(100, 160)]  # nobody has vouched for these: each holds its descriptor for a while
    assert w.answer(159) == "REFUSED"  # at once: it never came to hold one
    assert "descriptors: 1 refused" in w.log()
    clients[0].sendall(b"QUIT\r\n")
    assert b"+OK" in clients[0].recv(200)
    assert w.answer(100) == "REFUSED"  # its time is over, as that of the others that held one
    time.sleep(1)
    w.expect(2)
    client = w.take(2)
    assert w.answer(2) == "TAKEN"
    assert client.recv(100).startswith(b"+OK anna has 1 message")
