"""`bustia alias`, `bustia domain` and `bustia quota`: what they change, refuse and show, as root and as the database's owner."""
import os
import re
import sqlite3
import subprocess
import tempfile

import pytest

from test_user_tool import AUTH, CRYPT, GROUP, MAIL, ROOT, Place

VERSION_1 = """
    CREATE TABLE person(name TEXT NOT NULL PRIMARY KEY, verifier TEXT NOT NULL, scram1 TEXT NOT NULL, scram256 TEXT NOT NULL,
        apop TEXT NOT NULL, store TEXT NOT NULL, uid INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295),
        gid INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295), disabled INTEGER NOT NULL CHECK (disabled IN (0, 1))
        ) STRICT, WITHOUT ROWID;
    CREATE TABLE key(one INTEGER PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL) STRICT;
    PRAGMA user_version = 1; PRAGMA application_id = 1114993524;
"""


class Town(Place):
    """a place whose server has a name, with two users"""

    def __init__(self, tmp):
        super().__init__(tmp)
        with open(self.conf, "a") as f:
            f.write("hostname = box.example\n")
        self.argv = self.argv[:-1]

    def users(self, *names):
        """makes them without hashing a password"""
        self.run("user", "import", self.file("people", "".join("%s:%s\n" % (n, CRYPT) for n in names)), "--maildir")

    def query(self, sql):
        db = sqlite3.connect(self.db)
        try:
            return list(db.execute(sql))
        finally:
            db.close()

    def aliases(self):
        return ["%s %s" % row for row in self.query("SELECT address, target FROM alias ORDER BY 1, 2")]

    def message(self, name, sub, file, octets):
        """puts a message in a mailbox as another program would"""
        path = "%s/%s/%s/%s" % (self.mail, name, sub, file)
        with open(path, "wb") as f:
            f.write(b"x" * octets)
        if ROOT:
            os.chown(path, MAIL, GROUP)
        return path

    def quota(self, *words, status=0):
        """{name: [octets, limit, messages, limit, …]} as shown"""
        lines = self.run("quota", *words, status=status).splitlines()
        return {line.split()[0]: line.split()[1:] for line in lines if not line.startswith(("name ", "bustia:"))}


@pytest.fixture
def town():
    with tempfile.TemporaryDirectory(prefix="bustia-address-") as tmp:
        t = Town(tmp)
        t.users("anna", "berta")
        yield t


# ---- aliases

def test_aliases(town):
    town.run("domain", "add", "example.org")
    assert town.run("alias", "add", "Info@Example.Org", "berta", "anna") == ""
    assert town.run("alias", "add", "root", "anna") == ""
    assert town.run("alias", "add", "@example.org", "berta") == ""
    assert town.run("alias", "add", "x@box.example", "anna") == ""  # the hostname is a domain of its own
    assert town.run("alias", "list") == ("@example.org     berta\ninfo@example.org anna berta\nroot             anna\n"
                                         "x@box.example    anna\n")
    town.run("alias", "del", "INFO@example.org", "berta")
    town.run("alias", "del", "@example.org")
    assert town.aliases() == ["info@example.org anna", "root anna", "x@box.example anna"]
    town.run("alias", "del", "info@example.org", "anna")
    town.run("alias", "del", "root")
    town.run("alias", "del", "x@box.example")
    assert town.run("alias", "list") == ""


def test_alias_at_no_domain_of_ours(town):
    out = town.run("alias", "add", "info@example.org", "anna")
    assert "bustia domain add example.org" in out
    assert town.aliases() == ["info@example.org anna"]


def test_several_targets_are_one_change(town):
    town.run("alias", "add", "all@box.example", "anna")
    for words, status in ((("add", "all@box.example", "berta", "zoe"), 66), (("add", "all@box.example", "berta", "anna"), 65),
                          (("del", "all@box.example", "anna", "berta"), 66)):
        town.run("alias", *words, status=status)
        assert town.aliases() == ["all@box.example anna"]


