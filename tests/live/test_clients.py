"""Real clients fetch every message of a 60-message maildrop, byte by byte, over plain POP3, STLS and pop3s, by each way to
log in that the client has. What a client documents that it changes is said at its function; everything compares line ends
as LF, because a client stores messages in its system's form, and takes a missing last line end as one (RFC 1939 section 3:
on the wire every line has one)."""
import glob
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
import warnings

import pytest

import messages

COUNT = 60
PLAIN, STLS, POP3S = "plain", "stls", "pop3s"
ACCESS = [PLAIN, STLS, POP3S]
CLIENTS = ("mpop", "getmail6", "mutt", "s-nail", "fetchmail")


@pytest.fixture(scope="module")
def drop(bed):
    """a user with all ways to log in whose maildrop holds the messages"""
    name, password = bed.user()
    mails = messages.messages(COUNT)
    bed.seed(name, mails)
    yield bed, name, password, mails
    bed.seed(name, [])


def lf(m):
    m = m.replace(b"\r\n", b"\n")
    return m if m.endswith(b"\n") else m + b"\n"


def same(got, mails, change=lambda m: m):
    """`change` is applied to both sides: what a client is allowed to do to a message"""
    assert len(got) == len(mails)
    for i, (g, m) in enumerate(zip(got, mails), 1):
        g, m = change(lf(g)), change(lf(m))
        if g != m:
            at = next((k for k in range(min(len(g), len(m))) if g[k] != m[k]), min(len(g), len(m)))
            raise AssertionError("message %d differs at byte %d: got %r, stored %r" % (i, at, g[at - 40:at + 60], m[at - 40:at + 60]))


def without_headers(*names):
    """takes these header fields, with their folded lines, off a message"""
    field = re.compile(rb"(?im)^(?:%s):.*\n(?:[ \t].*\n)*" % b"|".join(n.encode() for n in names))

    def change(m):
        head, sep, body = m.partition(b"\n\n")
        return field.sub(b"", head + b"\n") + sep[1:] + body
    return change


def unfolded(m):
    """header fields on one line each, with single blanks: Python's email package folds them anew"""
    head, sep, body = m.partition(b"\n\n")
    return re.sub(rb"[ \t]+", b" ", re.sub(rb"\n[ \t]+", b" ", head)) + sep + body


def port(bed, access):
    return bed.ports["pop3s" if access == POP3S else "pop3"]


def run(argv, cwd, timeout=180, **kw):
    p = subprocess.run(argv, cwd=cwd, capture_output=True, timeout=timeout, env=dict(os.environ, HOME=str(cwd), LC_ALL="C"), **kw)
    assert p.returncode == 0, (argv, p.stdout[-2000:], p.stderr[-2000:])
    return p.stdout


def by_subject(found):
    """messages in the order of their number in the subject: a Maildir that a client wrote has its own order"""
    def number(m):
        return int(re.search(rb"(?m)^Subject: (\d+)", m).group(1))
    return sorted(found, key=number)


def read_folder(path):
    out = []
    for sub in ("new", "cur"):
        for f in os.listdir("%s/%s" % (path, sub)):
            with open("%s/%s/%s" % (path, sub, f), "rb") as h:
                out.append(h.read())
    return by_subject(out)


def make_maildir(path):
    for sub in ("", "/cur", "/new", "/tmp"):
        os.mkdir(str(path) + sub)
    return str(path)


# ---- curl: writes what it receives. It prefers SASL to PASS wherever SASL is offered

@pytest.mark.asan
@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("how", ["+APOP", "PLAIN", "LOGIN"])
def test_curl(drop, tmp_path, access, how):
    bed, name, password, mails = drop
    argv = ["curl", "-sS", "-u", "%s:%s" % (name, password), "--login-options", "AUTH=" + how, "--cacert", bed.cert]
    argv += ["--ssl-reqd"] if access == STLS else []
    scheme = "pop3s" if access == POP3S else "pop3"
    for i in range(1, COUNT + 1):
        argv += ["-o", "%03d" % i, "%s://localhost:%d/%d" % (scheme, port(bed, access), i)]
    run(argv, tmp_path)
    same([(tmp_path / ("%03d" % i)).read_bytes() for i in range(1, COUNT + 1)], mails)


