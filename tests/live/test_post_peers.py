"""Where collected mail goes: Dovecot by LMTP and Postfix by SMTP, run privately. What is handed over arrives to the octet; what they answer,
and what breaks, becomes the right kind of failure. Driven by tests/post/put.c, which tells the kind, and by `bustia fetch`."""
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import hostilemail
import pytest
from bed import TOP, Bed, wire
from collecting import Collecting
from freeports import free_port
from mta import family, started
from popserver import PopServer
from realserver import authority

BUILD = os.environ.get("BUSTIA_BUILD", TOP + "/build")
UID = 61011  # nobody's on an ordinary system
DOMAIN = "box.example.test"
WELL, NOTHING_NEW, LATER = 0, 1, 75

pytestmark = [pytest.mark.root, pytest.mark.asan]


# ---- the servers

class Server:
    """{word}s of SCRIPT are replaced by `words`; it ends with the server in the foreground"""
    PACKAGES, SCRIPT = [], ""

    def __init__(self, peer, pair):
        self.ca, cert, key = pair
        self.dir = tempfile.mkdtemp(prefix="post-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        for src, name in ((cert, "cert.pem"), (key, "key.pem")):
            shutil.copy(src, "%s/%s" % (self.dir, name))
        os.mkdir(self.dir + "/mail")
        os.chown(self.dir + "/mail", UID, UID)
        self.port, self.process = free_port(), None
        words = {"dir": self.dir, "port": str(self.port), "uid": str(UID), "domain": DOMAIN}
        script = re.sub(r"\{(%s)\}" % "|".join(words), lambda m: words[m[1]], self.SCRIPT)
        log = open(self.dir + "/start.log", "ab")
        self.process = subprocess.Popen(peer(*self.PACKAGES) + ["bash", "-c", "set -e\n" + script], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        log.close()
        try:
            self.wait()
        except BaseException:
            self.close()
            raise

    def wait(self):
        end = time.monotonic() + 60
        while True:
            assert self.process.poll() is None and time.monotonic() < end, self.said()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
                    if s.recv(500).startswith(b"220"):
                        return
            except OSError:
                pass
            time.sleep(0.1)

    def said(self):
        out = ""
        for name in sorted(os.listdir(self.dir)):
            if name.endswith("log"):
                with open("%s/%s" % (self.dir, name), errors="replace") as f:
                    out += f.read()[-5000:]
        return out

    def close(self):
        began = family(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for pid, start in began.items():
            if started(pid) == start:
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- what arrived

    def box(self, user):
        return "%s/mail/%s" % (self.dir, user)

    def mails(self, user):
        """as they are stored, without what the server put before them"""
        out = []
        for sub in ("new", "cur"):
            folder = "%s/%s" % (self.box(user), sub)
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                with open("%s/%s" % (folder, name), "rb") as f:
                    out.append(TRACE.sub(b"", f.read(), count=1))
        return out

    def arrived(self, user, n, secs=60):
        """waits for n messages: a server has a queue"""
        end = time.monotonic() + secs
        while len(self.mails(user)) < n:
            assert time.monotonic() < end, "%d of %d\n%s" % (len(self.mails(user)), n, self.said())
            time.sleep(0.1)
        time.sleep(0.5)  # one too many would come, too
        return self.mails(user)


TRACE = re.compile(rb"\A((Return-Path|Delivered-To|X-Original-To|Received):[^\n]*\n([ \t][^\n]*\n)*)+")


class Dovecot(Server):
    """anna; full, who has no room, and is told so for ever; late and soon, who have none now. CHANGES: shapes that it stores in other octets than it
    was given, and why"""
    PACKAGES = ["dovecot-lmtpd"]
    CHANGES = dict.fromkeys(("cr_is_last", "crs", "mixed_line_ends"), "a CR before the CR LF of a line is taken away")
    SCRIPT = r"""
cat >{dir}/users <<'END'
anna@{domain}::{uid}:{uid}::{dir}/mail/anna
full@{domain}::{uid}:{uid}::{dir}/mail/full::userdb_quota_rule=*:bytes=2000
late@{domain}::{uid}:{uid}::{dir}/mail/late::userdb_quota_rule=*:bytes=2000 userdb_quota_full_tempfail=yes
soon@{domain}::{uid}:{uid}::{dir}/mail/soon::userdb_quota_rule=*:bytes=2000 userdb_quota_full_tempfail=yes
END
cat >{dir}/conf <<'END'
base_dir = {dir}/base
state_dir = {dir}/state
log_path = {dir}/log
listen = 127.0.0.1
protocols = lmtp
ssl = no
mail_location = maildir:~
mail_plugins = quota
plugin {
  quota = maildir:User quota
}
first_valid_uid = {uid}
passdb {
  driver = passwd-file
  args = {dir}/users
}
userdb {
  driver = passwd-file
  args = {dir}/users
}
service lmtp {
  inet_listener lmtp {
    port = {port}
  }
  unix_listener {dir}/lmtp {
    mode = 0666
  }
}
END
exec dovecot -F -c {dir}/conf"""

    def allow(self, user):
        """what stood in his way is mended"""
        with open(self.dir + "/users") as f:
            text = f.read()
        time.sleep(1.1)  # the time of a file counts in seconds
        with open(self.dir + "/users", "w") as f:
            f.write(re.sub(r"(?m)^(%s@.*bytes=)2000\b" % user, r"\g<1>20000000", text))


# Its queue is looked through every second instead of every five minutes. What comes from this machine is treated as from any other.
class Postfix(Server):
    """anna; full, late and soon as above, in words of the tests'; what is unwanted or delayed is refused once it is there; sizes are limited"""
    PACKAGES = ["postfix"]
    SIZE = 400000
    CHANGES = {**dict.fromkeys(("cr_is_last", "crs", "cr_at_edges", "mixed_line_ends"), "a CR alone becomes a blank"),
               "no_colon": "an empty line is put before what is no header field", "big": "larger than SIZE"}
    SCRIPT = r"""
postconf -e inet_interfaces=127.0.0.1 inet_protocols=ipv4 maillog_file={dir}/mail.log maillog_file_prefixes={dir} \
    myhostname=mx.example.test mydestination= alias_maps= alias_database= mynetworks=127.0.0.2/32 local_header_rewrite_clients= \
    virtual_mailbox_domains={domain} virtual_mailbox_base={dir}/mail virtual_mailbox_maps=inline:'{ anna@{domain}=anna/ soon@{domain}=soon/ }' \
    virtual_uid_maps=static:{uid} virtual_gid_maps=static:{uid} virtual_mailbox_limit=0 message_size_limit=""" + str(SIZE) + r""" \
    smtpd_tls_security_level=may smtpd_tls_cert_file={dir}/cert.pem smtpd_tls_key_file={dir}/key.pem smtpd_tls_received_header=yes \
    smtpd_relay_restrictions=reject_unauth_destination \
    smtpd_recipient_restrictions='check_recipient_access regexp:{dir}/access, reject_unauth_destination' \
    header_checks=regexp:{dir}/headers queue_run_delay=1s minimal_backoff_time=3s maximal_backoff_time=4s
echo '/^late@/ 450 4.2.1 come back later' >{dir}/access
echo '/^soon@/ 450 4.2.1 come back later' >>{dir}/access
echo '/^full@/ 552 5.2.2 no room for you' >>{dir}/access
printf '%s\n' '/^Subject: unwanted/ REJECT we want none of this' '/^Subject: delayed/ REJECT 4.7.1 ask again' >{dir}/headers
postconf -MX smtp/inet
postconf -M '{port}/inet={port} inet n - n - - smtpd'
postconf -F '*/*/chroot=n'
exec postfix start-fg"""

    def allow(self, user):
        with open(self.dir + "/access") as f:
            lines = f.readlines()
        with open(self.dir + "/access", "w") as f:
            f.writelines(line for line in lines if not line.startswith("/^%s@" % user))
        subprocess.run(["nsenter", "--mount", "--target", str(self.process.pid), "postfix", "reload"], check=True, capture_output=True)
        self.wait()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return authority(str(tmp_path_factory.mktemp("pair")))


@pytest.fixture(scope="module")
def dovecot(peer, pair):
    s = Dovecot(peer, pair)
    yield s
    s.close()


@pytest.fixture(scope="module")
def postfix(peer, pair):
    s = Postfix(peer, pair)
    yield s
    s.close()


@pytest.fixture
def collecting(tmp_path):
    return Collecting(tmp_path)


def put(tmp_path, deliver, to, *mails, tls="none", ca=None):
    """[(kind, words)] of each message, in their order"""
    files = []
    for i, m in enumerate(mails):
        files.append("%s/%04d" % (tmp_path, i))
        with open(files[-1], "wb") as f:
            f.write(m)
    env = dict(os.environ, **({"SSL_CERT_FILE": ca} if ca else {}))
    p = subprocess.run([BUILD + "/tests/post/post_put", deliver, "me@example.test", to, tls, *files], capture_output=True, timeout=300, env=env)
    assert p.returncode in (0, 69), p
    return [tuple(line.split(" ", 1)) for line in p.stdout.decode(errors="backslashreplace").splitlines()]


# ---- a server in between, that is told to cut

class Between(threading.Thread):
    """passes octets on. `after`: cuts both ways once these octets of the client have been passed on, and gives no answer to them;
    `drop`: a line that the server's answers lose"""

    def __init__(self, port, after=None, drop=None, times=1000):
        super().__init__(daemon=True)
        self.port, self.after, self.drop, self.times = port, after, drop, times
        self.cuts, self.heard = 0, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.own = self.listener.getsockname()[1]
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            shut = threading.Event()
            for pump in (self.up, self.down):
                threading.Thread(target=pump, args=(client, server, shut), daemon=True).start()

    def up(self, client, server, shut):
        seen = b""
        try:
            while data := client.recv(65536):
                before = len(seen)
                seen += data
                self.heard += data
                at = seen.find(self.after) if self.after and self.cuts < self.times else -1
                if at >= 0:
                    self.cuts += 1
                    shut.set()
                    server.sendall(seen[before:max(before, at + len(self.after))])
                    client.shutdown(socket.SHUT_RDWR)
                    break
                server.sendall(data)
        except OSError:
            pass
        time.sleep(0.2)
        try:
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def down(self, client, server, shut):
        try:
            while data := server.recv(65536):
                if shut.is_set():
                    continue
                if self.drop:
                    data = data.replace(self.drop, b"")
                client.sendall(data)
        except OSError:
            pass
        for s in (client, server):
            s.close()


def empty(server, user):
    shutil.rmtree(server.box(user), ignore_errors=True)


def address(user):
    return "%s@%s" % (user, DOMAIN)


def mail(i, subject="mail"):
    return b"From: a@example.test\r\nSubject: %s %d\r\n\r\n.text %d\r\n" % (subject.encode(), i, i)


# ---- to the octet

def check_exact(tmp_path, server, deliver, **tls):
    """each shape, over one connection"""
    shapes = [f for f in hostilemail.WITH_HEAD if f.__name__ not in server.CHANGES]
    assert len(shapes) > 25
    sent = [hostilemail.head(i, f.__name__) + f(random.Random(i)) for i, f in enumerate(shapes)]
    empty(server, "anna")
    said = put(tmp_path, deliver, address("anna"), *[wire(m) for m in sent], **tls)
    assert [kind for kind, _ in said] == ["ok"] * len(sent), said
    got = {}
    for m in server.arrived("anna", len(sent)):
        got[re.search(rb"Message-ID: (<\S+>)", m)[1]] = m
    assert len(got) == len(sent)
    for i, m in enumerate(sent):
        assert wire(got[b"<%d@hostile.example.test>" % i]) == wire(m), shapes[i].__name__


@pytest.mark.parametrize("socket_kind", ["unix", "inet"])
def test_lmtp_arrives_as_sent(tmp_path, dovecot, socket_kind):
    where = "lmtp:%s/lmtp" % dovecot.dir if socket_kind == "unix" else "lmtp:localhost:%d" % dovecot.port
    check_exact(tmp_path, dovecot, where)


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_smtp_arrives_as_sent(tmp_path, postfix, tls):
    check_exact(tmp_path, postfix, "smtp:localhost:%d" % postfix.port, tls=tls, ca=postfix.ca)


# ---- what they answer

ROOM = b"Subject: x\r\n\r\n" + b"more than there is room for\r\n" * 200


def test_lmtp_refusals(tmp_path, dovecot):
    where = "lmtp:localhost:%d" % dovecot.port
    for user, kind, words in (("nobody", "gone", "550 5.1.1"), ("full", "limit", "552 5.2.2"), ("late", "temp", "452 4.2.2")):
        ((got, said),) = put(tmp_path, where, address(user), ROOM)
        assert got == kind and words in said, (user, got, said)
    assert not dovecot.mails("full") and not dovecot.mails("late")


def test_smtp_refusals(tmp_path, postfix):
    where = "smtp:localhost:%d" % postfix.port
    empty(postfix, "anna")
    for user, m, kind, words in (
            ("nobody", mail(1), "gone", "550 5.1.1"), ("full", mail(1), "limit", "552 5.2.2"), ("late", mail(1), "temp", "450 4.2.1"),
            ("anna", mail(1, "unwanted"), "input", "550 5.7.1"), ("anna", mail(1, "delayed"), "temp", "4.7.1"),
            ("anna", b"Subject: large\r\n\r\n" + b"x\r\n" * postfix.SIZE, "input", "552 5.3.4")):
        ((got, said),) = put(tmp_path, where, address(user), m)
        assert got == kind and words in said, (user, got, said)
    ((got, said),) = put(tmp_path, where, "anna@elsewhere.example.test", mail(1))  # it is no relay: a person must see to it
    assert got == "perm" and "554 5.7.1" in said, said
    time.sleep(1)
    assert not postfix.mails("anna")


def test_one_refused_among_others(tmp_path, postfix):
    empty(postfix, "anna")
    mails = [mail(i, ("unwanted", "mail", "delayed")[i % 3]) for i in range(12)]
    said = put(tmp_path, "smtp:localhost:%d" % postfix.port, address("anna"), *mails)
    assert [kind for kind, _ in said] == ["input", "ok", "temp"] * 4, said
    assert sorted(wire(m) for m in postfix.arrived("anna", 4)) == sorted(mails[1::3])


# ---- cuts

def test_cut_before_the_dot(tmp_path, postfix, dovecot):
    for server, scheme in ((postfix, "smtp"), (dovecot, "lmtp")):
        empty(server, "anna")
        for after in (b"MAIL FROM:", b"RCPT TO:<anna", b"DATA\r\n", b"Subject: mail", b"\r\n\r\n..te", b"text 1\r\n", b"\r\n.\r"):
            with Between(server.port, after) as b:
                ((got, said),) = put(tmp_path, "%s:localhost:%d" % (scheme, b.own), address("anna"), mail(1))
                assert b.cuts and got in ("temp", "unknown"), (after, got, said)
                # what the kernel had taken of ours was on its way: only then it is not known
                assert got == "temp" or b"\r\n.\r\n" in b.heard, (after, said)
        time.sleep(1)
        assert server.mails("anna") == []


def test_cut_after_the_dot(tmp_path, postfix, dovecot):
    for server, scheme in ((postfix, "smtp"), (dovecot, "lmtp")):
        empty(server, "anna")
        with Between(server.port, b"\r\n.\r\n", times=1) as b:
            said = put(tmp_path, "%s:localhost:%d" % (scheme, b.own), address("anna"), mail(1), mail(2))
            assert [kind for kind, _ in said] == ["unknown", "ok"], said
        assert sorted(wire(m) for m in server.arrived("anna", 2)) == [mail(1), mail(2)]


# ---- TLS

def test_starttls(tmp_path, postfix):
    where = "smtp:localhost:%d" % postfix.port
    empty(postfix, "anna")
    ((got, said),) = put(tmp_path, where, address("anna"), mail(1), tls="starttls")
    assert got == "perm" and "issued by" in said, said
    with Between(postfix.port, drop=b"250-STARTTLS\r\n") as b:
        ((got, said),) = put(tmp_path, "smtp:localhost:%d" % b.own, address("anna"), mail(1), tls="starttls", ca=postfix.ca)
        assert got == "perm" and b"MAIL" not in b.heard, (said, b.heard)
    with Between(postfix.port) as b:
        ((got, said),) = put(tmp_path, "smtp:localhost:%d" % b.own, address("anna"), mail(2), tls="starttls", ca=postfix.ca)
        assert got == "ok" and b"MAIL" not in b.heard and b"STARTTLS" in b.heard, said
    assert [wire(m) for m in postfix.arrived("anna", 1)] == [mail(2)]


# ---- the collector

def account(collecting, server, scheme, port, user="anna", **options):
    return collecting.account(server.port, deliver="%s:localhost:%d" % (scheme, port), deliver_to=address(user),
                              deliver_from="me@example.test", **options)


def kept(collecting):
    """what is in quarantine"""
    return [f for _, _, files in os.walk(collecting.folder + "/state/bustia/quarantine") for f in files]


def check_fetch(collecting, server, scheme, **options):
    """all arrive, once, and are deleted where they came from; and then there is nothing to do"""
    empty(server, "anna")
    mails = [mail(i) + b"line of text\r\n" * (i % 50) for i in range(200)]
    with PopServer(mails) as pop:
        account(collecting, pop, scheme, server.port, delete="now", **options)
        run = collecting.fetch()
        assert run.status == WELL and pop.left() == [], run
        assert sorted(wire(m) for m in server.arrived("anna", 200)) == sorted(mails)
        assert collecting.fetch("one").status in (WELL, NOTHING_NEW)
    assert len(server.mails("anna")) == 200


def test_fetch_by_lmtp(collecting, dovecot):
    check_fetch(collecting, dovecot, "lmtp")


def test_fetch_by_smtp(collecting, postfix):
    check_fetch(collecting, postfix, "smtp", deliver_tls="starttls", deliver_tls_ca=postfix.ca)


@pytest.mark.parametrize("name", ["dovecot", "postfix"])
def test_fetch_is_refused_for_now(request, collecting, name):
    """however often it is tried, nothing goes to quarantine; and it arrives as soon as it can, once"""
    server = request.getfixturevalue(name)
    scheme = "lmtp" if name == "dovecot" else "smtp"
    empty(server, "soon")
    mails = [mail(i) + b"more than there is room for\r\n" * 200 for i in range(8)]
    with PopServer(mails) as pop:
        account(collecting, pop, scheme, server.port, user="soon", delete="now", attempts=2)
        for _ in range(4):
            run = collecting.fetch("one")
            assert run.status == LATER and len(pop.left()) == 8, run
        assert not kept(collecting) and not server.mails("soon")
        server.allow("soon")
        run = collecting.fetch("one")
        assert run.status == WELL and pop.left() == [], run
    assert sorted(wire(m) for m in server.arrived("soon", 8)) == sorted(mails)


@pytest.mark.parametrize("name", ["dovecot", "postfix"])
def test_fetch_for_nobody(request, collecting, name):
    """the account is wrong, and no message: all of them stay where they are"""
    server = request.getfixturevalue(name)
    with PopServer([mail(i) for i in range(12)]) as pop:
        account(collecting, pop, "lmtp" if name == "dovecot" else "smtp", server.port, user="nobody", delete="now", attempts=1)
        for _ in range(3):
            run = collecting.fetch("one")
            assert run.status not in (WELL, NOTHING_NEW) and "5.1.1" in run.out, run
            assert len(pop.left()) == 12 and not kept(collecting), run


def test_fetch_of_what_is_refused(collecting, postfix):
    """what will never be taken goes to quarantine after so many tries, what is too large too, and the others arrive"""
    empty(postfix, "anna")
    large = b"Subject: large\r\n\r\n" + b"x\r\n" * postfix.SIZE
    mails = [mail(0), mail(1, "unwanted"), mail(2), large, mail(4)]
    with PopServer(mails) as pop:
        account(collecting, pop, "smtp", postfix.port, delete="now", attempts=2)
        run = collecting.fetch()
        assert "550 5.7.1" in run.out and "552 5.3.4" in run.out, run
        assert sorted(pop.left()) == sorted([mails[1], large]) and not kept(collecting), run
        run = collecting.fetch("one")
        assert "quarantine" in run.out, run
        assert len([f for f in kept(collecting) if f.endswith(".eml")]) == 2, kept(collecting)
    assert sorted(wire(m) for m in postfix.arrived("anna", 3)) == [mails[0], mails[2], mails[4]]


def test_fetch_cut_after_the_dot(collecting, postfix):
    """nobody knows whether it was taken: it may come twice, and it is not lost"""
    empty(postfix, "anna")
    mails = [mail(i) for i in range(6)]
    with PopServer(mails) as pop, Between(postfix.port, b"\r\n.\r\n", times=3) as b:
        account(collecting, pop, "smtp", b.own, delete="now")
        for _ in range(8):
            run = collecting.fetch("one")
            if not pop.left():
                break
        assert pop.left() == [] and b.cuts == 3, run
    got = [wire(m) for m in postfix.arrived("anna", 6)]
    assert set(got) == set(mails) and len(got) <= 6 + b.cuts, len(got)


def test_fetch_to_nothing(collecting, postfix):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    with PopServer([mail(i) for i in range(3)]) as pop:
        account(collecting, pop, "smtp", port, delete="now", attempts=1)
        for _ in range(3):
            run = collecting.fetch("one")
            assert run.status == LATER and len(pop.left()) == 3 and not kept(collecting), run


# ---- our own server, on this machine: its mailboxes are opened

@pytest.fixture(scope="module")
def own():
    b = Bed()
    yield b
    b.close()


def into(own, collecting, pop, user, **options):
    collecting.account(pop.port, deliver="mailbox:" + user, **options)

    def fetch():
        return collecting.bustia("-c", own.target["config"], "fetch", "-a", collecting.file, "one")
    return fetch


def test_fetch_into_a_mailbox(own, collecting):
    """to the octet; and it is asked what it has: who has lost all notes doubles nothing"""
    sent = [hostilemail.head(i, f.__name__) + f(random.Random(i)) for i, f in enumerate(hostilemail.WITH_HEAD * 3)]
    mails = sorted(wire(m) for m in sent)
    with PopServer([wire(m) for m in sent]) as pop:
        fetch = into(own, collecting, pop, "t36")
        run = fetch()
        assert run.status == WELL, run
        assert sorted(own.received("t36", strip=False)) == mails
        shutil.rmtree(collecting.folder + "/state")
        p = own.login("t36")  # who reads meanwhile
        run = fetch()
        p.quit()
        assert run.status == WELL, run
    assert len(own.files("t36")) == len(mails) and sorted(own.received("t36", strip=False)) == mails


def test_fetch_into_a_full_mailbox(own, collecting):
    """what there is no room for stays where it is, and comes once there is"""
    mails = [mail(i) + b"a line of twenty.\r\n" * 250 for i in range(12)]
    own.tool("quota", "set", "t37", "30k")
    with PopServer(mails) as pop:
        fetch = into(own, collecting, pop, "t37", delete="now")
        for _ in range(3):
            run = fetch()
            assert run.status == LATER and "t37 is over quota" in run.out, run
            there = own.received("t37", strip=False)
            assert 1 <= len(there) <= 6 and sorted(there + pop.left()) == sorted(mails), run
        own.tool("quota", "set", "t37", "300k")
        run = fetch()
        assert run.status == WELL and pop.left() == [] and not kept(collecting), run
    assert sorted(own.received("t37", strip=False)) == sorted(mails)


def test_fetch_into_nobodys_mailbox(own, collecting):
    own.tool("user", "set", "t38", "--disable")
    with PopServer([mail(i) for i in range(3)]) as pop:
        for user, words in (("nobody-here", "no such user"), ("t38", "t38 is disabled")):
            collecting.text = ""
            run = into(own, collecting, pop, user, attempts=1)()
            assert run.status not in (WELL, NOTHING_NEW) and words in run.out, run
            assert len(pop.left()) == 3 and not kept(collecting)
