"""Postfix hands mail over by LMTP, through a unix socket and through TCP (doc/mta.md has its configuration)."""
import pytest
from bed import Bed
from mta import DOMAIN, Mta, check_bounce, check_exact, check_retry, check_stopped

pytestmark = pytest.mark.root

# The queue is looked through every second instead of every five minutes; what was put off a moment ago is not due yet, for the queue
# manager leaves lying for long what it finds still being put off.
SCRIPT = r"""
postconf -e inet_interfaces=127.0.0.1 inet_protocols=ipv4 maillog_file={dir}/mail.log maillog_file_prefixes={dir} \
    myhostname=mx.example.test mydestination= alias_maps= alias_database= mynetworks=127.0.0.0/8 \
    virtual_mailbox_domains=%(domain)s virtual_transport=%(transport)s \
    queue_run_delay=1s minimal_backoff_time=3s maximal_backoff_time=4s
postconf -MX smtp/inet
postconf -M '{port}/inet={port} inet n - n - - smtpd'
postconf -F '*/*/chroot=n'
exec postfix start-fg"""


@pytest.fixture(scope="module")
def bed():
    b = Bed(["hostname=" + DOMAIN])
    yield b
    b.close()


@pytest.fixture(scope="module", params=["unix", "inet"])
def postfix(request, bed, peer):
    where = "unix:%s/lmtp" % bed.dir if request.param == "unix" else "inet:127.0.0.1:%d" % bed.ports["lmtp"]
    m = Mta(peer, ["postfix"], SCRIPT % {"domain": DOMAIN, "transport": "lmtp:" + where}, rb"220 \S+ ESMTP Postfix")
    yield m
    m.close()


def test_arrives_as_sent(bed, postfix):
    check_exact(bed, postfix, "t0")


def test_who_does_not_exist_bounces(bed, postfix):
    check_bounce(bed, postfix, "t1")


def test_trouble_is_retried(bed, postfix):
    check_retry(bed, postfix, "t2")


def test_stopped_server_loses_nothing(bed, postfix):
    check_stopped(bed, postfix, ["t3", "t4", "t5"])
