"""Log-in with a client's certificate (SASL EXTERNAL): whom it lets in, and that without it everything is as before."""
import os
import signal
import ssl
import subprocess
import time

import pytest
from bed import Bed, Pop
from test_login import add, b64, refused, set_options

DAY = 86400


class Issuer:
    """one who issues certificates, in a folder"""

    def __init__(self, folder, name="issuer"):
        self.d = "%s/%s" % (folder, name)
        os.mkdir(self.d)
        self.pem = self.d + "/ca.pem"
        self.n = 0
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                     "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=" + name)

    def openssl(self, *words):
        p = subprocess.run(["openssl", *words], cwd=self.d, capture_output=True, text=True)
        assert p.returncode == 0, p.stderr

    def issue(self, subject, usage="clientAuth", start=-DAY, end=DAY):
        """a certificate and its key, in one file"""
        self.n += 1
        base = "c%d" % self.n
        with open("%s/%s.ext" % (self.d, base), "w") as f:
            f.write("extendedKeyUsage=%s\n" % usage)
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-utf8",
                     "-keyout", base + ".key", "-out", base + ".csr", "-subj", subject)
        open(self.d + "/index.txt", "w").close()
        with open(self.d + "/ca.conf", "w") as f:
            f.write("[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                    "unique_subject=no\n[p]\ncommonName=optional\norganizationName=optional\n")
        stamp = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + t)) for t in (start, end)]
        self.openssl("ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", base + ".csr", "-out",
                     base + ".pem", "-notext", "-preserveDN", "-startdate", stamp[0], "-enddate", stamp[1], "-extfile", base + ".ext")
        return "%s/%s.pem" % (self.d, base), "%s/%s.key" % (self.d, base)


class Certified(Pop):
    """one who shows a certificate"""

    def __init__(self, bed, pair=None, how="pop3s", version=None, session=None):
        self.pair, self.version, self.session = pair, version, session
        super().__init__(bed, "pop3s" if how == "pop3s" else "pop3")
        if how == "stls":
            self.stls()

    def over_tls(self):
        if self.session:
            self.context = self.session[0]
        else:
            self.context = ssl.create_default_context(cafile=self.bed.cert)
            if self.pair:
                self.context.load_cert_chain(*self.pair)
            if self.version:
                self.context.minimum_version = self.context.maximum_version = self.version
        self.sock = self.context.wrap_socket(self.sock, server_hostname="localhost", session=self.session and self.session[1])

    def external(self, name=None):
        return self.cmd("AUTH EXTERNAL " + (b64(name) if name else "="))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(str(tmp_path_factory.mktemp("issuer")))


@pytest.fixture(scope="module")
def own(issuer):
    b = Bed(["tls_client_ca=" + issuer.pem])
    b.tool("user", "set", "main", "--external")
    b.seed("main", [b"Subject: mine\n\nx\n"])
    yield b
    b.close()


@pytest.fixture(scope="module")
def main(issuer):
    return issuer.issue("/CN=main")


def sasl(p):
    return [w for l in p.multi("CAPA") if l.startswith(b"SASL ") for w in l.split()[1:]]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("how", ["pop3s", "stls"])
def test_a_certificate_logs_in(own, main, how, version):
    for name in (None, "main"):
        p = Certified(own, main, how, version)
        assert sasl(p)[0] == b"EXTERNAL"
        assert p.external(name).startswith(b"+OK main has 1 ")
        assert sasl(p)[0] == b"EXTERNAL"
        assert p.retr(1) == b"Subject: mine\r\n\r\nx\r\n"
        p.quit()
    p = Certified(own, main, how, version)
    assert p.cmd("AUTH EXTERNAL").rstrip() == b"+"
    assert p.cmd("").startswith(b"+OK main has 1 ")
    p.quit()


def test_only_as_whom_it_names(own, main):
    p = Certified(own, main)
    for name in ("other", "mai", "main2", "MAIN", "main\0", "cert"):
        assert refused(p.external(name)), name
    assert p.external("main").startswith(b"+OK")
    p.quit()


def test_only_whom_it_is_permitted(own, issuer):
    """off by default; on and off at once; never who is disabled"""
    add(own, "carla", "pass-word")
    pair = issuer.issue("/CN=carla")

    def answer():
        p = Certified(own, pair)
        line = p.external()
        if line.startswith(b"+OK"):
            p.quit()
        p.close()
        return line

    assert refused(answer())
    assert "EXTERNAL  no" in own.tool("user", "show", "carla").stdout
    own.tool("user", "set", "carla", "--external")
    assert "EXTERNAL  yes" in own.tool("user", "show", "carla").stdout
    assert answer().startswith(b"+OK carla ")
    own.tool("user", "passwd", "carla", "--password-stdin", stdin="another\n")  # is no matter of the password
    assert answer().startswith(b"+OK carla ")
    own.tool("user", "set", "carla", "--disable")
    assert refused(answer())
    own.tool("user", "set", "carla", "--enable", "--no-external")
    assert refused(answer())
    own.tool("user", "del", "carla")
    assert refused(answer())
    assert own.tool("user", "set", "main", "--external", "--no-external", check=False).returncode == 64


