"""worker: a real mail or deliver process, and master, auth and door played by a test: what they must not be able to make it do."""
import os
import socket
import subprocess

import frames

ROOT = os.geteuid() == 0
UID = 61011 if ROOT else os.getuid()
GID = 61011 if ROOT else os.getgid()


class Worker:
    """bustia-mail with a root below a directory; the test holds all its channels. `words`: before the command, `env`: beside ours"""

    def __init__(self, bed, tmp, role="mail", single=None, options="", descriptors_most=None, words=(), env=None):
        self.program = os.path.dirname(bed.programs["bustiad"]) + "/bustia-mail"
        self.root = str(tmp / "mail")
        os.makedirs(str(tmp / "run/empty"), exist_ok=True)
        for user in ("anna", "berta"):
            for sub in ("cur", "new", "tmp"):
                os.makedirs("%s/%s/%s" % (self.root, user, sub), exist_ok=True)
            with open("%s/%s/new/1.%s" % (self.root, user, user), "w") as f:
                f.write("Subject: %s\n\n" % user)
        if ROOT:
            for d, subs, files in os.walk(self.root):
                for name in [d] + [d + "/" + f for f in files]:
                    os.chown(name, UID, GID)
            frames.let_through(str(tmp))
        conf = "mail_root = %s\nrun_dir = %s\nfirst_uid = %d\nusers_db = %s/db/users.db\n%s" % (
            self.root, tmp / "run", min(1000, UID), tmp, options)
        self.log_path = str(tmp / "log")
        self.process, self.master, log = frames.start([*words, self.program, "--role", role], conf, self.log_path, descriptors_most, env)
        root = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        frames.send(self.master, "ROOT", texts=[self.root], fd=root)
        if single:
            frames.send(self.master, "STORE", texts=["maildir:%s/%s" % (self.root, single)])
        frames.send(self.master, "GO", num=[UID, GID, ROOT, 1])
        assert frames.receive(self.master)[0] == "READY"
        self.auth, a = frames.pair()
        self.door, d = frames.pair()
        frames.send(self.master, "AUTH", fd=a.fileno())
        frames.send(self.master, "DOOR", door=1, fd=d.fileno())
        for fd in (log, root):
            os.close(fd)
        a.close()
        d.close()

    def expect(self, n, user="anna", where=None, uid=UID, gid=GID, door=1):
        frames.send(self.auth, "EXPECT", door=door, n=n, num=[uid, gid],
                    texts=[user, where or "maildir:%s/%s" % (self.root, user), "127.0.0.1"])

    def take(self, n, door=1, unread=b"", flags=0):
        ours, theirs = socket.socketpair()
        frames.send(self.door, "TAKE", door=door, n=n, num=[flags], texts=["127.0.0.1", unread], fd=theirs.fileno())
        theirs.close()
        ours.settimeout(10)
        return ours

    def answer(self, n):
        """what the door is told of this session, others left out"""
        while True:
            name, _, of, _, _ = frames.receive(self.door, 12)
            if of == n:
                return name

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def close(self):
        for s in (self.master, self.auth, self.door):
            s.close()
        try:
            self.process.wait(2)  # it ends by itself when its sessions have; a failed test may have left some open
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
