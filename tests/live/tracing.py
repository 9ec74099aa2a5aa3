"""tracing: strace on a process that runs."""
import shutil
import subprocess

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
