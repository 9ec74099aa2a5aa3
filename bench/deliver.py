#!/usr/bin/python3
"""Deliveries by LMTP, servers side by side: per second, processor time, syncs.

  deliver.py prepare                          load generator, users, mailboxes (once)
  deliver.py run   [--peers ours,dovecot-lmtp] [--conns 1,20] [--runs 5] [--seconds 5] [--out F.json]
  deliver.py table F.json

8 KiB messages, one recipient a transaction, 1,000 mailboxes in turn, PIPELINING. All peers are up; one is measured at a
time, in alternation, on SERVER_CPU, the generator on CLIENT_CPU; mailboxes are emptied before each run. Processor time is
that of the peer's cgroup: all its processes, those that ended too. Syncs (fsync, fdatasync) are counted by strace in a run
of their own, whose times are not used. Root only. The machine's load while a run went on is noted with it."""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

import compare
from compare import CCPU, DIR, GID, HERE, PRIO, UID

LOAD, PASSWD, USERS, SIZE = DIR + "/lmtpload", DIR + "/passwd-deliver", 1000, 8192
SYNCED = 500  # deliveries under strace

PEERS = {
    "ours": {"start": "{here}/ours {run} {mail} {pop3} {tls_port} {cert} {key} {passwd} {uid} {gid} {port}", "port": 11930,
             "tls_port": 11935, "greeting": "220"},
    "dovecot-lmtp": {"start": "{here}/../tests/peer dovecot-lmtpd -- {here}/peers/dovecot.sh lmtp {run} {mail} {port} 0 {cert} {key} {passwd} {uid} {gid}",
                     "port": 11931, "greeting": "220"},
}


class Peer(compare.Peer):
    def __init__(self, name):
        cfg = dict(PEERS[name], start=PEERS[name]["start"].replace("{pop3}", "11934").replace("{passwd}", PASSWD))
        super().__init__("deliver-" + name, cfg)
        self.name = name

    def ensure(self):
        for u in range(1, USERS + 1):
            for sub in ("", "/tmp", "/new", "/cur"):
                path = "%s/d%d%s" % (self.mail, u, sub)
                if not os.path.isdir(path):
                    os.makedirs(path, mode=0o700)
                    os.chown(path, UID, GID)
        os.chown(self.mail, UID, GID)

    def clear(self):
        """the messages; a server's own files stay"""
        for u in range(1, USERS + 1):
            for sub in ("tmp", "new", "cur"):
                folder = "%s/d%d/%s" % (self.mail, u, sub)
                for f in os.listdir(folder):
                    os.unlink(folder + "/" + f)
        os.sync()

    def count(self):
        return sum(len(os.listdir("%s/d%d/new" % (self.mail, u))) for u in range(1, USERS + 1))


def prepare():
    os.makedirs(DIR, exist_ok=True)
    os.chmod(DIR, 0o755)
    compare.sh("gcc -O2 -w %s/lmtpload.c -o %s" % (HERE, LOAD))
    os.makedirs(DIR + "/tls", exist_ok=True)
    if not os.path.exists(compare.CERT):
        compare.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s -out %s -days 365 "
                   "-subj /CN=localhost 2>/dev/null" % (compare.KEY, compare.CERT))
    hashed = subprocess.run(["openssl", "passwd", "-6", "-salt", "benchmark", "secret"], capture_output=True, text=True, check=True).stdout.strip()
    with open(PASSWD, "w") as f:  # hashed here: a dear hash for each user would take minutes, and nobody logs in
        f.writelines("d%d:{CRYPT}%s::::::\n" % (u, hashed) for u in range(1, USERS + 1))
    p = Peer("ours")
    p.ensure()
    compare.sh(p.words(p.cfg["start"]).replace("/ours ", "/ours --prepare ", 1))


def load(peer, *words):
    argv = PRIO + ["taskset", "-c", CCPU, LOAD, "--port", str(peer.port), "--users", str(USERS), "--size", str(SIZE), *words]
    p = subprocess.run(argv, capture_output=True, text=True)
    if p.returncode != 0:
        return {"ok": False, "error": p.stderr.strip()[-300:]}
    return json.loads(p.stdout)