def test_deleted_user_leaves_no_alias(town):
    town.run("alias", "add", "all@box.example", "anna", "berta")
    town.run("alias", "add", "root", "anna")
    out = town.run("user", "del", "anna")
    assert "all@box.example leads to anna no more\n" in out and "root leads to anna no more\n" in out
    assert town.aliases() == ["all@box.example berta"]
    town.users("anna")
    assert town.aliases() == ["all@box.example berta"]


def test_user_show(town):
    town.run("alias", "add", "all@box.example", "anna", "berta")
    town.run("alias", "add", "root", "anna")
    out = town.run("user", "show", "anna")
    assert "\nquota     none\nalias     all@box.example\nalias     root\n" in out
    assert "alias     root" not in town.run("user", "show", "berta")


@pytest.mark.parametrize("words, status, text", [
    (("alias",), 64, "usage"),
    (("alias", "frob"), 64, "usage"),
    (("alias", "add", "x"), 64, "usage: bustia alias add ADDRESS USER…"),
    (("alias", "list", "x"), 64, "usage"),
    (("alias", "add", "--full", "x", "anna"), 64, "no option"),
    (("alias", "add", "x@", "anna"), 65, "domain"),
    (("alias", "add", "a b@x.org", "anna"), 65, "space"),
    (("alias", "add", "x@y..z", "anna"), 65, "empty parts"),
    (("alias", "add", "x", "zoe"), 66, "no user zoe"),
    (("alias", "add", "x", "other@x"), 66, "leads to users only"),
    (("alias", "add", "x", "a/b"), 65, "slash"),
    (("alias", "del", "x"), 66, "no alias x"),
    (("alias", "del", "x", "anna"), 66, "x does not lead to anna"),
    (("domain",), 64, "usage"),
    (("domain", "add"), 64, "usage"),
    (("domain", "add", "a", "b"), 64, "usage"),
    (("domain", "add", "a@b"), 65, "what follows"),
    (("domain", "add", "example.org."), 65, "without a dot"),
    (("domain", "add", "[127.0.0.1]"), 65, "letters"),
    (("domain", "add", "a", "--ful"), 64, "no option --ful"),
    (("domain", "set", "x.org"), 66, "no domain x.org"),
    (("domain", "del", "x.org"), 66, "no domain x.org"),
    (("domain", "del", "x.org", "--full"), 64, "no option"),
    (("quota",), 64, "usage"),
    (("quota", "set", "anna"), 64, "usage"),
    (("quota", "set", "anna", "1", "2", "3"), 64, "usage"),
    (("quota", "set", "anna", "much"), 64, "500k"),
    (("quota", "set", "anna", "-1"), 64, "no option"),
    (("quota", "set", "anna", "--", "-1"), 64, "500k"),
    (("quota", "set", "anna", "99999999999G"), 64, "500k"),
    (("quota", "set", "anna", "1k", "few"), 64, "number of messages"),
    (("quota", "set", "zoe", "1k"), 66, "no user zoe"),
    (("quota", "show", "anna", "zoe"), 66, "no user zoe"),
    (("quota", "recount"), 64, "--all"),
    (("quota", "recount", "anna", "--all"), 64, "--all"),
    (("user", "add", "zoe", "--generate", "--quota", "much"), 64, "500k"),
    (("user", "set", "anna", "--quota", "1k:few"), 64, "number of messages"),
])
def test_refusals_change_nothing(town, words, status, text):
    before = town.query("SELECT * FROM person")
    assert text in town.run(*words, status=status)
    assert town.query("SELECT * FROM person") == before
    assert town.aliases() == [] and town.query("SELECT * FROM domain") == []


@pytest.mark.parametrize("name", ["alias", "domain", "quota"])
def test_help(town, name):
    out = town.run(name, "--help")
    assert out.startswith("usage: bustia %s COMMAND" % name) and "list" in out or "show" in out
    assert town.run(name, "help") == out


def test_without_a_database(tmp_path):
    town = Town(str(tmp_path))
    for words in (("alias", "list"), ("domain", "list"), ("quota", "show"), ("alias", "add", "x", "anna"), ("domain", "del", "x.org")):
        assert "does not exist" in town.run(*words, status=66)
    town.run("domain", "add", "x.org")  # domains may be there before people
    st = os.stat(town.db)
    assert st.st_uid == AUTH and st.st_mode & 0o7777 == 0o600
    town.users("anna")
    assert "x.org" in town.run("domain", "list")


