"""`bustia check --accounts`: on accounts files that are broken in one way each all that it says, on good ones nothing; and
`bustia conf --accounts`.

In an accounts file {H} stands for a home folder made for the case, with a password file, a Maildir and a netrc in it."""
import os
import re
import socket
import subprocess

import pytest

from bed import TOP
from freeports import free_port
from test_check import BUSTIA, OWNER, ROOT, Place

pytestmark = pytest.mark.asan

GOOD = {"server": "pop.example.org", "user": "anna", "password_file": "~/password", "deliver": "maildir:~/Maildir"}


class Home:
    """the home folder of a person with accounts"""

    def __init__(self, folder):
        self.d = folder
        for sub in ("", "/Maildir", "/Maildir/new", "/Maildir/cur", "/Maildir/tmp", "/Mail", "/.config", "/.config/bustia"):
            os.mkdir(folder + sub)
            os.chmod(folder + sub, 0o700)
        self.put("password", "secret\n")
        self.put(".netrc", "machine pop.example.org login anna password secret\n")
        self.path = folder + "/.config/bustia/accounts"
        self.conf = folder + "/none.conf"

    def put(self, name, text, mode=0o600):
        with open(self.d + "/" + name, "w") as f:
            f.write(text)
        os.chmod(self.d + "/" + name, mode)
        return self.d + "/" + name

    def run(self, *words, **env):
        known = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG") or k.endswith("SAN_OPTIONS")}
        return subprocess.run([BUSTIA, *words], capture_output=True, text=True, env=dict(known, HOME=self.d, **env), cwd="/")

    def write(self, text):
        self.put(".config/bustia/accounts", text.replace("{H}", self.d))

    def check(self):
        """what is said of the accounts, without the last line, which is checked here"""
        p = self.run("-c", self.conf, "check", "--accounts")
        lines = p.stdout.splitlines()
        errors, warnings = (sum(": %s: " % kind in line for line in lines) for kind in ("error", "warning"))
        assert lines[-1] == "%s: %d error%s, %d warning%s%s" % (
            self.path, errors, "" if errors == 1 else "s", warnings, "" if warnings == 1 else "s",
            ": what has errors is not fetched" if errors else "")
        assert p.stderr == "" and p.returncode == (78 if errors else 0)
        return [line.replace(self.path + ":", "", 1).replace(self.d, "{H}") for line in lines[:-1]]


@pytest.fixture
def home(tmp_path):
    return Home(str(tmp_path / "home"))


def account(name="work", **options):
    """an account with nothing wrong but what is said here; None takes an option away"""
    options = {k: v for k, v in dict(GOOD, **options).items() if v is not None}
    return "account = %s\n" % name + "".join("%s = %s\n" % o for o in options.items())


def test_nothing_is_wrong(home):
    home.write(account())
    assert home.check() == []


# ---- what the reading of the file shows, too

def test_the_nearest_name_and_the_line_are_said(home):
    home.write(account(delet="14d", tls="implict", deliver="mailder:~/Maildir", keep_newest="-1"))
    said = home.check()
    assert [int(line.split(":")[0]) for line in said] == [5, 6, 7, 8]
    assert 'did you mean "maildir:"?' in said[0]
    assert said[1] == '6: error: unknown option "delet"; did you mean "delete"?'
    assert '"implict"' in said[2] and "keep_newest" in said[3]


def test_what_is_missing(home):
    home.write("account = a\n")
    assert sorted(home.check()) == [
        "1: error: account a does not say where its mail goes; write for instance deliver = maildir:~/Mail/a below it",
        "1: error: account a has no server; write server = HOST below it",
        "1: error: account a has no user; write user = NAME below it"]


def test_the_file_may_be_changed_by_others(home):
    home.write(account())
    os.chmod(home.path, 0o666)
    said = home.check()
    assert len(said) == 1 and said[0].startswith(" error: everybody may change this file (mode 0666)")


# ---- what this machine shows

