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
        commands = [re.split(r"  +", line.strip())[0] for line in text.splitlines() if line.strip().startswith("curl -s")]
        assert len(commands) == 4
        listing, fifth, seventh, second = [subprocess.run(c, shell=True, check=True, capture_output=True).stdout for c in commands]
        assert listing.count(b"\n") == 60
        assert fifth == wire(messages.message(5)) and second == wire(messages.message(2))
        assert int(seventh) == len(wire(messages.message(7)))
        who = re.search(r"^ +(\S+/bustia -c \S+ who)$", text, re.M).group(1)
        subprocess.run(who, shell=True, check=True, capture_output=True)
    finally:
        os.killpg(p.pid, signal.SIGINT)
        p.wait(timeout=60)
    assert not os.path.exists(folder)
