"""The manuals: every example of an accounts file is checked without a word, those of bustia-fetch(1) are run as they stand, against
servers of the tests' own in the place of those that they name; and the unit of systemd is one that systemd reads."""
import glob
import os
import re
import shutil
import subprocess

import pytest

from bed import TOP
from popserver import PopServer, certificate
from test_accounts import BUSTIA, home  # noqa: F401
from test_check import ROOT

MAIL = [b"From: ben@example.org\r\nSubject: %d\r\n\r\nIt is message %d.\r\n" % (n, n) for n in range(3)]
STUBS = {"oama": "echo token", "pass": "echo secret", "notify-send": "exit 0", "procmail": 'cat >> "$BOX"; echo "$2" > "$BOX.for"'}


def blocks(page, section="EXAMPLES"):
    """the literal blocks of a section, as a reader sees them"""
    with open(TOP + "/man/" + page) as f:
        text = re.search(r"(?ms)^\.Sh %s\n(.*?)(?=^\.Sh |\Z)" % section, f.read()).group(1)
    return [re.sub(r"\\&", "", b).replace("\\e", "\\") for b in re.findall(r"(?ms)^\.Bd -literal.*?\n(.*?)^\.Ed", text)]


def examples(page):
    """[(what is typed before, the accounts file, what is typed then)]"""
    all_blocks, out = blocks(page), []
    for i, b in enumerate(all_blocks):
        if re.search(r"(?m)^account = ", b):
            before = all_blocks[i - 1] if i and "$EDITOR" in all_blocks[i - 1] else ""
            out.append((before, b, all_blocks[i + 1] if i + 1 < len(all_blocks) else ""))
    return out


EXAMPLES = [("bustia-fetch.1", n) for n in range(3)] + [("bustia-accounts.5.in", n) for n in range(3)]


