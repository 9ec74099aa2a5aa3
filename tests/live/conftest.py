"""What the live tests share: a server that is up, one of their own for those that break it, and other mail programs."""
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

pytest.register_assert_rewrite("abuse")
import late  # noqa: E402
from bed import TOP, Bed  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    late.begin()
    if not config.option.basetemp:
        # Not below /tmp/pytest-of-USER: each run of pytest that begins closes that to other users, as whom the roles of this run work.
        # A step below its own, for tests open the way to theirs, up to the folder of all: that must not be /tmp.
        config.own_temp = tempfile.mkdtemp(prefix="live-", dir="/tmp")
        config.option.basetemp = config.own_temp + "/run"
    config.addinivalue_line("markers", "asan: runs again on the build with the sanitizers")
    config.addinivalue_line("markers", "root: needs root")


def pytest_sessionfinish(session, exitstatus):
    folder = getattr(session.config, "own_temp", None)
    if folder and not session.testsfailed and exitstatus in (0, 5):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def bed():
    """one server for every test that leaves it as it was; each uses users of its own"""
    b = Bed()
    yield b
    b.close()


@pytest.fixture
def own_bed():
    """own_bed("option=value", …): a server for this test alone"""
    beds = []

    def make(*options, stock=False):
        beds.append(Bed(options, stock))
        return beds[-1]

    yield make
    for b in beds:
        b.close()


FIGURES = []  # (test, what was measured)


@pytest.fixture
def figure(request):
    """figure("what", value, bar, "unit"): a measured value, told in the report and at the end, that must not be above the bar"""

    def tell(what, value, bar, unit=""):
        text = "%s: %s %s (bar %s)" % (what, "%.2f" % value if isinstance(value, float) else value, unit, bar)
        request.node.user_properties.append(("figure", text))
        FIGURES.append((request.node.name, text))
        assert value <= bar, text

    return tell


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures")
        for test, text in FIGURES:
            terminalreporter.write_line("%s: %s" % (test, text))


@pytest.fixture(scope="session")
def peer():
    """peer("package", …): the words before a command that run it with these packages unpacked, not installed"""
    tried = {}

    def words(*packages):
        prefix = [TOP + "/tests/peer", *packages, "--"]
        if packages not in tried:
            tried[packages] = subprocess.run(prefix + ["true"], capture_output=True, text=True)
        p = tried[packages]
        if p.returncode in (75, 77) and os.environ.get("CI") != "true":
            pytest.skip("%s: %s" % (" ".join(packages), p.stderr.strip().splitlines()[-1]))
        assert p.returncode == 0, p.stderr
        return prefix

    return words