CASES = {
    "password_absent": (dict(password_file="~/none"), "4: error: password_file = {H}/none cannot be opened: No such file or directory"),
    "password_folder": (dict(password_file="~/Mail"), "4: error: password_file = {H}/Mail is no regular file"),
    "password_open": (dict(password_file="~/open"), "4: error: password_file = {H}/open may be read by others (mode 0640), and is not used; "
                      "chmod 600 {H}/open"),
    "password_empty": (dict(password_file="~/empty"), "4: error: password_file = {H}/empty has no password on its first line"),
    "password_line": (dict(password_file="~/line"), "4: error: password_file = {H}/line has no password on its first line"),
    "password_for_sending": (dict(smtp_server="smtp.example.org", smtp_password_file="~/open"),
                             "7: error: smtp_password_file = {H}/open may be read by others (mode 0640), and is not used; chmod 600 {H}/open"),
    "netrc_absent": (dict(password_file=None, netrc="yes"), "5: warning: netrc = yes, and {H}/.netrc cannot be looked at: No such file "
                     "or directory; the password is asked for"),
    "netrc_open": (dict(password_file=None, netrc="yes"), "5: error: netrc = yes, and {H}/.netrc may be read by others (mode 0644), and is not "
                   "used; chmod 600 {H}/.netrc"),
    "command_absent": (dict(password_file=None, password_command="no-such-program show"),
                       "5: warning: password_command: there is no program no-such-program in the folders of PATH"),
    "command_path": (dict(password_file=None, password_command="/nowhere/program"),
                     "5: warning: password_command: /nowhere/program cannot be run: No such file or directory"),
    "command_home": (dict(password_file=None, password_command="~/password x"),
                     "5: warning: password_command: {H}/password cannot be run: it is no program that uid %d may start" % os.geteuid()),
    "command_relative": (dict(password_file=None, password_command="bin/x | head -1"),
                         '5: warning: password_command: bin/x is looked for in whatever folder bustia is started in; write it from the root "/" or '
                         'from "~/"'),
    "token_absent": (dict(token_command="no-such-program", auth="XOAUTH2"),
                     "6: warning: token_command: there is no program no-such-program in the folders of PATH"),
    "notice_absent": (dict(notice_command='no-such-program "$BUSTIA_ERROR"'),
                      "6: warning: notice_command: there is no program no-such-program in the folders of PATH"),
    "smtp_command_absent": (dict(smtp_server="smtp.example.org", smtp_password_command="no-such-program"),
                            "7: warning: smtp_password_command: there is no program no-such-program in the folders of PATH"),
    "deliver_command": (dict(deliver="command:no-such-program -d anna"),
                        "5: warning: deliver: there is no program no-such-program in the folders of PATH"),
    "maildir_no_parent": (dict(deliver="maildir:~/none/work"), "5: error: deliver = maildir:{H}/none/work cannot be made: there is no folder "
                          "{H}/none; mkdir -p {H}/none"),
    "maildir_file": (dict(deliver="maildir:~/password"), "5: error: deliver = maildir:{H}/password is no folder"),
    "maildir_below_a_file": (dict(deliver="maildir:~/password/x"),
                             "5: error: deliver = maildir:{H}/password/x cannot be looked at: Not a directory"),
    "maildir_home": (dict(deliver="maildir:~/.config"), "5: error: deliver = maildir:{H}/.config is not a Maildir: it is not empty, and has "
                     "neither new/ nor cur/; name a folder in it"),
    "maildir_root": (dict(deliver="maildir:/"), "5: error: deliver = maildir:/ names no folder in a folder"),
    "maildir_part": (dict(deliver="maildir:~/half"), "5: error: deliver = maildir:{H}/half: {H}/half/cur is no folder"),
    "maildir_open": (dict(deliver="maildir:~/Wide"), "5: warning: deliver = maildir:{H}/Wide may be written by everybody (mode 0777); "
                     "chmod o-w {H}/Wide"),
    "maildir_link_to_nowhere": (dict(deliver="maildir:~/dangling"), "5: error: deliver = maildir:{H}/dangling is no folder"),
    "lmtp_absent": (dict(deliver="lmtp:{H}/none", deliver_to="anna"), "5: warning: deliver = lmtp:{H}/none: {H}/none cannot be looked at: No such "
                    "file or directory; does its server run?"),
    "lmtp_file": (dict(deliver="lmtp:{H}/password", deliver_to="anna"), "5: error: deliver = lmtp:{H}/password: {H}/password is no socket"),
    "mailbox_no_conf": (dict(deliver="mailbox:anna"), "5: error: deliver = mailbox:anna needs the server's configuration (-c FILE names "
                        "another): cannot open {H}/none.conf: No such file or directory"),
    "ca_absent": (dict(tls_ca="~/none"), "6: error: tls_ca = {H}/none cannot be opened: No such file or directory"),
    "ca_no_pem": (dict(tls_ca="~/password"), '6: error: tls_ca = {H}/password: the file of issuers "{H}/password" '),
}


