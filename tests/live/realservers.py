"""realservers: POP3 servers that other people wrote, and our own, run privately side by side; and what each keeps and gives.

Each listens on two ports of 127.0.0.1, for implicit TLS and for STLS, with a certificate of the tests' own authority, and has one user.
Their packages are unpacked, not installed (tests/peer); what they write is below a temporary folder or in a mount namespace of their own,
and gone at the end. Takes root: a server becomes its user.
"""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from bed import Bed, Pop, wire
from mta import family, free_port, started

USER, PASSWORD = "anna", "Real-Pass-9"
UID = 61010  # nobody's on an ordinary system
TLS, STLS = "implicit", "starttls"


def authority(folder):
    """a private authority, and a server's pair that it signed: (ca, certificate, key)"""
    ca, cert, key = folder + "/ca.pem", folder + "/cert.pem", folder + "/key.pem"

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", ca, "-days", "30", "-subj", "/CN=A private authority")
    openssl("req", *new, "-keyout", key, "-out", "cert.req", "-subj", "/CN=localhost")
    with open(folder + "/alt", "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "cert.req", "-CA", ca, "-CAkey", "ca.key", "-CAcreateserial", "-out", cert, "-days", "30", "-extfile", "alt")
    os.chmod(key, 0o600)
    return ca, cert, key


# ---- one that runs

class Real:
    """PACKAGES: what tests/peer unpacks. SCRIPT: shell that ends with the server in the foreground; {word}s are replaced by `words`.
    OWN, NEVER: shapes of messages (hostilemail.py) that it gives in other octets than were stored, or that no client can get from it, and
    why. ADDS: what it puts into all. VARIES: what is made anew each time it gives a message that it wrote itself."""
    name = user = None
    PACKAGES, SCRIPT, VERSION = [], "", "true"
    password = PASSWORD
    OWN, NEVER, ADDS, VARIES = {}, {}, None, None
    login_delay = 0  # s, as CAPA says

    def __init__(self, peer, pair):
        self.ca, cert, key = pair
        self.user = USER
        self.dir = tempfile.mkdtemp(prefix="real-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        for src, name in ((cert, "cert.pem"), (key, "key.pem")):
            shutil.copy(src, "%s/%s" % (self.dir, name))
        self.ports = {TLS: free_port(), STLS: free_port()}
        self.count = 0
        self.process = None
        try:
            self.prepare()
            self.start(peer)
        except BaseException:
            self.close()
            raise

    def words(self):
        return {"dir": self.dir, "tls": str(self.ports[TLS]), "stls": str(self.ports[STLS]), "user": USER, "password": PASSWORD, "uid": str(UID)}

    def start(self, peer):
        words = self.words()
        script = re.sub(r"\{(%s)\}" % "|".join(words), lambda m: words[m[1]], ACCOUNT + self.SCRIPT)
        log = open(self.dir + "/start.log", "ab")
        self.process = subprocess.Popen(peer(*self.PACKAGES) + ["bash", "-c", "set -e\n" + script], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        log.close()
        end = time.monotonic() + 90
        for access in (STLS, TLS):
            while True:
                assert self.process.poll() is None and time.monotonic() < end, self.said()
                try:
                    self.login(access).quit()
                    break
                except (OSError, EOFError, AssertionError) as e:
                    if time.monotonic() > end - 1:
                        raise AssertionError("%s: %r\n%s" % (self.name, e, self.said())) from e
                    time.sleep(0.2)
        out = self.inside("bash", "-c", self.VERSION).stdout.decode(errors="replace").split()
        self.version = " ".join([w for w in out if re.match(r"[0-9][0-9.]*[0-9]", w)][:1])

    def inside(self, *argv, **kw):
        """a command where the server is unpacked"""
        return subprocess.run(["nsenter", "--mount", "--target", str(self.process.pid), *argv], capture_output=True, **kw)

    def said(self):
        out = ""
        for name in sorted(os.listdir(self.dir)):
            if name.endswith("log"):
                with open("%s/%s" % (self.dir, name), errors="replace") as f:
                    out += "%s:\n%s\n" % (name, f.read()[-4000:])
        return out

    def close(self):
        if self.process:
            began = family(self.process.pid)
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(self.process.pid, signal.SIGKILL)
                    self.process.wait()
            for pid, start in began.items():
                with contextlib.suppress(ProcessLookupError):
                    if started(pid) == start:
                        os.kill(pid, signal.SIGTERM)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- mail

    def prepare(self):
        """before it starts"""
        for sub in ("", "/tmp", "/new", "/cur"):
            os.makedirs(self.box() + sub, exist_ok=True)
            os.chown(self.box() + sub, UID, UID)
        os.chown(self.dir + "/home", UID, UID)

    def box(self):
        return self.dir + "/home/Maildir"

    def seed(self, mails):
        """replaces what is in the maildrop, and what the server noted about it: the uids are new ones"""
        for path, folders, files in os.walk(self.box()):
            for f in files:
                os.unlink("%s/%s" % (path, f))
        self.append(mails)

    def append(self, mails):
        for m in mails:
            self.count += 1
            name = "%d.M%06dP1.real" % (1700000000 + self.count, self.count)
            with open("%s/tmp/%s" % (self.box(), name), "wb") as f:
                f.write(m)
                os.fchown(f.fileno(), UID, UID)
            os.rename("%s/tmp/%s" % (self.box(), name), "%s/new/%s" % (self.box(), name))

    # ---- what it says to a client that hides nothing

    def login(self, access=TLS):
        """a session in TRANSACTION; waits for a lock that one just ended still holds"""
        end = time.monotonic() + 20
        while True:
            p = Raw(self, access)
            try:
                p.ok("USER " + self.user)
                answer = p.cmd("PASS " + self.password)
                if answer.startswith(b"+OK"):
                    return p
            except (EOFError, ConnectionError) as e:
                answer = repr(e).encode()
            p.close()
            assert time.monotonic() < end, answer
            time.sleep(0.1)

    def delete(self, numbers):
        p = self.login()
        for n in numbers:
            p.ok("DELE %d" % n)
        assert p.cmd("QUIT").startswith(b"+OK")
        p.rest()  # Courier deletes after it said so
        p.close()

    def without(self, octets):
        return self.ADDS.sub(b"", octets, count=1) if self.ADDS else octets

    def given(self, access=TLS):
        """the octets that RETR gives for each message, dots taken off. Who has asked for the uids, as collectors do, is given others by
        one of the servers. A few are asked for at once, since all of these allow it"""
        p, out = self.login(access), []
        count = len(p.uidl())
        while len(out) < count:
            some = range(len(out) + 1, min(len(out) + 16, count) + 1)
            p.send("".join("RETR %d\r\n" % n for n in some))
            for n in some:
                answer = p.line()
                assert answer.startswith(b"+OK"), (n, answer)
                out.append(p.body())
        p.quit()
        return out

    def uids(self):
        p = self.login()
        out = p.uidl()
        p.quit()
        return out

    def left(self, wanted=None):
        """how many messages there are; waits for so many"""
        end = time.monotonic() + 10
        while True:
            p = self.login()
            n = p.stat()[0]
            p.quit()
            if wanted in (None, n) or time.monotonic() > end:
                return n
            time.sleep(0.1)

    def capabilities(self):
        p = self.login()
        out = p.multi("CAPA")
        p.quit()
        return out


class Raw(Pop):
    """bed.Pop over both kinds of TLS, believing the private authority alone"""

    def __init__(self, server, access):
        self.server = server
        self.sock = socket.create_connection(("127.0.0.1", server.ports[access]), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        if access == TLS:
            self.over_tls()
        self.greeting = self.line()
        if access == STLS:
            self.stls()

    def over_tls(self):
        self.sock = ssl.create_default_context(cafile=self.server.ca).wrap_socket(self.sock, server_hostname="localhost")


# The user, in the namespace's own /etc
ACCOUNT = r"""
echo '{user}:x:{uid}:{uid}::{dir}/home:/bin/sh' >>/etc/passwd
echo '{user}:x:{uid}:' >>/etc/group
echo '{user}:'"$(openssl passwd -6 '{password}')"':19000::::::' >>/etc/shadow
"""


class Ours(Real):
    """bustiad of this tree, with the testbed's users; changes nothing"""
    name = "ours"

    def __init__(self, pair):
        self.ca, cert, key = pair
        self.bed = Bed(["tls_cert=" + cert, "tls_key=" + key])
        self.user, self.password = self.bed.pool(0)
        self.ports = {TLS: self.bed.ports["pop3s"], STLS: self.bed.ports["pop3"]}
        self.version = subprocess.run([self.bed.programs["bustiad"], "--version"], capture_output=True, text=True).stdout.split()[-1]

    def close(self):
        self.bed.close()

    def box(self):
        return self.bed.maildir(self.user)

    def seed(self, mails):
        self.bed.seed(self.user, mails)

    def append(self, mails):
        for m in mails:
            self.bed.append(self.user, m)


# What several do. Each knows better than the standard in something.
FIRST_DOT = {"dots_first": "a dot that begins the first line is not doubled, so that a client takes it off"}
END_AT_ONCE = {"dot": "and a first line that is nothing but a dot is the end of the message, for every client"}
CR_DOUBLED = dict.fromkeys(("crlf_file", "mixed_line_ends", "crs", "cr_at_edges"), "CR LF in a file becomes CR CR LF")


class Dovecot(Real):
    name, PACKAGES, VERSION = "dovecot", ["dovecot-pop3d"], "dovecot --version"
    OWN, NEVER = FIRST_DOT, END_AT_ONCE
    SCRIPT = r"""
cat >{dir}/conf <<'END'
base_dir = {dir}/base
state_dir = {dir}/state
log_path = {dir}/log
listen = 127.0.0.1
protocols = pop3
ssl = required
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
mail_location = maildir:~/Maildir
first_valid_uid = {uid}
passdb {
  driver = static
  args = password={password}
}
userdb {
  driver = static
  args = uid={uid} gid={uid} home={dir}/home
}
service pop3-login {
  inet_listener pop3 {
    port = {stls}
  }
  inet_listener pop3s {
    port = {tls}
    ssl = yes
  }
}
END
exec dovecot -F -c {dir}/conf"""


class Courier(Real):
    name, PACKAGES = "courier", ["courier-pop"]
    OWN = {**FIRST_DOT, **CR_DOUBLED, **dict.fromkeys(("utf8_header", "torn_utf8", "octets"),
           "a message with 8 bits in its header is wrapped into one that says so, for who does not say UTF8 (RFC 6856)")}
    NEVER, VARIES = END_AT_ONCE, re.compile(rb"=_\d+-\d+")
    login_delay = 10
    VERSION = "zcat /usr/share/doc/courier-pop/changelog.Debian.gz | head -n 1 | tr -d '()'"
    SCRIPT = r"""
mkdir -p /run/courier/authdaemon
chown -R courier: /run/courier
cat {dir}/key.pem {dir}/cert.pem >{dir}/pair.pem
chown courier: {dir}/pair.pem
chmod 600 {dir}/pair.pem
set -a
. /etc/courier/authdaemonrc
daemons=2 /usr/lib/courier/courier-authlib/authdaemond &  # its own script would leave it behind
. /etc/courier/pop3d
. /etc/courier/pop3d-ssl
TLS_CERTFILE={dir}/pair.pem TLS_CACHEFILE= TLS_DHPARAMS= POP3_TLS_REQUIRED=1
pop3="/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir"
tcpd="couriertcpd -address=127.0.0.1 -maxprocs=20 -maxperip=20 -nodnslookup -noidentlookup"
POP3_TLS=1 POP3_STARTTLS=NO POP3_TLS_REQUIRED=0 $tcpd {tls} /usr/bin/couriertls -server -tcpd -user=courier $pop3 &
exec $tcpd {stls} $pop3"""


class Mailutils(Real):
    name, PACKAGES, VERSION = "mailutils", ["mailutils-pop3d"], "pop3d --version | head -n 1"
    OWN = {**CR_DOUBLED, **dict.fromkeys(("no_body", "no_colon", "dot", "dots_first", "no_header", "octets", "one_octet"),
           "what it cannot read as a header is not given, or in other words")}
    NEVER = {"from_first": "gets another colon behind its From in each session"}
    ADDS = re.compile(rb"(?m)^X-UIDL: \S+\r\n")
    SCRIPT = r"""
install -d -m 1777 /var/lock/subsys/mail
cat >{dir}/conf <<'END'
mode daemon;
foreground yes;
pidfile {dir}/pid;
max-children 20;
auth { authentication generic:system; authorization system; };
mailbox { mailbox-type maildir; mailbox-pattern "maildir:{dir}/home/Maildir"; };
logging { syslog no; severity info; };
tls { ssl-certificate-file {dir}/cert.pem; ssl-key-file {dir}/key.pem; };
server 127.0.0.1:{stls} { tls-mode required; };
server 127.0.0.1:{tls} { tls-mode connection; };
END
exec pop3d --no-site-config --config-file={dir}/conf --foreground"""


class Cyrus(Real):
    """keeps mail in a form of its own: messages are put beside what it has, and it is told to look"""
    name, PACKAGES = "cyrus", ["cyrus-pop3d", "sasl2-bin"]
    OWN = {"nul": "a line ends at its NUL"}
    VERSION = "zcat /usr/share/doc/cyrus-common/changelog.Debian.gz | head -n 1 | tr -d '()'"
    SCRIPT = r"""
cat >/etc/imapd.conf <<'END'
configdirectory: {dir}/cyrus
proc_path: {dir}/cyrus/proc
mboxname_lockpath: {dir}/cyrus/lock
defaultpartition: default
partition-default: {dir}/cyrus/spool
allowplaintext: no
autocreate_quota: 0
popminpoll: 0
syslog_prefix: cyrus
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/cyrus/sasldb
servername: localhost
tls_server_cert: {dir}/cert.pem
tls_server_key: {dir}/key.pem
tls_session_timeout: 0
END
cat >/etc/cyrus.conf <<'END'
START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  pop3 cmd="pop3d" listen="127.0.0.1:{stls}" prefork=0 maxchild=10
  pop3s cmd="pop3d -s" listen="127.0.0.1:{tls}" prefork=0 maxchild=10
}
EVENTS {
}
END
usermod -g mail cyrus 2>/dev/null || true
install -d -m 750 -o cyrus -g mail {dir}/cyrus {dir}/cyrus/proc {dir}/cyrus/lock {dir}/cyrus/spool {dir}/cyrus/socket {dir}/cyrus/db
install -d -m 750 -o cyrus -g mail /run/cyrus /run/cyrus/socket
echo '{password}' | saslpasswd2 -p -c -f {dir}/cyrus/sasldb -u localhost {user}
chown cyrus {dir}/cyrus/sasldb {dir}/key.pem
exec /usr/lib/cyrus/bin/master -C /etc/imapd.conf -M /etc/cyrus.conf -p {dir}/cyrus/master.pid"""

    def as_cyrus(self, program, *words):
        p = self.inside("/usr/sbin/cyrus", program, *words)
        assert p.returncode == 0, (program, p.stdout, p.stderr)
        return p.stdout.decode()

    def box(self):
        if not self.process:
            return super().box()
        return self.as_cyrus("mbpath", "user/" + USER).strip().splitlines()[-1]

    def seed(self, mails):
        """uids only ever rise"""
        self.delete(range(1, self.left() + 1))
        self.append(mails)

    def append(self, mails):
        box = self.box()
        owner = os.stat(box)
        for m in mails:
            self.count += 1
            path = "%s/%d." % (box, self.count)
            with open(path, "wb") as f:
                f.write(wire(m))
                os.fchown(f.fileno(), owner.st_uid, owner.st_gid)
        self.as_cyrus("reconstruct", "user/" + USER)


REAL = {c.name: c for c in (Dovecot, Courier, Mailutils, Cyrus)}


if __name__ == "__main__":  # by hand: realservers.py NAME, until the input ends
    import sys
    from bed import TOP
    d = tempfile.mkdtemp()
    s = REAL[sys.argv[1]](lambda *p: [TOP + "/tests/peer", *p, "--"], authority(d))
    try:
        print(s.name, s.version, s.ports, s.capabilities(), flush=True)
        s.seed([b"Subject: a\n\nb\n..\n.\n", b"x\0y\rz", b""])
        print(s.given(TLS), s.given(STLS), s.uids(), flush=True)
        sys.stdin.read()
    finally:
        s.close()
        shutil.rmtree(d)
