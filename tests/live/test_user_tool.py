"""`bustia user`: what it changes, what it refuses, what it never shows."""
import os
import pty
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import termios
import time

import pytest

from bed import TOP

ROOT = os.geteuid() == 0
MAIL = 61021 if ROOT else os.getuid()
GROUP = 61021 if ROOT else os.getgid()
AUTH = 61022 if ROOT else os.getuid()
CRYPT = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"  # "secret"


def program():
    for build in (os.environ.get("BUSTIA_BUILD"), TOP + "/build"):
        for sub in ("/src/tool/bustia", "/tool/bustia"):
            if build and os.access(build + sub, os.X_OK):
                return build + sub
    pytest.fail("no bustia built: set BUSTIA_BUILD")


class Place:
    """a configuration, a mail root and (later) a database of this test's own"""

    def __init__(self, tmp):
        self.dir = tmp
        os.chmod(tmp, 0o755)  # the mail's user must get through
        self.mail = self.dir + "/mail"
        self.db = self.dir + "/db/users.db"
        self.conf = self.dir + "/bustia.conf"
        os.mkdir(self.mail)
        with open(self.conf, "w") as f:
            f.write("users_db = %s\nmail_root = %s\nstore_default = maildir:%s/{user}\nmail_user = %d:%d\n"
                    "auth_user = %d\nfirst_uid = %d\n" % (self.db, self.mail, self.mail, MAIL, GROUP, AUTH,
                                                          min(MAIL, 1000) or 1))
        self.argv = [program(), "-c", self.conf, "user"]

    def run(self, *words, stdin="", status=0):
        p = subprocess.run(self.argv + list(words), input=stdin, capture_output=True, text=True,
                           start_new_session=True)
        assert p.returncode == status, (words, p.returncode, p.stdout, p.stderr)
        return p.stdout + p.stderr

    def rows(self):
        db = sqlite3.connect(self.db)
        db.row_factory = sqlite3.Row
        try:
            return {r["name"]: dict(r) for r in db.execute("SELECT * FROM person")}
        finally:
            db.close()

    def file(self, name, text):
        with open(self.dir + "/" + name, "w") as f:
            f.write(text)
        return self.dir + "/" + name


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="bustia-user-") as tmp:
        yield Place(tmp)


def test_add_makes_everything(place):
    out = place.run("add", "anna", "--password-stdin", stdin="secret\n")
    assert "secret" not in out
    row = place.rows()["anna"]
    assert row["verifier"].startswith("$y$") and row["apop"] == "" and row["store"] == "maildir:%s/anna" % place.mail
    assert (row["uid"], row["gid"], row["disabled"]) == (MAIL, GROUP, 0)
    for sub in ("", "/cur", "/new", "/tmp"):
        st = os.lstat(place.mail + "/anna" + sub)
        assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (MAIL, GROUP, 0o700)
    st = os.stat(place.db)
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (AUTH, 0o600)
    st = os.stat(os.path.dirname(place.db))
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (AUTH, 0o700)
    assert os.listdir(os.path.dirname(place.db)) == ["users.db"]


def test_generated_password_is_shown_once(place):
    out = place.run("add", "anna", "--generate")
    password = out.split("password of anna: ")[1].split()[0]
    assert len(password) == 23
    place.run("set", "anna", "--apop", "--password-stdin", stdin=password)
    assert place.rows()["anna"]["apop"] == password
    assert password not in place.run("show", "anna") + place.run("list")


def test_secrets_are_never_shown(place):
    place.run("add", "anna", "--apop", "--password-stdin", stdin="open sesame\n")
    row = place.rows()["anna"]
    out = place.run("show", "anna") + place.run("list")
    for word in (row["verifier"], row["scram1"], row["scram256"], row["apop"]):
        assert word and word not in out
        assert not any(part in out for part in word.split("$") + word.split(":") if len(part) > 8)