# ---- openssl s_client: everything that passes, in one stream; also with all commands sent at once

@pytest.mark.asan
@pytest.mark.parametrize("access", [STLS, POP3S])
def test_openssl(drop, tmp_path, access):
    bed, name, password, mails = drop
    commands = ["USER " + name, "PASS " + password, "STAT"] + ["RETR %d" % i for i in range(1, COUNT + 1)] + ["QUIT"]
    argv = ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", bed.cert, "-servername", "localhost",
            "-connect", "127.0.0.1:%d" % port(bed, access)] + (["-starttls", "pop3"] if access == STLS else [])
    out = run(argv, tmp_path, input="".join(c + "\r\n" for c in commands).encode())
    got = []
    at = out.index(b"\r\n+OK %d " % COUNT) + 2  # STAT
    at = out.index(b"\r\n", at) + 2
    for _ in range(COUNT):
        start = out.index(b"\r\n", at) + 2
        end = out.index(b"\r\n.\r\n", start) + 2
        got.append(re.sub(rb"(?m)^\.", b"", out[start:end]))
        at = end + 3
    assert out[at:].startswith(b"+OK")
    same(got, mails)


# ---- Python's poplib

@pytest.mark.asan
@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("how", ["pass", "apop"])
def test_poplib(drop, access, how):
    import poplib
    import ssl
    bed, name, password, mails = drop
    ctx = ssl.create_default_context(cafile=bed.cert)
    if access == POP3S:
        p = poplib.POP3_SSL("localhost", port(bed, access), context=ctx, timeout=30)
    else:
        p = poplib.POP3("127.0.0.1", port(bed, access), timeout=30)
        if access == STLS:
            p.host = "localhost"
            p.stls(ctx)
    poplib._MAXLINE = 8192  # its own limit is 2048 octets a line
    if how == "pass":
        p.user(name)
        p.pass_(password)
    else:
        p.apop(name, password)
    assert p.stat()[0] == COUNT
    sizes = [int(l.split()[1]) for l in p.list()[1]]
    got = [b"".join(l + b"\r\n" for l in p.retr(i)[1]) for i in range(1, COUNT + 1)]
    assert sizes == [len(g) for g in got]
    assert len(set(p.uidl()[1])) == COUNT
    p.quit()
    same(got, mails)


# ---- mpop: exact with received_header off (its manual: adds a Received field otherwise)

@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("how", ["user", "apop", "plain", "login", "scram-sha-1", "scram-sha-256"])
def test_mpop(drop, peer, tmp_path, access, how):
    bed, name, password, mails = drop
    box = make_maildir(tmp_path / "box")
    rc = tmp_path / "mpoprc"
    rc.write_text("""account a
host localhost
port %d
user %s
password %s
auth %s
tls %s
tls_starttls %s
tls_trust_file %s
keep on
only_new off
received_header off
uidls_file %s/uidls
delivery maildir %s
""" % (port(bed, access), name, password, how, "off" if access == PLAIN else "on", "on" if access == STLS else "off", bed.cert,
        tmp_path, box))
    rc.chmod(stat.S_IRUSR | stat.S_IWUSR)
    run(peer(*CLIENTS) + ["mpop", "-q", "-C", str(rc), "a"], tmp_path)
    same(read_folder(box), mails)


class Hung(Exception):
    """a program that is not ours has not ended in its time, and did not wait for the server"""


# What the kernel calls it to wait for a socket.
ON_A_SOCKET = re.compile(r"poll|select|epoll|sk_wait|inet_|tcp_|wait_woken")


def waits_in(pid):
    """what each of its threads waits in, as far as the kernel tells"""
    out = []
    for path in glob.glob("/proc/%d/task/*/wchan" % pid):
        try:
            with open(path) as f:
                out.append(f.read())
        except OSError:
            pass
    return out


LONGEST = 180


