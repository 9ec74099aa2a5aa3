"""realservers: POP3 servers that other people wrote, and our own; how each is started, and what it does to messages."""
import os
import re
import subprocess

from bed import Bed, wire
from realserver import STLS, TLS, USER, Real


class Ours(Real):
    """bustiad of this tree, with the testbed's users; changes nothing for who says UTF8"""
    name = "ours"
    MAY = {"one_octet": "it may be one with 8 bits, in what is a header then"}

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
    OWN = {**FIRST_DOT, **CR_DOUBLED}
    MAY = {"octets": "by chance it begins with a dot or has a CR LF"}
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
    import shutil
    import sys
    import tempfile
    from bed import TOP
    from realserver import authority
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
