"""doc/leaving.md, step by step, with the programs that are left: no message is lost on the way over, and none comes twice."""
import functools
import glob
import os
import re
import subprocess

import pytest

from collecting import Collecting
from popserver import PopServer
from test_clients import CLIENTS, again_if_it_hangs, as_nobody, nobody_dir, run_getmail  # noqa: F401


def mail(n):
    return b"From: ben@example.org\r\nTo: anna@example.org\r\nSubject: message %d\r\n\r\nIt is message %d.\r\n" % (n, n)


def numbers(texts):
    return sorted(int(re.search(rb"(?m)^Subject: message (\d+)", t).group(1)) for t in texts)


class Old:
    """a collector that is left: run(), and mails() that it has delivered"""

    def __init__(self, peer, folder, port, keep):
        self.words, self.d, self.port, self.keep = peer(*CLIENTS), folder, port, keep
        for sub in ("", "/box", "/box/new", "/box/cur", "/box/tmp"):
            os.makedirs(str(folder) + sub, exist_ok=True)

    def put(self, name, text, mode=0o600):
        with open(os.open("%s/%s" % (self.d, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
            f.write(text)

    def run(self):
        p = subprocess.run(self.words + self.argv(), capture_output=True, text=True, timeout=180, cwd=self.d,
                           env=dict(os.environ, LC_ALL="C", HOME=str(self.d)))
        assert p.returncode == 0, (p.returncode, p.stdout, p.stderr)

    def mails(self):
        return numbers(open(f, "rb").read() for f in glob.glob("%s/box/*/*" % self.d))


class Mpop(Old):
    def argv(self):
        self.put("rc", "account a\nhost localhost\nport %d\nuser anna\npassword secret\nauth user\ntls off\nkeep %s\nuidls_file %s/uidls\n"
                       "delivery maildir %s/box\n" % (self.port, "on" if self.keep else "off", self.d, self.d))
        return ["mpop", "-q", "-C", "%s/rc" % self.d, "a"]


class Fetchmail(Old):
    def argv(self):
        self.put("save", "#!/bin/sh\nexec cat >%s/box/new/$(date +%%s%%N)\n" % self.d, 0o700)
        self.put("rc", "set no spambounce\npoll localhost proto POP3 port %d auth password uidl\n  user anna password secret is root here\n"
                       "  sslproto \"\" %s\n  mda \"%s/save\"\n" % (self.port, "keep" if self.keep else "nokeep", self.d))
        return ["fetchmail", "-f", "%s/rc" % self.d, "--pidfile", "%s/pid" % self.d, "--idfile", "%s/ids" % self.d]


class Getmail(Old):
    patience = 180  # less where it is run again

    def run(self):
        status, out, err = run_getmail(self.words + self.argv(), self.d, Getmail.patience)
        assert status == 0, (status, out, err)

    def argv(self):
        self.put("getmailrc", "[retriever]\ntype = SimplePOP3Retriever\nserver = localhost\nport = %d\nusername = anna\npassword = secret\n"
                              "[destination]\ntype = Maildir\npath = %s/box/\n[options]\nread_all = false\ndelete = %s\n" % (
                                  self.port, self.d, not self.keep))
        return as_nobody(self.d, ["getmail", "--getmaildir", str(self.d), "--rcfile", "getmailrc"])


@pytest.fixture(params=[Mpop, Fetchmail, Getmail])
def leave(request, peer, tmp_path, nobody_dir):  # noqa: F811
    """(a server with five messages, the old program, ours)"""
    made = []

    def make(keep):
        s = PopServer([mail(n) for n in range(5)], capa=["TOP", "USER", "UIDL", "PIPELINING"])
        made.append(s)
        nobody_dir.chmod(0o755)
        for folder in (tmp_path, nobody_dir):
            (folder / str(len(made))).mkdir()
        ours = Collecting(tmp_path / str(len(made))).account(s.port)
        return s, request.param(peer, nobody_dir / str(len(made)), s.port, keep), ours

    yield make
    for s in made:
        s.close()


def anew_if_it_hangs(test):
    """with a server and folders of its own each time"""
    @functools.wraps(test)
    def run(leave):
        def work(patience):
            Getmail.patience = patience
            test(leave)

        again_if_it_hangs(work)

    return run


@anew_if_it_hangs
def test_who_left_mail_on_the_server(leave):
    s, old, ours = leave(keep=True)
    old.run()
    assert old.mails() == [0, 1, 2, 3, 4]
    s.add(mail(5))  # comes between its last timer and our beginning
    assert ours.bustia("mark-seen", "-a", ours.file, "one").status == 0
    old.run()
    s.add(mail(6))
    s.add(mail(7))
    plan = ours.fetch("--plan")
    assert plan.status == 0 and plan.out.count("fetch: new") == 2 and plan.out.count("leave: marked as seen") == 6, plan
    assert ours.fetch().status == 0
    assert ours.fetch("--exit-new").status == 1
    assert numbers(ours.mails()) == [6, 7]
    assert old.mails() == [0, 1, 2, 3, 4, 5]
    assert len(s.left()) == 8


@anew_if_it_hangs
def test_who_deleted_what_he_fetched(leave):
    s, old, ours = leave(keep=False)
    old.run()
    assert s.left() == [] and old.mails() == [0, 1, 2, 3, 4]
    s.add(mail(5))
    assert ours.fetch().status == 0
    assert numbers(ours.mails()) == [5]


@anew_if_it_hangs
def test_without_marking_all_of_it_comes(leave):
    """what the page is for: otherwise this would be so"""
    s, old, ours = leave(keep=True)
    old.run()
    assert ours.fetch().status == 0
    assert numbers(ours.mails()) == old.mails() == [0, 1, 2, 3, 4]
