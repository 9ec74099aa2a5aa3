"""Certificates for several names (SNI), and renewed ones, which are taken up without a signal."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
from bed import Bed
from test_login import set_options

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


def make(folder, name, *hosts, kind=EC, days=30):
    """a certificate and its key"""
    cert, key = "%s/%s.pem" % (folder, name), "%s/%s.key" % (folder, name)
    names = ["-addext", "subjectAltName=" + ",".join("DNS:" + h for h in hosts)] if hosts else []
    subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", "-days", str(days), "-keyout", key, "-out", cert, "-subj",
                    "/O=%s" % name, *names], check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


def der(path):
    with open(path) as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def several(folder):
    """the testbed's own for localhost, and three more"""
    pairs = {"alpha": make(folder, "alpha", "alpha.test", "*.wild.test"),
             "beta": make(folder, "beta", "beta.test", "one.wild.test"),
             "rsa": make(folder, "rsa", "alpha.test", kind=["-newkey", "rsa:2048"])}
    b = Bed(["tls_also=%s %s" % p for p in pairs.values()])
    b.pairs = pairs
    yield b
    b.close()


def shown(bed, name, how="pop3s", version=None, ciphers=None):
    """the certificate that somebody who asks for this name gets; the socket, too"""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    if version:
        ctx.minimum_version = ctx.maximum_version = version
    if ciphers:
        ctx.set_ciphers(ciphers)
    if how == "smtp":
        m = bed.mail("smtp")
        m.ok("STARTTLS", b"220")
        sock = m.sock
    elif how == "stls":
        p = bed.connect()
        p.ok("STLS")
        sock = p.sock
    else:
        sock = socket.create_connection(("127.0.0.1", bed.ports["pop3s"]), timeout=20)
    tls = ctx.wrap_socket(sock, server_hostname=name)
    return tls.getpeercert(binary_form=True), tls


def gets(bed, name, **more):
    cert, tls = shown(bed, name, **more)
    tls.close()
    return cert


# ---- several

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("how", ["pop3s", "stls", "smtp"])
def test_by_name(several, how, version):
    mine, alpha, beta = der(several.cert), der(several.pairs["alpha"][0]), der(several.pairs["beta"][0])
    wanted = {"localhost": mine, "alpha.test": alpha, "beta.test": beta, "two.wild.test": alpha,
              "one.wild.test": beta,        # a name comes before a "*"
              "a.two.wild.test": mine,      # which stands for one label
              "wild.test": mine, "elsewhere.test": mine, "127.0.0.1": mine, None: mine}
    got = {name: gets(several, name, how=how, version=version) for name in wanted}
    assert {n for n in wanted if got[n] != wanted[n]} == set()


