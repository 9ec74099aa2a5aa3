"""`bustia check`, on a directory of broken configurations: check/NAME.conf is read, check/NAME.told is all that it must say.

In a configuration {D} stands for a folder made for the case, with a database, a certificate and a mail root in it, {P} for a
free port, {BUSY} for a taken one. Options that a case does not set get good values behind it. What differs by machine is taken
out of the answer: the kernel's walls, what is said to those who are not root, and the numbers of the last line (which are
counted here instead). A case that begins with "# needs root" is skipped without."""
import os
import re
import socket
import sqlite3
import stat
import subprocess
import time

import pytest

from bed import TOP
from freeports import free_port

HERE = os.path.dirname(os.path.realpath(__file__)) + "/check"
BUSTIA = os.environ.get("BUSTIA_BUILD", TOP + "/build") + "/src/tool/bustia"
ROOT = os.geteuid() == 0
OWNER = 61006 if ROOT else os.getuid()
BY_MACHINE = re.compile(r"this kernel has|: not root: |may have open here")
CASES = sorted(f[:-5] for f in os.listdir(HERE) if f.endswith(".conf"))


def run(*words, **kw):
    return subprocess.run([BUSTIA, *words], capture_output=True, text=True, errors="surrogateescape", **kw)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Place:
    """the folder of a case"""

    def __init__(self, folder, busy):
        self.d = folder
        for sub, mode in (("", 0o755), ("/mail", 0o755), ("/db", 0o700), ("/etc", 0o755)):
            os.makedirs(folder + sub, exist_ok=True)
            os.chmod(folder + sub, mode)
        if ROOT:
            os.chown(folder + "/db", 702, 702)
        self.words = {"D": folder, "P": str(free_port()), "BUSY": str(busy), "ME": str(OWNER)}

    def fill(self, text):
        for word, value in self.words.items():
            text = text.replace("{%s}" % word, value)
        return text

    def unfill(self, text):
        for word in ("D", "P", "BUSY"):
            text = text.replace(self.words[word], "{%s}" % word)
        text = re.sub("install -d%s -m" % (" -o (702|%d)" % OWNER if ROOT else ""), "install -d -o {OWNER} -m", text)
        return re.sub(r"(uid|mail_user =) %d\b" % OWNER, r"\1 {ME}", text)

    def good(self):
        """options that leave nothing to say"""
        return [("listen", "127.0.0.1:{P} pop3"), ("hostname", "localhost"), ("users_db", "{D}/db/users.db"),
                ("mail_root", "{D}/mail"), ("store_default", "maildir:{D}/mail/{user}"), ("mail_user", str(OWNER)),
                ("door_user", "701"), ("auth_user", "702"), ("control_user", "703"), ("run_dir", "{D}/run"), ("postmaster", "anna")]

    def write(self, text, name="bustia.conf"):
        said = set(re.findall(r"(?m)^\s*(\w+)\s*=", text))
        if text and not text.endswith("\n"):
            text += "\n"
        text += "".join("%s = %s\n" % o for o in self.good() if o[0] not in said)
        path = self.d + "/" + name
        with open(path, "w", errors="surrogateescape") as f:
            f.write(self.fill(text))
        os.chmod(path, 0o644)
        return path

    def add_user(self, name, *words):
        p = run("-c", self.write("", "good.conf"), "user", "add", name, "--uid", str(OWNER), "--gid", str(OWNER), "--generate", *words)
        assert p.returncode == 0, p.stderr

    def key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", self.d + "/etc/" + name)
        os.chmod(self.d + "/etc/" + name, 0o600)

    def certificate(self, days=100.0):
        """cert.pem and key.pem, valid for so many days from now"""
        d = self.d + "/etc"
        self.key("key.pem")
        with open(d + "/ca.cnf", "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\n"
                    "policy=p\n[p]\ncommonName=supplied\n" % (d, d))
        open(d + "/index", "w").close()
        day = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + s)) for s in (-40 * 86400, days * 86400)]
        openssl("req", "-new", "-key", d + "/key.pem", "-subj", "/CN=localhost", "-out", d + "/req.pem")
        openssl("ca", "-config", d + "/ca.cnf", "-batch", "-notext", "-selfsign", "-keyfile", d + "/key.pem", "-in", d + "/req.pem",
                "-startdate", day[0], "-enddate", day[1], "-out", d + "/cert.pem")


