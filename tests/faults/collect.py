#!/usr/bin/python3
"""collect: does a collector of mail bring every message exactly once, whatever ends it, and wherever the connection is cut?

    collect.py kill WORK COLLECTOR [STEP]    kill -9 of each of its processes at every STEP-th call (1): files, sockets, waiting (endat.c)
    collect.py cut  WORK COLLECTOR [STEP]    the connection ends after every STEP-th octet (1) of the server's replies

Each case begins anew: a server with a few messages, an empty mailbox, no state. The collector is ended in the middle, then run again
until it is content (at most RUNS times). Then every message must be in the mailbox once, to the octet; and, where it deletes, the server
must be empty. Both are tried, leaving and deleting.

COLLECTOR: bustia:maildir, bustia:mailbox (root: a mailbox of the server, as a store), mpop, fetchmail, getmail (by tests/peer), and, to
show that what is wrong is found: wrong:notes-first (notes, then delivers), wrong:forgets (delivers, then notes).

The last line: RESULT, and exit status 0 if nothing was lost, doubled or torn, 1 if something was, 75 if it cannot be tried here.
"""
import collections
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TOP + "/tests/live")
from popserver import PopServer  # noqa: E402

MESSAGES, RUNS, PATIENCE = 4, 4, 20
ENDAT = os.path.realpath(os.environ.get("BUSTIA_BUILD", TOP + "/build")) + "/tests/faults/endat"

# Calls that touch neither a file nor a socket, nor wait for one.
NOTHING = """brk mprotect madvise rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack getpid getppid gettid getuid geteuid getgid getegid
arch_prctl set_tid_address set_robust_list rseq prlimit64 getrandom clock_gettime gettimeofday futex uname sysinfo getrusage
sched_getaffinity""".split()


def texts(lines):
    """no two alike; a dot at a line's start, octets of every kind but those that lines end with; the n-th has n times so many lines"""
    out = []
    for i in range(MESSAGES):
        body = b".\r\n" + b"".join(b".%d line %d\r\n" % (i, k) for k in range(lines)) + b"".join(
            hashlib.sha256(b"%d %d" % (i, k)).digest().replace(b"\r", b"r").replace(b"\n", b"n").replace(b"\0", b"0") + b"\r\n"
            for k in range(lines * i))
        out.append(b"From: a@example.test\r\nSubject: number %d\r\nX-Tag: tag-%d\r\n\r\n" % (i, i) + body)
    return out


