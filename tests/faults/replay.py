"""replay: what a power cut would have left at each acknowledgement, from a list of what was done, in two models.

  posix   a file's octets are durable by a sync of that file alone, a name by a sync of its directory alone
  ext4    as posix, but any sync also makes all names durable that were made or removed before it

A third, kill, loses nothing; the processes stop at any point: a file that is written to where readers see it is torn."""
import collections
import itertools
import os
import re

# What was done. `began` and `ended` are places in one order of all processes: an operation has happened when it ended, an
# acknowledgement may be known to the sender when it began.
Op = collections.namedtuple("Op", "kind path to pid began ended")


def ordered(ops):
    return sorted(ops, key=lambda o: o.began if o.kind == "ack" else o.ended)


def visible(path):
    return os.path.basename(os.path.dirname(path)) in ("new", "cur")


class Disk:
    """what is durable so far"""
    def __init__(self, all_names):
        self.all_names = all_names
        self.numbers = itertools.count(1)
        self.inode = {}     # path: number
        self.unsynced = {}  # number: when it was last written to
        self.named = {}     # path: when it got this name, if that is not durable
        self.removed = {}   # path of a message: when it lost this name, if that is not durable
        self.messages = set()

    def at(self, path):
        if path not in self.inode:
            self.inode[path] = next(self.numbers)
        return self.inode[path]

    def create(self, o):
        if o.path not in self.inode:
            self.at(o.path)
            self.named[o.path] = o.ended

    def data(self, o):
        self.unsynced[self.at(o.path)] = o.ended

    def link(self, o):
        self.inode[o.to] = self.at(o.path)
        self.named[o.to] = o.ended

    def rename(self, o):
        self.link(o)
        del self.inode[o.path]
        self.named.pop(o.path, None)

    def unlink(self, o):
        self.inode.pop(o.path, None)
        self.named.pop(o.path, None)
        if visible(o.path):
            self.removed[o.path] = o.ended

    def sync(self, o):
        """covers what had ended when it began; without a path, everything"""
        for number in list(self.unsynced):
            if (not o.path or number == self.inode.get(o.path)) and self.unsynced[number] < o.began:
                del self.unsynced[number]
        for table in (self.named, self.removed):
            for path in [p for p, since in table.items() if since < o.began]:
                if self.all_names or o.path in ("", os.path.dirname(path)):
                    del table[path]

    def lacking(self):
        """what an acknowledgement now would promise wrongly"""
        out = []
        for path in filter(visible, self.inode):
            self.messages.add(self.inode[path])
            if self.inode[path] in self.unsynced:
                out.append("octets of %s were not synced" % path)
            if path in self.named:
                out.append("the name %s was not durable" % path)
        out += ["the removal of %s was not durable" % path for path in self.removed]
        return out


def replay(ops, all_names, marks=()):
    """[complaint]; marks: places where the sender had one acknowledgement more, whether or not any was seen"""
    disk, bad, late = Disk(all_names), [], 0
    for o in ordered(ops) + [Op("end", "", "", 0, 1 << 62, 1 << 62)]:
        while late < len(marks) and marks[late] < o.began:
            late += 1
            if len(disk.messages) < late:
                bad.append("%d messages were in place when the sender had %d acknowledgements" % (len(disk.messages), late))
        if o.kind == "ack":
            bad += disk.lacking()
            disk.removed = {}
        elif o.kind != "end":
            getattr(disk, o.kind)(o)
    return bad


def judge(ops, marks=()):
    """{model: [complaint]}"""
    return {"posix": replay(ops, False, marks), "ext4": replay(ops, True, marks),
            "kill": ["%s is written to where readers see it" % o.path for o in ops if o.kind == "data" and visible(o.path)]}


def report(name, subject, ops, marks, faults):
    """prints what was seen; appends to faults"""
    if subject.ack is None:
        ops = ops + [Op("ack", "exit 0", "", 0, mark, mark) for mark in marks]

    def short(path):
        return re.sub(r"\d{6,}[^/ ]*", "<name>", os.path.relpath(path, subject.box)) if path else "everything"

    def said(o):
        return o.kind + " " + (o.path if o.kind == "ack" else short(o.path)) + (" to " + short(o.to) if o.to else "")

    count = collections.Counter(o.kind for o in ops)
    print("   %d acknowledged deliveries; seen: %s" % (len(marks), ", ".join("%d %s" % (n, k) for k, n in sorted(count.items())) or "nothing"))
    print("   " + "; ".join(step for step, _ in itertools.groupby(map(said, ordered(ops)[-40:]))))
    for model, bad in judge(ops, marks if subject.writes else ()).items():
        bad = sorted({re.sub(re.escape(os.path.realpath(subject.box)) + "/", "", b) for b in bad})
        print("   %-6s %s" % (model, "; ".join(bad)[:400] or "nothing lost, nothing torn, nothing comes back"))
        if bad:
            faults.append(model)
    for kind in ("ack",) + (("data", "sync") if subject.writes else ()) + (("unlink",) if subject.removes and not subject.traced_command else ()):
        if not count[kind] and (kind != "sync" or not subject.name.startswith("self")):
            faults.append("no %s was seen" % kind)