def test_passwd_and_apop(place):
    place.run("add", "anna", "--password-stdin", stdin="one\n")
    assert "not the password" in place.run("set", "anna", "--apop", "--password-stdin", stdin="two\n", status=77)
    assert "in clear" in place.run("set", "anna", "--apop", "--password-stdin", stdin="one\n")
    before = place.rows()["anna"]
    assert before["apop"] == "one"
    place.run("passwd", "anna", "--password-stdin", stdin="two\n")
    after = place.rows()["anna"]
    assert after["apop"] == "two" and all(before[k] != after[k] for k in ("verifier", "scram1", "scram256"))
    place.run("set", "anna", "--no-apop")
    assert place.rows()["anna"]["apop"] == ""
    place.run("passwd", "anna", "--apop", "--password-stdin", stdin="p w \n")
    assert place.rows()["anna"]["apop"] == "p w "


def test_old_secret_is_gone(place):
    """also while the server holds the database open, and so its write-ahead log"""
    place.run("add", "anna", "--apop", "--password-stdin", stdin="InTheClear42\n")
    db = sqlite3.connect(place.db)
    try:
        db.execute("SELECT count(*) FROM person").fetchall()
        for words, stdin in ((("set", "anna", "--no-apop"), ""), (("passwd", "anna", "--apop", "--password-stdin"), "InTheClear43\n"),
                             (("passwd", "anna", "--password-stdin"), "other\n"), (("del", "anna"), "")):
            place.run(*words, stdin=stdin)
        folder = os.path.dirname(place.db)
        assert "users.db-wal" in os.listdir(folder)
        for name in os.listdir(folder):
            with open(folder + "/" + name, "rb") as f:
                assert b"InTheClear" not in f.read(), name
    finally:
        db.close()


def test_set_and_del(place):
    place.run("add", "anna", "--generate")
    place.run("set", "anna", "--disable", "--store", "maildir:" + place.mail + "/x/{user}", "--gid", "62000")
    row = place.rows()["anna"]
    assert (row["disabled"], row["store"], row["gid"]) == (1, "maildir:%s/x/anna" % place.mail, 62000)
    assert "disabled" in place.run("list")
    place.run("set", "anna", "--enable")
    assert place.rows()["anna"]["disabled"] == 0
    assert "the mail stays" in place.run("del", "anna")
    assert os.path.isdir(place.mail + "/anna/cur")
    assert place.rows() == {}
    for words in (("del", "anna"), ("show", "anna"), ("set", "anna", "--enable"), ("passwd", "anna", "--generate")):
        assert "no user anna" in place.run(*words, status=66)


def test_terms(place):
    place.run("add", "anna", "--generate")
    assert [place.rows()["anna"][k] for k in ("pop3", "login_delay", "expire")] == [1, None, None]
    out = place.run("show", "anna")
    assert "POP3      on\ndelay     none (login_delay)\nexpire    never (expire)\n" in out
    place.run("set", "anna", "--pop3", "off", "--login-delay=90s", "--expire", "30d")
    assert [place.rows()["anna"][k] for k in ("pop3", "login_delay", "expire")] == [0, 90, 30]
    place.run("set", "anna", "--enable")  # what is not named stays
    assert "POP3      off (mail is delivered)\ndelay     90s\nexpire    30d\n" in place.run("show", "anna")
    place.run("set", "anna", "--pop3", "on", "--login-delay", "none", "--expire", "never")
    assert [place.rows()["anna"][k] for k in ("pop3", "login_delay", "expire")] == [1, 0, -1]
    assert "delay     none\nexpire    never\n" in place.run("show", "anna")
    place.run("set", "anna", "--login-delay", "default", "--expire", "0")  # 0 is not "default"
    assert [place.rows()["anna"][k] for k in ("login_delay", "expire")] == [None, 0]
    place.run("add", "bob", "--generate", "--expire", "default", "--pop3", "off")
    assert [place.rows()["bob"][k] for k in ("pop3", "expire")] == [0, None]


