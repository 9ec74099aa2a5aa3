"""tracing: strace on a process that runs."""
import os
import shutil
import subprocess
import time

import pytest


def attach(pid, out, *options):
    """strace, which has begun; who calls ends it. Without one, or where it may not attach, the test is skipped"""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    p = subprocess.Popen(["strace", "-f", *options, "-o", out, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    if "attached" not in line:
        p.kill()
        p.communicate()
        pytest.skip("strace may not attach here: " + line.strip())
    return p


def quiet(out, secs=0.4, most=20):
    """until nothing more has been written there for a while: what was begun has come to its end"""
    end, size, since = time.monotonic() + most, -1, time.monotonic()
    while time.monotonic() - since < secs and time.monotonic() < end:
        time.sleep(0.05)
        if size != (now := os.path.getsize(out)):
            size, since = now, time.monotonic()
