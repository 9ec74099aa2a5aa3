"""collecting: `bustia fetch` put to a test: an accounts file of its own, a Maildir, and what became of it."""
import os
import resource
import subprocess
import time

from bed import TOP

BUSTIA = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"


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

    def measured(self, *words, timeout=120):
        """the same; with the memory of the process that took most"""
        out = self.folder + "/out"
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                resource.setrlimit(resource.RLIMIT_CPU, (timeout, timeout))
                fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                null = os.open("/dev/null", os.O_RDONLY)
                os.dup2(null, 0), os.dup2(fd, 1), os.dup2(fd, 2)
                os.execve(BUSTIA, [BUSTIA, "fetch", "-a", self.file, *words], self.environment)
            finally:
                os._exit(127)
        _, status, usage = os.wait4(pid, 0)
        with open(out, "rb") as f:
            text = f.read().decode(errors="backslashreplace")
        return Run(os.waitstatus_to_exitcode(status), text, time.monotonic() - began, usage.ru_maxrss / 1024)

    def state(self, name="one"):
        """the file that remembers what became of the account's messages"""
        return "%s/state/bustia/%s.db" % (self.folder, name)

    def mails(self, name="one"):
        """what was delivered, with LF"""
        out = []
        for sub in ("new", "cur"):
            folder = "%s/%s" % (self.box(name), sub)
            for f in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                with open("%s/%s" % (folder, f), "rb") as fd:
                    out.append(fd.read())
        return out
