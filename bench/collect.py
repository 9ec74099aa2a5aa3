#!/usr/bin/python3
"""collect: `bustia fetch`, mpop, fetchmail and getmail6 side by side against the same server.

    bench/collect.py [--only far,known,many,size] [--programs bustia,mpop,fetchmail,getmail] [--runs 3] [--messages 2000] [--out F.json]

    far     2,000 messages of 10 kB through a network where a question and its answer take 40 ms (delay.py): seconds
    known   a check of a maildrop of 20,000 messages that are all known: seconds, and seconds of processor
    many    five accounts (ours alone; others are given one after another, as they take them): seconds, beside the slowest alone
    size    the memory of a fetch of one message of 1 kB, of 1 MB and of 200 MB: MB at the most, all processes taken by themselves

The server is the tests' own (tests/live/popserver.py: it answers from memory, offers PIPELINING, and takes no time to speak of). Every
program delivers into a Maildir and leaves the mail on the server; fetchmail's delivery agent is the cheapest one that syncs the file.
For `known`, what is known is made known by a fetch before. Peers come by tests/peer. Medians; the order of programs changes with
every run. The figures are for comparing within one run on one machine.
"""
import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, TOP + "/tests/live")
from popserver import PopServer  # noqa: E402

# Runs a command; says what it cost, its children's cost included. "watch": and how much memory the largest of its processes had; that
# is asked again and again, because what wait4() says of it includes the memory of this program before exec().
TIMER = """import json, os, subprocess, sys, time
result, watch = sys.argv[1], sys.argv[2] == "watch"

def kb(pid):
    try:
        text = open("/proc/%d/status" % pid).read()
        children = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
    except OSError:
        return 0
    return max([int(text.split("VmHWM:")[1].split()[0]) if "VmHWM:" in text else 0] + [kb(int(c)) for c in children])

began = time.monotonic()
p = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=open(result + ".said", "w+"), stderr=subprocess.STDOUT)
most = pid = 0
while watch and not pid:
    time.sleep(0.003)
    most = max(most, kb(p.pid))
    pid, status, u = os.wait4(p.pid, os.WNOHANG)
if not watch:
    _, status, u = os.wait4(p.pid, 0)
seconds = time.monotonic() - began
json.dump({"seconds": seconds, "cpu": u.ru_utime + u.ru_stime, "mb": most / 1024, "status": os.waitstatus_to_exitcode(status),
           "said": open(result + ".said", errors="replace").read()[-800:]}, open(result, "w"))
"""

# The cheapest delivery agent that is durable before it says so.
MDA = """#!/bin/sh
umask 077; f="$1/tmp/$$.$(date +%N)"; cat >"$f" && sync -d "$f" && exec mv "$f" "$1/new/"
"""


# ---- the server, a process of its own

