"""measuring: the scenarios peer after peer, what idle connections hold, and ten thousand log-ins at once."""
import os
import statistics
import subprocess
import time

from scenarios import SCENARIOS, before, load_words, popload
from servers import CPUS, PRIO, lock, unlock, wait_quiet


def med(rs, f):
    v = [f(r) for r in rs]
    v = [x for x in v if x is not None]
    return statistics.median(v) if v else None


def takes(peer, name):
    s = SCENARIOS[name]
    return name not in peer.cfg.get("skip", []) and (not s["tls"] or peer.tls_port)


def measure(peers, name, runs, seconds):
    """{peer: [run]} of one scenario: each peer is primed, then run 1 of each, run 2 of each, the order turning by one.
    A run that fails ends its peer's."""
    s = SCENARIOS[name]
    rs = {p.name: [] for p in peers}
    live = [p for p in peers if takes(p, name)]
    lock()
    try:
        # Twice, as long as a prime may move files of one corpus: a rename by one peer changes the ctime that the others' hard links share.
        for _ in range(2 if s["prime"] == "same" and s["args"][1] in ("login", "poll") else 1):
            for p in live:
                r = popload(p, s, prime=True)
                if not r["ok"] and not rs[p.name]:
                    rs[p.name].append(r)
        live = [p for p in live if not rs[p.name]]
        for k in range(runs):
            turn = k % len(live) if live else 0
            for p in live[turn:] + live[:turn]:
                if (rs[p.name] and not rs[p.name][-1]["ok"]) or not before(p, s):
                    continue
                quiet = wait_quiet(0 if PRIO else 20)
                r = popload(p, s, seconds)
                r["quiet"] = quiet
                rs[p.name].append(r)
    finally:
        unlock()
    return {n: v for n, v in rs.items() if v}


def line(name, peer, rs):
    """a run's figures, for who waits"""
    if not rs[-1]["ok"]:
        return "%-20s %-20s FAILED %s" % (name, peer, rs[-1]["error"])
    return "%-20s %-20s %10.1f %s/s  p50 %8.3f p99 %8.3f ms  cpu %9.2f µs  %8.1f MB/s  srv %.2f cli %.2f" % (
        name, peer, med(rs, lambda r: r["ops_per_s"]), rs[-1]["op"][:4], med(rs, lambda r: r["lat_ms"]["p50"]),
        med(rs, lambda r: r["lat_ms"]["p99"]), med(rs, lambda r: r["server_cpu_ms_per_kop"]), med(rs, lambda r: r["mb_per_s"]),
        med(rs, lambda r: r["server_cpu_util"]), med(rs, lambda r: r["client_cpu"]))


# ---- idle connections ----

class Held:
    """connections that do nothing, until close()"""

    def __init__(self, peer, stage, base, n, tls, pattern="i%d", patience=8):
        t = time.time()
        self.p = subprocess.Popen(load_words(peer, tls, pattern, n, n) + [
            "--scenario", "idle", "--idle-stage", stage, "--user-base", str(base), "--seconds", "900", "--timeout", str(patience), "--src-addrs", "20"]
            + (["--tls"] if tls else []), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        words = self.p.stdout.readline().split()
        self.seconds = time.time() - t
        self.held = int(words[1]) if words[:1] == ["READY"] else 0

    def close(self):
        self.p.kill()
        self.p.wait()
        self.p.stdout.close()


def log_in_once(peer, n):
    """Each of the first n idle users logs in and out, so that those who idle later are people who have been here before: a server that keeps an
    index has one of theirs. False: not all could."""
    peer.start()
    try:
        return subprocess.run(load_words(peer, False, "i%d", n, 20) + ["--scenario", "login", "--count", str(n), "--timeout", "60"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    finally:
        peer.stop()


def idle(peer, stage, sizes, tls, pattern="i%d"):
    """{"500": {...}, "2000": {...}}: what a peer that was just started holds, more and more of them at once; kB per connection beyond
    what it held with none. Stops with the first size that it does not take whole."""
    out, all_held, n, held = {}, [], 0, 0
    peer.start()
    lock()
    try:
        time.sleep(1)
        zero = peer.memory()
        opened = 0
        for size in sorted(sizes):
            all_held.append(Held(peer, stage, n + 1, size - n, tls, pattern, 60 if stage == "auth" else 8))
            n, held = size, held + all_held[-1].held
            opened += all_held[-1].seconds
            time.sleep(1)
            m = peer.memory()
            out[str(size)] = dict(held=held, zero=zero, full=m, per_conn_kb=(m["pss_kb"] - zero["pss_kb"]) / held if held else None,
                                  seconds_to_open=opened)
            if held < size:
                break
    finally:
        unlock()
        for h in all_held:
            h.close()
        peer.stop()
    return out


def storm(peer, n, tries=("cold", "warm")):
    """n log-ins at once, of users who have never logged in since the server was started, and again; the server stays up between"""
    out = {}
    peer.start()
    lock()
    try:
        for name in tries:
            before_cpu = cpu(peer)
            h = Held(peer, "auth", 1, n, False, patience=120)
            after_cpu = cpu(peer)
            out[name] = dict(held=h.held, seconds=h.seconds, cpu_s=after_cpu - before_cpu, **peer.memory())
            h.close()
            time.sleep(3)
    finally:
        unlock()
        peer.stop()
    return out


def cpu(peer):
    """seconds that the peer's processes have had"""
    with open(peer.cpu_file) as f:
        text = f.read()
    if "usage_usec" in text:
        return int(text.split("usage_usec")[1].split()[0]) / 1e6
    return int(text) / 1e9


def every_cpu():
    return ",".join(map(str, CPUS))
