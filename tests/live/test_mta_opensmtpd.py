"""OpenSMTPD hands mail over by LMTP, through a unix socket and through TCP (doc/mta.md has its configuration)."""
import pytest
from bed import Bed
from mta import DOMAIN, Mta, check_bounce, check_exact, check_retry, check_stopped

pytestmark = pytest.mark.root

# Its first retry comes after minutes, which no option changes: here the queue is told every second to try again.
SCRIPT = r"""
exec 2>&1
cat >{dir}/conf <<END
table recipients { "@%(domain)s" = "%(user)s" }
listen on 127.0.0.1 port {port} hostname mx.example.test
listen on socket
action "bustia" lmtp "%(where)s" rcpt-to virtual <recipients>
match from any for domain "%(domain)s" action "bustia"
END
(while sleep 1; do smtpctl schedule all; done >/dev/null 2>&1) &
exec smtpd -dF -f {dir}/conf"""


@pytest.fixture(scope="module")
def bed():
    b = Bed(["hostname=" + DOMAIN])
    yield b
    b.close()


@pytest.fixture(scope="module", params=["unix", "inet"])
def opensmtpd(request, bed, peer):
    where = bed.dir + "/lmtp" if request.param == "unix" else "127.0.0.1:%d" % bed.ports["lmtp"]
    m = Mta(peer, ["opensmtpd"], SCRIPT % {"domain": DOMAIN, "where": where, "user": "nobody"}, rb"220 \S+ ESMTP OpenSMTPD")
    yield m
    m.close()


def test_arrives_as_sent(bed, opensmtpd):
    check_exact(bed, opensmtpd, "t0")


def test_who_does_not_exist_bounces(bed, opensmtpd):
    check_bounce(bed, opensmtpd, "t1")


def test_trouble_is_retried(bed, opensmtpd):
    check_retry(bed, opensmtpd, "t2")


def test_stopped_server_loses_nothing(bed, opensmtpd):
    check_stopped(bed, opensmtpd, ["t3", "t4", "t5"])
