"""The benchmark's one command works: it measures, prints its table again from its file, and leaves nothing running. Its figures are no test."""
import glob
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bed import TOP
from freeports import free_ports

RUN = TOP + "/bench/run"
BUILD = os.environ.get("BUSTIA_BUILD") or TOP + "/build"


def run(folder, *words, **env):
    p = subprocess.Popen([RUN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                         env=dict(os.environ, BENCH_DIR=str(folder), BENCH_CORPORA="b", BENCH_PATIENCE="0", BUSTIA_BUILD=BUILD, **env))
    try:
        text = p.communicate(timeout=600)[0]
    except subprocess.TimeoutExpired:
        p.send_signal(signal.SIGTERM)  # stops its servers
        try:
            text = p.communicate(timeout=30)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            raise
        pytest.fail("it does not end:\n" + text[-3000:])
    return subprocess.CompletedProcess(p.args, p.returncode, text)


def neighbours(n):
    while True:
        ports = free_ports(n)
        if ports[-1] - ports[0] == n - 1:
            return ports[0]


def groups(folder):
    """this test's cgroups, and what runs in them; those of another $BENCH_DIR are another's (servers.cgroup)"""
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:6]
    return {g: open(g + "/cgroup.procs").read().split() for base in ("cpuacct/", "unified/", "") for g in glob.glob("/sys/fs/cgroup/%sbench-*-%s" % (base, mark))}


def end_all(folder):
    """nothing of this test is left, also if it failed"""
    for _ in range(50):
        left = groups(folder)
        for g, pids in left.items():
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                os.rmdir(g)
            except OSError:
                pass  # not empty yet
        if not left:
            return
        time.sleep(0.1)


@pytest.fixture
def folder(tmp_path_factory):
    d = tmp_path_factory.mktemp("bench", numbered=True)
    for p in (d, d.parent, d.parent.parent):
        os.chmod(p, 0o755)
    yield d
    end_all(d)


