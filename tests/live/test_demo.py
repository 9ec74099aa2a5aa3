"""The README's first command: the server is up, what is printed works, and Ctrl-C ends it all."""
import os
import re
import signal
import subprocess
import time

import pytest

import messages
from bed import TOP, wire


@pytest.mark.skipif("BUSTIA_BUILD" in os.environ, reason="the demo is of the ordinary build")
def test_demo(tmp_path):
    out = tmp_path / "out"
    with out.open("wb") as f:
        p = subprocess.Popen([TOP + "/demo"], stdout=f, stderr=f, stdin=subprocess.DEVNULL, start_new_session=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        end = time.monotonic() + 120
        while "Ctrl-C ends it" not in out.read_text(errors="replace"):
            assert p.poll() is None and time.monotonic() < end, out.read_text(errors="replace")
            time.sleep(0.2)
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
        who = re.search(r"^ +(\S+/bustia -c \S+ who)$", text, re.M).group(1)
        subprocess.run(who, shell=True, check=True, capture_output=True)
    finally:
        os.killpg(p.pid, signal.SIGINT)
        p.wait(timeout=60)
    assert not os.path.exists(folder)
