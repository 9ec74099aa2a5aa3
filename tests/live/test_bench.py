"""The benchmark's one command works: it measures, prints its table again from its file, and leaves nothing running. Its figures are no test."""
import glob
import json
import os
import subprocess

import pytest

from bed import TOP
from freeports import free_ports

RUN = TOP + "/bench/run"
BUILD = os.environ.get("BUSTIA_BUILD") or TOP + "/build"


def run(folder, *words, **env):
    return subprocess.run([RUN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, errors="replace",
                          env=dict(os.environ, BENCH_DIR=str(folder), BENCH_CORPORA="b", BENCH_PATIENCE="0", BUSTIA_BUILD=BUILD, **env))


def neighbours(n):
    while True:
        ports = free_ports(n)
        if ports[-1] - ports[0] == n - 1:
            return ports[0]


def pids_of_groups():
    """the cgroups' folders and what runs in them"""
    return {g: open(g + "/cgroup.procs").read().split() for base in ("cpuacct/", "unified/", "") for g in glob.glob("/sys/fs/cgroup/%sbench-*" % base)}


@pytest.fixture
def folder(tmp_path_factory):
    d = tmp_path_factory.mktemp("bench", numbered=True)
    for p in (d, d.parent, d.parent.parent):
        os.chmod(p, 0o755)
    return d


@pytest.mark.root
def test_the_command(folder):
    if not any(os.access(d, os.W_OK) for d in ("/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(d + "/cgroup.procs")):
        pytest.skip("no cgroup can be made here")
    before, out = pids_of_groups(), str(folder / "r.json")
    p = run(folder, "--only", "login,poll-10", "--runs", "1", "--seconds", "0.2", "--peers", "limit,ours", "--out", out, BENCH_PORTS=str(neighbours(24)))
    assert p.returncode == 0, p.stdout[-3000:]
    with open(out) as f:
        data = json.load(f)
    assert {n: sorted(one) for n, one in data["runs"].items()} == {"login": ["limit", "ours"], "poll-10": ["limit", "ours"]}
    assert all(r["ok"] and r["ops"] > 0 and r["server_cpu_s"] > 0 for one in data["runs"].values() for rs in one.values() for r in rs)
    assert "mail_root" in [c[0] for c in data["conf"]] and "busy" not in [c[0] for c in data["conf"]]
    again = run(folder, "--table", out)
    assert again.returncode == 0 and again.stdout in p.stdout and "| log-in (USER, PASS, STAT, QUIT) | – |" in again.stdout
    assert {g: v for g, v in pids_of_groups().items() if g not in before} == {}, "a server was left running, or its cgroup was left behind"


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


def test_a_configuration_of_another_kind(folder):
    """what is neither a port, a path, an account, a limit nor a delay may not differ from what is shipped"""
    for line, good in (("connections = 7", True), ("maildir_line_ends = wire", False)):
        (folder / "c.conf").write_text("hostname = localhost\n%s\n" % line)
        p = subprocess.run(["/usr/bin/python3", "-c", "import sys; sys.path.insert(0, %r); import about; print(about.difference(%r))" % (TOP + "/bench", str(folder / "c.conf"))],
                           capture_output=True, text=True, env=dict(os.environ, BUSTIA_BUILD=BUILD, PYTHONDONTWRITEBYTECODE="1"))
        assert (p.returncode == 0) == good and (good or "maildir_line_ends = wire" in p.stderr), p.stdout + p.stderr