@pytest.mark.parametrize("words, status, text", [
    (("set", "x", "--pop3", "maybe"), 66, "does not exist"),
    (("add", "x", "--pop3", "maybe", "--generate"), 64, "on or off"),
    (("add", "x", "--login-delay", "500ms", "--generate"), 64, "whole seconds"),
    (("add", "x", "--login-delay", "8d", "--generate"), 64, "whole seconds"),
    (("add", "x", "--expire", "soon", "--generate"), 64, "days"),
    (("add", "x", "--expire", "4294967295", "--generate"), 64, "days"),
    (("add", "root", "--uid", "0", "--generate"), 65, "below first_uid"),
    (("add", "x", "--store", "maildir:/etc/x", "--generate"), 65, "not below any mail_root"),
    (("add", "x", "--store", "maildir:MAIL/../etc", "--generate"), 65, '".."'),
    (("add", "x", "--store", "mbox:MAIL/x", "--generate"), 65, "scheme"),
    (("add", "../x", "--generate"), 65, "slash"),
    (("add", "a b", "--generate"), 65, "a user's name may not have a space (U+0020) in it: \"a b\""),
    (("add", "a/b", "--generate"), 65, "a user's name may not have a slash (U+002F) in it: \"a/b\""),
    (("add", "x", "--uid", "nosuchaccount", "--generate"), 64, "--uid"),
    (("add", "x"), 64, "no terminal"),
    (("add", "x", "--password-stdin"), 65, "no password"),
    (("add", "x", "--password", "secret"), 64, "no option"),
    (("add", "x", "secret"), 64, "usage"),
    (("add", "x", "--generate", "--password-stdin"), 64, "contradict"),
    (("add",), 64, "usage"),
    (("list", "x"), 64, "usage"),
    (("list", "--apop"), 64, "no option"),
    (("list",), 66, "does not exist"),
    (("frob",), 64, "usage"),
    ((), 64, "usage"),
    (("set", "x", "--password-stdin"), 64, "for --apop"),
    (("import", "/nonexistent"), 65, "No such file"),
])
def test_refusals_change_nothing(place, words, status, text):
    words = [w.replace("MAIL", place.mail) for w in words]
    assert text in place.run(*words, status=status)
    assert not os.path.exists(place.db) or place.rows() == {}
    assert os.listdir(place.mail) == []


def test_long_password(place):
    place.run("add", "a", "--password-stdin", stdin="x" * 511 + "\n")
    assert "more than 511" in place.run("add", "b", "--password-stdin", stdin="x" * 512 + "\n", status=65)
    assert "more than 511" in place.run("add", "b", "--password-stdin", stdin="x" * 100000, status=65)


def test_name_exists(place):
    place.run("add", "anna", "--generate")
    before = place.rows()
    assert "exists already" in place.run("add", "anna", "--generate", status=65)
    assert place.rows() == before


def ask(place, words, answers):
    """the command on a terminal of its own: what it showed, and its exit status"""
    pid, fd = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever started the tests may ignore it
        os.execv(place.argv[0], place.argv + words)
    seen, end = b"", time.monotonic() + 20
    for prompt, answer in answers:
        while prompt not in seen:
            assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(fd, 4096)
        seen = seen.split(prompt, 1)[1]
        while termios.tcgetattr(fd)[3] & termios.ECHO and time.monotonic() < end:  # what is typed before is thrown away
            time.sleep(0.01)
        os.write(fd, answer() if callable(answer) else answer)
    while True:
        try:
            got = os.read(fd, 4096)
        except OSError:
            got = b""
        if not got:
            break
        seen += got
    os.close(fd)
    return seen, os.waitpid(pid, 0)[1]


def test_prompt(place):
    seen, status = ask(place, ["add", "anna", "--apop"], [(b"Password for anna: ", b"typed\n"), (b"Once more: ", b"typed\n")])
    assert status == 0 and b"typed" not in seen
    assert place.rows()["anna"]["apop"] == "typed"
    seen, status = ask(place, ["passwd", "anna"], [(b"Password for anna: ", b"one\n"), (b"Once more: ", b"two\n")])
    assert os.WEXITSTATUS(status) == 65 and b"not the same" in seen
    assert place.rows()["anna"]["apop"] == "typed"


