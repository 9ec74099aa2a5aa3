"""Nothing that was acknowledged is lost when the power goes or a process is killed, and nothing that was removed comes back.

A collector acknowledges with DELE: what it fetched is there then, and once, also after its next run.

tests/faults has the tool; here its mode that needs no rights runs for each way mail comes in, and for QUIT. As root the disk
itself is cut too, where this machine lets one be mounted."""
import os
import re
import subprocess
import sys
import tempfile

import pytest
from bed import TOP

TOOL = [sys.executable, TOP + "/tests/faults/powercut.py"]
SUBJECTS = ["bustia:lmtp", "bustia:smtp", "bustia:deliver", "bustia:quit", "bustia:fetch",
            pytest.param("bustia:fetch-mailbox", marks=pytest.mark.root)]


def powercut(mode, work, subject):
    p = subprocess.run(TOOL + [mode, work, subject], capture_output=True, text=True, timeout=900, env=dict({"KILLAT": "12"}, **os.environ))
    print(p.stdout + p.stderr)
    if p.returncode == 75:
        pytest.skip(p.stdout.strip().splitlines()[-1])
    return p.returncode, p.stdout.splitlines()[-1] if p.stdout else p.stderr


@pytest.fixture
def work():
    """a path that is short enough for the server's sockets, and open to its users"""
    with tempfile.TemporaryDirectory(prefix="cut-", dir="/tmp", ignore_cleanup_errors=True) as d:
        os.chmod(d, 0o755)
        yield d


@pytest.mark.parametrize("subject", SUBJECTS)
def test_without_rights(work, subject):
    status, verdict = powercut("preload", work, subject)
    assert status == 0, verdict


@pytest.mark.root
@pytest.mark.parametrize("subject", SUBJECTS)
def test_disk_that_loses_power(work, subject):
    status, verdict = powercut("block", work, subject)
    assert status == 0, verdict


# What each writer lacks is found, and where nothing is lacking nothing is.
FOUND = [("none", r"posix; ext4"), ("file", r"posix; ext4"), ("dir", r"posix; ext4"), ("modern-nodir", r"posix; ext4"),
         ("torn", r"kill; 8 torn"), ("both", None), ("modern", None)]


@pytest.mark.parametrize("kind,found", FOUND)
def test_finds_what_is_lacking(work, kind, found):
    status, verdict = powercut("preload", work, "self:" + kind)
    if found:
        assert status == 1 and re.search("FAIL: " + found, verdict), verdict
    else:
        assert status == 0 and verdict.endswith("PASS"), verdict


@pytest.mark.root
@pytest.mark.parametrize("kind,lost", [("none", 8), ("file", 8), ("modern-nodir", 8), ("both", 0)])
def test_the_disk_loses_what_was_not_synced(work, kind, lost):
    status, verdict = powercut("block", work, "self:" + kind)
    assert (status, "%d of 8 cuts lost" % lost in verdict) == ((1, True) if lost else (0, False)), verdict


@pytest.mark.root
def test_a_collector_that_syncs_nothing_is_found(work):
    status, verdict = powercut("block", work, "wrong:fetch")
    assert status == 1 and re.search(r"FAIL: .*\d lost", verdict), verdict