def test_as_the_client_can_use_keys(several):
    """two with one name and keys of two kinds"""
    tls12 = ssl.TLSVersion.TLSv1_2
    assert gets(several, "alpha.test", version=tls12, ciphers="ECDHE-RSA-AES128-GCM-SHA256") == der(several.pairs["rsa"][0])
    assert gets(several, "alpha.test", version=tls12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256") == der(several.pairs["alpha"][0])
    with pytest.raises(ssl.SSLError):
        gets(several, "beta.test", version=tls12, ciphers="ECDHE-RSA-AES128-GCM-SHA256")


def test_what_tls_carries_goes_on(several):
    """clients' certificates, and the mechanisms that bind"""
    ctx = ssl.create_default_context(cafile=several.pairs["alpha"][0])
    ctx.load_cert_chain(several.dir + "/client.pem", several.dir + "/client.key")
    p = several.connect()
    p.ok("STLS")
    p.sock = ctx.wrap_socket(p.sock, server_hostname="alpha.test")
    offered = b" ".join(p.multi("CAPA"))
    assert b"SCRAM-SHA-256-PLUS" in offered and b"EXTERNAL" in offered
    assert p.cmd("AUTH EXTERNAL =").startswith(b"+OK")
    p.quit()


def test_resumed(several):
    """a session that was begun for one name"""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    for again in (False, True):
        s = ctx.wrap_socket(socket.create_connection(("127.0.0.1", several.ports["pop3s"]), timeout=20), server_hostname="beta.test",
                            session=session)
        assert s.recv(100).startswith(b"+OK") and s.session_reused == again
        session = s.session
        s.close()


# ---- renewed

@pytest.fixture(scope="module")
def renewing(folder):
    """a server whose certificates lie where certbot puts them: live/ has links into archive/"""
    os.makedirs(folder + "/archive")
    os.makedirs(folder + "/live")
    cert, _ = make(folder + "/archive", "1", "localhost")
    os.symlink("../archive/1.pem", folder + "/live/cert.pem")
    os.symlink("../archive/1.key", folder + "/live/key.pem")
    also = make(folder, "also", "also.test")
    bed = Bed(["tls_cert=%s/live/cert.pem" % folder, "tls_key=%s/live/key.pem" % folder, "tls_also=%s %s" % also, "tls_watch=200ms"])
    bed.base, bed.now, bed.also, bed.number = folder, der(cert), also, 1
    yield bed
    bed.close()


def another(bed):
    """the next pair in archive/; its number"""
    bed.number += 1
    cert, _ = make(bed.base + "/archive", str(bed.number), "localhost")
    bed.then = der(cert)
    return str(bed.number)


def link(bed, name, to):
    os.symlink("../archive/" + to, bed.base + "/live/new")
    os.rename(bed.base + "/live/new", bed.base + "/live/" + name)


def wait_for(bed, cert, name="localhost", secs=10):
    end = time.monotonic() + secs
    while gets(bed, name) != cert:
        assert time.monotonic() < end, bed.log()[-2000:]
        time.sleep(0.05)


def errors(bed, start):
    return [line for line in bed.log()[start:].splitlines() if " error tls: " in line]


def test_renewed(renewing):
    """links that lead elsewhere; a file in the place of another; one that is written over; and who is there keeps what he has"""
    bed = renewing
    old, stream = shown(bed, "localhost")
    assert old == bed.now and stream.recv(100).startswith(b"+OK")
    start = len(bed.log())
    n = another(bed)
    link(bed, "cert.pem", n + ".pem")
    link(bed, "key.pem", n + ".key")
    wait_for(bed, bed.then)
    bed.now = bed.then
    stream.sendall(b"NOOP\r\nCAPA\r\n")
    assert stream.recv(100).startswith((b"-ERR", b"+OK"))
    stream.close()
    newer = make(bed.base, "newer", "also.test")
    for now, then in zip(newer, bed.also):
        os.rename(now, then)
    wait_for(bed, der(bed.also[0]), "also.test")
    written = make(bed.base, "written", "also.test")
    for now, then in zip(written, bed.also):
        shutil.copyfile(now, then)
    wait_for(bed, der(written[0]), "also.test")
    assert gets(bed, "localhost") == bed.now
    assert len(bed.roles()["door"]) == 1 and not re_started(bed, start)


def re_started(bed, start):
    return "ended: role=door" in bed.log()[start:]


def test_half_written(renewing):
    """the certificate a while before its key: the old pair goes on, which is said once, and a door that is started then has it too"""
    bed, start = renewing, len(renewing.log())
    n = another(bed)
    link(bed, "cert.pem", n + ".pem")
    bed.wait_log("the key does not fit the .first. certificate: the old certificate goes on", start=start)
    time.sleep(1)
    assert len(errors(bed, start)) == 1
    assert gets(bed, "localhost") == bed.now
    door = bed.role("door")
    os.kill(door, signal.SIGKILL)
    bed.wait_log(r"ended: role=door pid=%d" % door, start=start)
    bed.wait_log(r"ready: role=door", start=start)
    assert gets(bed, "localhost") == bed.now and gets(bed, "also.test") == der(bed.also[0])
    link(bed, "key.pem", n + ".key")
    wait_for(bed, bed.then)
    bed.now = bed.then
    assert len(errors(bed, start)) == 1


def test_taken_away_and_broken(renewing):
    """one that is bad holds up no other"""
    bed, start = renewing, len(renewing.log())
    os.unlink(bed.base + "/live/cert.pem")
    bed.wait_log(r"tls_cert .*: No such file or directory: the old certificate goes on", start=start)
    was = der(bed.also[0])
    newer = make(bed.base, "newer", "also.test")
    for now, then in zip(newer, bed.also):
        os.rename(now, then)
    wait_for(bed, der(bed.also[0]), "also.test")
    assert gets(bed, "localhost") == bed.now and der(bed.also[0]) != was
    with open(bed.base + "/live/cert.pem", "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nAAAA\n")
    bed.wait_log(r"cert.pem with .*: the certificate file cannot be used", start=start)
    assert gets(bed, "localhost") == bed.now
    assert sum("cert.pem" in line for line in errors(bed, start)) == 2  # once each; the other pair may be met between its two renames
    n = another(bed)
    link(bed, "cert.pem", n + ".pem")
    link(bed, "key.pem", n + ".key")
    wait_for(bed, bed.then)
    bed.now = bed.then


def test_only_when_told(renewing):
    """tls_watch = 0"""
    bed = renewing
    set_options(bed, tls_watch="0")
    n = another(bed)
    link(bed, "cert.pem", n + ".pem")
    link(bed, "key.pem", n + ".key")
    time.sleep(1)
    assert gets(bed, "localhost") == bed.now
    os.kill(bed.pid, signal.SIGHUP)
    wait_for(bed, bed.then)
    bed.now = bed.then
    set_options(bed, tls_watch="200ms")


# ---- what `bustia check` says of them

def test_check(several, folder):
    pairs = {"same": make(folder, "same", "other.test", "BETA.test"), "nameless": make(folder, "nameless"),
             "old": make(folder, "old", "old.test", days=1), "open": make(folder, "open", "open.test")}
    os.chmod(pairs["open"][1], 0o644)
    with open(several.target["config"]) as f:
        before = f.read()
    try:
        with open(several.target["config"], "a") as f:
            for cert, key in list(pairs.values()) + [(pairs["old"][0], pairs["same"][1]), (folder + "/none.pem", folder + "/none.key")]:
                f.write("tls_also = %s %s\n" % (cert, key))
        said = several.tool("check", check=False).stdout
    finally:
        with open(several.target["config"], "w") as f:
            f.write(before)
    for part in ('same.pem is for "beta.test", and so is %s,' % several.pairs["beta"][0], "nameless.pem has no name of a host in it",
                 "old.pem expires in", "open.key may be read by everybody (mode 0644)",
                 "old.pem with %s: the key does not fit the (first) certificate" % pairs["same"][1],
                 "none.pem cannot be opened: No such file or directory", "none.key cannot be opened"):
        assert part in said, (part, said)
    assert "alpha.test" not in said, said  # keys of two kinds