def prepare(home, name):
    home.put("open", "secret\n", 0o640)
    home.put("empty", "")
    home.put("line", "\nsecret\n")
    os.symlink("nowhere", home.d + "/dangling")
    os.makedirs(home.d + "/half/new")
    os.makedirs(home.d + "/Wide/new")
    for part in ("cur", "tmp"):
        os.makedirs(home.d + "/Wide/" + part)
    os.chmod(home.d + "/Wide", 0o777)
    home.put("half/cur", "")
    if name == "netrc_absent":
        os.unlink(home.d + "/.netrc")
    if name == "netrc_open":
        os.chmod(home.d + "/.netrc", 0o644)


@pytest.mark.parametrize("name", CASES)
def test_case(name, home):
    options, told = CASES[name]
    prepare(home, name)
    home.write(account(**options))
    said = home.check()
    assert len(said) == 1 and said[0].startswith(told), said


def test_what_the_shell_knows_is_not_looked_for(home):
    home.write("".join(account(name, password_file=None, password_command=command, user=name) for name, command in (
        ("a", "printf secret"), ("b", "  . ~/x; echo y"), ("c", "X=1 no-such-program"), ("d", "'quoted program' x"), ("e", "cat ~/password"),
        ("f", "$EDITOR"), ("g", "(no-such-program)"), ("h", "cat<password"), ("i", "if x; then y; fi"), ("j", "head -n 1 /etc/passwd|tail"))))
    assert home.check() == []


def test_links_that_are_ones_own_are_followed(home):
    os.symlink("Maildir", home.d + "/link")
    home.write(account(deliver="maildir:~/link"))
    assert home.check() == []


@pytest.mark.root
def test_files_of_somebody_else_are_not_used(home):
    home.write(account() + account("b", user="berta", password_file=None, netrc="yes"))
    for name in ("password", ".netrc"):
        os.chown(home.d + "/" + name, 61007, 61007)
    assert home.check() == ["4: error: password_file = {H}/password belongs to uid 61007, and is not used",
                            "10: error: netrc = yes, and {H}/.netrc belongs to uid 61007, and is not used"]


@pytest.mark.root
def test_anothers_link_is_not_followed(home):
    os.symlink("Maildir", home.d + "/link")
    os.chown(home.d + "/link", 61007, 61007, follow_symlinks=False)
    home.write(account(deliver="maildir:~/link"))
    assert home.check() == ["5: error: deliver = maildir:{H}/link is a link of uid 61007, and is not followed"]


def test_what_is_said_for_all_is_told_once(home):
    home.write("password_file = ~/none\n" + account("a", password_file=None) + account("b", password_file=None, user="berta"))
    assert home.check() == ["1: error: password_file = {H}/none cannot be opened: No such file or directory"]


# ---- a certificate of one's own

def test_certificate_and_key(home, tmp_path):
    p = Place(str(tmp_path / "tls"), 0)
    pair = dict(tls_cert=p.d + "/etc/cert.pem", tls_key=p.d + "/etc/key.pem")
    p.certificate()
    home.write(account(**pair))
    assert home.check() == []
    os.chmod(pair["tls_key"], 0o644)
    assert home.check() == ["7: warning: tls_key = %s may be read by others (mode 0644); chmod 600 %s" % ((pair["tls_key"],) * 2)]
    p.certificate(3.5)
    assert home.check() == ["6: warning: tls_cert = %s expires in 3 days; renew it" % pair["tls_cert"]]
    p.certificate(-3.5)
    assert home.check() == ["6: warning: tls_cert = %s has expired 3 days ago; renew it" % pair["tls_cert"]]
    p.key("key.pem")
    said = home.check()
    assert len(said) == 1 and said[0].startswith("6: error: tls_cert = %s with tls_key = %s: " % tuple(pair.values()))


# ---- accounts that get in each other's way

def test_one_maildrop_twice(home):
    home.write(account("a") + account("b", deliver="maildir:~/Mail/b"))
    said = "6: warning: account b has the server and the user of account a on line 1: most servers let only one of them in at a time"
    assert home.check() == [said]
    home.write(account("a") + account("b", deliver="maildir:~/Mail/b", delete="14d"))
    assert home.check() == [said + ", and what one has deleted the other does not get"]
    home.write(account("a") + account("b"))
    said = home.check()
    assert len(said) == 1 and "each message would come twice" in said[0]


def test_one_maildir_for_two_is_fine(home):
    home.write(account("a") + account("b", user="berta"))
    assert home.check() == []
    home.write(account("a") + account("b", server="pop.example.org:1995", deliver="maildir:~/Mail/b"))
    assert home.check() == []


# ---- the state

def test_state_folder_that_cannot_be(home):
    home.write(account())
    home.put("file", "")
    p = home.run("check", "--accounts", XDG_STATE_HOME=home.d + "/file")
    assert p.returncode == 78
    assert "%s/file/bustia, where what was fetched is remembered, cannot be" % home.d in p.stdout