def test_what_changes_during_a_prompt_stays(place):
    """who is asked may take minutes: nothing is written back that others have changed meanwhile"""
    def meanwhile(answer, *words, stdin=""):
        def act():
            place.run(*words, stdin=stdin)
            return answer
        return act

    place.run("add", "anna", "--apop", "--password-stdin", stdin="one\n")
    away = meanwhile(b"two\n", "set", "anna", "--disable", "--no-apop", "--quota", "5000")
    assert ask(place, ["passwd", "anna"], [(b"Password for anna: ", away), (b"Once more: ", b"two\n")])[1] == 0
    row = place.rows()["anna"]
    assert (row["disabled"], row["quota_octets"], row["apop"]) == (1, 5000, "")
    seen, status = ask(place, ["set", "anna", "--apop", "--enable"], [
        (b"Password for anna: ", meanwhile(b"two\n", "passwd", "anna", "--password-stdin", stdin="three\n"))])
    assert os.WEXITSTATUS(status) == 77 and b"not the password" in seen
    row = place.rows()["anna"]
    assert (row["disabled"], row["apop"]) == (1, "")
    place.run("set", "anna", "--apop", "--password-stdin", stdin="three\n")
    seen, status = ask(place, ["set", "anna", "--apop"], [(b"Password for anna: ", meanwhile(b"three\n", "del", "anna"))])
    assert os.WEXITSTATUS(status) == 66 and b"no user anna" in seen and place.rows() == {}