# ---- what a case needs besides its configuration

def other_key(p):
    p.key("key.pem")


def no_pem(p):
    with open(p.d + "/etc/cert.pem", "w") as f:
        f.write("not a certificate\n")


def open_key(p):
    os.chmod(p.d + "/etc/key.pem", 0o644)


def db_open(p):
    os.chmod(p.d + "/db/users.db", 0o644)


def db_broken(p):
    with open(p.d + "/db/users.db", "r+b") as f:
        f.write(b"this is no database at all" * 40)


def db_foreign(p):
    os.chown(p.d + "/db", 0, 0)
    os.chown(p.d + "/db/users.db", 0, 0)


def users_beyond(p):
    """two users whom a configuration with less roots and a higher first_uid cannot serve"""
    p.add_user("berta")
    os.makedirs(p.d + "/old", exist_ok=True)
    conf = p.write("mail_root = {D}/mail\nmail_root = {D}/old\n", "wide.conf")
    r = run("-c", conf, "user", "add", "carla", "--uid", str(OWNER), "--gid", str(OWNER), "--generate", "--no-maildir",
            "--store", "maildir:%s/old/carla" % p.d)
    assert r.returncode == 0, r.stderr


def root_open(p):
    os.chmod(p.d + "/mail", 0o777)


def root_file(p):
    open(p.d + "/file", "w").close()


def roots_by_links(p):
    os.symlink("mail", p.d + "/link")
    os.symlink("/", p.d + "/all")


def run_dir_open(p):
    os.makedirs(p.d + "/run")
    os.chmod(p.d + "/run", 0o777)


def conf_open(p):
    os.chmod(p.d + "/bustia.conf", 0o666)


def sockets(p):
    """names that are taken, and a folder that everybody may write"""
    os.makedirs(p.d + "/run")
    os.makedirs(p.d + "/open")
    os.chmod(p.d + "/open", 0o777)
    open(p.d + "/run/file", "w").close()
    s = socket.socket(socket.AF_UNIX)
    s.bind(p.d + "/run/dead")
    s.close()
    p.answers = socket.socket(socket.AF_UNIX)
    p.answers.bind(p.d + "/run/alive")
    p.answers.listen()


def addresses(p):
    """a domain of nobody, an alias at no domain, and two that lead to somebody another program has taken away"""
    conf = p.write("", "good.conf")
    for words in (("domain", "add", "empty.example", "--full"), ("domain", "add", "used.example"),
                  ("alias", "add", "info@else.example", "anna"), ("alias", "add", "info@used.example", "anna")):
        r = run("-c", conf, *words)
        assert r.returncode == 0, r.stderr
    db = sqlite3.connect(p.d + "/db/users.db")
    db.execute("INSERT INTO alias VALUES('info@empty.example', 'zoe'), ('info@used.example', 'zoe')")
    db.commit()
    db.close()


def anna_disabled(p):
    r = run("-c", p.write("", "good.conf"), "user", "set", "anna", "--disable")
    assert r.returncode == 0, r.stderr


BEFORE = {"addresses": [addresses], "addresses_pop3": [addresses], "addresses_postmaster": [addresses], "postmaster_disabled": [anna_disabled],
          "sockets": [sockets], "users_beyond": [users_beyond], "users_outside": [users_beyond], "tls_mismatch": [other_key], "tls_no_pem": [no_pem], "tls_open_key": [open_key],
          "db_open": [db_open], "db_broken": [db_broken], "db_foreign": [db_foreign], "root_open": [root_open],
          "root_file": [root_file], "roots_by_links": [roots_by_links], "run_dir_open": [run_dir_open], "conf_open": [conf_open]}
