"""What the server says of its sessions, into a file and to a syslog daemon, under the walls: one line per session, no byte of a
peer unescaped, and lines that go on when the file is moved away or the daemon starts again."""
import base64
import json
import os
import re
import signal
import socket
import ssl
import threading
import time

import pytest
from bed import Bed

TEXT = b"From: a@example.test\nSubject: log\n\nbody\n"
FAKE = "2026-01-01T00:00:00.000Z bustiad[1] master error forged: by a peer"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z bustiad\[\d+\] (master|door|auth|mail|control) "
                  r"(error|warning|info|debug) [a-z]+: .*")
SESSION = re.compile(r'session: user="([^"]*)" addr=(\S+) tls=(\S+) read=(\d+) deleted=(\d+) octets=(\d+) time=(\d+\.\d{3}) end=(\S+)')


def session_line(bed, user, start):
    return bed.wait_log(r'mail info session: user="%s" .*\n' % re.escape(user), start=start).group(0)


def use(bed, name, port="pop3", end="quit"):
    """one session that reads twice and deletes once; the line it leaves"""
    bed.seed(name, [TEXT] * 3)
    start = len(bed.log())
    p = bed.login(name, port=port)
    p.retr(1)
    p.retr(2)
    p.ok("DELE 1")
    if end == "quit":
        assert p.quit().startswith(b"+OK")
    elif end == "kick":
        bed.tool("kick", name)
        p.rest()
    p.close()
    line = session_line(bed, name, start)
    time.sleep(0.1)
    assert len(re.findall(r'session: user="%s"' % name, bed.log()[start:])) == 1
    return SESSION.search(line).groups()


# ---- one line per session

@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_session_line(bed, port):
    user, addr, tls, read, deleted, octets, took, end = use(bed, "t20", port)
    size = len(TEXT) + TEXT.count(b"\n")
    assert (user, addr, read, deleted, end) == ("t20", "127.0.0.1", "2", "1", "quit")
    assert tls == "no" if port == "pop3" else tls.startswith("TLS")
    assert int(octets) >= 2 * size and float(took) < 60


def test_session_line_of_a_broken_connection(bed):
    user, _, _, read, deleted, _, _, end = use(bed, "t21", end="cut")
    assert (user, read, deleted) == ("t21", "2", "0") and end != "quit"


def test_session_line_of_a_kicked_user(bed):
    user, _, _, read, deleted, _, _, end = use(bed, "t22", end="kick")
    assert (user, read, deleted) == ("t22", "2", "0") and end not in ("quit", "eof")


def test_words_for_how_it_ended(own_bed):
    """each its own, in the line of the session and in that of a connection without one"""
    bed = own_bed("idle_timeout=1s", "command_timeout=600ms", "authorization_timeout=4s")
    start = len(bed.log())

    def ended(word, kind="session"):
        bed.wait_log(r" %s: .* end=%s( why=.*)?\n" % (kind, word), start=start)

    for half, word in ((b"", "idle"), (b"STA", "slow-command")):
        start = len(bed.log())
        p = bed.login(*bed.pool(1))
        p.send(half)
        p.rest()
        ended(word)
    start = len(bed.log())
    bed.connect().quit()
    ended("quit", "connection")
    for half, word in ((b"", "no-login"), (b"USE", "slow-command")):
        start = len(bed.log())
        p = bed.connect()
        p.send(half)
        p.rest()
        ended(word, "connection")
    start = len(bed.log())
    p = bed.connect()
    os.kill(bed.pid, signal.SIGTERM)
    p.rest()
    ended("stop", "connection")


# ---- escaping

NASTY = [b"a\x1b[2Jb", b"\xff\xfe\xc0\x80", b'quote" end=quit', b"back\\slash", b"\xe2\x80\xa8\xe2\x80\xae", b"\x7f\x01\x02", b"x" * 200,
         b'"},"event":"forged","fields":{"user":"x']
FORGED = ["evil\n" + FAKE, "evil\r\n" + FAKE, "evil\x85\u2028" + FAKE]


def hostile(bed):
    """says what could make a line look like another, wherever a peer has a say"""
    for name in NASTY:
        p = bed.connect()
        p.cmd(b"USER " + name)
        p.cmd(b"PASS " + name)
        p.cmd(name)
        p.close()
    for name in FORGED:
        p = bed.connect()
        p.plain(name, "pass\n" + FAKE)
        p.close()
    hostile_tls(bed)


def hostile_tls(bed):
    s = socket.create_connection(("127.0.0.1", bed.ports["pop3s"]), timeout=10)
    s.sendall(b"\n" + FAKE.encode() + b"\n\x1b[2J")  # no TLS at all
    s.close()
    ctx = ssl.create_default_context(cafile=bed.cert)
    ctx.set_alpn_protocols(["evil\n\x1b[2J", "evil\n" + FAKE])
    with pytest.raises(OSError):
        ctx.wrap_socket(socket.create_connection(("127.0.0.1", bed.ports["pop3s"]), timeout=10), server_hostname="evil").recv(1)


