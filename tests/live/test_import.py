"""`bustia deliver` and `bustia import`: root's way into the mailbox, everybody else's by LMTP; nothing lost, nothing twice."""
import mailbox
import os
import signal
import subprocess
import time

import pytest

ROOT = os.geteuid() == 0
SHAPES = [b"Subject: one\n\nplain\n", b"Subject: two\n\n.dot\n..dots\nno end", b"Subject: three\n\n\xff\x00nul\n" + b"x" * 70000 + b"\n",
          b"Subject: four\n\nFrom here on\n>From there\n\nFrom me\n", b"Subject: five\r\n\r\nCRLF\r\n"]


def crlf(message):
    out = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return out if out.endswith(b"\r\n") else out + b"\r\n"


def bodies(bed, name):
    """what POP3 gives, without the trace fields that delivery put before it"""
    pop, out = bed.login(name), []
    for i in range(1, pop.stat()[0] + 1):
        whole = pop.retr(i)
        out.append(whole[whole.index(b"Subject:"):])
    pop.quit()
    return out


def run(bed, *words, stdin=b"", user=None, env=None):
    """as root, or as the given uid; the exit status and what was said"""
    kw = {"user": user, "group": user, "extra_groups": []} if user else {}
    p = subprocess.run([bed.programs["bustia"], "-c", bed.target["config"], *words], input=stdin, capture_output=True, env=env, **kw)
    return p.returncode, (p.stdout + p.stderr).decode(errors="replace")


def ways():
    """root's own, where this is root; LMTP always"""
    return ["root", "lmtp"] if ROOT else ["lmtp"]


@pytest.fixture(params=ways())
def way(request):
    return {"user": 65534, "env": {"HOME": "/nonexistent", "XDG_STATE_HOME": None}} if ROOT and request.param == "lmtp" else {}


def state(way, tmp):
    """where the journal of an import by LMTP goes"""
    if not way:
        return {} if ROOT else {"env": dict(os.environ, XDG_STATE_HOME=str(tmp))}
    os.chmod(tmp, 0o777)
    return {"user": way["user"], "env": {"XDG_STATE_HOME": str(tmp), "PATH": "/usr/bin:/bin"}}


def fresh(bed, name):
    for f in bed.files(name):
        os.unlink(f)
    return name


def readable(tmp):
    """by who is not root, too"""
    path = str(tmp)
    while len(path) > 4:
        os.chmod(path, os.stat(path).st_mode | 0o055)
        path = os.path.dirname(path)


def test_delivers_as_it_came(bed, way, tmp_path):
    name = fresh(bed, "t20")
    for shape in SHAPES:
        status, said = run(bed, "deliver", name, "-f", "ann@example.org", stdin=shape, **state(way, tmp_path))
        assert status == 0, said
    assert sorted(bodies(bed, name)) == sorted(crlf(s) for s in SHAPES)
    pop = bed.login(name)
    assert pop.retr(1).startswith(b"Return-Path: <ann@example.org>\r\nDelivered-To: t20")
    pop.quit()


def test_refuses_with_the_status_a_script_expects(bed, way, tmp_path):
    kw = state(way, tmp_path)
    status, said = run(bed, "deliver", "nobody-of-this-name", stdin=SHAPES[0], **kw)
    assert status == 67 and ("no such user" in said or "5.1.1" in said)
    status, said = run(bed, "deliver", stdin=SHAPES[0], **kw)
    assert status == 64
    circle = b"Received: by a\n" * 101 + SHAPES[0]
    status, said = run(bed, "deliver", "t20", stdin=circle, **kw)
    assert status == 65 and "circle" in said


def test_over_quota_is_told(bed, way, tmp_path):
    name = fresh(bed, "t39")
    bed.tool("quota", "recount", name)
    kw = state(way, tmp_path)
    big = b"Subject: big\n\n" + b"0123456789abcdef\n" * 20000
    assert run(bed, "deliver", name, stdin=big, **kw)[0] == 0
    status, said = run(bed, "deliver", name, stdin=big, **kw)
    assert status == 69 and ("over quota" in said or "5.2.2" in said)
    fresh(bed, name)
    if kw:  # the server counts at most once a minute
        bed.tool("quota", "recount", name)
    assert run(bed, "deliver", name, stdin=big, **kw)[0] == 0
    fresh(bed, name)
    bed.tool("quota", "recount", name)


def test_an_import_takes_what_the_quota_permits(bed, way, tmp_path):
    """also within what is put together; what is there already takes no room"""
    name = fresh(bed, "t23")
    source = str(tmp_path / "source")
    folder_of(source, [b"Subject: %d\n\n" % i + b"x" * 200 + b"\n" for i in range(8)])
    readable(tmp_path)
    subprocess.run(["chmod", "-R", "a+rX", source], check=True)
    bed.tool("quota", "set", name, "none", "3")
    bed.tool("quota", "recount", name)
    try:
        for new, there in ((3, 0), (0, 3)):
            status, said = run(bed, "import", name, source, **state(way, tmp_path))
            assert status == 69 and "3 messages" in said, said
            assert "%d new, %d there already, 5 did not fit\n" % (new, there) in said and "stopped" not in said, said
            assert len(bed.files(name)) == 3
        bed.tool("quota", "set", name, "none", "none")
        status, said = run(bed, "import", name, source, **state(way, tmp_path))
        assert status == 0 and "5 new, 3 there already\n" in said, said
    finally:
        bed.tool("quota", "set", name, "none", "none")