def test_users_with_strange_names(town):
    town.users("-x", "é")
    town.run("alias", "add", "--", "dash@box.example", "-x")
    town.run("alias", "add", "long-one@box.example", "é", "anna")
    assert town.run("alias", "list") == "dash@box.example     -x\nlong-one@box.example anna é\n"
    town.run("quota", "set", "--", "-x", "1k")
    assert town.rows()["-x"]["quota_octets"] == 1024


# ---- domains

def test_domains(town):
    assert town.run("domain", "list") == "box.example all users (hostname)\n"
    town.run("domain", "add", "B.example.ORG", "--full")
    town.run("domain", "add", "a.org")
    assert "exists already" in town.run("domain", "add", "b.example.org", status=65)
    assert town.run("domain", "list") == ("a.org         all users\n"
                                          "b.example.org users with the whole address as their name\n"
                                          "box.example   all users (hostname)\n")
    town.run("domain", "set", "a.org", "--full")
    town.run("domain", "set", "B.example.org")
    town.run("domain", "add", "box.example", "--full")
    assert town.query("SELECT * FROM domain") == [("a.org", 1), ("b.example.org", 0), ("box.example", 1)]
    assert "(hostname)" not in town.run("domain", "list")
    assert "hostname" in town.run("domain", "del", "box.example")
    town.run("alias", "add", "info@a.org", "anna")
    assert "aliases at it stay (1)" in town.run("domain", "del", "a.org")
    assert town.aliases() == ["info@a.org anna"]
    assert town.run("domain", "del", "b.example.org") == ""


# ---- quotas

def test_quota_set(town):
    def limits(name):
        row = town.rows()[name]
        return row["quota_octets"], row["quota_messages"]

    assert limits("anna") == (0, 0)
    town.run("quota", "set", "anna", "500k", "7")
    assert limits("anna") == (512000, 7)
    town.run("quota", "set", "anna", "2G")
    assert limits("anna") == (2 << 30, 7)
    assert "quota     2147483648 octets, 7 messages\n" in town.run("user", "show", "anna")
    town.run("quota", "set", "anna", "none", "9")
    assert limits("anna") == (0, 9)
    assert "quota     9 messages\n" in town.run("user", "show", "anna")
    town.run("quota", "set", "anna", "0", "none")
    assert limits("anna") == (0, 0) and limits("berta") == (0, 0)
    town.run("user", "add", "carla", "--generate", "--quota", "1M:3")
    assert limits("carla") == (1 << 20, 3)
    town.run("user", "set", "carla", "--quota", "2M")
    assert limits("carla") == (2 << 20, 3)
    town.run("user", "set", "carla", "--disable")
    assert limits("carla") == (2 << 20, 3)
    town.run("user", "set", "carla", "--quota=none:none")
    assert limits("carla") == (0, 0)


def test_import_keeps_quotas(town):
    town.run("quota", "set", "anna", "1k", "5")
    town.run("user", "import", town.file("passwd", "anna:{PLAIN}x\n"), "--replace")
    row = town.rows()["anna"]
    assert (row["quota_octets"], row["quota_messages"]) == (1024, 5)


def test_quota_show(town):
    town.message("anna", "new", "1.a.h", 1000)
    path = town.message("anna", "cur", "2.b.h:2,S", 234)
    town.message("berta", "tmp", "3", 5000)  # no message yet
    town.run("quota", "set", "anna", "1M", "10")
    q = town.quota("show")
    assert q["anna"][:4] == ["1234", "1048576", "2", "10"] and q["berta"][:4] == ["0", "none", "0", "none"]
    assert re.match(r"\d{4}-\d\d-\d\d$", q["anna"][4])
    assert list(town.quota("show", "anna")) == ["anna"]
    os.unlink(path)  # another program deletes: a new count finds it
    assert town.quota("recount", "anna")["anna"][:3] == ["1000", "1048576", "1"]
    assert town.quota("show", "anna")["anna"][:3] == ["1000", "1048576", "1"]
    town.message("berta", "new", "4.d.h", 77)
    assert town.quota("recount", "--all")["berta"][0] == "77"
    for name in ("anna", "berta"):
        for f in os.scandir("%s/%s" % (town.mail, name)):
            st = f.stat(follow_symlinks=False)
            assert (st.st_uid, st.st_gid) == (MAIL, GROUP), f.path


