"""straced: strace attached to a server, or before a command; and what its log says."""
import collections
import contextlib
import functools
import os
import re
import subprocess
import sys
import time

from replay import Op

# The calls that are traced; at each of them strace can kill.
KINDS = {
    "create": "open openat openat2 creat",
    "data": "write pwrite64 writev pwritev pwritev2 copy_file_range sendfile splice ftruncate",
    "sync": "fsync fdatasync sync_file_range syncfs sync",
    "rename": "rename renameat renameat2",
    "link": "link linkat symlinkat",
    "unlink": "unlink unlinkat",
    "other": "close sendto sendmsg",
}
KIND = {call: kind for kind, calls in KINDS.items() for call in calls.split()}
CALLS = list(KIND)

# began and ended are lines of the log. strace is one process that writes a line at each stop: one order for all.
Call = collections.namedtuple("Call", "pid name args result path began ended")


def words(log, calls, inject=None):
    return ["strace", "-f", "-y", "-qq", "-s", "300", "-e", "signal=kill", "-e", "trace=" + ",".join(calls), "-o", log] + \
        (["-e", "inject=" + inject] if inject else [])


def text(log):
    with open(log, errors="replace") as f:
        return f.read()


# ---- attaching

def status(pid):
    try:
        with open("/proc/%d/status" % pid) as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    except OSError:
        return {}


def living(pids):
    return sorted(p for p in pids if status(p).get("State", "Z")[0] not in "ZX")


def program(pid):
    """the words it was started with; also of a thread"""
    try:
        with open("/proc/%d/cmdline" % int(pid)) as f:
            return f.read()
    except OSError:
        return ""


def programs(log):
    return {pid: program(pid) for pid in set(re.findall(r"^(\d+)", text(log), re.M))}


def workers(subject, least=1):
    """the processes to attach to; waits, and warms the subject, while there are fewer than before"""
    for attempt in range(50):
        pids = living(subject.pids())
        if len(pids) >= least:
            return pids
        if attempt % 10 == 0:
            subject.warm()
        time.sleep(0.1)
    if not pids:
        sys.exit("no process to trace")
    return pids


@contextlib.contextmanager
def attached(pids, argv):
    p = subprocess.Popen(argv + [w for pid in pids for w in ("-p", str(pid))], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + 5
        while any(status(pid).get("TracerPid") != str(p.pid) for pid in living(pids)):
            if time.monotonic() > end or p.poll() is not None:
                sys.exit("strace cannot attach to %s" % pids)
            time.sleep(0.01)
        time.sleep(0.05)  # until each has been stopped and goes on
        yield
    finally:
        if p.poll() is None:
            p.terminate()
        p.wait()


# ---- the log

WHOLE = re.compile(r"(\w+)\((.*)\) += (\?|-?\d+)(?:<([^>]*)>)?")
CUT = re.compile(r"(\w+)\((.*)()()$")


def calls_of(log):
    """[Call] by the line where each ended; result "?": its process was killed in it"""
    calls, halves = [], {}

    def take(pid, words_, began, ended):
        m = WHOLE.match(words_) or CUT.match(words_)
        if m:
            calls.append(Call(pid, m[1], m[2], m[3] or "?", m[4], began, ended))

    for at, line in enumerate(text(log).splitlines(), 1):
        m = re.match(r"(\d+)\s+(.*)", line)
        if not m:
            continue
        pid, rest = m.groups()
        unfinished = re.match(r"(.*) <unfinished \.\.\.>$", rest)
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if unfinished:
            halves[pid] = unfinished[1], at
        elif resumed:
            if pid in halves:
                head, began = halves.pop(pid)
                take(pid, head + resumed[1], began, at)
        elif rest.startswith("+++ killed"):
            if pid in halves:
                take(pid, *halves.pop(pid), at)
        elif not rest.startswith(("+++", "---")):
            take(pid, rest, at, at)
    return calls


def killed(log):
    """the calls in which processes were killed, and whether any was"""
    dead = set(re.findall(r"^(\d+) +\+\+\+ killed by SIGKILL", text(log), re.M))
    return [c for c in calls_of(log) if c.result == "?" and c.pid in dead], bool(dead)


STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"')  # a path, behind its directory or alone


def bare(c):
    return STRING.sub('""', c.args)


def descriptors(c):
    return re.findall(r"\b\d+<([^>]*)>", bare(c))


@functools.lru_cache(None)
def real(path):
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def names(c, box, opened):
    """the paths in a call's arguments; /proc/self/fd/N is what was opened as N"""
    out = []
    for directory, path in PATH.findall(c.args):
        m = re.match(r"/proc/[^/]+/fd/(\d+)$", path)
        out.append(opened.get(m[1], path) if m else real(os.path.normpath(os.path.join(directory or box, path))))
    return out


def below(path, box):
    return path is not None and (path == box or path.startswith(box + "/"))


def on_box(c, box):
    paths = descriptors(c) + ([c.path] if c.path else [])
    if KIND[c.name] in ("create", "rename", "link", "unlink"):
        paths += names(c, box, {})
    return any(below(p, box) for p in paths)


def operation(c, kind, box, ack, opened):
    """(kind, path, to) of a call that succeeded, or None"""
    fds = descriptors(c)
    if kind == "create":
        path = c.path or (names(c, box, {}) or [None])[0]
        opened[c.result] = path
        made = c.name == "creat" or "O_CREAT" in bare(c) or "O_TMPFILE" in bare(c)
        return ("create", path, "") if made and below(path, box) else None
    if kind in ("rename", "link") and c.name != "symlinkat":
        old, new = names(c, box, opened)
        return (kind, old, new) if below(old, box) or below(new, box) else None
    if kind == "unlink":
        path = names(c, box, {})[0]
        return ("unlink", path, "") if below(path, box) else None
    if c.name in ("fsync", "fdatasync"):
        return ("sync", fds[0], "") if fds and below(fds[0], box) else None
    if c.name == "sync" or c.name == "syncfs" and fds and below(fds[0], box):
        return "sync", "", ""
    if c.name in ("write", "writev", "sendto", "sendmsg") and fds and not below(fds[0], box):
        if not ack:
            return None
        said = "".join(STRING.findall(c.args)).encode().decode("unicode_escape", "replace").encode("latin-1", "replace")
        return ("ack", said[:24].decode("latin-1").strip(), "") if re.search(ack, said, re.M) else None
    if kind == "data" and fds:
        path = fds[1] if c.name in ("copy_file_range", "splice") and len(fds) > 1 else fds[0]
        return ("data", path, "") if below(path, box) else None
    return None


def ops_of(log, box, ack):
    ops, opened = [], {}
    for c in calls_of(log):
        if c.result == "?" or c.result.startswith("-"):
            continue
        op = operation(c, KIND[c.name], box, ack, opened)
        if op:
            ops.append(Op(*op, c.pid, c.began, c.ended))
    return ops
