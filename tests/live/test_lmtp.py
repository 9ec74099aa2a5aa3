"""Mail that comes in by LMTP (RFC 2033): what is answered, that it is read as it was sent, and what remains when something fails."""
import concurrent.futures
import fcntl
import os
import random
import signal
import socket
import stat
import subprocess
import time

import pytest
from bed import Mail, stuffed, untraced

HELLO = b"Subject: hello\r\n\r\nA line.\r\n"

# What must come back as it was sent. Lines end with CRLF.
BODIES = {
    "plain": HELLO,
    "empty": b"",
    "no-body": b"Subject: x\r\n",
    "no-header": b"\r\nA line.\r\n",
    "dots": b".first\r\n\r\n.\r\n..\r\n...\r\n.x\r\na.\r\n..b\r\n",
    "nul": b"Subject: n\r\n\r\n\0a\0\0b\r\n\0\r\n",
    "lone-cr": b"Subject: r\r\n\r\na\rb\r\rc\r\n\rd\r\n",
    "cr-before-the-end": b"Subject: r\r\n\r\na\r\r\nb\r\r\r\n",
    "eight-bit": b"Subject: 8\r\n\r\n" + bytes(c for c in range(256) if c not in b"\r\n") * 3 + b"\r\n",
    "long-line": b"Subject: l\r\n\r\n" + b"0123456789abcdef" * 65536 + b"\r\nend\r\n",
    "many-lines": b"Subject: m\r\n\r\n" + b"\r\n" * 70000,
}


def alike(got, sent):
    """RETR ends every message with CRLF"""
    return got == sent or (not sent.endswith(b"\r\n") and got == sent + b"\r\n")


@pytest.fixture
def box(bed, request):
    """a pool user's maildrop, emptied"""
    name = "t%d" % (10 + sum(request.node.name.encode()) % 20)
    bed.empty(name)
    yield name
    bed.empty(name)


def leftovers(bed, name):
    return [f for sub in ("tmp", "new", "cur") for f in os.listdir("%s/%s" % (bed.maildir(name), sub))]


# ---- what is sent is what is read

@pytest.mark.asan
@pytest.mark.parametrize("port", ["lmtp", "unix"])
@pytest.mark.parametrize("body", BODIES)
def test_data_comes_back(bed, box, port, body):
    m = bed.mail(port)
    assert m.deliver(box, BODIES[body])[0].startswith(b"250 2.0.0 ")
    assert m.quit().startswith(b"221")
    assert bed.received(box) == [BODIES[body]]