@pytest.mark.root
@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="it refuses a build with sanitizers")
def test_the_command(folder):
    if not any(os.access(d, os.W_OK) for d in ("/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(d + "/cgroup.procs")):
        pytest.skip("no cgroup can be made here")
    out = str(folder / "r.json")
    p = run(folder, "--only", "login,poll-10", "--runs", "1", "--seconds", "0.2", "--peers", "limit,ours", "--out", out, BENCH_PORTS=str(neighbours(24)))
    assert p.returncode == 0, p.stdout[-3000:]
    with open(out) as f:
        data = json.load(f)
    assert {n: sorted(one) for n, one in data["runs"].items()} == {"login": ["limit", "ours"], "poll-10": ["limit", "ours"]}
    assert all(r["ok"] and r["ops"] > 0 and r["server_cpu_s"] > 0 for one in data["runs"].values() for rs in one.values() for r in rs)
    assert "mail_root" in [c[0] for c in data["conf"]] and "busy" not in [c[0] for c in data["conf"]]
    assert "buildtype=" in data["parts"][0]["versions"]["build"] and glob.glob(str(folder / "users-*")), "the accounts are kept with the rest"
    again = run(folder, "--table", out)
    assert again.returncode == 0 and again.stdout in p.stdout and "| log-in (USER, PASS, STAT, QUIT) | – |" in again.stdout
    assert groups(folder) == {}, "a server was left running, or its cgroup was left behind"


def sample(ms):
    return {"ok": True, "ops_per_s": 1000 / ms, "server_cpu_ms_per_kop": ms * 1000, "mb_per_s": 0, "lat_ms": {"p50": ms, "p99": ms, "max": ms}, "op": "session",
            "client_cpu": 0.5, "server_cpu_util": 1, "machine_busy": 1.5}


def test_the_bars(folder):
    """ratios are to the better of the two tuned servers, medians; a figure above its bar is said to have missed it"""
    runs = {"login": {"ours": [sample(0.2), sample(9), sample(0.1)], "dovecot-tuned": [sample(2)], "dovecot-tuned-multi": [sample(1)]},
            "drain": {"ours": [sample(0.25)], "dovecot-default": [sample(2)]}}
    part = {"command": "x", "when": "2000-01-01", "runs": 1, "seconds": 1, "load_average": [0], "machine": dict.fromkeys(("cpu", "virtual", "system", "kernel", "file_system"), "x"),
            "versions": dict.fromkeys(("bustia", "commit", "openssl", "compiler", "build"), "x"), "server_cpu": "0", "client_cpu": "1", "prio": ""}
    part["machine"].update(cpus=1, memory_gb=1)
    with open(folder / "s.json", "w") as f:
        json.dump({"parts": [part], "runs": runs}, f)
    text = run(folder, "--table", str(folder / "s.json")).stdout
    assert "| log-in (USER, PASS, STAT, QUIT) | 1000 (tuned-multi) | – | 200 | 0.200 | 0.22 | ok | 5.00 | 0.200 |" in text, text
    assert "| drain (RETR, DELE, QUIT), against stock Dovecot | 2000 (default) | – | 250 | 0.125 | 0.12 | **missed** | 8.00 | 0.125 |" in text, text


def held(kb, zero, **sizes):
    """{"500": ...}: connections of kb each, and how many of them were held"""
    return {n[1:]: {"held": h, "zero": {"pss_kb": zero}, "full": {"pss_kb": zero + h * kb}, "per_conn_kb": kb, "procs": 1} for n, h in sizes.items()}


def test_like_with_like(folder):
    """memory is compared with as many connections on both sides; all that was measured is named; nothing is published of what is no commit"""
    sys.path.insert(0, TOP + "/bench")
    import matrix
    data = {"idle": {"ours": {"plain-before": held(1, 6000, n500=500, n2000=2000)}, "ours-single": {"plain-before": held(90, 6000, n500=500)},
                     "dovecot-tuned": {"plain-before": held(20, 9000, n500=500, n2000=2000)}, "dovecot-tuned-multi": {"plain-before": held(10, 9000, n500=500, n2000=1200)}}}
    assert "| plain, before log-in | 20.00 (tuned) | – | 1.00 | 2 | ok | 90.00 |" in matrix.idle_table(data)
    assert "2,000 of them |" in matrix.idle_table(data) and "a process for each session (500 of them) |" in matrix.idle_table(data)
    assert "with 0 / 500 / 2,000 idle" in matrix.totals_table(data) and "| 8.79 / 18.55 / 47.85 | – | 5.86 / 6.35 / 7.81 |" in matrix.totals_table(data)
    assert [h for h in matrix.failures(dict(data, parts=[]))] == ["idle, dovecot-tuned-multi, plain-before: 1200 of 2000 were held"]
    data = {"parts": [{"when": "2000-01-0%d" % i, "versions": {"commit": c}} for i, c in ((1, "aa"), (2, "bb"), (3, "aa"), (4, "cc-dirty"))]}
    assert matrix.commits(data) == ["aa", "bb", "cc-dirty"] and matrix.days(data) == "2000-01-01 … 2000-01-04"
    (folder / "d.json").write_text(json.dumps(data))
    p = subprocess.run([TOP + "/bench/publish", str(folder / "d.json")], capture_output=True, text=True)
    assert p.returncode == 1 and "cc-dirty" in p.stderr and p.stdout == "", p.stdout + p.stderr


def test_a_configuration_of_another_kind(folder):
    """what is neither a port, a path, an account, a limit nor a delay may not differ from what is shipped"""
    for line, good in (("connections = 7", True), ("maildir_line_ends = wire", False)):
        (folder / "c.conf").write_text("hostname = localhost\n%s\n" % line)
        p = subprocess.run(["/usr/bin/python3", "-c", "import sys; sys.path.insert(0, %r); import about; print(about.difference(%r))" % (TOP + "/bench", str(folder / "c.conf"))],
                           capture_output=True, text=True, env=dict(os.environ, BUSTIA_BUILD=BUILD, PYTHONDONTWRITEBYTECODE="1"))
        assert (p.returncode == 0) == good and (good or "maildir_line_ends = wire" in p.stderr), p.stdout + p.stderr