class Person:
    """whoever does as the manual says; /etc/bustia is below his home folder, and commands that are not there are made"""

    def __init__(self, home, server=None):
        self.home, self.etc, self.bin = home, home.d + "/etc", home.d + "/bin"
        self.box = home.d + "/filtered"
        for folder in (self.etc, self.bin):
            os.mkdir(folder)
        for name, words in STUBS.items():
            with open(os.open(self.bin + "/" + name, os.O_WRONLY | os.O_CREAT, 0o755), "w") as f:
                f.write("#!/bin/sh\n%s\n" % words)
        self.conf = server

    def here(self, text):
        return text.replace("/etc/bustia", self.etc)

    def sh(self, text, **more):
        words = dict(HOME=self.home.d, PATH="%s:%s:%s" % (self.bin, os.path.dirname(BUSTIA), os.environ["PATH"]), EDITOR="true",
                     BOX=self.box, **more)
        if self.conf:
            words["BUSTIA_CONF"] = self.conf
        return subprocess.run(["sh", "-c", "set -e\n" + self.here(text)], capture_output=True, text=True, env=words, cwd=self.home.d)

    def prepare(self, before, accounts):
        """does what comes before; puts the accounts where they belong, and a password into every file that was made for one"""
        p = self.sh(before)
        assert p.returncode == 0, p.stderr
        for path in re.findall(r"(?m)^password_file = (\S+)", self.here(accounts)):
            path = path.replace("~", self.home.d)
            assert os.path.exists(path) == bool(before), "the example does not make " + path
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("secret\n")
        self.file = self.etc + "/accounts" if "/etc/bustia" in before else self.home.path
        self.write(accounts)

    def write(self, accounts):
        with open(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(self.here(accounts))

    def bustia(self, *words):
        return self.sh('exec bustia "$@"'.replace('"$@"', " ".join(words)))


@pytest.fixture
def person(home):  # noqa: F811
    return Person(home)


def test_all_examples_are_here():
    for page in ("bustia-fetch.1", "bustia-accounts.5.in"):
        assert len(examples(page)) == sum(p == page for p, _ in EXAMPLES)


@pytest.mark.parametrize("page,n", EXAMPLES)
def test_the_check_is_quiet(page, n, person, own_bed):
    before, accounts, _ = examples(page)[n]
    if "mailbox:" in accounts:
        bed = own_bed()
        person.conf = bed.target["config"]
        accounts = accounts.replace("mailbox:anna", "mailbox:" + bed.user()[0])
    person.prepare(before, accounts)
    p = person.bustia("check", "--accounts", person.file)
    assert p.stdout == "%s: 0 errors, 0 warnings\n" % person.file, p.stdout


# ---- as they stand

class Servers:
    """one for each server that an accounts file names; the file is made to name them"""

    def __init__(self, folder, accounts):
        tls = certificate(folder)
        self.all, out = {}, ["tls_ca = " + tls[0]]
        for part in re.split(r"(?m)^(?=account = )", accounts):
            name = re.search(r"(?m)^account = (\S+)", part)
            if name:
                user = re.search(r"(?m)^user = (\S+)", part).group(1)
                s = PopServer(MAIL, {user: "secret"}, tls=tls, implicit="starttls" not in part, token="token",
                              sasl="XOAUTH2" if "token_command" in part else "PLAIN",
                              capa=["TOP", "UIDL", "PIPELINING", "RESP-CODES"] + (["STLS"] if "starttls" in part else []))
                self.all[name.group(1)] = s
                part = re.sub(r"(?m)^server = .*", "server = localhost:%d" % s.port, part)
            out.append(part)
        self.accounts = "\n".join(out)

    def close(self):
        for s in self.all.values():
            s.close()


@pytest.fixture
def started(tmp_path):
    made = []

    def start(accounts):
        made.append(Servers(str(tmp_path), accounts))
        return made[-1]

    yield start
    for s in made:
        s.close()


def stored(folder):
    return sorted(open(f, "rb").read() for f in glob.glob(folder + "/new/*") + glob.glob(folder + "/cur/*"))


LF = sorted(m.replace(b"\r\n", b"\n") for m in MAIL)


def lines(text):
    """the commands of a block, without their comments"""
    return [re.sub(r"\s+# .*", "", line) for line in text.splitlines()]


def test_first_example(person, started):
    before, accounts, then = examples("bustia-fetch.1")[0]
    person.prepare(before, accounts)
    s = started(accounts)
    person.write(s.accounts)
    assert [line.split()[:2] for line in lines(then)] == [["bustia", "check"], ["bustia", "fetch"], ["bustia", "fetch"], ["bustia", "fetch"]]
    for line in lines(then):
        p = person.sh(line)
        assert p.returncode == 0, (line, p.stdout, p.stderr)
        assert "--plan" not in line or p.stdout.count("fetch: new") == len(MAIL)
    for name in ("gmail", "outlook"):
        assert stored(person.home.d + "/Mail/" + name) == LF
        assert len(s.all[name].left()) == len(MAIL)
    p = person.sh("bustia fetch --exit-new")
    assert p.returncode == 1, (p.stdout, p.stderr)
    assert stored(person.home.d + "/Mail/gmail") == LF


def test_second_example(person, started):
    before, accounts, then = examples("bustia-fetch.1")[1]
    person.prepare(before, accounts)
    shutil.rmtree(person.home.d + "/Maildir")
    s = started(accounts)
    person.write(s.accounts)
    for line in lines(then):
        if not line.startswith("systemctl"):
            p = person.sh(line if "status" not in line else "bustia fetch && " + line)
            assert p.returncode == 0, (line, p.stdout, p.stderr)
    assert stored(person.home.d + "/Maildir") == sorted(3 * LF)
    assert all(len(one.left()) == len(MAIL) for one in s.all.values())
    assert [line.split()[0] for line in p.stdout.splitlines()[-3:]] == ["home", "work", "club"]


@pytest.mark.root
def test_third_example(person, started, own_bed):
    before, accounts, then = examples("bustia-fetch.1")[2]
    bed = own_bed()
    person.conf = bed.target["config"]
    one, two = bed.user()[0], bed.pool(1)[0]
    accounts = accounts.replace("mailbox:anna", "mailbox:" + one).replace("localhost:24", "localhost:%d" % bed.ports["lmtp"]).replace(
        "office@example.org", two)
    person.prepare(before, accounts)
    s = started(accounts)
    person.write(s.accounts)
    p = person.sh(re.sub(r"^(\S+ ){5}", "", then))
    assert p.returncode == 0, (p.stdout, p.stderr)
    assert p.stdout == ""
    assert sorted(bed.received(one, strip=False)) == MAIL  # root's way adds nothing
    assert sorted(bed.received(two)) == MAIL
    with open(person.box, "rb") as f:
        assert f.read() == b"".join(m.replace(b"\r\n", b"\n") for m in MAIL)
    with open(person.box + ".for") as f:
        assert f.read() == "lists\n"
    assert [len(s.all[name].left()) for name in ("anna", "office", "lists")] == [0, 3, 3]


# ---- the pages, and the unit

@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_pages_are_well_formed():
    built = os.path.dirname(os.path.dirname(os.path.dirname(BUSTIA))) + "/man/"
    pages = [TOP + "/man/" + f for f in os.listdir(TOP + "/man") if re.search(r"\.[18]$", f)] + [built + "bustia.conf.5", built + "bustia-accounts.5"]
    assert len(pages) >= 6
    for page in pages:
        p = subprocess.run(["groff", "-mdoc", "-Tutf8", "-ww", "-Wbreak", page], capture_output=True, text=True)
        assert p.returncode == 0 and p.stderr == "" and len(p.stdout) > 2000, (page, p.stderr)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_reads_the_unit(tmp_path):
    with open(TOP + "/systemd/bustia-fetch.service.in") as f:
        unit = f.read().replace("@bindir@", os.path.dirname(BUSTIA))
    assert "@" not in unit and "Type=notify\n" in unit

    def said(text):
        path = tmp_path / "bustia-fetch.service"
        path.write_text(text)
        p = subprocess.run(["systemd-analyze", "--user", "verify", "--man=no", str(path)], capture_output=True, text=True,
                           env=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)))
        return p.stdout + p.stderr

    if "Failed to" in said(unit):
        pytest.skip("systemd-analyze does not work here")
    assert said(unit) == ""
    assert said(unit.replace("KillMode", "KillMood")) != ""