def test_an_import_passes_over_what_does_not_fit(bed, way, tmp_path):
    """those that come after it are tried; a mailbox that has room for none is not asked for ever, and a later run goes on"""
    name = fresh(bed, "t24")
    source = str(tmp_path / "source")
    small = [b"Subject: %d\n\n" % i + b"x" * 200 + b"\n" for i in range(70)]
    folder_of(source, small[:6] + [b"Subject: big\n\n" + b"0123456789\n" * 20000] + small[6:])
    readable(tmp_path)
    subprocess.run(["chmod", "-R", "a+rX", source], check=True)
    bed.tool("quota", "set", name, "100k", "none")
    bed.tool("quota", "recount", name)
    kw = state(way, tmp_path)
    try:
        status, said = run(bed, "import", name, source, **kw)
        assert status == 69 and "70 new, 0 there already, 1 did not fit\n" in said and "6.eml" in said, said
        bed.tool("quota", "set", name, "1M", "none")
        status, said = run(bed, "import", name, source, **kw)
        assert status == 0 and "1 new, 70 there already\n" in said, said
        bed.tool("quota", "set", name, "none", "71")
        more = [b"Subject: more %d\n\n" % i for i in range(300)]
        for i, m in enumerate(more):
            with open("%s/more%d.eml" % (source, i), "wb") as f:
                f.write(m)
            os.chmod("%s/more%d.eml" % (source, i), 0o644)
        status, said = run(bed, "import", name, source, **kw)
        refused = int(said.split(" there already, ")[1].split(" did not fit")[0])
        assert status == 69 and 20 <= refused < 100 and "seems full" in said, said
        assert "0 new, 71 there already" in said and len(bed.files(name)) == 71
        bed.tool("quota", "set", name, "none", "none")
        status, said = run(bed, "import", name, source, **kw)
        assert status == 0 and "300 new, 71 there already\n" in said, said
    finally:
        bed.tool("quota", "set", name, "none", "none")
        fresh(bed, name)


def mbox_of(path, messages):
    with open(path, "wb") as f:
        for i, m in enumerate(messages):
            quoted = b"".join((b">" if line.lstrip(b">").startswith(b"From ") else b"") + line for line in m.splitlines(True))
            f.write(b"From ann@example.org Tue Nov 24 18:%02d:%02d 2026\n" % divmod(i, 60) + quoted + (b"" if m.endswith(b"\n") else b"\n") + b"\n")


def maildir_of(path, messages):
    box = mailbox.Maildir(path)
    for i, m in enumerate(messages):
        sub = ("new", "cur")[i % 2]
        with open("%s/%s/%d.M1P1.host%s" % (path, sub, 1700000000 + i, ":2,S" if sub == "cur" else ""), "wb") as f:
            f.write(m)
    return box


def folder_of(path, messages):
    os.mkdir(path)
    for i, m in enumerate(messages):
        with open("%s/%d.eml" % (path, i), "wb") as f:
            f.write(m)
        os.utime("%s/%d.eml" % (path, i), (1700000000 + i,) * 2)


@pytest.mark.parametrize("make", [mbox_of, maildir_of, folder_of])
def test_imports_and_again_nothing_twice(bed, way, tmp_path, make):
    name = fresh(bed, "t21")
    kw = state(way, tmp_path)
    messages = SHAPES + [SHAPES[0]]  # one of them twice in the source: twice in the mailbox
    source = str(tmp_path / "source")
    make(source, messages)
    readable(tmp_path)
    subprocess.run(["chmod", "-R", "a+rX", source], check=True)
    for new, there in ((6, 0), (0, 6)):
        status, said = run(bed, "import", name, source, **kw)
        assert status == 0, said
        assert "6 messages" in said and "%d new, %d there already" % (new, there) in said, said
        got = bodies(bed, name)
        assert sorted(got) == sorted(crlf(m) for m in messages)
    if not kw:  # by LMTP all of them came now
        assert got == [crlf(m) for m in messages]


def test_an_import_that_was_killed_goes_on(bed, tmp_path):
    if not ROOT:
        pytest.skip("root's way")
    name = fresh(bed, "t22")
    source = str(tmp_path / "source")
    messages = [b"Subject: m%d\n\n" % i + b"line %d\n" % i * 200 for i in range(3000)]
    mbox_of(source, messages)
    argv = [bed.programs["bustia"], "-c", bed.target["config"], "import", name, source]
    for wait in (0.05, 0.1, 0.2):
        p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        p.send_signal(signal.SIGKILL)
        p.wait()
    status, said = run(bed, "import", name, source)
    assert status == 0, said
    assert sorted(bodies(bed, name)) == sorted(crlf(m) for m in messages)


@pytest.mark.parametrize("what,text", [("nothing", "No such file"), ("text", "no mbox"), ("empty", "neither"), ("fifo", "neither")])
def test_what_is_no_source_is_named(bed, tmp_path, what, text):
    source = str(tmp_path / what)
    if what == "text":
        with open(source, "w") as f:
            f.write("no mail\n")
    elif what == "empty":
        os.mkdir(source)
    elif what == "fifo":
        os.mkfifo(source)
    status, said = run(bed, "import", "t21", source)
    assert status == 65 and text in said


def test_no_link_is_followed_out_of_a_maildir(bed, tmp_path):
    name = fresh(bed, "t21")
    source = str(tmp_path / "source")
    maildir_of(source, SHAPES[:1])
    os.symlink("/etc/passwd", source + "/new/1700000009.M1P1.host")
    status, said = run(bed, "import", name, source, **({} if ROOT else {"env": dict(os.environ, XDG_STATE_HOME=str(tmp_path))}))
    assert status == 0 and "1 that are no regular files" in said
    assert len(bodies(bed, name)) == 1
