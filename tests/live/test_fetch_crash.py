"""A collector that is killed at any call, or whose connection is cut at any octet, neither loses a message nor brings one twice.

tests/faults/collect.py has the cases. Here every 7th call of every process of `bustia fetch` ends it, and every 7th octet of the server's
replies is the last; LOAD=full in the environment makes it every one (it takes half an hour). Which calls ended it is printed: -s."""
import os
import re
import subprocess
import sys
import tempfile

import pytest
from bed import TOP

TOOL = [sys.executable, TOP + "/tests/faults/collect.py"]
STEP = "1" if os.environ.get("LOAD") == "full" else "7"


@pytest.fixture
def work():
    """a path that is short enough for a server's sockets, and open to its users"""
    with tempfile.TemporaryDirectory(prefix="crash-", dir="/tmp", ignore_cleanup_errors=True) as d:
        os.chmod(d, 0o755)
        yield d


def collect(mode, work, collector, step=STEP):
    p = subprocess.run([*TOOL, mode, work, collector, step], capture_output=True, text=True, timeout=7200)
    print(p.stdout + p.stderr)
    if p.returncode == 75:
        pytest.skip(p.stdout.strip().splitlines()[-1])
    return p.returncode, p.stdout.strip().splitlines()[-1] if p.stdout else p.stderr


@pytest.mark.parametrize("mode", ["kill", "cut"])
@pytest.mark.parametrize("where", ["maildir", pytest.param("mailbox", marks=pytest.mark.root)])
def test_nothing_is_lost_and_nothing_comes_twice(work, mode, where):
    status, verdict = collect(mode, work, "bustia:" + where)
    assert status == 0 and re.search("lost 0, doubled 0, torn 0, .*PASS$", verdict), verdict
    cases, hit = map(int, re.search(r"(\d+) cases, (\d+) killed or cut", verdict).groups())
    assert cases > 150 and hit > 0.9 * cases, verdict  # now and then a run has a call less than the one whose calls were counted


# What is wrong is found: who notes before it delivers loses, who delivers before it notes doubles.
@pytest.mark.parametrize("mode,how,found", [("kill", "notes-first", r"lost [1-9].*doubled 0"), ("cut", "notes-first", r"lost [1-9].*doubled 0"),
                                            ("kill", "forgets", r"lost 0, doubled [1-9]")])
def test_finds_what_is_wrong(work, mode, how, found):
    status, verdict = collect(mode, work, "wrong:" + how, "7")
    assert status == 1 and re.search(found + ".*FAIL$", verdict), verdict