def strange_entries(bed, name):
    """file names are other programs' choice"""
    bed.seed(name, [TEXT])
    box = bed.maildir(name)
    os.mkfifo(box + "/new/1.fifo\n" + FAKE)
    os.mkfifo(box + '/new/3.fifo user=root end=quit" octets=1')
    os.symlink("/etc/passwd", box + "/cur/2.link\x1b[2J\r:2,S")
    os.mkdir(box + "/new/" + "\udcff\udcfe.directory")


def check_lines(data):
    assert not set(data) & (set(range(32)) - {10} | {0x7F}), "control bytes in the log"
    text = data.decode("utf-8")  # no byte that is no character
    assert not re.search("[\x80-\x9f\u2028-\u202e\u2066-\u2069]", text)
    bad = [line for line in text.splitlines() if not LINE.fullmatch(line)]
    assert bad == []
    assert not any(line.startswith(FAKE) for line in text.split("\n"))
    return text


def test_nothing_of_a_peer_unescaped(own_bed):
    bed = own_bed()
    strange_entries(bed, "t0")
    hostile(bed)
    bed.login("t0").quit()
    session_line(bed, "t0", 0)
    with open(bed.target["log"], "rb") as f:
        text = check_lines(f.read())
    assert r"\x0a" in text and r"\x1b[2J" in text and r"\xff" in text  # it did say what it met


# ---- as JSON

def objects(data):
    """the lines as objects, each whole, with one event, and nothing but characters in it"""
    text = data.decode("utf-8")
    assert text.endswith("\n") and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    lines = [json.loads(line, object_pairs_hook=once) for line in text[:-1].split("\n")]
    for one in lines:
        assert list(one)[:8] == ["time", "program", "pid", "role", "level", "event", "fields", "message"], one
        assert re.fullmatch("[a-z]+", one["event"]) and isinstance(one["pid"], int), one
        assert one["role"] in ("master", "door", "auth", "mail", "control"), one
    return lines


RELOADED = {"text": r"master info reload: .* read\n", "json": r'"event":"reload","fields":.* read"}\n'}


def log_as(bed, form):
    """another log_format, by SIGHUP"""
    with open(bed.target["config"]) as f:
        lines = [line for line in f if not line.startswith("log_format")]
    with open(bed.target["config"], "w") as f:
        f.write("".join(lines) + "log_format = %s\n" % form)
    start = len(bed.log())
    os.kill(bed.pid, signal.SIGHUP)
    bed.wait_log(RELOADED[form], start=start)