@pytest.mark.asan
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size", [1, 7, 4096, 10 ** 7])
def test_chunks_come_back(bed, box, body, size):
    sent = BODIES[body]
    size = max(size, len(sent) // 200)
    m = bed.mail()
    pieces = [sent[i:i + size] for i in range(0, len(sent), size)] or [b""]
    assert m.bdat(box, pieces + [b""] * (size % 2))[0].startswith(b"250 2.0.0 ")
    m.quit()
    got = bed.received(box)
    assert len(got) == 1 and alike(got[0], sent)


@pytest.mark.asan
def test_one_byte_at_a_time(bed, box):
    m = bed.mail()
    m.begin(box)
    for c in b"DATA\r\n" + stuffed(BODIES["dots"] + BODIES["lone-cr"]):
        m.send(bytes([c]))
        time.sleep(0.0005)
    assert m.reply().startswith(b"354") and m.reply().startswith(b"250")
    m.quit()
    assert bed.received(box) == [BODIES["dots"] + BODIES["lone-cr"]]


@pytest.mark.asan
def test_pipelining(bed, box):
    """a whole session in one packet, two messages (RFC 2920)"""
    m = bed.mail(hello=None)
    m.send(b"LHLO x\r\n" + 2 * (b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nRCPT TO:<nobody>\r\nDATA\r\n" % box.encode() + stuffed(HELLO)) + b"QUIT\r\n")
    codes = [m.reply()[:3] for _ in range(12)]
    assert codes == [b"250"] + 2 * [b"250", b"250", b"550", b"354", b"250"] + [b"221"]
    assert m.rest() == b""
    assert bed.received(box) == [HELLO, HELLO]


def test_trace_fields(bed, box):
    m = bed.mail()
    m.deliver(box + "+detail@localhost", HELLO, sender="a b@example.org".replace(" ", ""))
    m.deliver([box, "t9"], HELLO, sender="")
    m.quit()
    one, two = bed.received(box, strip=False)
    bed.empty("t9")
    assert one.startswith(b"Return-Path: <ab@example.org>\r\nDelivered-To: " + box.encode() + b"+detail@localhost\r\n"
                          b"Received: from tester ([127.0.0.1])\r\n\tby localhost with LMTP id "), one
    assert b"\r\n\tfor <" + box.encode() + b"+detail@localhost>;\r\n" in one
    assert two.startswith(b"Return-Path: <>\r\n") and b"\tfor <" not in two


# ---- what is answered

@pytest.mark.asan
def test_each_recipient_has_an_answer(own_bed):
    bed = own_bed("message_size=64k", "recipients=100", "header_size=16k")
    bed.tool("user", "set", "t5", "--disable")
    m = bed.mail()
    assert m.greeting.startswith(b"220 localhost LMTP")
    m.ok("MAIL FROM:<a@example.org>")
    for to, code in [("t1", b"250 2.1.5"), ("nobody@localhost", b"550 5.1.1"), ("t5@localhost", b"550 5.2.1"),
                     ("t2@LOCALHOST", b"250 2.1.5"), ("t3@elsewhere.example", b"550 5.7.1"), ("postmaster", b"250"),
                     ("PostMaster@localhost", b"250"), ("t1+x@localhost", b"250")]:
        assert m.cmd("RCPT TO:<%s>" % to).startswith(code), to
    m.data(HELLO)
    assert [m.reply()[:9] for _ in range(5)] == [b"250 2.0.0"] * 5
    assert len(bed.received("t1")) == 2 and len(bed.received("t2")) == 1 and len(bed.received("main")) == 2
    # too large, by what MAIL says and by what comes
    assert m.cmd("MAIL FROM:<> SIZE=70000").startswith(b"552 5.3.4")
    for answer in (m.deliver(["t1", "t2"], b"x: y\r\n\r\n" + b"0123456789\r\n" * 6000),
                   m.bdat(["t1", "t2"], [b"x: y\r\n\r\n" + b"0123456789\r\n" * 6000, b""][:1])):
        assert [a[:9] for a in answer] == [b"552 5.3.4"] * 2
    # a circle, a header without end
    assert m.deliver("t1", b"Received: x\r\n" * 101 + b"\r\n")[0].startswith(b"554 5.4.6")
    assert m.deliver("t1", b"Received: x\r\n" * 100 + b"\r\n")[0].startswith(b"250")
    assert m.deliver("t1", b"x: yyyyyyyyyyyyyyyyyy\r\n" * 1000 + b"\r\n")[0].startswith(b"554 5.6.0")
    # too many recipients
    m.ok("MAIL FROM:<>")
    codes = [m.cmd("RCPT TO:<t%d@localhost>" % (i % 4))[:9] for i in range(103)]
    assert codes == [b"250 2.1.5"] * 100 + [b"452 4.5.3"] * 3
    m.ok("RSET")
    # out of order
    assert m.cmd("DATA").startswith(b"503") and m.cmd("RCPT TO:<t1>").startswith(b"503") and m.cmd("EHLO x").startswith(b"500")
    m.quit()
    assert len(bed.received("t1")) == 3


@pytest.mark.asan
def test_over_quota(bed):
    """t39 has 500 kB: told at RCPT if MAIL said the size, else when it is there; and there is room again after a deletion"""
    bed.empty("t39")
    big = b"Subject: b\r\n\r\n" + b"0123456789abcde\r\n" * 18000
    m = bed.mail()
    m.ok("MAIL FROM:<> SIZE=600000")
    assert m.cmd("RCPT TO:<t39>").startswith(b"552 5.2.2")
    assert m.cmd("RCPT TO:<t38>").startswith(b"250")
    m.ok("RSET")
    assert m.deliver("t39", big)[0].startswith(b"250")
    answers = m.deliver(["t38", "t39"], big) if m.cmd("NOOP") else None
    assert [a[:9] for a in answers] == [b"250 2.0.0", b"552 5.2.2"]
    bed.empty("t39")
    assert m.deliver("t39", big)[0].startswith(b"250")
    m.quit()
    bed.empty("t38")
    bed.empty("t39")


def test_aliases(own_bed):
    """several mailboxes behind one name get it all or none; the disabled are passed over"""
    bed = own_bed()
    for to in ("t1", "t2", "t3"):
        bed.tool("alias", "add", "all@localhost", to)
    bed.tool("alias", "add", "@localhost", "t4")
    bed.tool("user", "set", "t3", "--disable")
    m = bed.mail()
    assert m.deliver("all@localhost", HELLO)[0].startswith(b"250")
    assert m.deliver("whoever@localhost", HELLO)[0].startswith(b"250")
    assert [len(bed.received(n)) for n in ("t1", "t2", "t4")] == [1, 1, 1]
    os.rename(bed.maildir("t2") + "/new", bed.maildir("t2") + "/new-away")
    open(bed.maildir("t2") + "/new", "w").close()
    assert m.deliver("all@localhost", HELLO)[0].startswith(b"4")
    assert [len(bed.received(n)) for n in ("t1",)] == [1]
    end = time.monotonic() + 5  # the answer does not wait until drafts are thrown away
    while os.listdir(bed.maildir("t1") + "/tmp"):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert len(leftovers(bed, "t1")) == 1
    m.quit()


# ---- trouble on this side never becomes a bounce

@pytest.mark.asan
def test_auth_killed(own_bed):
    bed = own_bed()
    m = bed.mail()
    m.ok("MAIL FROM:<>")
    auth = bed.roles()["auth"][0]
    os.kill(auth, signal.SIGSTOP)
    m.send("RCPT TO:<t1>\r\n")
    time.sleep(0.2)
    os.kill(auth, signal.SIGKILL)
    assert m.reply().startswith(b"451 4.3.0")
    end = time.monotonic() + 10
    while not (answer := m.cmd("RCPT TO:<t1>")).startswith(b"250"):
        assert answer.startswith(b"451 4.3.0") and time.monotonic() < end, answer
        time.sleep(0.1)
    m.data(HELLO)
    assert m.reply().startswith(b"250")
    m.quit()
    assert bed.received("t1") == [HELLO]


def test_auth_killed_between_recipient_and_message(own_bed):
    """who was accepted gets it: the mailbox's process knows"""
    bed = own_bed()
    m = bed.mail()
    m.begin(["t1", "t2"])
    os.kill(bed.roles()["auth"][0], signal.SIGKILL)
    m.data(HELLO)
    assert [m.reply()[:3] for _ in range(2)] == [b"250", b"250"]
    m.quit()


def test_database_locked(own_bed):
    """by the locks that SQLite's write-ahead log knows: those of its readers, in the shared memory (bytes 120 to 127)"""
    bed = own_bed()
    m = bed.mail(timeout=40)
    m.begin("t2")
    m.ok("RSET")
    with open(bed.dir + "/db/users.db-shm", "r+b") as shm:
        fcntl.lockf(shm, fcntl.LOCK_EX, 8, 120)
        m.ok("MAIL FROM:<>")
        for name in ("t1", "nobody"):  # SQLite tries for ten seconds
            assert m.cmd("RCPT TO:<%s>" % name).startswith(b"451 4.3.0")
        fcntl.lockf(shm, fcntl.LOCK_UN, 8, 120)
    assert m.cmd("RCPT TO:<t1>").startswith(b"250")
    assert m.cmd("RCPT TO:<nobody>").startswith(b"550 5.1.1")
    m.data(HELLO)
    assert m.reply().startswith(b"250")
    m.quit()


@pytest.mark.asan
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_worker_lost(own_bed, how):
    """the mailbox's process dies or hangs: 451, and the next try delivers"""
    bed = own_bed("delivery_timeout=4s")  # longer than a new process takes on a machine at work
    m = bed.mail()
    m.begin("t1")
    worker = bed.role("deliver")
    os.kill(worker, how)
    m.data(HELLO)
    assert m.reply().startswith(b"451 4.3.0")
    if how == signal.SIGSTOP:
        os.kill(worker, signal.SIGCONT)
    assert m.deliver("t1", HELLO)[0].startswith(b"250")
    m.quit()
    assert bed.received("t1")[-1] == HELLO


# ---- what is held, and for how long

@pytest.mark.root  # two mailboxes have two processes where they have two uids
def test_answers_that_wait_for_room_leave_delivery_timeout_alone(own_bed):
    """so many that they do not leave at once, while one mailbox takes longer than smtp_timeout"""
    bed, silence, many = own_bed("smtp_timeout=2s", "delivery_timeout=1m", "recipients=3000"), 2, 2000
    m = bed.mail()
    m.ok("MAIL FROM:<>")
    for _ in range(0, many, 50):
        m.send("RCPT TO:<t1>\r\n" * 50)
        assert all(m.reply().startswith(b"250") for _ in range(50))
    fast = bed.role("deliver")
    m.ok("RCPT TO:<other>")
    end = time.monotonic() + 10
    while len(bed.roles()["deliver"]) < 2:  # RCPT is answered before it is there
        assert time.monotonic() < end
        time.sleep(0.05)
    (slow,) = set(bed.roles()["deliver"]) - {fast}
    os.kill(slow, signal.SIGSTOP)
    try:
        os.kill(fast, signal.SIGKILL)  # all of its mailboxes are answered at once
        m.data(HELLO)
        time.sleep(2 * silence)
    finally:
        os.kill(slow, signal.SIGCONT)
    assert [m.reply()[:3] for _ in range(many + 1)] == [b"451"] * many + [b"250"]
    m.quit()
    assert bed.received("other") == [HELLO]


def memory_files(bed, roles=None):
    """paths of the door's memory files; as an ordinary user nobody may look, and there are none to see"""
    out = []
    for pid in (roles or bed.roles())["door"]:
        try:
            names = os.listdir("/proc/%d/fd" % pid)
        except PermissionError:
            return []
        for fd in names:
            path = "/proc/%d/fd/%s" % (pid, fd)
            try:
                if "memfd:message" in os.readlink(path):
                    out.append(path)
            except OSError:
                pass
    return out


def wait_for(what, secs=10):
    end = time.monotonic() + secs
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.asan
@pytest.mark.parametrize("how", ["data", "bdat"])
def test_disconnect_at_every_point(bed, box, how):
    """before the message is whole: nothing of it stays"""
    if how == "data":
        script = b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % box.encode() + stuffed(BODIES["dots"])
    else:
        script = b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nBDAT 20\r\n%sBDAT 5 LAST\r\n%s" % (box.encode(), HELLO[:20], HELLO[20:25])
    for n in range(len(script)):
        m = bed.mail("unix")
        m.send(script[:n])
        if n % 3 == 0:
            m.sock.shutdown(socket.SHUT_WR)
        if n % 5 == 0 and n % 3:
            m.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        m.close()
    wait_for(lambda: memory_files(bed) == [])
    assert leftovers(bed, box) == []
    m = bed.mail("unix")
    m.send(script)
    assert [m.reply()[:3] for _ in range(4)][-1] == b"250"
    m.close()
    assert len(bed.received(box)) == 1


def test_half_closed(bed, box):
    """who has said all he has to say still gets the answers"""
    m = bed.mail(hello=None)
    m.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % box.encode() + stuffed(HELLO))
    m.sock.shutdown(socket.SHUT_WR)
    assert [m.reply()[:3] for _ in range(5)] == [b"250", b"250", b"250", b"354", b"250"]
    assert m.rest() == b""
    assert bed.received(box) == [HELLO]


@pytest.mark.asan
def test_two_hundred_at_once(own_bed):
    bed = own_bed()
    all_in = [bed.mail(random.choice(["lmtp", "unix"]), timeout=60) for _ in range(200)]
    for i, m in enumerate(all_in):
        m.begin("t%d" % (i % 20))
    for i, m in enumerate(all_in):
        m.send("DATA\r\n")
    for i, m in enumerate(all_in):
        assert m.reply().startswith(b"354")
        m.send(stuffed(b"Subject: %d\r\n\r\n" % i + b"x" * 8000 + b"\r\n"))
    for m in all_in:
        assert m.reply().startswith(b"250")
        m.quit()
    got = [g for i in range(20) for g in bed.received("t%d" % i)]
    assert sorted(got) == sorted(b"Subject: %d\r\n\r\n" % i + b"x" * 8000 + b"\r\n" for i in range(200))


def until_taken(bed, to, message, answers):
    """as a mail transfer agent does: again after each 4yz"""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        m = bed.mail(timeout=300)
        answer = m.cmd("MAIL FROM:<> SIZE=%d" % len(message))
        if answer.startswith(b"250"):
            m.ok("RCPT TO:<%s>" % to)
            answer = m.cmd("DATA")
            if answer.startswith(b"354"):
                m.send(message)
                m.send(".\r\n")  # no line of it begins with a dot
                answer = m.reply()
        m.quit()
        answers.append(answer[:3])
        if answer.startswith(b"250"):
            return
        time.sleep(random.uniform(0.05, 0.2))
    raise AssertionError("never taken")


def memory_seen(bed, roles):
    """the door's memory files and those that deliver processes have mapped: {inode: octets}"""
    seen = {}
    for path in memory_files(bed, roles):
        try:
            st = os.stat(path)
            seen[st.st_ino] = st.st_blocks * 512
        except OSError:
            pass
    for pid in roles.get("deliver", []):
        try:
            with open("/proc/%d/maps" % pid) as f:
                for row in f:
                    if "memfd:message" in row:
                        begin, end = row.split()[0].split("-")
                        seen.setdefault(int(row.split()[4]), int(end, 16) - int(begin, 16))
        except OSError:
            pass  # it has just ended, or nobody may look
    return seen


def memory_held(bed):
    """octets of the messages that were there at one moment. Looking takes time, in which one may go and the next one come, and while
    the door sends one to a deliver process it has two descriptors of it. So by inode, and only those that are there at a second look:
    these were all there between the two, and none is smaller than at the first."""
    roles = bed.roles()
    first, second = memory_seen(bed, roles), memory_seen(bed, roles)
    return sum(first[inode] for inode in first if inode in second)


@pytest.mark.parametrize("size, ceiling, most", [(700_000, "2M", 2 << 20), (100 << 20, "256M", 256 << 20)])
def test_ceiling_of_messages_in_flight(own_bed, size, ceiling, most):
    """ten at once: each is taken or put off, the ceiling is never passed, and all arrive in the end"""
    bed = own_bed("messages_memory=" + ceiling, "message_size=%d" % min(most, size + 1000), "mail_idle=1s")
    line = b"0123456789abcdef" * 62 + b"\r\n"
    message = b"Subject: big\r\n\r\n" + line * (size // len(line) - 1)
    answers, held = [], []
    with concurrent.futures.ThreadPoolExecutor(11) as pool:
        jobs = [pool.submit(until_taken, bed, "t%d" % i, message, answers) for i in range(10)]
        while not all(j.done() for j in jobs):
            held.append(memory_held(bed))
            time.sleep(0.002)
        for j in jobs:
            j.result()
    assert set(answers) <= {b"250", b"452"} and answers.count(b"250") == 10
    assert max(held) <= most, max(held)
    if os.geteuid() == 0 and size > 1 << 20:  # a small one may come and go between two looks
        assert max(held) >= size // 2
    for i in range(10):
        (path,) = bed.files("t%d" % i)
        with open(path, "rb") as f:
            assert untraced(f.read().replace(b"\n", b"\r\n")) == message
    wait_for(lambda: memory_files(bed) == [])


# ---- who may, and where

def test_networks(own_bed):
    bed = own_bed("lmtp_networks=127.0.0.1 ::1")
    m = Mail(bed, "lmtp", hello=None)
    m.close()
    m = Mail(bed, "lmtp", hello=None, source="127.0.0.2")
    assert m.greeting.startswith(b"421 4.7.0") and m.rest() == b""
    assert bed.mail("unix").quit().startswith(b"221")
    bed.wait_log(r"addr=127.0.0.2 is in none of lmtp_networks")


def test_unix_socket(own_bed):
    """its mode and group; gone at the end, and put up again over what a killed server left, but over nothing else"""
    bed = own_bed()
    path, group = bed.dir + "/lmtp", 61005 if os.geteuid() == 0 else os.getegid()
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o666
    bed.down()
    assert not os.path.exists(path)
    with open(bed.target["config"]) as f:
        text = f.read()
    with open(bed.target["config"], "w") as f:
        f.write(text.replace(path + " lmtp", "%s lmtp mode=0620 group=%d" % (path, group)))
    bed.restart()
    st = os.lstat(path)
    assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o620 and st.st_gid == group
    assert bed.mail("unix").deliver("t1", HELLO)[0].startswith(b"250")
    master, roles = bed.pid, bed.roles()
    os.kill(master, signal.SIGKILL)
    wait_for(lambda: not any(os.path.exists("/proc/%d" % p) for pids in roles.values() for p in pids))
    assert os.path.exists(path)
    bed.restart()
    assert bed.mail("unix").deliver("t1", HELLO)[0].startswith(b"250")
    bed.down()
    with open(path, "w") as f:
        f.write("something else")
    p = subprocess.run([bed.programs["bustiad"], "-c", bed.target["config"]], capture_output=True, text=True, timeout=30)
    assert p.returncode == 78 and "something else is there" in p.stderr
    with open(path) as f:
        assert f.read() == "something else"


@pytest.mark.asan
def test_xclient(own_bed):
    bed = own_bed("xclient_networks=127.0.0.1")
    m = bed.mail()
    assert b"XCLIENT" in m.hello()
    m.ok("XCLIENT NAME=client.example.com ADDR=198.51.100.9 HELO=said.example.com", b"220")
    m.hello("proxy")
    m.deliver("t1", HELLO)
    m.quit()
    assert b"Received: from said.example.com (client.example.com [198.51.100.9])\r\n" in bed.received("t1", strip=False)[0]
    m = bed.mail("unix")
    assert b"XCLIENT" not in m.hello()
    assert m.cmd("XCLIENT ADDR=198.51.100.9").startswith(b"5")
    m.quit()


def test_starttls_on_tcp_alone(bed, box):
    m = bed.mail()
    assert b"STARTTLS" in m.hello()
    m.tls()
    assert m.deliver(box, HELLO)[0].startswith(b"250")
    m.quit()
    assert b"with LMTPS\r\n\t(TLSv1." in bed.received(box, strip=False)[0]
    m = bed.mail("unix")
    assert b"STARTTLS" not in m.hello()
    m.close()


# ---- signals

@pytest.mark.asan
def test_sigterm(own_bed):
    """who is idle is told to go; a message on its way is delivered and answered first"""
    bed = own_bed("drain_timeout=20s")
    idle, busy = bed.mail(), bed.mail("unix")
    busy.begin("t1")
    busy.ok("DATA", b"354")
    busy.send(HELLO[:5])
    time.sleep(0.2)
    master = bed.pid
    os.kill(master, signal.SIGTERM)
    assert idle.reply().startswith(b"421 4.3.2") and idle.rest() == b""
    with pytest.raises(OSError):
        bed.mail("unix")
    busy.send(stuffed(HELLO)[5:])
    assert busy.reply().startswith(b"250")
    assert busy.reply().startswith(b"421 4.3.2") and busy.rest() == b""
    wait_for(lambda: not os.path.exists("/proc/%d" % master) or open("/proc/%d/stat" % master).read().split()[2] == "Z")
    bed.restart()
    assert bed.received("t1") == [HELLO]


def test_sighup(own_bed):
    """limits count from the next connection on, and connections stay"""
    bed = own_bed("message_size=64k")
    big = b"x: y\r\n\r\n" + b"0123456789\r\n" * 6000
    m = bed.mail()
    assert b"SIZE 65536" in m.hello()
    with open(bed.target["config"]) as f:
        text = f.read()
    with open(bed.target["config"], "w") as f:
        f.write(text.replace("message_size = 64k", "message_size = 1M\nhostname = renamed.example").replace("hostname = localhost\n", ""))
    at = len(bed.log())
    os.kill(bed.pid, signal.SIGHUP)
    bed.wait_log("reload: .* read", start=at)
    assert b"250-localhost" in m.hello() and m.deliver("t1", big)[0].startswith(b"552 5.3.4")
    m.quit()
    time.sleep(0.2)
    m = bed.mail()
    assert m.greeting.startswith(b"220 renamed.example ") and b"SIZE 1048576" in m.hello()
    assert m.deliver("t1", big)[0].startswith(b"250")
    m.quit()


def test_log(own_bed):
    """a line for each message and each connection; nothing a peer says can forge one"""
    bed = own_bed()
    m = bed.mail(hello=None)
    assert m.cmd(b"LHLO x\" end=done").startswith(b"5")
    m.hello("ok.example")
    m.deliver("t1", HELLO, sender='"a\\ b\\" size=0"@example.org')
    m.cmd("MAIL FROM:<>")
    m.cmd("RCPT TO:<nobody>")
    m.quit()
    got = bed.wait_log(r"message: id=(\S+) service=lmtp from=(.*) size=%d recipients=1 delivered=1 took=\d+\.\d{3} delivery=" % len(HELLO))
    assert got.group(2).startswith('"') and '\\x22' in got.group(2), got.group(2)
    m = bed.mail()
    m.deliver("t1", b"x: y\r\n\r\na\nb\r\n")
    m.begin("t1")
    m.ok("DATA", b"354")
    m.send("x: y\r\n")
    m.close()
    bed.wait_log(r"message: id=\S+ .* delivered=0 .* why=refused\n")
    bed.wait_log(r"message: id=\S+ .* delivered=0 .* why=cut-off\n")
    line = bed.wait_log(r"reception: service=lmtp addr=127\.0\.0\.1 tls=no helo=\"ok\.example\" messages=1 recipients=1 refused=1 errors=(\d+) "
                        r"time=\d+\.\d{3} end=done")
    assert int(line.group(1)) >= 1