def test_quota_show_says_who_cannot_be_seen(town):
    os.rename(town.mail + "/anna", town.dir + "/elsewhere")
    open(town.mail + "/anna", "w").close()
    town.users("zoe")
    out = town.run("quota", "show", status=town_status(town))
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["anna"].split()[1] == "?" and rows["zoe"].split()[1] == "0" and rows["berta"].split()[1] == "0"
    assert "bustia: anna: " in out


def town_status(town):
    """75 or 70: what the store says of a mailbox that is none"""
    p = subprocess.run(town.argv + ["quota", "show", "anna"], capture_output=True)
    assert p.returncode in (70, 75), p
    return p.returncode


def test_other_stores_and_ids(town):
    """nothing is opened for root or below first_uid, or outside the mail roots, whatever the database says"""
    db = sqlite3.connect(town.db)
    db.execute("UPDATE person SET uid = 0 WHERE name = 'anna'")
    db.execute("UPDATE person SET store = 'maildir:/etc' WHERE name = 'berta'")
    db.commit()
    db.close()
    assert "no mailbox is opened for root" in town.run("quota", "show", "anna", status=70)
    assert "not below any mail_root" in town.run("quota", "recount", "berta", status=70)


@pytest.mark.root
def test_opened_with_the_users_rights(town):
    """root could read what the mailbox's user may not; the tool does not"""
    os.chown(town.mail + "/anna/cur", MAIL + 5, GROUP + 5)
    os.chmod(town.mail + "/anna/cur", 0o700)
    assert town.quota("recount", "anna", status=75)["anna"][0] == "?"
    os.rename(town.mail + "/berta/new", town.mail + "/berta/old")
    os.mkdir(town.dir + "/secret", 0o700)
    os.symlink(town.dir + "/secret", town.mail + "/berta/new")
    p = subprocess.run(town.argv + ["quota", "recount", "berta"], capture_output=True, text=True)
    assert p.returncode in (70, 75) and os.listdir(town.dir + "/secret") == []


@pytest.mark.root
def test_as_the_owner_of_the_database(town):
    """auth's account keeps addresses and quotas; it may not look into mailboxes"""
    def run(*words, status=0, uid=AUTH):
        p = subprocess.run(town.argv + list(words), capture_output=True, text=True, user=uid, group=uid, extra_groups=[])
        assert p.returncode == status, (words, p.stdout, p.stderr)
        return p.stdout + p.stderr

    run("domain", "add", "x.org")
    run("alias", "add", "info@x.org", "anna")
    run("quota", "set", "anna", "1k")
    assert run("alias", "list") == "info@x.org anna\n"
    out = run("quota", "show")
    assert re.search(r"anna +\? +1024 +\? +none  only root and uid %d may look into it" % MAIL, out)
    assert "only root" in run("quota", "show", "anna", status=77)
    assert "only root" in run("quota", "recount", "--all", status=77)
    run("alias", "del", "info@x.org")
    assert "x.org" in run("domain", "list")
    assert town.run("domain", "list").startswith("x.org")
    assert "only root and the owner" in run("alias", "list", status=77, uid=AUTH + 1)


# ---- a database of the version before

def to_version_1(path):
    db = sqlite3.connect(path)
    people = db.execute("SELECT name, verifier, scram1, scram256, apop, store, uid, gid, disabled FROM person").fetchall()
    key = db.execute("SELECT bytes FROM key").fetchone()
    db.close()
    st = os.stat(path)
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)
    db = sqlite3.connect(path)
    db.executescript(VERSION_1)
    db.execute("PRAGMA journal_mode = WAL")
    db.executemany("INSERT INTO person VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", people)
    db.execute("INSERT INTO key VALUES(1, ?)", key)
    db.commit()
    db.close()
    os.chown(path, st.st_uid, st.st_gid)
    os.chmod(path, 0o600)