def once(pairs):
    assert len({key for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def test_json_lines(own_bed):
    """the same facts, whatever a peer has chosen; SIGHUP changes the form of all roles"""
    bed = own_bed("log_format=json")
    strange_entries(bed, "t0")
    hostile(bed)
    p = bed.login("t0")
    p.retr(1)
    p.quit()
    bed.wait_log('"event":"session".*\n')
    with open(bed.target["log"], "rb") as f:
        lines = objects(f.read())
    assert "forged" not in {one["event"] for one in lines}
    named = {one["fields"].get("user") for one in lines}
    assert {"back\\slash", "a\x1b[2Jb", "\ufffd" * 4} <= named, named
    entries = [one["fields"] for one in lines if one["event"] == "maildir"]
    assert [set(e) for e in entries] == [{"maildrop", "entry"}] * 4 and "new/1.fifo\n" + FAKE in [e["entry"] for e in entries], entries
    session = [one for one in lines if one["event"] == "session"][-1]
    assert session["role"] == "mail" and session["fields"]["user"] == "t0" and session["fields"]["read"] == 1, session
    assert isinstance(session["fields"]["time"], float) and session["fields"]["end"] == "quit" and session["message"] == "", session
    start = len(bed.log())
    log_as(bed, "text")
    bed.login("t0").quit()
    session_line(bed, "t0", start)


# ---- logrotate

def test_rotated_with_a_process_per_session(own_bed):
    """a session from before the change, one from after it, and their processes all write into the new file"""
    bed = own_bed("mail_sessions=1")
    for i in range(2):
        bed.seed("t%d" % i, [TEXT])
    old = bed.login("t0")
    os.rename(bed.target["log"], bed.target["log"] + ".1")
    os.kill(bed.pid, signal.SIGHUP)
    end = time.monotonic() + 10
    while not os.path.exists(bed.target["log"]):
        assert time.monotonic() < end
        time.sleep(0.02)
    bed.wait_log("reload: .* read")
    new = bed.login("t1")
    before = bed.roles()["mail"]
    assert len(before) == 2
    old.quit()
    new.quit()
    session_line(bed, "t0", 0)
    session_line(bed, "t1", 0)
    for pid in before:
        bed.wait_log(r"ended: role=mail pid=%d status 0" % pid)
    size = os.path.getsize(bed.target["log"] + ".1")
    bed.login("t0").quit()
    bed.wait_log(r'(?s)session: user="t0".*session: user="t0"')
    assert os.path.getsize(bed.target["log"] + ".1") == size
    if os.geteuid() == 0:
        st = os.stat(bed.target["log"])
        assert st.st_uid == 0 and st.st_mode & 0o007 == 0


def test_file_that_cannot_be_opened_again(own_bed):
    """the old one goes on, and says so"""
    bed = own_bed()
    moved = bed.target["log"] + ".1"
    os.rename(bed.target["log"], moved)
    os.mkdir(bed.target["log"])
    os.kill(bed.pid, signal.SIGHUP)
    end = time.monotonic() + 10
    while "the old one goes on" not in open(moved).read():
        assert time.monotonic() < end
        time.sleep(0.05)
    bed.seed("t0", [TEXT])
    bed.login("t0").quit()
    while 'session: user="t0"' not in open(moved).read():
        assert time.monotonic() < end
        time.sleep(0.05)
    os.rmdir(bed.target["log"])


# ---- syslog

class Daemon:
    """a syslog daemon: a datagram socket, and what came to it"""

    def __init__(self, path):
        self.path, self.got, self.sock = path, [], None
        self.start()

    def start(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)
        self.thread = threading.Thread(target=self.read, args=(self.sock,), daemon=True)
        self.thread.start()

    def read(self, sock):
        while True:
            try:
                data = sock.recv(65536)
            except OSError:
                return
            if not data:
                return
            self.got.append(data)

    def stop(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.sock.close()
        os.unlink(self.path)

    def wait(self, pattern, secs=10, poke=None, start=0):
        """waits for a line from the `start`th on; `poke` makes the server say something meanwhile"""
        end = time.monotonic() + secs
        while True:
            text = b"\n".join(self.got[start:]).decode("utf-8")
            m = re.search(pattern, text)
            if m:
                return m
            assert time.monotonic() < end, "no %r in:\n%s" % (pattern, text[-2000:])
            if poke:
                poke()
            time.sleep(0.1)


class SyslogBed(Bed):
    """a server in a mount namespace of its own, whose /dev/log leads to `path`; the machine's /dev is untouched"""

    SCRIPT = """set -e
        mount -t tmpfs -o mode=755 tmpfs "$0"
        for i in null zero full random urandom tty; do : >"$0/$i"; mount --bind "/dev/$i" "$0/$i"; done
        ln -s /proc/self/fd "$0/fd"; ln -s "$1" "$0/log"
        mount --rbind "$0" /dev
        shift; exec "$@" """

    def __init__(self, path, folder, options):
        self.prefix = ["unshare", "--mount", "sh", "-c", self.SCRIPT, folder, path]
        super().__init__(options)

    def _run(self, argv, **kw):
        return super()._run(self.prefix + argv if argv[1] in ("up", "restart") else argv, **kw)


@pytest.fixture
def syslog(tmp_path):
    made = []

    def make(*options):
        folder = tmp_path / "dev"
        folder.mkdir()
        daemon = Daemon(str(tmp_path / "log.sock"))
        made.append(daemon)
        made.append(SyslogBed(daemon.path, str(folder), ["log=syslog", *options]))
        return made[1], daemon

    yield make
    if len(made) == 2:
        made[1].close()
    if made:
        made[0].sock.close()


DATAGRAM = re.compile(r"<(16|19|20|22|23)>bustiad\[\d+\]: (master|door|auth|mail|control) [a-z]+: .*")


@pytest.mark.root
def test_syslog(syslog):
    """every line is one datagram of facility mail; what peers say is escaped there, too"""
    bed, daemon = syslog("mail_sessions=1")
    strange_entries(bed, "t0")
    hostile(bed)
    p = bed.login("t0")
    p.retr(1)
    p.quit()
    m = daemon.wait(r'<22>bustiad\[(\d+)\]: mail session: user="t0" addr=127\.0\.0\.1 tls=no read=1 .*end=quit')
    daemon.wait(r"<22>bustiad\[\d+\]: master ended: role=mail pid=%s status 0" % m.group(1))
    for data in daemon.got:
        assert b"\n" not in data and not set(data) & set(range(32)) and DATAGRAM.fullmatch(data.decode("utf-8")), data
    assert not os.path.exists(bed.target["log"])


@pytest.mark.root
def test_syslog_starts_again(syslog):
    """its old socket is dead for everybody, and nobody but the master can open the new one"""
    bed, daemon = syslog()
    bed.seed("t0", [TEXT])
    running = bed.login("t0")
    daemon.stop()
    seen = len(daemon.got)
    for _ in range(3):  # nobody listens: no session minds
        p = bed.connect()
        p.cmd("USER nobody")
        p.cmd("PASS nothing")
        p.close()
    running.ok("NOOP")
    daemon.start()

    def fail():
        p = bed.connect()
        p.plain("nobody", "nothing")
        p.close()

    # The line that finds the socket dead is lost, and counted in the first that gets through.
    daemon.wait(r"door connection: ", poke=fail, start=seen)
    daemon.wait(r"door lost: lines=\d", poke=fail, start=seen)
    running.quit()
    daemon.wait(r'mail session: user="t0" .*end=quit', poke=lambda: bed.login("t0").quit(), start=seen)
    for data in daemon.got:
        assert DATAGRAM.fullmatch(data.decode("utf-8")), data
    assert set(bed.roles()) >= {"door", "auth", "control"}
