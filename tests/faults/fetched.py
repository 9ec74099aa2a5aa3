"""fetched: `bustia fetch` as a subject: mail on a POP3 server of the tests' own that is to be fetched, and deleted there.

What it says with DELE is its acknowledgement: a message for which it was sent is durable in the mailbox, whatever becomes of it on the
server. In `block` the power is cut at every command of a session, as the server hears it, and at the end; and on each disk that is left
the next run then starts, with a server that did what it was told, or did not: every message is there once."""
import os
import subprocess
import sys

import block
import collect
import mail

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, TOP + "/tests/live")
from popserver import PopServer  # noqa: E402

MESSAGES = 3


class Fetch:
    """a Subject (subject.py). bed: one that has put up a server, for a mailbox of it"""
    ack = rb"^DELE "
    traced_command = True
    writes, removes = True, False

    def __init__(self, work, bed=None):
        self.work = work
        self.server = PopServer()
        self.bustia = os.path.realpath(os.environ.get("BUSTIA_BUILD", TOP + "/build")) + "/src/tool/bustia"
        if bed:
            self.box, self.conf = bed.box, ["-c", bed.target["config"]]
        else:
            self.box, self.conf = work + "/Maildir", []
            for sub in ("tmp", "new", "cur"):
                os.makedirs("%s/%s" % (self.box, sub), exist_ok=True)
            mail.empty(self.box)
        os.makedirs(work + "/home", mode=0o700, exist_ok=True)
        self.bed = bed
        self.write("secret", "secret\n")
        self.accounts()

    def write(self, name, text):
        with open(os.open("%s/home/%s" % (self.work, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)

    def accounts(self):
        where = "mailbox:t0" if self.bed else "maildir:" + self.box
        self.write("accounts", "account = one\nserver = localhost:%d\ntls = none\nuser = anna\npassword_file = %s/home/secret\n"
                   "delete = now\ndeliver = %s\n" % (self.server.port, self.work, where))

    def argv(self):
        return [self.bustia, *self.conf, "fetch", "--moved", "-a", self.work + "/home/accounts", "one"]

    def run(self, before=(), env=None):
        env = dict(env or os.environ, HOME=self.work + "/home", XDG_STATE_HOME=self.work + "/home/state")
        return subprocess.run([*before, *self.argv()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
                              timeout=120)

    def send(self, tag, before=(), env=None):
        """what an earlier run did not bring is still there, and comes with it"""
        text = mail.text(tag)
        self.server.add(text, tag.encode())
        return self.run(before, env).returncode == 0 and text not in self.server.left()

    def pids(self):
        return []

    def warm(self):
        pass

    def close(self):
        self.server.close()
        if self.bed:
            self.bed.close()


class Wrong(Fetch):
    """a collector that syncs nothing"""
    def __init__(self, work):
        super().__init__(work)
        self.write("wrong.py", collect.WRONG)

    def argv(self):
        return [sys.executable, "-S", "-E", self.work + "/home/wrong.py", str(self.server.port), self.box, self.work + "/home/notes", "forgets", "True"]


# ---- the power is cut

class Cuts:
    def __init__(self, work, subject):
        self.work, self.subject = work, subject
        self.below = os.path.relpath(subject.box, work + "/dur")
        self.n = dict.fromkeys(("cuts", "lost", "torn", "twice", "failed"), 0)

    def tell(self, kind, what, more):
        self.n[kind] += 1
        if self.n[kind] < 5:
            print("   cut at %s: %s: %s" % (what, kind, more), flush=True)

    def again(self, image, server, what, tags):
        """the next run, on the disk that is left"""
        s = self.subject
        words = ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "-", image, self.work + "/dur"]
        kept, s.server = s.server, server
        try:
            s.accounts()  # another port; on the disk that goes on, but without a sync: it must be on the image
            subprocess.run(["cp", s.work + "/home/accounts", os.path.join(image, os.path.relpath(s.work, self.work + "/dur"), "home/accounts")],
                           check=True)
            p = s.run(words)
        finally:
            s.server = kept
            s.accounts()
        lost, torn, twice = mail.look(os.path.join(image, self.below), tags)
        if p.returncode != 0:
            self.tell("failed", what, p.stdout.decode(errors="replace")[-300:])
        for kind, which in (("lost", lost), ("torn", torn), ("twice", twice)):
            if which:
                self.tell(kind, what + ", after the next run", which)

    def cut(self, what, promised, servers, tags):
        """promised: must be there now; servers: what each, as it may be, has left for the next run"""
        for left in servers:
            self.n["cuts"] += 1
            with block.cut(self.work) as image, PopServer() as server:
                lost, torn, _ = mail.look(os.path.join(image, self.below), promised)
                if lost:
                    self.tell("lost", what, lost)
                if torn:
                    self.tell("torn", what, torn)
                for tag in left:
                    server.add(mail.text(tag), tag.encode())
                self.again(image, server, what, tags)


def session(cuts, round_):
    """one run, with a cut at every command that the server hears"""
    s = cuts.subject
    tags = ["r%dm%d" % (round_, i) for i in range(MESSAGES)]
    before = cuts.n["cuts"]
    earlier = ["r%dm%d" % (r, i) for r in range(round_) for i in range(MESSAGES)]
    deleted = []
    for tag in tags:
        s.server.add(mail.text(tag), tag.encode())

    def heard(word):
        def hook(_, arg):
            if word == "DELE":
                deleted.append(tags[int(arg) - 1])
            rest = [t for t in tags if t not in deleted]
            cuts.cut("%s %s" % (word, arg), earlier + deleted, [tags] + ([rest] if word == "QUIT" else []), earlier + tags)
        return hook

    s.server.instead = {w: heard(w) for w in ("UIDL", "LIST", "RETR", "DELE", "QUIT")}
    p = s.run()
    s.server.instead = {}
    if p.returncode != 0 or s.server.left() or deleted != tags:
        return ["a run without faults failed: %s" % p.stdout.decode(errors="replace")[-300:]]
    cuts.cut("the end", earlier + tags, [[], tags], earlier + tags)
    return [] if cuts.n["cuts"] - before >= 2 * MESSAGES + 4 else ["only %d cuts" % (cuts.n["cuts"] - before)]


def cut_power(work, subject):
    """-> complaints"""
    os.sync()
    cuts, faults = Cuts(work, subject), []
    for round_ in range(2):  # the second begins with what is known
        faults += session(cuts, round_)
    print("   " + ", ".join("%s %d" % (k, v) for k, v in cuts.n.items()))
    return faults + ["%d %s" % (v, k) for k, v in cuts.n.items() if k != "cuts" and v]