@pytest.mark.parametrize("subject", ["/O=main", "/CN=main/CN=other", "/CN=other/CN=main", "/CN=nobody-here", "/CN= main", "/CN=" + "m" * 64])
def test_names_that_are_nobodys(own, issuer, subject):
    """no common name, several of them, or one that no user has: as without a certificate"""
    p = Certified(own, issuer.issue(subject))
    for name in (None, "main", "other"):
        assert refused(p.external(name)), name
    assert p.plain(*own.user()).startswith(b"+OK")
    p.quit()


def test_without_a_certificate(own):
    """everything is as before, but EXTERNAL, which is announced inside TLS alone"""
    p = own.connect()
    assert b"EXTERNAL" not in sasl(p)
    assert p.cmd("AUTH EXTERNAL =") == b"-ERR This mechanism is not offered"
    p.quit()
    for how in ("pop3s", "stls"):
        p = Certified(own, None, how)
        assert sasl(p)[0] == b"EXTERNAL"
        for name in (None, "main"):
            assert refused(p.external(name))
        assert p.cmd("STAT").startswith(b"-ERR")
        assert p.plain(*own.user()).startswith(b"+OK")
        p.quit()


def handshake_fails(bed, pair, version):
    """with TLS 1.3 the client hears of it with the first octets that he reads"""
    try:
        p = Certified(bed, pair, version=version)
        p.cmd("NOOP")
    except (ssl.SSLError, EOFError, ConnectionError):
        return True
    return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificates_that_are_not_believed(own, issuer, tmp_path, version):
    """of another issuer of the same name, expired, not yet valid, for servers: the handshake ends, and is logged"""
    other = Issuer(str(tmp_path))
    for pair in (other.issue("/CN=main"), issuer.issue("/CN=main", end=-60), issuer.issue("/CN=main", start=3600),
                 issuer.issue("/CN=main", usage="serverAuth"), (own.dir + "/client.pem", own.dir + "/client.key")):
        start = len(own.log())
        assert handshake_fails(own, pair, version)
        own.wait_log(r"connection: addr=127\.0\.0\.1 tls=\w+ .* end=tls why=", start=start)
    assert not handshake_fails(own, issuer.issue("/CN=main"), version)


def test_a_resumed_connection_keeps_its_certificate_until_it_expires(own, issuer):
    pair = issuer.issue("/CN=main", end=4)
    first = Certified(own, pair, version=ssl.TLSVersion.TLSv1_2)
    session = (first.context, first.sock.session)
    assert first.external().startswith(b"+OK")
    first.quit()
    p = Certified(own, session=session)
    assert p.sock.session_reused and p.external().startswith(b"+OK")
    p.quit()
    time.sleep(5)
    try:
        p = Certified(own, session=session)
        assert refused(p.external())
        p.close()
    except (ssl.SSLError, EOFError, ConnectionError):
        pass  # not resumed: the certificate itself is refused


def test_the_issuers_change_with_a_reload(issuer, tmp_path):
    """another file at SIGHUP, and none; one that is broken changes nothing"""
    other = Issuer(str(tmp_path))
    b = Bed(["tls_client_ca=" + issuer.pem])
    try:
        b.tool("user", "set", "main", "--external")
        one, two = issuer.issue("/CN=main"), other.issue("/CN=main")
        assert Certified(b, one).external().startswith(b"+OK")
        assert handshake_fails(b, two, None)
        set_options(b, tls_client_ca=other.pem)
        p = Certified(b, two)
        while b"[IN-USE]" in (line := p.external()):
            time.sleep(0.1)
        assert line.startswith(b"+OK")
        p.quit()
        assert handshake_fails(b, one, None)
        broken = str(tmp_path) + "/broken.pem"
        with open(broken, "w") as f:
            f.write("no certificate\n")
        start = len(b.log())
        with open(b.target["config"], "a") as f:
            f.write("tls_client_ca = %s\n" % broken)
        with open(b.target["config"]) as f:
            text = f.read().replace("tls_client_ca = %s\n" % other.pem, "")
        with open(b.target["config"], "w") as f:
            f.write(text)
        os.kill(b.pid, signal.SIGHUP)
        b.wait_log(r"broken.pem: the file of clients' issuers holds no certificate in PEM form\n", start=start)
        b.wait_log(r"the old configuration goes on", start=start)
        assert handshake_fails(b, one, None)
        set_options(b, tls_client_ca="")
        p = Certified(b, one)  # it is not asked for
        assert b"EXTERNAL" not in sasl(p)
        assert p.external() == b"-ERR This mechanism is not offered"
        p.quit()
    finally:
        b.close()
