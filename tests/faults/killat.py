"""killat: a process ends at the n-th call of a kind, for every kind and n, in a delivery and in a removal; and then?

What was acknowledged is there and whole; what was not may be there or not, but whole; and after a confirmed removal
nothing is there. By whom the process is ended is an engine's business (Strace here, Preload in preload.py):

    engine.calls                what to try: (call, in which program)
    engine.reached              those of them that a plain run makes on the Maildir
    engine.first(call)          the least n worth trying
    engine.strike(call, n)      a context; the words to put before the subject's own command, and its environment
    engine.outcome()            afterwards: (was any process ended, was one at a call on the Maildir)
"""
import collections
import contextlib
import os
import time

import mail
import straced

PLAIN = 3  # deliveries of a run without a kill


def record(subject, send, marks_at):
    """PLAIN deliveries, and a removal; -> where the record stood after each that was acknowledged, complaints"""
    marks, faults = [], []
    for n in range(PLAIN):
        ok = send("plain%d" % n)
        time.sleep(0.2)  # strace's log is a little behind
        if ok:
            marks.append(marks_at())
    if len(marks) < PLAIN:
        faults.append("only %d of %d plain deliveries were acknowledged" % (len(marks), PLAIN))
    if subject.removes and not subject.traced_command and not subject.remove():
        faults.append("a plain removal was not confirmed")
    return marks, faults


class Strace:
    """each program by itself: the one that is met first would take every kill of a call that several make"""
    cap = int(os.environ.get("KILLAT", "40"))

    def __init__(self, work, subject):
        self.subject, self.box = subject, os.path.realpath(subject.box)
        self.log, self.plain, self.pids = work + "/kill.log", work + "/strace.log", []
        self.programs = {}  # thread: the words that its program was started with
        self.marks, self.faults = self.record()
        self.numbers, self.calls = {}, []
        count = collections.Counter()
        for c in sorted(straced.calls_of(self.plain), key=lambda c: c.began):
            count[c.pid, c.name] += 1
            call = c.name, self.programs.get(c.pid, "")
            if call not in self.calls:
                self.calls.append(call)
            if straced.on_box(c, self.box):
                self.numbers[call] = min(self.numbers.get(call, 1 << 30), count[c.pid, c.name])
        self.calls.sort(key=lambda call: (straced.CALLS.index(call[0]), call[1]))
        self.reached = [c for c in self.calls if c in self.numbers]

    def record(self):
        lines = lambda: straced.text(self.plain).count("\n")  # noqa: E731
        with open(self.plain, "w"):
            pass
        if not self.subject.traced_command:
            self.pids = straced.workers(self.subject)
            with straced.attached(self.pids, straced.words(self.plain, straced.CALLS)):
                found = record(self.subject, self.subject.send, lines)
                time.sleep(0.1)
                self.programs = straced.programs(self.plain)
            return found
        whole = []

        def send(tag):
            ok = self.subject.send(tag, straced.words(self.log, straced.CALLS))
            whole.append(straced.text(self.log))
            with open(self.plain, "w") as f:
                f.write("".join(whole))
            return ok

        return record(self.subject, send, lines)

    def ops(self):
        return straced.ops_of(self.plain, self.box, self.subject.ack)

    def kind(self, call):
        return straced.KIND[call[0]]

    def first(self, call):
        """a command's calls before its first one on the Maildir only load the program"""
        return self.numbers.get(call, 1) if self.subject.traced_command else 1

    @contextlib.contextmanager
    def strike(self, call, n):
        argv = straced.words(self.log, [call[0]], "%s:signal=SIGKILL:when=%d" % (call[0], n))
        with open(self.log, "w"):
            pass
        if self.subject.traced_command:
            yield argv, None
        else:
            pids = straced.workers(self.subject, len(self.pids))
            with straced.attached([p for p in pids if straced.program(p) == call[1]] or pids, argv):
                yield (), None
                time.sleep(0.05)

    def outcome(self):
        inside, dead = straced.killed(self.log)
        return dead, any(straced.on_box(c, self.box) for c in inside)