def test_the_tool_takes_an_old_database_over(town):
    before = town.rows()
    to_version_1(town.db)
    p = subprocess.run(town.argv + ["check", "--server", town.conf], capture_output=True, text=True)
    assert "is an older version's" in p.stdout
    assert town.query("PRAGMA user_version") == [(1,)]  # a check changes nothing
    assert town.run("alias", "list") == ""
    assert town.rows() == before and town.query("PRAGMA user_version") == [(4,)]
    assert os.stat(town.db).st_uid == AUTH


def test_auth_takes_an_old_database_over(own_bed):
    """behind its walls, at the first log-in"""
    bed = own_bed()
    bed.down()
    path = re.search(r"(?m)^users_db = (.*)$", open(bed.target["config"]).read()).group(1)
    to_version_1(path)
    bed.restart()
    p = bed.login()
    assert p.stat()[0] >= 0
    p.quit()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (4,)
    db.close()


# ---- and the running server: a change takes effect with the next recipient

def test_addresses_of_a_running_server(own_bed):
    bed = own_bed("postmaster=t3")
    message = b"Subject: x\r\n\r\nto %s\r\n"

    def send(*recipients):
        """the first digits of what each recipient is told; what is accepted is delivered"""
        with_mail, told = bed.mail(), []
        assert with_mail.cmd("MAIL FROM:<>").startswith(b"250")
        for r in recipients:
            told.append(with_mail.cmd("RCPT TO:<%s>" % r)[:9].decode())
        taken = [t for t in told if t.startswith("250")]
        if taken:
            assert with_mail.cmd("DATA").startswith(b"354")
            with_mail.send(message % " ".join(recipients).encode() + b".\r\n")
            assert [with_mail.line()[:3] for _ in taken] == [b"250"] * len(taken)
        with_mail.close()
        return told

    def received(name):
        return [m.split(b"to ")[1].strip().decode() for m in bed.received(name)]

    assert send("info@x.org") == ["550 5.7.1"]
    bed.tool("domain", "add", "x.org")
    assert send("info@X.org") == ["550 5.1.1"]
    bed.tool("alias", "add", "info@x.org", "t1", "t2")
    assert send("Info+lists@X.org") == ["250 2.1.5"]
    assert received("t1") == received("t2") == ["Info+lists@X.org"]
    bed.tool("alias", "del", "info@x.org", "t1")
    assert send("info@x.org") == ["250 2.1.5"]
    assert send("POSTMASTER@x.org", "postmaster", "Postmaster+x@localhost") == ["250 2.1.5"] * 3
    assert len(received("t3")) == 3 and len(received("t1")) == 1 and len(received("t2")) == 2
    bed.tool("alias", "add", "@x.org", "t4")
    assert send("whoever@x.org") == ["250 2.1.5"] and received("t4") == ["whoever@x.org"]
    bed.tool("domain", "set", "x.org", "--full")
    assert send("t5@x.org", "t5@localhost") == ["250 2.1.5"] * 2
    assert received("t4") == ["whoever@x.org", "t5@x.org t5@localhost"] and received("t5") == ["t5@x.org t5@localhost"]
    bed.tool("user", "set", "t4", "--disable")
    assert send("whoever@x.org") == ["550 5.2.1"]
    bed.tool("user", "del", "t4")
    assert send("whoever@x.org") == ["550 5.1.1"]
    used = bed.tool("quota", "show", "t2").stdout.splitlines()[1].split()
    assert used[3] == "2" and int(used[1]) == sum(os.path.getsize(f) for f in bed.files("t2"))
    bed.tool("quota", "set", "t2", "none", "2")
    assert send("t2@localhost") == ["552 5.2.2"]
    os.unlink(bed.files("t2")[0])  # another program makes room: it is counted afresh, at most once a minute
    bed.tool("quota", "set", "t2", "none", "3")
    assert send("t2@localhost") == ["250 2.1.5"]
    bed.tool("domain", "del", "x.org")
    assert send("info@x.org") == ["550 5.7.1"]