def run_getmail(argv, cwd, patience):
    """its status, output and errors. Who waits for the server at the end of our patience is given the longest time, and has failed then"""
    with subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, HOME=str(cwd), LC_ALL="C")) as p:
        for secs in (patience, LONGEST - patience):
            try:
                out, err = p.communicate(timeout=secs)
                return p.returncode, out, err
            except subprocess.TimeoutExpired as e:
                waits, said = waits_in(p.pid), (e.output, e.stderr)
                if not any(ON_A_SOCKET.search(w) for w in waits):
                    break
        p.kill()
        p.wait()
    assert not any(ON_A_SOCKET.search(w) for w in waits), ("getmail waits for the server", waits, said)
    raise Hung("getmail, in %s" % waits)


def again_if_it_hangs(work):
    """work(patience) of getmail, which may hang by itself, now and then: it waits for ever, by a lock of its own, for a child of its own that
    has ended. Then it is run again, and that is said. What waits for the server, or hangs each time, has failed"""
    for patience in (45, 45, 45):
        try:
            return work(patience)
        except Hung as e:
            warnings.warn("hung by itself, and is run once more: %s" % e)
    return work(LONGEST)


# ---- getmail6, with delivered_to and received off: writes Return-Path anew from the envelope's sender, and folds header
# fields as Python's email package does. It has no STLS, and delivers nothing as root

@pytest.fixture
def nobody_dir():
    """a folder that the unprivileged user of `as_nobody` may write into"""
    with tempfile.TemporaryDirectory(prefix="nobody-", dir="/tmp") as d:
        yield pathlib.Path(d)


def as_nobody(folder, argv):
    if os.geteuid() != 0:
        return argv
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 65534, 65534)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + argv


@pytest.mark.parametrize("access,how", [(PLAIN, "pass"), (PLAIN, "apop"), (POP3S, "pass")])
def test_getmail(drop, peer, nobody_dir, access, how):
    bed, name, password, mails = drop
    box = make_maildir(nobody_dir / "box")
    tls = access == POP3S
    shutil.copy(bed.cert, nobody_dir / "cert.pem")
    (nobody_dir / "getmailrc").write_text("""[retriever]
type = %s
server = localhost
port = %d
username = %s
password = %s
%s
[destination]
type = Maildir
path = %s/
[options]
read_all = true
delete = false
delivered_to = false
received = false
""" % ("SimplePOP3SSLRetriever" if tls else "SimplePOP3Retriever", port(bed, access), name, password,
        "ca_certs = %s/cert.pem" % nobody_dir if tls else "use_apop = %s" % (how == "apop"), box))
    argv = as_nobody(nobody_dir, ["getmail", "--getmaildir", str(nobody_dir), "--rcfile", "getmailrc"])

    def collect(patience):
        for f in pathlib.Path(box).glob("new/*"):
            f.unlink()
        status, out, err = run_getmail(peer(*CLIENTS) + argv, nobody_dir, patience)
        assert status == 0, (out[-2000:], err[-2000:])

    again_if_it_hangs(collect)
    no_path = without_headers("Return-Path")
    same(read_folder(box), mails, lambda m: unfolded(no_path(m)))


# ---- fetchmail, to a delivery command, without its rewriting and its Received field

@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("how", ["pass", "apop"])
def test_fetchmail(drop, peer, tmp_path, access, how):
    bed, name, password, mails = drop
    save = tmp_path / "save"
    save.write_text("#!/bin/sh\nexec cat >%s/$(date +%%s%%N).eml\n" % shlex.quote(str(tmp_path)))
    save.chmod(0o700)
    rc = tmp_path / "fetchmailrc"
    rc.write_text("""set invisible
set no spambounce
poll localhost proto %s port %d auth password
  user "%s" password "%s" is root here
  %s
  fetchall keep no rewrite pass8bits no mimedecode norewrite
  mda "%s"
""" % ("APOP" if how == "apop" else "POP3", port(bed, access), name, password, {
        PLAIN: "sslproto \"\"", STLS: "sslproto \"TLS1.2+\" sslcertck sslcertfile \"%s\"" % bed.cert,
        POP3S: "ssl sslcertck sslcertfile \"%s\"" % bed.cert}[access], save))
    rc.chmod(0o600)
    run(peer(*CLIENTS) + ["fetchmail", "-f", str(rc), "--pidfile", str(tmp_path / "pid"), "--idfile", str(tmp_path / "ids")], tmp_path)
    same(by_subject([f.read_bytes() for f in tmp_path.glob("*.eml")]), mails)