def test_what_changes_during_an_import_stays(place):
    """the file says nothing about it; between a first look and the change passwords are hashed"""
    place.run("add", "anna", "--generate")
    path = place.file("passwd", "anna:{PLAIN}x\nberta:{PLAIN}x\n")
    db = sqlite3.connect(place.db, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE person SET quota_octets = 5000, pop3 = 0")
        db.execute("INSERT INTO person SELECT 'berta', verifier, scram1, scram256, apop, store, uid, gid, disabled, 7, 0, external, pop3,"
                   " login_delay, expire FROM person")
        p = subprocess.Popen(place.argv + ["import", path, "--replace"], stdout=subprocess.PIPE, text=True)
        time.sleep(1)  # it has looked, and waits for the lock
        db.execute("COMMIT")
        assert "0 users imported, 2 replaced" in p.communicate()[0] and p.returncode == 0
    finally:
        db.close()
    rows = place.rows()
    assert [(rows[n]["quota_octets"], rows[n]["pop3"]) for n in ("anna", "berta")] == [(5000, 0), (7, 0)]


def test_prompt_interrupted(place):
    seen, status = ask(place, ["add", "anna"], [(b"Password for anna: ", b"half\x03")])
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT
    assert b"half" not in seen and place.rows() == {}
    for _ in range(20):  # whenever it comes: also in the moment between the prompt and the wait for an answer
        assert ask(place, ["add", "anna"], [(b"Password for anna: ", b"half\x03")])[1] == signal.SIGINT


def test_maildir_in_the_way(place):
    os.mkdir(place.dir + "/elsewhere")
    os.symlink(place.dir + "/elsewhere", place.mail + "/anna")
    assert "no directory" in place.run("add", "anna", "--generate", status=70)
    assert os.listdir(place.dir + "/elsewhere") == [] and place.rows() == {}
    os.unlink(place.mail + "/anna")
    place.file("mail/anna", "")
    assert "no directory" in place.run("add", "anna", "--generate", status=70)
    assert place.rows() == {}
    place.run("add", "anna", "--generate", "--no-maildir")
    assert "anna" in place.rows()
    assert "was not made" in place.run("add", "b", "--generate", "--store", "maildir:%s/no/b" % place.mail)
    assert "b" in place.rows() and not os.path.exists(place.mail + "/no")


@pytest.mark.root
def test_maildir_of_another(place):
    """a user who can write to his folder cannot make root give him another's"""
    os.mkdir(place.mail + "/anna")
    os.chown(place.mail + "/anna", MAIL + 5, MAIL + 5)
    assert "another uid" in place.run("add", "anna", "--generate", status=70)
    os.mkdir(place.mail + "/hers")
    os.chown(place.mail + "/hers", MAIL, GROUP)
    os.symlink("/etc", place.mail + "/hers/box")
    place.run("add", "b", "--generate", "--store", "maildir:%s/hers/box" % place.mail, status=70)
    os.unlink(place.mail + "/hers/box")
    os.mkdir(place.mail + "/hers/box")
    os.chown(place.mail + "/hers/box", MAIL, GROUP)
    os.symlink(place.dir, place.mail + "/hers/box/cur")
    place.run("add", "b", "--generate", "--store", "maildir:%s/hers/box" % place.mail)
    assert os.stat(place.dir).st_uid == 0


def test_import(place):
    path = place.file("passwd", "# people\nu1:{PLAIN}one::::::\r\nu2:{CRYPT}%s:%d:%d::%s/home::userdb_quota=x\n"
                      "u3:{plain}thr ee:::::::userdb_mail=maildir:%s/u3:LAYOUT=fs nologin\n\nu4:*::::::\n"
                      % (CRYPT, MAIL + ROOT, GROUP, place.mail, place.mail))
    assert "4 users imported, 0 replaced, 0 were there already" in place.run("import", path)
    rows = place.rows()
    assert sorted(rows) == ["u1", "u2", "u3", "u4"]
    assert rows["u1"]["store"] == "maildir:%s/u1" % place.mail and rows["u1"]["verifier"].startswith("$y$")
    assert rows["u1"]["scram256"].count(":") == 3
    assert rows["u2"]["verifier"] == CRYPT and rows["u2"]["scram1"] == "" and rows["u2"]["uid"] == MAIL + ROOT
    assert rows["u2"]["store"] == "maildir:%s/home/Maildir" % place.mail
    assert rows["u3"]["store"] == "maildir:%s/u3" % place.mail and rows["u3"]["disabled"] == 1
    assert rows["u4"]["verifier"] == ""
    assert "0 users imported, 0 replaced, 4 were there already" in place.run("import", path)
    assert place.rows() == rows
    # What the file says nothing about stays: nobody gets POP3 back, or loses mail that was to stay, because of his line in it.
    place.run("set", "u2", "--pop3", "off", "--login-delay", "5m", "--expire", "never", "--quota", "5000")
    assert "0 users imported, 4 replaced" in place.run("import", path, "--replace", "--store", "maildir:%s/z-{user}" % place.mail)
    row = place.rows()["u2"]
    assert row["store"] == "maildir:%s/z-u2" % place.mail
    assert [row[c] for c in ("pop3", "login_delay", "expire", "quota_octets")] == [0, 300, -1, 5000]
    assert place.rows()["u1"]["expire"] is None
    # Nor does it let in who was disabled here, or move his mail.
    place.run("set", "u1", "--disable", "--gid", "62000")
    place.run("app-password", "add", "u4", "phone")
    out = place.run("import", path, "--replace")
    row = place.rows()["u1"]
    assert (row["disabled"], row["store"], row["gid"]) == (1, "maildir:%s/z-u1" % place.mail, 62000)
    assert place.rows()["u2"]["store"] == "maildir:%s/home/Maildir" % place.mail and place.rows()["u2"]["disabled"] == 0
    assert "%s:6: warning: " % path in out and "app passwords" in out and out.count("warning") == 1, out
    place.run("set", "u2", "--apop", "--password-stdin", stdin="secret\n")  # the imported hash is usable
    assert os.listdir(place.mail) == []
    place.run("import", place.file("more", "u5:{PLAIN}x\n"), "--maildir")
    assert os.stat(place.mail + "/u5/new").st_uid == MAIL


def test_import_reports_every_line(place):
    path = place.file("passwd", "ok:{PLAIN}x\nbad\nssha:{SSHA}abc\nargon:{ARGON2ID}$argon2id$v=19$x\ndes:aTQBiuSG3Q3LY\n"
                      "cut:$6$salt\nroot:{PLAIN}x:0:0\nout:{PLAIN}x::::/etc\na b:{PLAIN}x\nok:{PLAIN}y\nnone:\n"
                      "long:{PLAIN}%s\n" % ("x" * 600))
    out = place.run("import", path, status=65)
    for line, text in ((2, "no password field"), (3, "{SSHA}"), (4, "{ARGON2ID}"), (5, "DES"), (6, "damaged"),
                       (7, "first_uid"), (8, "mail_root"), (9, "space"), (10, "earlier line"), (11, "no password"),
                       (12, "511")):
        assert any(x.startswith("%s:%d: error: " % (path, line)) and text in x for x in out.splitlines()), (line, out)
    assert "11 lines are wrong; nobody was imported" in out
    assert not os.path.exists(place.db)
    assert "1 users imported" in place.run("import", path, "--keep-going", status=65)
    assert list(place.rows()) == ["ok"]


def test_password_that_saslprep_does_not_permit(place):
    """it is kept, without keys for SCRAM, which would need it prepared; an import goes on after it"""
    for password in ("a\tb", "\u05d01", "\U0001f600x"):
        place.run("add", "anna", "--password-stdin", "--no-maildir", stdin="fine\n")
        assert "SCRAM cannot be used" in place.run("passwd", "anna", "--password-stdin", stdin=password + "\n")
        row = place.rows()["anna"]
        assert row["verifier"].startswith("$y$") and (row["scram1"], row["scram256"]) == ("", "")
        place.run("set", "anna", "--apop", "--password-stdin", stdin=password + "\n")
        place.run("del", "anna")
    path = place.file("passwd", "".join("u%d:%s\n" % (i, CRYPT) for i in range(513)) + "tab:{PLAIN}a\tb\nlast:{PLAIN}x\n")
    out = place.run("import", path)
    assert "515 users imported" in out and "%s:514: warning: SASLprep" % path in out, out
    rows = place.rows()
    assert rows["tab"]["scram256"] == "" and rows["last"]["scram256"]


def test_imported_hash_of_unprepared_bytes(place):
    """of "a, U+00A0, b", which SASLprep turns into "a b": whoever logs in with it knows the password"""
    verifier = "$6$rounds=1000$abcdefgh$2N20ZKaTbde1.UJHTnMKRok5I7hfU/dGsIijFSOO7PyZ8lAJCrV09.nna2PbNjnmV8S2Wt2igFT3YsgUHxHAy."
    place.run("import", place.file("passwd", "w:{CRYPT}%s\n" % verifier))
    assert "not the password" in place.run("set", "w", "--apop", "--password-stdin", stdin="a b\n", status=77)
    place.run("set", "w", "--apop", "--password-stdin", stdin="a\u00a0b\n")
    assert place.rows()["w"]["apop"] == "a b"


def test_import_from_stdin(place):
    assert "1 users imported" in place.run("import", "-", stdin="a:{PLAIN}x\n")


def test_import_interrupted_goes_on(place):
    """killed in the middle: what is there is whole, and the same command does the rest"""
    count = 1100
    path = place.file("passwd", "".join("u%d:%s\n" % (i, "{PLAIN}x" if 512 <= i < 560 else CRYPT) for i in range(count)))
    p = subprocess.Popen(place.argv + ["import", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not os.path.exists(place.db) or p.poll() is None and not rows_there(place.db):
        assert time.monotonic() < end
        time.sleep(0.01)
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert len(place.rows()) in (512, 1024, count)
    place.run("import", path)
    assert len(place.rows()) == count


def rows_there(path):
    try:
        db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        try:
            return db.execute("SELECT count(*) FROM person").fetchone()[0]
        finally:
            db.close()
    except sqlite3.OperationalError:
        return 0


def test_database_of_another_program(place):
    os.mkdir(os.path.dirname(place.db))
    db = sqlite3.connect(place.db)
    db.execute("CREATE TABLE x(y)")
    db.commit()
    db.close()
    assert "another program" in place.run("add", "a", "--generate", status=78)


@pytest.mark.root
def test_symlink_for_the_database(place):
    """auth owns the folder: whatever it puts there, root writes to nothing else"""
    place.run("add", "anna", "--generate")
    victim = place.file("victim", "")
    for end in ("", "-wal", "-journal"):
        shutil.rmtree(os.path.dirname(place.db))
        place.run("add", "anna", "--generate", "--no-maildir")
        target = place.db + end
        if os.path.exists(target):
            os.unlink(target)
        os.symlink(victim, target)
        subprocess.run(place.argv + ["add", "x", "--generate", "--no-maildir"], capture_output=True)
        assert os.path.getsize(victim) == 0, end
