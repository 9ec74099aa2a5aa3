"""collecting: `bustia fetch` put to a test: an accounts file of its own, a Maildir, and what became of it."""
import os
import re
import sqlite3
import subprocess
import time

from bed import TOP

BUSTIA = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"


def kilobytes(pid):
    """the most memory that one of these had: a process and its descendants"""
    try:
        with open("/proc/%d/status" % pid) as f:
            m = re.search(r"VmHWM:\s+(\d+)", f.read())
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = f.read().split()
    except OSError:
        return 0
    return max([int(m[1]) if m else 0] + [kilobytes(int(c)) for c in children])


class Run:
    def __init__(self, status, out, seconds, mb):
        self.status, self.out, self.seconds, self.mb = status, out, seconds, mb

    def __repr__(self):
        return "<status %d, %.1f s, %.0f MB: %s>" % (self.status, self.seconds, self.mb, self.out)


class Collecting:
    """below `folder`: accounts, state, a box for each account"""

    def __init__(self, folder):
        self.folder = str(folder)
        self.file = self.folder + "/accounts"
        with open(os.open(self.folder + "/secret", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("secret\n")
        self.text = "connect_timeout = 2s\nsilence_timeout = 2s\n"
        self.names = []
        self.environment = dict(os.environ, HOME=self.folder, XDG_STATE_HOME=self.folder + "/state", LC_ALL="C.UTF-8")
        self.save()

    def save(self):
        with open(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(self.text)

    def account(self, port, name="one", tls="none", host="localhost", **options):
        """options as they are written in the file, with None for what is left out"""
        options = {"user": "anna", "password_file": self.folder + "/secret", "deliver": "maildir:" + self.box(name), **options}
        self.text += "account = %s\nserver = %s:%d\ntls = %s\n" % (name, host, port, tls)
        self.text += "".join("%s = %s\n" % o for o in options.items() if o[1] is not None)
        self.names.append(name)
        self.save()
        return self

    def box(self, name="one"):
        return "%s/box-%s" % (self.folder, name)

    def fetch(self, *words, timeout=60, stdin=subprocess.DEVNULL):
        return self.bustia("fetch", "-a", self.file, *words, timeout=timeout, stdin=stdin)

    def bustia(self, *words, timeout=60, stdin=subprocess.DEVNULL):
        out = self.folder + "/out"
        began = time.monotonic()
        with open(out, "wb") as f:
            p = subprocess.Popen([BUSTIA, *words], stdin=stdin, stdout=f, stderr=f, env=self.environment)
            try:
                p.wait(timeout)
            except subprocess.TimeoutExpired:
                p.terminate()
                p.wait(20)
                raise
        with open(out, "rb") as f:
            text = f.read().decode(errors="backslashreplace")
        return Run(p.returncode, text, time.monotonic() - began, 0)

    def measured(self, *words, timeout=60):
        """the same; with the memory of the process that took most. It is asked again and again: what wait4() says includes that of
        this process before exec()"""
        out, most = self.folder + "/out", 0
        began = time.monotonic()
        with open(out, "wb") as f:
            p = subprocess.Popen([BUSTIA, "fetch", "-a", self.file, *words], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                 env=dict(os.environ, HOME=self.folder, LC_ALL="C.UTF-8"))
            while p.poll() is None:
                most = max(most, kilobytes(p.pid))
                if time.monotonic() > began + timeout:
                    p.terminate()
                    p.wait(20)
                    raise subprocess.TimeoutExpired(p.args, timeout)
                time.sleep(0.005)
        with open(out, "rb") as f:
            text = f.read().decode(errors="backslashreplace")
        seconds = time.monotonic() - began
        assert most > 500 or seconds < 0.1, "its memory was never seen"
        return Run(p.returncode, text, seconds, most / 1024)

    def mails(self, name="one"):
        """what was delivered, with LF"""
        out = []
        for sub in ("new", "cur"):
            folder = "%s/%s" % (self.box(name), sub)
            for f in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                with open("%s/%s" % (folder, f), "rb") as fd:
                    out.append(fd.read())
        return out


def text(n, size=0):
    return b"Subject: message %d\r\n\r\nbody %d\r\n" % (n, n) + b"y" * 70 * (size // 70) + b"\r\n"


def change(c, sql, name="one"):
    """what an account's state remembers, behind the collector's back"""
    db = sqlite3.connect("%s/state/bustia/%s.db" % (c.folder, name))
    with db:
        db.execute(sql)
    db.close()