def test_state_folder_that_others_may_write(home):
    os.makedirs(home.d + "/.local/state/bustia")
    os.chmod(home.d + "/.local/state/bustia", 0o777)
    home.write(account())
    assert home.check() == [" error: {H}/.local/state/bustia, where what was fetched is remembered, may be written by others (mode 0777); chmod 700 "
                            "{H}/.local/state/bustia"]


def test_state_file_that_is_none(home):
    os.makedirs(home.d + "/.local/state/bustia/work.db", 0o700)
    home.write(account())
    assert home.check() == ["1: error: {H}/.local/state/bustia/work.db, which remembers what was fetched of account work, is no file that uid %d "
                            "may read and write" % os.geteuid()]


# ---- a mailbox of the server on this machine

@pytest.fixture
def server(tmp_path, home):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(folder.stat().st_mode | 0o011)
    p = Place(str(tmp_path / "server"), free_port())
    p.add_user("anna")
    home.conf = p.write("")
    return p


@pytest.mark.root
def test_mailbox_as_root(home, server):
    home.write(account(deliver="mailbox:anna"))
    assert home.check() == []
    home.write(account(deliver="mailbox:zoe"))
    assert home.check() == ["5: error: deliver = mailbox:zoe: the server has no user of this name; `bustia user list` names all"]
    home.run("-c", home.conf, "user", "set", "anna", "--disable")
    home.write(account(deliver="mailbox:anna"))
    assert home.check() == ['5: error: deliver = mailbox:anna: "anna" is disabled; `bustia user set` enables']


@pytest.mark.root
def test_mailbox_below_first_uid(home, server):
    home.conf = server.write("first_uid = %d\n" % (OWNER + 1))
    home.write(account(deliver="mailbox:anna"))
    assert home.check() == ["5: error: deliver = mailbox:anna: uid %d is below first_uid (%d): no mailbox is opened for it" % (OWNER, OWNER + 1)]


def test_mailbox_of_a_server_that_is_wrong(home, server):
    home.conf = server.write("mail_sessions = 0\n")
    home.write(account(deliver="mailbox:anna"))
    assert home.check() == ["5: error: deliver = mailbox:anna: the server's configuration %s has errors; `bustia check --server` names them" % home.conf]