def options_of(text):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def synopsis(page, name):
    """the options that a command has in the synopsis of a page"""
    with open(TOP + "/man/" + page) as f:
        part = re.search(r"(?ms)^\.Sh SYNOPSIS\n(.*?)^\.Sh ", f.read()).group(1)
    one = re.search(r"(?ms)^\.Nm bustia %s\n(.*?)(?=^\.Nm |\Z)" % name, part).group(1)
    return options_of(re.sub(r"(?<= )-(?=[a-z-]+)", "--", re.sub(r"\bFl |\| (?=-)", "", re.sub(r"Fl ([a-z])\b", r"Fl=-\1", one))).replace("Fl=-", "-"))


@pytest.mark.parametrize("page,name,words", [("bustia-fetch.1", "fetch", ["--no"]), ("bustia-fetch.1", "mark-seen", ["--no"]),
                                             ("bustia-fetch.1", "status", ["--no"]), ("bustia-read.1", "list", ["--help"]),
                                             ("bustia-read.1", "show", ["--help"]), ("bustia-read.1", "headers", ["--help"]),
                                             ("bustia-read.1", "save", ["--help"]), ("bustia-read.1", "delete", ["--help"]),
                                             ("bustia-read.1", "send", ["--help"])])
def test_the_synopsis_has_all_options(page, name, words):
    p = subprocess.run([BUSTIA, name, *words], capture_output=True, text=True)
    usage = re.search(r"(?m)^usage: bustia %s (.*)" % name, p.stdout + p.stderr).group(1)
    assert synopsis(page, name) == options_of(usage)


def test_the_reader_s_examples(person):
    """all but those that send, which want an editor and a server of SMTP"""
    typed = [line for line in blocks("bustia-read.1")[0].splitlines() if "bustia send" not in line]
    assert len(typed) >= 4
    attached = (b"From: ben@example.org\r\nSubject: %d\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n"
                b"text %d\r\n--x\r\nContent-Disposition: attachment; filename=\"../note.txt\"\r\n\r\na note\r\n--x--\r\n")
    with PopServer([attached % (n, n) for n in range(12)]) as s:
        person.file = person.home.path
        person.write("account = work\nserver = localhost:%d\ntls = none\nuser = anna\npassword_file = ~/password\ndeliver = maildir:~/Maildir\n" % s.port)
        os.mkdir(person.home.d + "/Downloads")
        assert person.sh("bustia fetch").returncode == 0
        said = {}
        for line in typed:
            p = person.sh(line, LC_ALL="C.UTF-8")
            assert p.returncode == 0, (line, p.stdout, p.stderr)
            said[line] = p.stdout
        assert len(s.left()) == 12
    assert said["bustia list work"].count("ben@example.org") == said["bustia list --collected --all work"].count("ben@example.org") == 12
    assert "text 11" in said["bustia show work 12"] and "note.txt" in said["bustia show work 12"]
    assert "text " in said["bustia show maildir:~/Maildir 3"]
    assert os.listdir(person.home.d + "/Downloads") == ["note.txt"]


def test_the_account_of_leaving_is_right(person):
    with open(TOP + "/doc/leaving.md") as f:
        accounts = "".join(line[4:] for line in f if re.match(r"    \w+ = ", line))
    assert "account = gmail\n" in accounts
    person.prepare("mkdir -p ~/.config/bustia ~/Mail; install -m 600 /dev/null ~/.config/bustia/gmail.password", accounts)
    p = person.bustia("check")
    assert p.stdout.endswith("%s: 0 errors, 0 warnings\n" % person.file), p.stdout


def test_what_the_documents_name_is_there():
    """files of the source and of the tests, and pages"""
    for page in glob.glob(TOP + "/doc/*.md") + [TOP + "/README.md", TOP + "/CONTRIBUTING.md"]:
        with open(page) as f:
            text = f.read()
        named = {m if m.startswith("src/") else "src/" + m for m in re.findall(
            r"`((?:src/)?(?:base|wire|store|user|net|check|client|post|daemon|fetch|tool|reader)/[\w*/]+\.[ch])\b", text)}
        named |= {"tests/dialogue/" + m for m in re.findall(r"`((?:pop3c|smtp|lmtp)_[\w*]+\.txt)", text)}
        named |= {"tests/live/" + m for m in re.findall(r"\btest_\w+\.py", text)}
        named |= {"tests/unit/test_%s.c" % m for m in re.findall(r"\bunit-(\w+)", text)}
        named |= {os.path.relpath(os.path.join(os.path.dirname(page), m), TOP) for m in re.findall(r"\]\((?!http|#)([^)#]+)", text)}
        missing = sorted(m for m in named if not glob.glob(TOP + "/" + m))
        assert not missing, (page, missing)