def serve(pipe, count, size, delay):
    line = b"0123456789abcdef" * 4 + b"\r\n"
    head = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: number %d\r\n\r\n"
    messages = []
    for i in range(count):
        h = head % i
        messages.append((h + line * max(1, (size - len(h)) // len(line)), b"uid-%06d" % i))
    s = PopServer(messages, delay=delay)
    rows = {"UIDL": b"".join(b"%d %s\r\n" % (i, m[1]) for i, m in enumerate(messages, 1)),
            "LIST": b"".join(b"%d %d\r\n" % (i, len(m[0])) for i, m in enumerate(messages, 1))}
    for word, text in rows.items():
        s.instead[word] = lambda session, arg, text=text: None if arg else b"+OK\r\n" + text + b".\r\n"

    def retr(session, arg):
        """no line begins with a dot; a large one is never there twice"""
        text = session.drop[int(arg) - 1].text
        if len(text) < 1 << 20:
            return b"+OK\r\n" + text + b".\r\n"
        session.put(b"+OK\r\n")
        session.put(text)
        return b".\r\n"

    s.instead["RETR"] = retr
    pipe.send(s.port)
    try:
        pipe.recv()
    except EOFError:
        pass
    os._exit(0)


class Server:
    def __init__(self, count, size, delay=0):
        self.pipe, far = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(far, count, size, delay), daemon=True)
        self.process.start()
        far.close()
        self.port = self.pipe.recv()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipe.close()
        self.process.terminate()
        self.process.join()


class Far:
    def __init__(self, port, ms):
        self.process = subprocess.Popen([sys.executable, HERE + "/delay.py", str(port), str(ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


# ---- the programs

class Failed(Exception):
    """it ended with an error of its own"""


class Program:
    """its words, its configuration below `home`; state and mailbox stay from run to run until `fresh`"""
    package = None

    def __init__(self, home):
        self.home = home
        os.makedirs(home, mode=0o700, exist_ok=True)
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.home + "/state", ignore_errors=True)
        os.makedirs(self.home + "/state", mode=0o700)
        for i in range(5):
            shutil.rmtree(self.box(i), ignore_errors=True)
            for d in ("tmp", "new", "cur"):
                os.makedirs("%s/%s" % (self.box(i), d))
        self.own()

    def own(self):
        pass

    def box(self, i=0):
        return "%s/box%d" % (self.home, i)

    def write(self, name, text, mode=0o600):
        path = "%s/%s" % (self.home, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def run(self, ports, quick=False, watch=False):
        """`quick`: with a delivery that does nothing, to make known what is to be known"""
        result = self.home + "/result"
        if os.path.exists(result):
            os.unlink(result)
        argv = self.argv(ports, quick)
        timer = self.write("timer.py", TIMER)
        before = [TOP + "/tests/peer", self.package, "--"] if self.package else []
        subprocess.run(before + self.drop() + [sys.executable, timer, result, "watch" if watch else "-"] + argv, check=True, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, HOME=self.home + "/state", LC_ALL="C"))
        with open(result) as f:
            r = json.load(f)
        if r["status"] not in (0, 1):
            raise Failed("%s: status %d\n%s" % (argv, r["status"], r["said"]))
        return r

    def drop(self):
        return []

    def know(self, port, uids):
        """what is on the server becomes known"""
        self.run([port], quick=True)

    def arrived(self, i=0):
        return len(os.listdir(self.box(i) + "/new"))


class Bustia(Program):
    def argv(self, ports, quick):
        self.write("secret", "secret\n")
        text = ""
        for i, port in enumerate(ports):
            text += "account = a%d\nserver = 127.0.0.1:%d\ntls = none\nuser = anna\npassword_file = %s/secret\ndeliver = maildir:%s\n" % (
                i, port, self.home, self.box(i))
        bustia = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"
        return [bustia, "fetch", "-a", self.write("accounts", text)] + (["--mark-seen"] if quick else [])


class Mpop(Program):
    package = "mpop"

    def argv(self, ports, quick):
        text = ""
        for i, port in enumerate(ports):
            text += ("account a%d\nhost 127.0.0.1\nport %d\nuser anna\npassword secret\nauth user\ntls off\nkeep on\nuidls_file %s/state/uidls%d\n"
                     "received_header off\ndelivery %s\n" % (i, port, self.home, i, "mda cat >/dev/null" if quick else "maildir " + self.box(i)))
        return ["mpop", "-Q", "-C", self.write("mpoprc", text)] + ["a%d" % i for i in range(len(ports))]


class Fetchmail(Program):
    package = "fetchmail"

    def argv(self, ports, quick):
        mda = self.write("mda", MDA, 0o700)
        text = "".join("poll a%d via 127.0.0.1 proto pop3 port %d uidl\n user anna password secret is root here keep sslproto '' no rewrite mda \"%s\"\n" % (
            i, port, "cat >/dev/null" if quick else "%s %s" % (mda, self.box(i))) for i, port in enumerate(ports))
        return ["fetchmail", "-f", self.write("fetchmailrc", text), "--silent", "--invisible", "--nobounce", "--fetchlimit", "0", "--idfile",
                self.home + "/state/ids", "--pidfile", self.home + "/state/pid"]


class Getmail(Program):
    package = "getmail6"

    def own(self):
        if os.geteuid() == 0:  # it refuses to deliver as root
            os.chmod(self.home, 0o755)
            for d, _, files in os.walk(self.home):
                for f in [d] + [d + "/" + x for x in files]:
                    os.chown(f, 65534, 65534)

    def drop(self):
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []

    def argv(self, ports, quick):
        argv = ["getmail", "--quiet", "--getmaildir", self.home + "/state"]
        for i, port in enumerate(ports):
            self.write("state/rc%d" % i, "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = %d\nusername = anna\npassword = secret\n"
                       "[destination]\ntype = Maildir\npath = %s/\n[options]\nread_all = false\ndelete = false\ndelivered_to = false\nreceived = false\n" % (port, self.box(i)))
            argv += ["--rcfile", "rc%d" % i]
        self.write("timer.py", TIMER)
        self.own()
        return argv

    def know(self, port, uids):
        """20,000 deliveries are too much for its own patience: its file is written for it"""
        with open("%s/state/oldmail-127.0.0.1-%d-anna" % (self.home, port), "w") as f:
            f.writelines("%s\0%d\n" % (u, time.time()) for u in uids)


PROGRAMS = {"bustia": Bustia, "mpop": Mpop, "fetchmail": Fetchmail, "getmail": Getmail}


# ---- the scenarios; each gives {figure: {program: [values]}}

def in_turn(programs, runs):
    names = list(programs)
    for r in range(runs):
        for name in names[r % len(names):] + names[:r % len(names)]:
            yield name, programs[name]


ONCE = 60  # s: what takes longer is run once


def whole(p, *ports):
    """a run from nothing; getmail6 now and then waits in vain for a child of its own, and gives up: another run is the one that counts"""
    for attempt in range(4):
        p.fresh()
        try:
            return p.run(ports)
        except Failed as e:
            print("once more: %s" % e, flush=True)
    sys.exit("it never went through")


def far(programs, o):
    out = {"seconds": {}, "cpu": {}}
    with Server(o.messages, 10000) as s, Far(s.port, 40) as f:
        for name, p in in_turn(programs, o.runs):
            if out["seconds"].get(name, [0])[0] > ONCE:
                continue
            r = whole(p, f.port)
            if p.arrived() != o.messages:
                sys.exit("%s: %d of %d messages arrived\n%s" % (name, p.arrived(), o.messages, r["said"]))
            for k in out:
                out[k].setdefault(name, []).append(r[k])
    return out


def known(programs, o):
    out = {"seconds": {}, "cpu": {}}
    with Server(20000, 200) as s:
        for p in programs.values():
            p.fresh()
            p.know(s.port, ["uid-%06d" % i for i in range(20000)])
        for name, p in in_turn(programs, max(o.runs, 5)):
            r = p.run([s.port])
            if p.arrived():
                sys.exit("%s fetched what it knew" % name)
            for k in out:
                out[k].setdefault(name, []).append(r[k])
    return out


def many(programs, o):
    out = {"all five": {}, "the slowest alone": {}}
    delays = [0.002, 0.004, 0.006, 0.008, 0.02]
    servers = [Server(100, 2000, d) for d in delays]
    try:
        for name, p in in_turn(programs, o.runs):
            out["all five"].setdefault(name, []).append(whole(p, *[s.port for s in servers])["seconds"])
            if sum(p.arrived(i) for i in range(5)) != 500:
                sys.exit("%s: not all of five accounts arrived" % name)
            out["the slowest alone"].setdefault(name, []).append(whole(p, servers[-1].port)["seconds"])
    finally:
        for s in servers:
            s.__exit__()
    return out


def size(programs, o):
    out = {"MB at the most": {}}
    for words, octets in (("1 kB", 1000), ("1 MB", 1 << 20), ("200 MB", 200 << 20)):
        with Server(1, octets) as s:
            for name, p in programs.items():
                p.fresh()
                out["MB at the most"].setdefault("%s %s" % (name, words), []).append(p.run([s.port], watch=True)["mb"])
                if p.arrived() != 1 or os.path.getsize("%s/new/%s" % (p.box(), os.listdir(p.box() + "/new")[0])) < octets * 0.9:
                    sys.exit("%s: a message of %s did not arrive" % (name, words))
    return out


SCENARIOS = {"far": far, "known": known, "many": many, "size": size}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--only", default=",".join(SCENARIOS))
    a.add_argument("--programs", default=",".join(PROGRAMS))
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--messages", type=int, default=2000)
    a.add_argument("--out")
    o = a.parse_args()
    work = tempfile.mkdtemp(prefix="collect-")
    os.chmod(work, 0o755)
    results = {"machine": {"cpus": os.cpu_count(), "load before": os.getloadavg()}}
    try:
        programs = {n: PROGRAMS[n](work + "/" + n) for n in o.programs.split(",")}
        for scenario in o.only.split(","):
            results[scenario] = SCENARIOS[scenario](programs, o)
            for figure, by in results[scenario].items():
                at = by.get("bustia")
                ours = statistics.median(at) if at else None
                for name, values in by.items():
                    m = statistics.median(values)
                    print("%-6s %-18s %-18s %9.3f  (%s)%s" % (scenario, figure, name, m, " ".join("%.3f" % v for v in values),
                                                          "  ours/its %.3f" % (ours / m) if ours is not None and name != "bustia" else ""), flush=True)
        results["machine"]["load after"] = os.getloadavg()
        print("machine: %s" % json.dumps(results["machine"]))
    finally:
        if o.out:
            with open(o.out, "w") as f:
                json.dump(results, f, indent=1)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
