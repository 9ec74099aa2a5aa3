"""servers: the servers that are compared, each in a cgroup of its own, and the state they share below $BENCH_DIR.

Peers are in peers/peers.json: {"name": {"start": COMMAND, "port": N, "tls_port": N, "drop_index": COMMAND, "skip": [scenarios]}}.
COMMAND runs in the foreground, pinned to SERVER_CPU; whatever is still in its cgroup at the end is stopped by pid. The words {here} {run}
{mail} {port} {tls_port} {cert} {key} {passwd} {uid} {gid} {dir} are replaced in it.
"""
import atexit
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
DIR = os.environ.get("BENCH_DIR", os.path.join(tempfile.gettempdir(), "pop3-bench"))
CPUS = sorted(os.sched_getaffinity(0))  # not all of the machine, in a container or a cpuset
SCPU, CCPU = os.environ.get("SERVER_CPU", str(CPUS[0])), os.environ.get("CLIENT_CPU", str(CPUS[min(1, len(CPUS) - 1)]))
PRIO = os.environ.get("BENCH_PRIO", "").split()  # e.g. "chrt -r 1": above whatever else runs on the machine
UID, GID = int(os.environ.get("BENCH_UID", "5000")), int(os.environ.get("BENCH_GID", "5000"))  # own the mail
CERT, KEY = DIR + "/tls/ec.crt", DIR + "/tls/ec.key"
PASSWD = DIR + "/passwd"
CORPUS = DIR + "/corpus"


def sh(cmd):
    subprocess.run(["bash", "-c", cmd], check=True)


def shq(s):
    return "'" + s.replace("'", "'\\''") + "'"


# ---- taking turns, and a quiet machine ----

LOCK = None


def lock():
    global LOCK
    LOCK = open(DIR + "/measure.lock", "a")
    fcntl.flock(LOCK, fcntl.LOCK_EX)


def unlock():
    fcntl.flock(LOCK, fcntl.LOCK_UN)
    LOCK.close()


def busy_seconds():
    """(seconds, seconds busy) of all CPUs together since the machine began"""
    with open("/proc/stat") as f:
        v = list(map(int, f.readline().split()[1:9]))
    tick = os.sysconf("SC_CLK_TCK")
    return sum(v) / tick, (sum(v) - v[3] - v[4]) / tick


def busy(dt=0.15):
    a, b = busy_seconds()
    time.sleep(dt)
    c, d = busy_seconds()
    return (d - b) / max(1e-3, c - a)


PATIENCE = [float(os.environ.get("BENCH_PATIENCE", "60"))]  # seconds of waiting in all: a machine that is never quiet is measured as it is


def wait_quiet(limit=20):
    t = time.time()
    limit = min(limit, PATIENCE[0])
    while busy() > 0.08:
        if time.time() - t > limit:
            PATIENCE[0] -= limit
            return False
    PATIENCE[0] -= max(0, time.time() - t - 0.5)
    return True


# ---- cgroups ----

def cgroup(name):
    """(folder, file that says its CPU time): version 1 or 2, whichever counts CPU here"""
    for base, f in (("/sys/fs/cgroup/cpuacct", "cpuacct.usage"), ("/sys/fs/cgroup/unified", "cpu.stat"), ("/sys/fs/cgroup", "cpu.stat")):
        if not os.path.exists(base + "/cgroup.procs"):
            continue
        p = "%s/bench-%s-%s" % (base, name, hashlib.sha256(DIR.encode()).hexdigest()[:6])  # two $BENCH_DIR do not end each other's
        try:
            os.makedirs(p, exist_ok=True)
        except OSError:
            continue
        if os.path.exists(p + "/" + f):
            atexit.register(remove, p)
            return p, p + "/" + f
    sys.exit("no cgroup with CPU accounting")


def remove(group):
    try:
        os.rmdir(group)
    except OSError:
        pass  # removed before, or somebody is still in it


