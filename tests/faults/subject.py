"""subject: who is put to the test, in one shape: it takes messages that bear a tag, and may be told to remove them all.

    self:KIND       a writer of writer.py
    bustia:lmtp bustia:smtp bustia:deliver bustia:quit
                    this server, put up by tests/testbed; quit: the messages are laid there durably, and POP3 removes them
    bustia:fetch bustia:fetch-mailbox
                    the collector, into a Maildir, and (as root) into a mailbox of this server; fetched.py
    wrong:fetch     a collector that syncs nothing
    FILE.json       any other server, with these keys:
                      dir     the Maildir (block: below WORK/dur)
                      send    a command that delivers {tag} and exits 0 only if it was acknowledged
                      pids    prints the processes that share the work; without it send itself is traced
                      ack     how an acknowledgement begins, as a regular expression
                      warm    optional: makes the server start what it needs
                      remove  optional: removes all, and exits 0 only if that was confirmed
"""
import json
import os
import subprocess
import sys
import time

import fetched
import mail
import writer

HERE = os.path.dirname(os.path.realpath(__file__))
TESTBED = os.path.dirname(HERE) + "/testbed"


def quiet(argv, **kw):
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw).returncode == 0


class Subject:
    """what the modes use; `before` are the words of a tracer for a command of the subject's own"""
    ack = rb"^(250 |\+OK)"  # how an acknowledgement begins; None: it is the command's exit status
    traced_command = False  # the work is done by send's own process, not by a server
    writes = True           # acknowledges deliveries (else only removals)
    removes = False

    def send(self, tag, before=(), env=None):
        raise NotImplementedError

    def remove(self):
        raise NotImplementedError

    def pids(self):
        raise NotImplementedError

    def warm(self):
        pass

    def close(self):
        pass


class Writer(Subject):
    ack = rb"^ACK "
    traced_command = True

    def __init__(self, work, kind):
        self.kind, self.box = kind, work + "/Maildir"
        for sub in ("tmp", "new", "cur"):
            os.makedirs("%s/%s" % (self.box, sub), exist_ok=True)
        mail.empty(self.box)

    def send(self, tag, before=(), env=None):
        argv = [sys.executable, "-S", "-E", HERE + "/writer.py", self.kind, self.box, tag]
        return quiet([*before, *argv], env=env)


class Commands(Subject):
    def __init__(self, file):
        with open(file) as f:
            self.d = json.load(f)
        self.box, self.ack = self.d["dir"], self.d.get("ack", self.ack.decode()).encode()
        self.traced_command, self.removes = "pids" not in self.d, "remove" in self.d

    def send(self, tag, before=(), env=None):
        return quiet([*before, "sh", "-c", "exec " + self.d["send"].format(tag=tag)], env=env)

    def remove(self):
        return quiet(["sh", "-c", self.d["remove"]])

    def pids(self):
        return [int(w) for w in subprocess.run(["sh", "-c", self.d["pids"]], capture_output=True, text=True).stdout.split()]

    def warm(self):
        if "warm" in self.d:
            quiet(["sh", "-c", self.d["warm"]])


class Bustia(Subject):
    """t0's mailbox; t1, who has the same uid, makes the server start the process they share"""
    def __init__(self, work, how, env=None):
        self.how, self.bed = how, work + "/bed"
        self.removes, self.traced_command = True, how == "deliver" and os.geteuid() == 0
        self.writes = how != "quit"
        if self.traced_command:
            self.ack = None
        self.testbed("up", self.bed)
        if env:
            self.testbed("restart", self.bed, env=dict(os.environ, **env))
        with open(self.bed + "/target.json") as f:
            self.target = json.load(f)
        with open(self.bed + "/testbed.json") as f:
            self.bustia = json.load(f)["bustia"]
        self.box = self.bed + "/mail/t0"
        try:
            self.warm()
        except SystemExit:
            self.close()
            raise

    def testbed(self, *words, **kw):
        p = subprocess.run([TESTBED, *words], capture_output=True, text=True, **kw)
        if p.returncode != 0:
            sys.exit(p.stdout + p.stderr)

    def to(self, user, tag, before=(), env=None):
        if self.how == "quit":
            box, pool = "%s/mail/%s" % (self.bed, user), self.target["pool"]
            writer.deliver("both", box, tag)
            if os.geteuid() == 0:
                os.chown("%s/new/%s" % (box, tag), pool["uid"], pool["gid"])
            return True
        if self.how == "deliver":
            return quiet([*before, self.bustia, "-c", self.target["config"], "deliver", user], env=env, input=mail.text(tag))
        return mail.deliver(self.target["ports"][self.how], self.how, user, tag)

    def send(self, tag, before=(), env=None):
        return self.to("t0", tag, before, env)

    def remove(self):
        return mail.empty_by_pop3(self.target["ports"]["pop3"], "t0", self.target["pool"]["pass"])

    def master(self):
        with open(self.target["pidfile"]) as f:
            return int(f.read())

    def pids(self):
        """the master's children: it does no work itself, and must live to start others"""
        try:
            with open("/proc/%d/task/%d/children" % (self.master(), self.master())) as f:
                return [int(w) for w in f.read().split()]
        except (OSError, ValueError):
            return []

    def warm(self):
        """until the server takes mail and sessions again"""
        for _ in range(100):
            if self.to("t1", "warm") and mail.empty_by_pop3(self.target["ports"]["pop3"], "t1", self.target["pool"]["pass"]):
                return
            time.sleep(0.1)
        sys.exit("the server does not serve (any more); see %s/log" % self.bed)

    def close(self):
        self.testbed("down", self.bed)


def subject(work, name, env=None):
    kind, _, what = name.partition(":")
    if kind == "self" and what in writer.KINDS:
        return Writer(work, what)
    if kind == "bustia" and what in ("lmtp", "smtp", "deliver", "quit"):
        return Bustia(work, what, env)
    if name == "bustia:fetch":
        return fetched.Fetch(work)
    if name == "wrong:fetch":
        return fetched.Wrong(work)
    if name == "bustia:fetch-mailbox":
        return fetched.Fetch(work, Bustia(work, "deliver"))
    if name.endswith(".json"):
        return Commands(name)
    sys.exit("no subject %s\n%s" % (name, __doc__))