DAYS = {"tls_expired": -10.5, "tls_soon": 3.5}


@pytest.fixture(scope="module")
def busy():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


@pytest.fixture
def place(tmp_path, busy):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IXGRP)
    p = Place(str(tmp_path / "x"), busy)
    p.add_user("anna")
    return p


def told(place, path, answer):
    """what was said, without what differs by machine; the last line's numbers are checked here"""
    lines = answer.stdout.splitlines()
    errors = sum(": error: " in line for line in lines)
    warnings = sum(": warning: " in line for line in lines)
    assert lines[-1] == "%s: %d error%s, %d warning%s%s" % (
        path, errors, "" if errors == 1 else "s", warnings, "" if warnings == 1 else "s",
        ": the server would not start" if errors else "")
    assert answer.stderr == ""
    assert answer.returncode == (78 if errors else 0)
    kept = [line.replace(path, "bustia.conf", 1) for line in lines[:-1] if not BY_MACHINE.search(line)]
    return place.unfill("".join(line + "\n" for line in kept))


@pytest.mark.parametrize("name", CASES)
def test_case(name, place):
    with open("%s/%s.conf" % (HERE, name), errors="surrogateescape") as f:
        text = f.read()
    if text.startswith("# needs root") and not ROOT:
        pytest.skip("needs root: " + name)
    if "/etc/cert.pem" in text:
        place.certificate(DAYS.get(name, 100))
    path = place.write(text)
    for step in BEFORE.get(name, []):
        step(place)
    said = told(place, path, run("check", "--server", path))
    if os.environ.get("CHECK_WRITE"):
        with open("%s/%s.told" % (HERE, name), "w") as f:
            f.write(said)
    with open("%s/%s.told" % (HERE, name)) as f:
        assert said == f.read()


def test_check_changes_nothing(place):
    path = place.write("tls_cert = {D}/etc/cert.pem\ntls_key = {D}/etc/key.pem\n")
    place.certificate()

    def tree():
        out = []
        for folder, subs, files in os.walk(place.d):
            for f in sorted(subs + files):
                s = os.lstat(folder + "/" + f)
                out.append((folder + "/" + f, s.st_mode, s.st_uid, s.st_size))
        return sorted(out)

    before = tree()
    assert run("check", path).returncode == 0
    assert tree() == before


def test_the_server_refuses_to_start_on_the_same_list(place):
    path = place.write("mail_sessions = 0\nlsiten = 127.0.0.1:{P} pop3\nmail_root = {D}/none\n")
    errors = [line for line in run("check", path).stdout.splitlines() if ": error: " in line]
    p = subprocess.run([os.path.dirname(os.path.dirname(BUSTIA)) + "/daemon/bustiad", "-c", path], capture_output=True, text=True,
                       timeout=30)
    assert p.returncode != 0
    assert len(errors) == 4
    assert [line for line in p.stderr.splitlines() if ": error: " in line] == errors


def test_the_running_server_has_its_ports(own_bed):
    bed = own_bed()
    said = run("check", "--server", bed.dir + "/config").stdout
    assert "another program" not in said
    assert bed.dir + "/config: 0 errors" in said


# ---- who asks for what