class Peer:
    def __init__(self, name, cfg, cpus=SCPU):
        self.name, self.cfg, self.cpus = name, cfg, cpus
        self.port, self.tls_port = cfg["port"], cfg.get("tls_port", 0)
        self.mail, self.run = cfg.get("mail", "{dir}/mail/" + name).replace("{dir}", DIR), "%s/run/%s" % (DIR, name)
        self.cg, self.cpu_file = cgroup(name)
        self.proc = None

    def words(self, s):
        for k, v in dict(here=HERE, run=self.run, mail=self.mail, port=self.port, tls_port=self.tls_port, cert=CERT, key=KEY,
                         passwd=PASSWD, uid=UID, gid=GID, dir=DIR).items():
            s = s.replace("{%s}" % k, str(v))
        return s

    def ensure(self, corp, users=0):
        """Hard links of a corpus in this peer's own mail root. With users: those of them are made anew."""
        have = "%s/.have-%s" % (self.run, corp)
        if self.cfg.get("own_mail") or (os.path.exists(have) and not users):
            return
        os.makedirs(self.mail, exist_ok=True)
        os.makedirs(self.run, exist_ok=True)
        for u in range(1, users + 1):
            shutil.rmtree("%s/%s%d" % (self.mail, corp, u), ignore_errors=True)
        sh("cp -al %s/%s/. %s/" % (CORPUS, corp, self.mail))
        os.chown(self.mail, UID, GID)
        open(have, "w").close()

    def start(self):
        os.makedirs(self.run, exist_ok=True)
        os.makedirs(self.cg, exist_ok=True)
        cmd = self.words(self.cfg["start"])
        with open(self.run + "/start.log", "ab") as log:
            self.proc = subprocess.Popen(PRIO + ["bash", "-c", "echo $$ > %s/cgroup.procs && exec taskset -c %s bash -c %s" % (
                self.cg, self.cpus, shq("exec " + cmd if not self.cfg.get("shell") else cmd))], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)
        t = time.time()
        while time.time() - t < 120:
            try:
                s = socket.create_connection(("127.0.0.1", self.port), timeout=2)
                s.settimeout(10)
                g = s.recv(200)
                s.sendall(b"QUIT\r\n")
                s.close()
                if g.startswith(self.cfg.get("greeting", "+OK").encode()):
                    time.sleep(0.3)
                    return
            except OSError:
                pass
            if self.proc.poll() is not None and not self.pids():
                sys.exit("%s: did not start, see %s/start.log" % (self.name, self.run))
            time.sleep(0.1)
        sys.exit("%s: no greeting on port %d" % (self.name, self.port))

    def pids(self):
        try:
            with open(self.cg + "/cgroup.procs") as f:
                return [int(x) for x in f.read().split()]
        except OSError:
            return []

    def stop(self):
        if self.cfg.get("stop"):
            subprocess.run(["bash", "-c", self.words(self.cfg["stop"])])
        if self.proc:
            try:
                os.kill(self.proc.pid, signal.SIGTERM)
            except OSError:
                pass
        for sig in (None, signal.SIGTERM, signal.SIGKILL):
            for _ in range(30):
                if self.proc:
                    self.proc.poll()
                if not self.pids():
                    break
                time.sleep(0.1)
            if sig:
                for p in self.pids():
                    try:
                        os.kill(p, sig)
                    except OSError:
                        pass
        if self.proc:
            self.proc.wait()
            self.proc = None
        remove(self.cg)

    def memory(self):
        """sum of PSS, and number of processes; kB. Shared file pages are split over their users."""
        pss = anon = 0
        n = 0
        for p in self.pids():
            try:
                with open("/proc/%d/smaps_rollup" % p) as f:
                    for line in f:
                        if line.startswith("Pss:"):
                            pss += int(line.split()[1])
                        elif line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                            anon += int(line.split()[1])
                n += 1
            except OSError:
                pass
        return dict(pss_kb=pss, anon_kb=anon, procs=n)


def configured(ours=None):
    """The table of peers; `ours` replaces entries of that one. BENCH_PORTS=N: ports from N on instead of those in the table."""
    with open(HERE + "/peers/peers.json") as f:
        cfg = json.load(f)
    first = int(os.environ.get("BENCH_PORTS", "0"))
    for i, one in enumerate(cfg.values() if first else ()):
        one.update(port=first + 2 * i, tls_port=first + 2 * i + 1)
    if ours:
        cfg["ours"].update(ours)
    return cfg
