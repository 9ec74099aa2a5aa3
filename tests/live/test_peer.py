"""tests/peer: other servers run unpacked, in a mount namespace, and leave nothing behind."""
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from bed import TOP
from freeports import free_port


def greeting(port, process, secs=90):
    end = time.monotonic() + secs
    while time.monotonic() < end:
        assert process.poll() is None, "it ended"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                s.settimeout(10)
                return s.recv(500)
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no greeting")


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as d:
        os.chmod(d, 0o755)
        yield d


def ended(process):
    """SIGTERM to the script's pid must reach the server"""
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)


@pytest.mark.root
def test_dovecot(peer, folder):
    port = free_port()
    with open(folder + "/conf", "w") as f:
        f.write("""base_dir = %s/base
state_dir = %s/state
log_path = %s/log
listen = 127.0.0.1
protocols = pop3
ssl = no
passdb {
  driver = static
  args = password=x
}
userdb {
  driver = static
  args = uid=61004 gid=61004 home=/nonexistent
}
service pop3-login {
  inet_listener pop3 {
    port = %d
  }
}
""" % (folder, folder, folder, port))
    p = subprocess.Popen(peer("dovecot-pop3d") + ["dovecot", "-F", "-c", folder + "/conf"])
    try:
        assert greeting(port, p).startswith(b"+OK Dovecot")
    finally:
        ended(p)


@pytest.mark.root
def test_postfix(peer, folder):
    port = free_port()
    script = r"""set -e
postconf -e inet_interfaces=127.0.0.1 maillog_file=%s/log maillog_file_prefixes=%s mydestination= alias_maps= alias_database=
postconf -MX smtp/inet
postconf -M '%d/inet=127.0.0.1:%d inet n - n - - smtpd'
exec postfix start-fg""" % (folder, folder, port, port)
    p = subprocess.Popen(peer("postfix") + ["bash", "-c", script])
    try:
        assert re.match(rb"220 \S+ ESMTP Postfix", greeting(port, p))
    finally:
        ended(p)


@pytest.mark.root
def test_nothing_is_left(peer):
    """what is written to /usr, /etc, /var and /run inside is not there outside, nor are the accounts"""
    subprocess.run(peer("dovecot-pop3d") + ["bash", "-c", "id dovecot && touch /usr/peer-x /etc/peer-x /var/peer-x /run/peer-x"],
                   check=True, stdout=subprocess.DEVNULL)
    assert not [d for d in ("/usr", "/etc", "/var", "/run") if os.path.exists(d + "/peer-x")]
    if not os.path.exists("/usr/sbin/dovecot"):
        with pytest.raises(KeyError):
            pwd.getpwnam("dovecot")


def test_a_package_that_does_not_exist():
    p = subprocess.run([TOP + "/tests/peer", "no-such-package-here", "--", "true"], capture_output=True, text=True)
    assert p.returncode == 75 and "no-such-package-here" in p.stderr
    assert subprocess.run([TOP + "/tests/peer", "--", "true"], capture_output=True).returncode == 64