class Campaign:
    def __init__(self, subject, engine):
        self.subject, self.engine = subject, engine
        self.wanted, self.n = set(), collections.Counter()
        self.kills, self.hits, self.not_ended = collections.Counter(), collections.Counter(), []

    def look(self, what):
        """counts each loss and each torn file once"""
        lost, torn, twice = mail.look(self.subject.box, self.wanted)
        if (lost or torn) and self.n["lost"] + self.n["torn"] < 6:
            print("   %s: lost %s, torn %s" % (what, lost, torn))
        self.n["lost"] += len(lost)
        self.n["torn"] += len(torn)
        self.n["twice"] += len(twice)
        self.wanted -= set(lost)
        for path in torn + twice:
            os.unlink(path)

    def remove(self, what):
        confirmed = self.subject.remove()
        time.sleep(0.05)
        self.wanted.clear()
        self.look(what + ", in the removal")
        if confirmed and mail.files(self.subject.box, "new", "cur"):
            self.n["undone"] += 1
            mail.empty(self.subject.box)
        return confirmed

    def run(self, call, n):
        """-> was a process ended, did all succeed"""
        self.n["runs"] += 1
        tag, what = "kill%d" % self.n["runs"], "%s, n = %d" % (call[0], n)
        with self.engine.strike(call, n) as (before, env):
            ok = self.subject.send(tag, before, env)
            if ok:
                self.wanted.add(tag)
            self.look(what)
            done = ok
            if ok and self.subject.removes and not self.subject.traced_command:
                done = self.remove(what)
        dead, on_box = self.engine.outcome()
        self.kills[call] += dead
        self.hits[call] += on_box
        self.n["late"] += ok and dead
        self.look(what)
        return dead, done

    def every(self, call):
        """n = 1, 2, … until two runs in a row go through unharmed"""
        n, unharmed, refused = self.engine.first(call), 0, 0
        last = n + self.engine.cap
        while unharmed < (2 if call in self.engine.reached else 1) and refused < 3:
            if n == last:
                self.not_ended.append(call)
                break
            dead, done = self.run(call, n)
            unharmed = 0 if dead else unharmed + done
            if dead or done:
                refused = 0
                n += 1
            else:  # not ended, and yet not done: once more
                refused += 1
                self.n["refused"] += 1
            if not done:
                self.subject.warm()

    def faults(self):
        out = list(self.engine.faults)
        for key, text in (("lost", "%d acknowledged messages lost"), ("torn", "%d torn"),
                          ("undone", "%d confirmed removals left mail"), ("refused", "%d times refused without a kill")):
            if self.n[key]:
                out.append(text % self.n[key])
        if not self.engine.reached:
            out.append("a plain run made no call on the Maildir")
        kinds = collections.defaultdict(list)
        for call in self.engine.reached:
            kinds[self.engine.kind(call)].append(call)
        for kind, calls in kinds.items():
            if kind not in ("other", "close") and not any(self.hits[c] for c in calls):
                out.append("no kill landed at %s" % " ".join(c for c, _ in calls))
        return out


def killat(subject, engine):
    """-> complaints"""
    c = Campaign(subject, engine)
    for call in engine.calls:
        c.every(call)
    print("   kills (of them at a call on the Maildir): " + ", ".join("%s %d (%d)" % (
        call, sum(n for (name, _), n in c.kills.items() if name == call), sum(n for (name, _), n in c.hits.items() if name == call))
        for call in dict.fromkeys(call for call, _ in engine.calls)))
    if c.not_ended:
        print("   not tried to the end: " + " ".join(sorted({call for call, _ in c.not_ended})))
    print("   %d runs, %d kills, %d of them on the Maildir, %d acknowledged although killed; lost %d, torn %d, twice %d, in tmp/ %d" % (
        c.n["runs"], sum(c.kills.values()), sum(c.hits.values()), c.n["late"], c.n["lost"], c.n["torn"], c.n["twice"],
        len(mail.files(subject.box, "tmp"))))
    return c.faults()