class Collector:
    """a program, its configuration and its state below `work`"""
    leaves = True  # it can leave mail on the server, and know it next time

    def __init__(self, work):
        self.work, self.box = work, work + "/box"

    def begin(self, port, delete):
        for d in (self.work + "/state", self.box):
            shutil.rmtree(d, ignore_errors=True)
        os.makedirs(self.work + "/state", mode=0o700)
        for d in ("tmp", "new", "cur"):
            os.makedirs("%s/%s" % (self.box, d))
        self.configure(port, delete)

    def write(self, name, text, mode=0o600):
        path = "%s/%s" % (self.work, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def env(self):
        leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # that would need to trace a process that endat traces
        return dict(os.environ, HOME=self.work + "/state", LC_ALL="C", XDG_STATE_HOME=self.work + "/state",
                    XDG_CONFIG_HOME=self.work + "/state", ASAN_OPTIONS=leaks)

    def run(self, before=()):
        try:
            return subprocess.run([*before, *self.argv()], env=self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=PATIENCE)
        except subprocess.TimeoutExpired as e:
            return subprocess.CompletedProcess(e.cmd, 124, e.output)

    def settled(self, p):
        """did this run go through?"""
        return p.returncode == 0

    def found(self):
        out = []
        for sub in ("new", "cur"):
            for name in sorted(os.listdir("%s/%s" % (self.box, sub))):
                with open("%s/%s/%s" % (self.box, sub, name), "rb") as f:
                    out.append(f.read())
        return out


class Bustia(Collector):
    def __init__(self, work, how):
        super().__init__(work)
        self.how, self.bustia = how, os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"
        self.bed = work + "/bed"
        if how == "mailbox":
            if os.geteuid() != 0:
                raise Missing("only root opens another's mailbox")
            subprocess.run([TOP + "/tests/testbed", "up", self.bed], check=True, stdout=subprocess.DEVNULL)
            self.box = self.bed + "/mail/t0"
            with open(self.bed + "/target.json") as f:
                self.config = json.load(f)["config"]

    def begin(self, port, delete):
        if self.how == "maildir":
            super().begin(port, delete)
            return
        shutil.rmtree(self.work + "/state", ignore_errors=True)
        os.makedirs(self.work + "/state", mode=0o700)
        for sub in ("tmp", "new", "cur"):
            for name in os.listdir("%s/%s" % (self.box, sub)):
                os.unlink("%s/%s/%s" % (self.box, sub, name))
        self.configure(port, delete)

    def configure(self, port, delete):
        where = "maildir:" + self.box if self.how == "maildir" else "mailbox:t0"
        self.write("secret", "secret\n")
        self.write("accounts", "account = one\nserver = 127.0.0.1:%d\ntls = none\nuser = anna\npassword_file = %s/secret\n"
                   "delete = %s\ndeliver = %s\nsilence_timeout = 10s\n" % (port, self.work, "now" if delete else "never", where))

    def argv(self):
        conf = ["-c", self.config] if self.how == "mailbox" else []
        return [self.bustia, *conf, "fetch", "-a", self.work + "/accounts", "one"]

    def close(self):
        if self.how == "mailbox":
            subprocess.run([TOP + "/tests/testbed", "down", self.bed], capture_output=True)


class Missing(Exception):
    pass


class Peer(Collector):
    package = ""

    def peer(self, argv):
        if not hasattr(self, "words"):
            p = subprocess.run([TOP + "/tests/peer", self.package, "--", "true"], capture_output=True, text=True)
            if p.returncode in (75, 77):
                raise Missing(p.stderr.strip() or self.package)
            self.words = [TOP + "/tests/peer", self.package, "--"]
        return argv

    def run(self, before=()):
        self.peer(())
        argv = [*self.words, *before, *self.argv()]
        try:
            return subprocess.run(argv, env=self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        except subprocess.TimeoutExpired as e:
            return subprocess.CompletedProcess(e.cmd, 124, e.output)


class Mpop(Peer):
    package = "mpop"

    def configure(self, port, delete):
        self.rc = self.write("mpoprc", "account one\nhost 127.0.0.1\nport %d\nuser anna\npassword secret\nauth user\ntls off\nkeep %s\n"
                             "uidls_file %s/state/uidls\nreceived_header off\ndelivery maildir %s\n" % (port, "off" if delete else "on", self.work, self.box))

    def argv(self):
        return ["mpop", "-C", self.rc, "one"]


class Fetchmail(Peer):
    package = "fetchmail"

    def configure(self, port, delete):
        mda = self.write("mda", MDA, 0o700)
        self.rc = self.write("fetchmailrc", "poll 127.0.0.1 proto pop3 port %d uidl no envelope\n user anna password secret is root here %s sslproto ''"
                             " no rewrite mda \"/usr/bin/python3 %s %s\"\n" % (port, "" if delete else "keep", mda, self.box))

    def argv(self):
        return ["fetchmail", "-f", self.rc, "--invisible", "--nobounce", "--idfile", self.work + "/state/ids", "--pidfile",
                self.work + "/state/pid"] + (["--uidl"])

    def settled(self, p):
        return p.returncode in (0, 1)  # 1: nothing new

    def found(self):
        return [t[:-1] if t.endswith(b"\n\n") else t for t in super().found()]  # it adds an empty line


class Getmail(Peer):
    package = "getmail6"

    def configure(self, port, delete):
        self.write("state/getmailrc", "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = %d\nusername = anna\npassword = secret\n"
                   "[destination]\ntype = Maildir\npath = %s/\n[options]\nread_all = false\ndelete = %s\ndelivered_to = false\nreceived = false\n"
                   % (port, self.box, "true" if delete else "false"))
        # it refuses to deliver as root
        for d, _, files in list(os.walk(self.work + "/state")) + list(os.walk(self.box)):
            for f in [d] + [d + "/" + x for x in files]:
                os.chown(f, 65534, 65534) if os.geteuid() == 0 else None

    def argv(self):
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        return [*drop, "getmail", "--getmaildir", self.work + "/state", "--rcfile", "getmailrc"]


# A delivery agent that is durable before it says so: what is wrong after it is the collector's own.
MDA = """import os, sys
box, name = sys.argv[1], "%d.%s" % (os.getpid(), os.urandom(8).hex())
with open(box + "/tmp/" + name, "wb") as f:
    f.write(sys.stdin.buffer.read())
    f.flush()
    os.fsync(f.fileno())
os.rename(box + "/tmp/" + name, box + "/new/" + name)
fd = os.open(box + "/new", os.O_RDONLY)
os.fsync(fd)
"""

WRONG = """import os, poplib, sys
port, box, notes, first, delete = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "notes-first", sys.argv[5] == "True"
known = open(notes).read().split() if os.path.exists(notes) else []
c = poplib.POP3("127.0.0.1", port)
c.user("anna"), c.pass_("secret")
def note(uid):
    with open(notes, "a") as f:
        f.write(uid + "\\n")
for row in c.uidl()[1]:
    n, uid = row.decode().split()
    if uid not in known:
        if first:
            note(uid)
        text = b"\\n".join(c.retr(int(n))[1]) + b"\\n"
        name = os.urandom(8).hex()
        with open(box + "/tmp/" + name, "wb") as f:
            f.write(text)
        os.rename(box + "/tmp/" + name, box + "/new/" + name)
        if not first:
            note(uid)
    if delete:
        c.dele(int(n))
c.quit()
"""


class Wrong(Collector):
    def __init__(self, work, how):
        super().__init__(work)
        self.how = how

    def configure(self, port, delete):
        self.words = [sys.executable, "-S", "-E", self.write("wrong.py", WRONG), str(port), self.box, self.work + "/state/notes", self.how, str(delete)]

    def argv(self):
        return self.words


def collector(work, name):
    kind, _, how = name.partition(":")
    if kind == "bustia" and how in ("maildir", "mailbox"):
        return Bustia(work, how)
    if kind == "wrong" and how in ("notes-first", "forgets"):
        return Wrong(work, how)
    if kind in ("mpop", "fetchmail", "getmail") and not how:
        return {"mpop": Mpop, "fetchmail": Fetchmail, "getmail": Getmail}[kind](work)
    sys.exit("no collector %s\n%s" % (name, __doc__))


# ---- a case

KINDS = {"lost": "lost", "doubled": "doubled", "torn": "torn", "left": "not deleted", "deleted": "wrongly deleted", "unsettled": "not settled",
         "hung": "hung"}

HEADERS = re.compile(rb"^(Received|Delivered-To|Return-Path|X-Getmail[^:]*|Message-Id): [^\n]*\n(?:[ \t][^\n]*\n)*", re.M | re.I)


def own(text):
    """a message without the fields that collectors put before it"""
    head, sep, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    return HEADERS.sub(b"", head + b"\n").rstrip(b"\n") + sep + body


class Case:
    def __init__(self, c, count, delete, lines):
        self.c, self.count, self.delete, self.bad = c, count, delete, set()
        self.wanted = texts(lines)
        self.server = PopServer(list(self.wanted))
        c.begin(self.server.port, delete)

    def settle(self, what):
        """runs it again until it is content; then counts what is wrong"""
        p = None
        self.server.cut, self.server.how = None, "fin"
        for _ in range(RUNS):
            p = self.c.run()
            if self.c.settled(p):
                break
        else:
            self.tell("unsettled", what, p.stdout[-600:])
        got = collections.Counter(own(t) for t in self.c.found())
        for i, text in enumerate(own(t) for t in self.wanted):
            n = got.pop(text, 0)
            if n == 0:
                self.tell("lost", what, "message %d%s" % (i, " and deleted" if text not in map(own, self.server.left()) else ""))
            elif n > 1:
                self.tell("doubled", what, "message %d came %d times" % (i, n))
        if got:
            self.tell("torn", what, "%d files are no message of the server's" % sum(got.values()))
        if self.delete and self.server.left():
            self.tell("left", what, "%d messages are still on the server" % len(self.server.left()))
        if not self.delete and len(self.server.left()) != len(self.wanted):
            self.tell("deleted", what, "messages to be left were deleted")
        self.server.close()

    def tell(self, kind, what, more):
        self.count[kind] += 1
        self.bad.add(kind)
        if self.count[kind] <= 5:
            print("   %s, %s: %s: %s" % ("deleting" if self.delete else "leaving", what, kind, more), flush=True)


def plain(c, count, delete, lines, before=()):
    case = Case(c, count, delete, lines)
    p = c.run(before)
    if not c.settled(p):
        sys.exit("a run without faults fails: %s" % p.stdout.decode(errors="replace")[-2000:])
    sent = sum(s.sent for s in case.server.sessions)
    case.settle("without faults")
    if case.bad:
        sys.exit("a run without faults is wrong")
    return sent


def chosen(made, step):
    """every step-th of all calls, and each kind of call of each process at least once"""
    out, at = [], 0
    for (process, call), n in sorted(made.items()):
        out += [(process, call, k) for k in ([k for k in range(1, n + 1) if (at + k) % step == 0] or [n])]
        at += n
    return out


def kill(c, count, delete, step):
    log, made = c.work + "/calls", {}
    plain(c, count, delete, 20, [ENDAT, log, "count"])
    with open(log) as f:
        for line in f:
            process, call, n = line.split()
            if call not in NOTHING:
                made[int(process), call] = int(n)
    kills, tried = collections.Counter(), collections.Counter()
    for process, call, n in chosen(made, step):
        case = Case(c, count, delete, 20)
        c.run([ENDAT, log, str(process), call, str(n)])
        with open(log) as f:
            kills[call] += f.read() == "killed\n"
        tried[call] += 1
        case.settle("kill of process %d at its %s number %d" % (process, call, n))
        count.update("cases " + b for b in case.bad)
    print("   %s: kills: %s" % ("deleting" if delete else "leaving", ", ".join("%s %d of %d" % (k, kills[k], tried[k]) for k in sorted(tried))),
          flush=True)
    count["runs"] += sum(tried.values())
    count["kills"] += sum(kills.values())


def cut(c, count, delete, step):
    total = plain(c, count, delete, 2)
    hows = ("fin", "reset")
    for i, at in enumerate(range(0, total, step)):
        case = Case(c, count, delete, 2)
        case.server.cut, case.server.how = at, hows[i % 2]
        if c.run().returncode == 124:
            case.tell("hung", "%s after %d octets" % (hows[i % 2], at), "it was ended after %d s" % PATIENCE)
        count["runs"] += 1
        count["kills"] += 1
        case.settle("%s after %d octets" % (hows[i % 2], at))
        count.update("cases " + b for b in case.bad)


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("kill", "cut"):
        sys.exit(__doc__)
    mode, work, name = sys.argv[1:4]
    step = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    began = time.monotonic()
    os.makedirs(work, exist_ok=True)
    count = collections.Counter()
    try:
        c = collector(work, name)
        for delete in (False, True):
            (kill if mode == "kill" else cut)(c, count, delete, step)
    except Missing as e:
        print(e)
        return 75
    finally:
        if "c" in locals() and hasattr(c, "close"):
            c.close()
    def figure(kind):
        return "%d (in %d cases)" % (count[kind], count["cases " + kind]) if count[kind] else "0"

    bad = sum(count[k] for k in KINDS)
    if not count["kills"]:
        bad = 1
        print("nothing was killed or cut")
    print("%s %s: %d cases, %d killed or cut, %.0f s: %s: %s" % (name, mode, count["runs"], count["kills"], time.monotonic() - began,
                                                              ", ".join("%s %s" % (words, figure(k)) for k, words in KINDS.items()),
                                                              "FAIL" if bad else "PASS"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