def measure(peer, conns, seconds):
    peer.clear()
    quiet = compare.wait_quiet(0 if PRIO else 10)
    r = load(peer, "--conns", str(conns), "--seconds", str(seconds), "--warmup", "0.5", "--cpu-file", peer.cpu_file)
    return dict(r, quiet=quiet, load_average=os.getloadavg()[0])


def syncs(peer, conns):
    """fsyncs and fdatasyncs per delivery"""
    peer.clear()
    log = peer.run + "/syncs"
    load(peer, "--conns", str(conns), "--count", "200")  # every process there is going to be
    peer.clear()
    argv = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", log]
    p = subprocess.Popen(argv + [w for pid in peer.pids() for w in ("-p", str(pid))], stderr=subprocess.DEVNULL)
    time.sleep(2)
    r = load(peer, "--conns", str(conns), "--count", str(SYNCED))
    time.sleep(0.5)
    p.send_signal(signal.SIGTERM)
    p.wait()
    if not r["ok"]:
        return r
    with open(log) as f:
        n = len(re.findall(r"f(?:data)?sync(?:\(| resumed).*= 0$", f.read(), re.M))
    return {"ok": peer.count() >= SYNCED, "syncs": n / SYNCED}


def run(a):
    peers, out = [Peer(n) for n in a.peers.split(",")], {"runs": {}, "syncs": {}, "machine": machine()}
    try:
        for p in peers:
            p.ensure()
            p.start()
            r = load(p, "--conns", "20", "--count", str(2 * USERS))  # each mailbox has what the server keeps beside it
            if not r["ok"]:
                sys.exit("%s: %s" % (p.name, r["error"]))
        for conns in [int(c) for c in a.conns.split(",")]:
            one = out["runs"].setdefault(str(conns), {p.name: [] for p in peers})
            for _ in range(a.runs):
                for p in peers:
                    one[p.name].append(measure(p, conns, a.seconds))
                    print(conns, p.name, one[p.name][-1], flush=True)
            out["syncs"][str(conns)] = {p.name: syncs(p, conns) for p in peers}
            if a.out:
                with open(a.out, "w") as f:
                    json.dump(out, f, indent=1)
    finally:
        for p in peers:
            p.stop()
    table(out)


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return {"cpus": os.cpu_count(), "model": model[1] if model else "", "kernel": os.uname().release,
            "file_system": subprocess.run(["stat", "-f", "-c", "%T", DIR], capture_output=True, text=True).stdout.strip()}


def table(out, base="dovecot-lmtp"):
    """medians; ratios to the base"""
    print("| connections | server | deliveries/s | × | p50 ms | p99 ms | CPU µs per delivery | × | syncs per delivery |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for conns, one in out["runs"].items():
        mid = {n: {k: statistics.median(f(r) for r in rs if r["ok"]) for k, f in COLUMNS.items()} for n, rs in one.items() if any(r["ok"] for r in rs)}
        for name, m in mid.items():
            b = mid.get(base)
            s = out["syncs"].get(conns, {}).get(name, {})
            print("| %s | %s | %.0f | %s | %.2f | %.2f | %.0f | %s | %s |" % (
                conns, name, m["per_s"], "%.2f" % (m["per_s"] / b["per_s"]) if b else "", m["p50"], m["p99"], m["cpu"],
                "%.2f" % (m["cpu"] / b["cpu"]) if b else "", "%.2f" % s["syncs"] if s.get("ok") else "failed"))


COLUMNS = {"per_s": lambda r: r["per_s"], "cpu": lambda r: r["server_cpu_us"], "p50": lambda r: r["lat_ms"]["p50"],
           "p99": lambda r: r["lat_ms"]["p99"]}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["prepare", "run", "table"])
    ap.add_argument("file", nargs="?")
    ap.add_argument("--peers", default="ours,dovecot-lmtp")
    ap.add_argument("--conns", default="1,20")
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--seconds", type=float, default=5)
    ap.add_argument("--out")
    a = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no server is left behind
    if a.what == "prepare":
        prepare()
    elif a.what == "run":
        run(a)
    else:
        with open(a.file) as f:
            table(json.load(f))


if __name__ == "__main__":
    main()
