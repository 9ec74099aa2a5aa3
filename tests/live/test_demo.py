"""The README's first command: the server is up, what is printed works, and Ctrl-C ends it all."""
import os
import re
import signal
import subprocess
import time

import pytest

import messages
from bed import TOP, wire
from freeports import free_port


pytestmark = pytest.mark.skipif("BUSTIA_BUILD" in os.environ, reason="the demo is of the ordinary build")


def start(out):
    """the process, once it has said how to try it"""
    with out.open("wb") as f:
        p = subprocess.Popen([TOP + "/demo"], stdout=f, stderr=f, stdin=subprocess.DEVNULL, start_new_session=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    end = time.monotonic() + 120
    while "Ctrl-C ends it" not in out.read_text(errors="replace"):
        if p.poll() is not None or time.monotonic() > end:
            end_it(p)
            pytest.fail(out.read_text(errors="replace"))
        time.sleep(0.2)
    return p


def end_it(p):
    if p.poll() is None:
        os.killpg(p.pid, signal.SIGINT)
    return p.wait(timeout=60)


def test_demo(tmp_path):
    out = tmp_path / "out"
    p = start(out)
    try:
        text = out.read_text()
        folder = re.search(r"configuration and log are in (\S+),", text).group(1)
        lines = [line.strip() for line in text.splitlines()]
        send = [line for line in lines if line.startswith(("printf ", "swaks "))]
        commands = [re.split(r"  +", line)[0] for line in lines if line.startswith("curl -s")]
        assert len(send) == 1 and len(commands) == 5
        circle = commands.pop(0)
        listing, fifth, seventh, second = [subprocess.run(c, shell=True, check=True, capture_output=True).stdout for c in commands]
        subprocess.run(send[0], shell=True, check=True, capture_output=True, executable="/bin/bash")
        got = subprocess.run(circle, shell=True, check=True, capture_output=True).stdout
        assert b"\r\nSubject: hello\r\n" in got and got.endswith(b"\r\nIt works.\r\n") and got.startswith(b"Return-Path: <you@example.org>\r\n")
        assert listing.count(b"\n") == 60
        assert fifth == wire(messages.message(5)) and second == wire(messages.message(2))
        assert int(seventh) == len(wire(messages.message(7)))
        reader, fetch = [line for line in lines if line.endswith("-a %s/accounts" % folder) or line.endswith("-a %s/accounts demo" % folder)]
        assert " list " in reader and " fetch " in fetch
        rows = subprocess.run(reader, shell=True, check=True, capture_output=True, text=True)
        assert rows.stdout.count("\n") == 25 and "the newest 25 of 61" in rows.stderr
        assert "61 new, 61 left" in subprocess.run(fetch, shell=True, check=True, capture_output=True, text=True).stdout
        assert len(os.listdir(folder + "/collected/new")) == 61 and os.path.exists(folder + "/state/bustia/demo.db")
        asks = [line for line in lines if "/bustia -c " in line]
        assert [re.search(r" -c \S+ (\w+)", line).group(1) for line in asks] == ["who", "check", "user"]
        for line in asks:
            subprocess.run(line, shell=True, check=True, capture_output=True)
    finally:
        end_it(p)
    assert not os.path.exists(folder)


def refused(*ports, **kw):
    p = subprocess.run([TOP + "/demo", *map(str, ports)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=180, **kw)
    assert p.returncode not in (0, None) and "is running" not in p.stdout, p.stdout
    return p.returncode, p.stderr


def test_a_port_that_is_taken_is_named(bed):
    """also where a POP3 server answers there: it is not ours"""
    taken = bed.ports["pop3"]
    for ports in [(taken,), (free_port(), taken)]:
        assert refused(*ports) == (69, "demo: port %d of 127.0.0.1 is taken by another server, or you may not use it\n" % taken)
    assert refused("pop3") == (64, "demo: pop3 is no port\n")


def test_who_answers_at_the_port_is_not_taken_for_ours(tmp_path):
    """another POP3 server takes the port just before ours wants it (while the certificate is made), and says yes to all"""
    port = free_port()
    server = tmp_path / "server.py"
    server.write_text("""
import os, socketserver
class Yes(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"+OK ready\\r\\n")
        for line in self.rfile:
            self.wfile.write(b"+OK\\r\\n" + (b".\\r\\n" if line[:4].upper() in (b"CAPA", b"LIST") else b""))
socketserver.ThreadingTCPServer.allow_reuse_address = True
s = socketserver.ThreadingTCPServer(("127.0.0.1", %d), Yes)
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    open(%r, "w").write(str(os.getpid()))
    s.serve_forever()
""" % (port, str(tmp_path / "pid")))
    openssl = tmp_path / "openssl"
    openssl.write_text('#!/bin/sh\n/usr/bin/python3 %s\nPATH=${PATH#*:}\nexec openssl "$@"\n' % server)
    openssl.chmod(0o755)
    try:
        status, said = refused(port, env=dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"])))
        assert status == 1 and "demo: the server did not start" in said and "in use" in said
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_server_that_ends_is_told(tmp_path):
    out = tmp_path / "out"
    p = start(out)
    try:
        folder = re.search(r"configuration and log are in (\S+),", out.read_text()).group(1)
        with open(folder + "/log") as f:
            pid = int(re.search(r" start: bustiad \S+ pid=(\d+)", f.read()).group(1))
        os.kill(pid, signal.SIGKILL)
        assert p.wait(timeout=60) == 128 + signal.SIGKILL
        assert "the server has ended by itself (status 137)" in out.read_text()
    finally:
        end_it(p)
    assert not os.path.exists(folder)