def test_usage():
    for words, said in ((["--server", "--accounts"], "--server and --accounts exclude each other; without them both are checked"),
                        (["--no"], 'there is no option "--no"'),
                        (["--acounts"], 'there is no option "--acounts"; did you mean --accounts?'),
                        (["-a"], "-a wants a word: the file of accounts"),
                        (["a", "b"], "one file is checked at a time, and b is another one")):
        p = run("check", *words)
        assert p.returncode == 64
        assert p.stderr == "bustia: %s\nusage: bustia check [--server|--accounts] [FILE] | -a FILE\n" % said
    for words, said in ((["--verison"], 'there is no option "--verison"; did you mean --version?'), (["-x"], 'there is no option "-x"'),
                        (["-c"], "-c wants a word: the server's configuration")):
        p = run(*words)
        assert p.returncode == 64
        assert p.stderr == "bustia: %s\nusage: bustia [-c FILE] COMMAND …; `bustia help` lists the commands\n" % said
    for words, said in ((["--sample", "--manual"], "--sample and --manual exclude each other"),
                        (["--account"], 'there is no option "--account"; did you mean --accounts?'),
                        (["--accounts", "a", "-a", "b"], "one file is printed at a time, and b is another one"),
                        (["--accounts", "--sample", "a"], "--sample and --manual are the same for every file; name none"),
                        (["-a"], "-a wants a word: the file of accounts"),
                        (["a"], "a file stands behind --accounts; bustia -c FILE conf prints one of the server")):
        p = run("conf", *words)
        assert p.returncode == 64
        assert p.stderr == "bustia: %s\nusage: bustia conf [--accounts [FILE]|-a FILE] [--sample|--manual]\n" % said


def test_file_by_option_environment_and_word(place):
    path, other = place.write("mail_sessions = 0\n"), place.write("", "good.conf")
    for words, env in ((["-c", path, "check"], other), (["check"], path), (["-c", other, "check", path], other)):
        p = run(*words, env=dict(os.environ, BUSTIA_CONF=env))
        assert p.returncode == 78
        assert p.stdout.splitlines()[0].startswith(path + ":") or "not root" in p.stdout.splitlines()[0]


def test_no_file(place):
    p = run("check", "--server", place.d + "/none")
    assert p.returncode == 78
    assert p.stdout == ("%s/none: error: cannot open %s/none: No such file or directory; `bustia conf --sample` prints one to begin with\n"
                        "%s/none: 1 error, 0 warnings: the server would not start\n" % (place.d, place.d, place.d))


@pytest.mark.root
def test_a_person_who_may_not_read_the_file_is_told_so(place):
    path = place.write("")
    os.chmod(path, 0o600)
    p = run("check", path, user=65534, group=65534, extra_groups=[])
    assert p.returncode == 78 and p.stderr == ""
    assert p.stdout.startswith("%s: error: cannot open %s: Permission denied; " % (path, path))


# ---- bustia conf

def test_conf_prints_what_the_server_reads(place):
    path = place.write("idle_timeout = 1200\n")
    p = run("-c", path, "conf")
    assert p.returncode == 0
    assert "idle_timeout = 20m\n" in p.stdout
    again = place.d + "/again.conf"
    with open(again, "w") as f:
        f.write(p.stdout)
    assert run("-c", again, "conf").stdout == p.stdout


def test_conf_refuses_what_the_server_would(place):
    p = run("-c", place.write("mail_sessions = 0\n"), "conf")
    assert p.returncode == 78 and p.stdout == "" and ":1: error: " in p.stderr


def test_sample_can_be_checked(place):
    sample = run("conf", "--sample")
    assert sample.returncode == 0
    path = place.write(sample.stdout)
    with open(path) as f:
        n = len(f.readlines())
    assert n > 150
    assert told(place, path, run("check", "--server", path)) == ""


def test_sample_shows_the_defaults(tmp_path):
    """but for what it says: with every "#" taken away it configures what an empty file does"""
    sample = run("conf", "--sample").stdout
    assert 'but for "listen" and "hostname"' in sample
    (tmp_path / "none").write_text("")
    (tmp_path / "all").write_text("".join(o + "\n" for o in re.findall(r"(?m)^#(\w+ =.*)$", sample) if not re.match("listen|hostname", o)))
    shown = [run("-c", str(tmp_path / name), "conf") for name in ("none", "all")]
    assert shown[0].stdout == shown[1].stdout != "" and shown[0].returncode == shown[1].returncode == 0, shown


def test_output_that_is_lost_is_no_success():
    with open("/dev/full", "w") as full:
        p = subprocess.run([BUSTIA, "conf", "--sample"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert p.returncode == 74 and "No space left" in p.stderr