def as_nobody(home, folder, conf, **options):
    """the check by somebody who is not root, of an accounts file of his own"""
    os.chmod(home.d, 0o755)
    os.chown(folder, 65534, 65534)
    path = folder + "/accounts"
    with open(path, "w") as f:
        f.write(account(**dict(dict(deliver="mailbox:anna", password_file=None), **options)))
    os.chown(path, 65534, 65534)
    return subprocess.run([BUSTIA, "-c", conf, "check", "--accounts", path], capture_output=True, text=True, cwd="/", user=65534, group=65534,
                          extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": folder}).stdout.replace(path, "F")


@pytest.mark.root
def test_mailbox_for_who_is_not_root(home, server, tmp_path):
    folder = str(tmp_path / "nobody")
    os.mkdir(folder)
    assert "F:4: error: deliver = mailbox:anna: only root opens mailboxes, and the server has no lmtp listener" in as_nobody(home, folder, home.conf)
    conf = server.write("listen = 127.0.0.1:{P} pop3\nlisten = {D}/lmtp lmtp\n")
    assert "F:4: warning: deliver = mailbox:anna: %s/lmtp cannot be looked at: No such file or directory; does its server run?" % server.d in \
        as_nobody(home, folder, conf)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(server.d + "/lmtp")
        os.chmod(server.d + "/lmtp", 0o600)
        assert "F:4: error: deliver = mailbox:anna: uid 65534 may not write to %s/lmtp" % server.d in as_nobody(home, folder, conf)
        os.chmod(server.d + "/lmtp", 0o666)
        assert as_nobody(home, folder, conf) == "F: 0 errors, 0 warnings\n"
        said = as_nobody(home, folder, conf, delete="now")
        assert said.startswith("F:5: warning: account work deletes at once, and hands its mail to mailbox:anna by LMTP"), said


@pytest.mark.root
def test_mailbox_of_who_owns_the_server(home, server, tmp_path):
    folder = str(tmp_path / "nobody")
    os.mkdir(folder)
    p = home.run("-c", home.conf, "user", "set", "anna", "--uid", "65534", "--gid", "65534")
    assert p.returncode == 0, p.stderr
    for path in ("/db", "/db/users.db", "/db/users.db-wal", "/db/users.db-shm"):
        if os.path.exists(server.d + path):
            os.chown(server.d + path, 65534, 65534)
    assert as_nobody(home, folder, home.conf, delete="now") == "F: 0 errors, 0 warnings\n"
    assert "only root opens mailboxes" in as_nobody(home, folder, home.conf, deliver="mailbox:zoe")


# ---- which file is meant

NO_SERVER = pytest.mark.skipif(os.path.exists("/etc/bustia/bustia.conf"), reason="there is a server's configuration on this machine")


@NO_SERVER
def test_a_person_without_a_server_gets_the_accounts_checked(home):
    home.write(account())
    p = home.run("check")
    assert p.returncode == 0 and p.stdout == "%s: 0 errors, 0 warnings\n" % home.path


@NO_SERVER
def test_without_either_it_says_so(home):
    p = home.run("check")
    assert p.returncode == 78 and p.stdout.startswith("/etc/bustia/bustia.conf: error: cannot open ")
    assert ROOT or "there are no accounts either" in p.stdout


def test_both_are_checked(home, server):
    home.write(account(delete="sometimes"))
    p = home.run("check", BUSTIA_CONF=home.conf)
    assert p.returncode == 78
    assert "%s: 0 errors, " % home.conf in p.stdout
    assert "%s:6: error: " % home.path in p.stdout and p.stdout.endswith("%s: 1 error, 0 warnings: what has errors is not fetched\n" % home.path)
    home.write(account())
    server.write("mail_sessions = 0\n")
    p = home.run("check", BUSTIA_CONF=home.conf)
    assert p.returncode == 78 and p.stdout.endswith("%s: 0 errors, 0 warnings\n" % home.path)


def test_a_file_is_checked_as_what_it_is(home, server):
    home.write(account())
    assert home.run("check", home.path).stdout == "%s: 0 errors, 0 warnings\n" % home.path
    assert home.run("check", "--server", home.path).returncode == 78
    assert "%s: 0 errors" % home.conf in home.run("check", home.conf).stdout
    assert home.run("check", "-a", home.conf).stdout == home.run("check", "--accounts", home.conf).stdout
    assert home.run("check", "--accounts", home.conf).returncode == 78


def test_no_file(home):
    path = home.d + "/none"
    p = home.run("check", "--accounts", BUSTIA_ACCOUNTS=path)
    assert p.returncode == 78
    assert p.stdout == ("%s: error: cannot open %s: No such file or directory; `bustia conf --accounts --sample` prints one to begin with\n"
                        "%s: 1 error, 0 warnings: what has errors is not fetched\n" % (path, path, path))


def test_the_check_changes_nothing(home):
    def tree():
        return sorted((d + "/" + f, os.lstat(d + "/" + f).st_mode, os.lstat(d + "/" + f).st_mtime_ns)
                      for d, subs, files in os.walk(home.d) for f in subs + files)

    home.write(account(deliver="maildir:~/Mail/new"))
    before = tree()
    assert home.check() == []
    assert tree() == before


# ---- bustia conf --accounts

def test_conf_prints_the_accounts_as_they_are_read(home):
    home.write("interval = 600\n" + account("a") + account("b", user="berta", delete="336h"))
    p = home.run("conf", "--accounts")
    assert p.returncode == 0
    assert p.stdout.count("interval = 10m\n") == 2 and "delete = 14d\n" in p.stdout
    home.write(p.stdout)
    assert home.run("conf", "--accounts").stdout == p.stdout
    file = home.put("other", account("c"), 0o600)
    for words in (["--accounts", file], ["-a", file], ["--accounts", "-a", file]):
        p = home.run("conf", *words)
        assert p.returncode == 0 and "account = c\n" in p.stdout and "account = a\n" not in p.stdout
    home.write(account(delete="sometimes"))
    p = home.run("conf", "--accounts")
    assert p.returncode == 78 and p.stdout == "" and ":6: error: " in p.stderr


def test_sample_and_manual(home):
    sample = home.run("conf", "--accounts", "--sample").stdout
    home.write(sample)
    assert [line for line in home.check() if "error" in line] == [
        " error: there is no account here; write account = NAME, and below it its server, user and deliver"]
    words = re.sub(r"(?m)^#((?:account|server|user|password_file|deliver) =)", r"\1", sample)
    words = re.sub(r"(?m)^(password_file =).*", r"\1 ~/password", words)
    words = re.sub(r"(?m)^deliver = (?!maildir:).*\n", "", words)
    home.write(words)
    assert home.check() == []
    manual = home.run("conf", "--accounts", "--manual").stdout
    for name in re.findall(r"(?m)^#(\w+) =", sample):
        assert ".It Ic %s No = " % name in manual