# ---- mutt, on a terminal of its own: copies all messages into a Maildir

def on_terminal(argv, cwd, timeout=40):
    """runs a program that wants a terminal; returns its status and the end of what it showed"""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ.update(HOME=str(cwd), TERM="xterm", LC_ALL="C")
        try:
            os.execvp(argv[0], argv)
        finally:
            os._exit(127)
    out, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
    else:
        os.kill(pid, 9)
    status = os.waitpid(pid, 0)[1]
    os.close(fd)
    return os.waitstatus_to_exitcode(status), out[-2000:]


MUTT = [(PLAIN, how) for how in ("user", "apop", "plain", "login", "scram-sha-1", "scram-sha-256")]
MUTT += [(access, how) for access in (STLS, POP3S) for how in ("user", "scram-sha-256")]


@pytest.mark.parametrize("access,how", MUTT)
def test_mutt(drop, peer, tmp_path, access, how):
    """mutt marks what it has copied: Status, and Content-Length and Lines that it computes itself, are no part of the mail"""
    bed, name, password, mails = drop
    (tmp_path / "muttrc").write_text("""set mbox_type=Maildir
set folder="%s"
set pop_user="%s"
set pop_pass="%s"
set pop_authenticators="%s"
set ssl_starttls=%s
set ssl_force_tls=%s
set certificate_file="%s"
set pop_delete=no
set pop_checkinterval=0
set quit=yes
set confirmcreate=no
set confirmappend=no
set delete=no
set move=no
set mail_check=0
set wait_key=no
set copy=no
""" % (tmp_path, name, password, how, "yes" if access == STLS else "no", "no" if access == PLAIN else "yes", bed.cert))
    url = "pop%s://localhost:%d" % ("s" if access == POP3S else "", port(bed, access))
    keys = "push '<tag-pattern>~A<enter><tag-prefix><copy-message>%s/box<enter><quit>'" % tmp_path
    status, shown = on_terminal(peer(*CLIENTS) + ["mutt", "-n", "-F", str(tmp_path / "muttrc"), "-f", url, "-e", keys], tmp_path)
    assert status == 0 and (tmp_path / "box").is_dir(), shown
    same(read_folder(tmp_path / "box"), mails, without_headers("Status", "Content-Length", "Lines"))


# ---- s-nail: saves all messages into an mbox

@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("how", ["pass", "apop"])
def test_s_nail(drop, peer, tmp_path, access, how):
    """an mbox: From_ lines are its own and those in the text are quoted; Status and X-Status are its own"""
    bed, name, password, mails = drop
    script = ["set v15-compat pop3-keepalive=0 tls-ca-file=%s tls-verify=strict" % bed.cert]
    script += ["set pop3-no-apop"] if how == "pass" else []
    script += ["set pop3-use-starttls"] if access == STLS else []
    url = "pop3%s://%s:%s@localhost:%d" % ("s" if access == POP3S else "", name, password, port(bed, access))
    script += ["folder %s" % url, "copy * %s/box.mbox" % tmp_path, "exit"]
    run(peer(*CLIENTS) + ["s-nail", "-#", "-n"], tmp_path, input="\n".join(script).encode() + b"\n")
    got = re.split(rb"(?m)^From \S+ .*\n", (tmp_path / "box.mbox").read_bytes())[1:]
    unquote = lambda m: re.sub(rb"(?m)^>+From ", b"From ", m).rstrip(b"\n")
    same([unquote(g) for g in got], [unquote(m) for m in mails], without_headers("Status", "X-Status"))
