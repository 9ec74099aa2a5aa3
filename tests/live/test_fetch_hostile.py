"""Servers that lie, stall, cut and flood: nothing half is delivered, nothing undelivered is deleted, no password is shown to who is not
believed, memory stays bounded, and every session ends in time. The server is popserver.py."""
import os
import signal
import subprocess
import time

import pytest
from collecting import BUSTIA, Collecting
from popserver import CAPA, PopServer, certificate

MAILS = [b"From: a@example.test\r\nSubject: one\r\n\r\nfirst\r\n", b"From: b@example.test\r\nSubject: two\r\n\r\n.second\r\n..\r\n.\r\n"[:-3],
         b"From: c@example.test\r\nSubject: three\r\n\r\nthird\r\n"]
STORED = [m.replace(b"\r\n", b"\n") for m in MAILS]
NONE, WELL = [], 0
MB = 48  # a process of the collector, with TLS and SQLite, at the most
LISTS = 250  # the same, with a listing of a million messages
SLOW = 2  # s: silence_timeout and connect_timeout of these accounts

pytestmark = pytest.mark.asan


@pytest.fixture
def collecting(tmp_path):
    return Collecting(tmp_path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return certificate(str(tmp_path_factory.mktemp("tls")))


def by_hand(collecting):
    """who names an account does not wait until its pause after a failure is over"""
    return collecting.fetch(*collecting.names)


def memory(run, most=MB):
    if "asan" not in BUSTIA:
        assert 1 < run.mb < most, run


def endless(piece):
    """an answer that never ends, until the client goes away"""
    def answer(session, arg):
        while True:
            session.put(piece)
    return answer


# ---- floods

FLOODS = {
    "greeting": ("greeting", b"+OK ", b"x" * 65536), "greeting in lines": ("greeting", b"", b"hello\r\n" * 1000),
    "line of CAPA": ("CAPA", b"+OK\r\n", b"x" * 65536), "CAPA": ("CAPA", b"+OK\r\n", b"XX-FLOOD\r\n" * 1000),
    "line of PASS": ("PASS", b"+OK ", b"x" * 65536), "UIDL": ("UIDL", b"+OK\r\n", b"1 abc\r\n" * 1000), "line of UIDL": ("UIDL", b"+OK\r\n1 ", b"x" * 65536),
    "line of a status": ("RETR", b"+OK", b" x" * 32768), "lines of nothing": ("USER", b"", b"\r\n" * 1000), "NUL": ("USER", b"", b"\0" * 65536),
}


@pytest.mark.parametrize("name", FLOODS)
def test_what_never_ends(collecting, name):
    word, head, piece = FLOODS[name]
    flood = endless(piece)

    def answer(session, arg):
        session.put(head)
        flood(session, arg)

    with PopServer(MAILS, instead={word: answer}) as s:
        run = collecting.account(s.port, delete="now").measured()
        assert run.status not in (WELL, 124) and run.status > 0, run
        assert run.seconds < 30
        memory(run, LISTS if name == "UIDL" else MB)
        assert collecting.mails() == NONE and len(s.left()) == 3


def test_a_list_of_rising_numbers_that_never_ends(collecting):
    def answer(session, arg):
        session.put(b"+OK\r\n")
        n = 0
        while True:
            session.put(b"".join(b"%d uid-%d\r\n" % (i, i) for i in range(n + 1, n + 5001)))
            n += 5000

    with PopServer(MAILS, instead={"UIDL": answer}) as s:
        run = collecting.account(s.port).measured(timeout=100)
        assert run.status > 0, run
        memory(run, LISTS)
        assert collecting.mails() == NONE


@pytest.mark.parametrize("limit", ["4M", None])
def test_a_message_that_never_ends(collecting, limit):
    """it goes to the disk: what LIST said of it, or size_limit, is its ceiling, and the account's other messages are not its hostages"""
    def answer(session, arg):
        if arg != "2":
            return None
        session.put(b"+OK\r\n")
        while True:
            session.put(b"x" * 1022 + b"\r\n")

    with PopServer(MAILS, instead={"RETR": answer}) as s:
        run = collecting.account(s.port, size_limit=limit, delete="now").measured(timeout=100)
        assert run.status > 0, run
        memory(run)
        assert all(m in (STORED[0], STORED[2]) for m in collecting.mails()) and MAILS[1] in s.left()
        assert sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(collecting.folder) for f in files) < 64 << 20


# ---- lies

def test_sizes_that_lie(collecting):
    with PopServer(MAILS, instead={"LIST": lambda s, a: b"+OK\r\n1 1\r\n2 99999999999999999999\r\n3 4294967297\r\n.\r\n" if not a else None,
                                   "STAT": lambda s, a: b"+OK 900000000 1\r\n"}) as s:
        run = collecting.account(s.port, delete="now").fetch()
        assert run.status == WELL, run
        assert sorted(collecting.mails()) == sorted(STORED) and s.left() == []


@pytest.mark.parametrize("rows", [b"", b"1 10\r\n", b"7 10\r\n8 10\r\n9 10\r\n", b"1 51\r\n1 52\r\n2 1\r\n3 1\r\n4 1\r\n5 1\r\n", b"x\r\n1\r\n-1 -1\r\n"])
@pytest.mark.parametrize("limit", [None, "1M"])
def test_a_list_that_is_not_uidls(collecting, rows, limit):
    """LIST is a hint: what it leaves out, makes up or says twice changes nothing of what is fetched"""
    with PopServer(MAILS, instead={"LIST": lambda s, a: b"+OK\r\n" + rows + b".\r\n" if not a else None}) as s:
        run = collecting.account(s.port, delete="now", size_limit=limit).fetch()
        if run.status != WELL:  # or it is no answer at all, and all waits until there is one
            assert len(s.left()) + len(collecting.mails()) >= 3 and all(m in STORED for m in collecting.mails()), run
            s.instead = {}
            run = by_hand(collecting)
        assert run.status == WELL and sorted(collecting.mails()) == sorted(STORED) and s.left() == [], run


@pytest.mark.parametrize("count", [b"0 0", b"1 1", b"4000000000 99999999999999999999999", b"-1 -1", b"x"])
def test_counts_that_lie(collecting, count):
    """of STAT and of the greeting after log-in; UIDL is what counts"""
    with PopServer(MAILS, instead={"STAT": lambda s, a: b"+OK " + count + b"\r\n", "PASS": lambda s, a: s.enter() and b"+OK " + count + b" messages\r\n"}) as s:
        run = collecting.account(s.port, delete="now").measured()
        assert run.status == WELL and sorted(collecting.mails()) == sorted(STORED) and s.left() == [], run
        memory(run)


ROWS = {
    "out of range": b"0 a\r\n4294967296 b\r\n99999999999999999999999 c\r\n-1 d\r\n4000000000 e\r\n",
    "junk": b"\r\nhello\r\n1\r\n1 \r\n 2 x\r\n3  \r\nx y z\r\n",
    "overlong": b"1 " + b"u" * 71 + b"\r\n2 " + b"v" * 900 + b"\r\n3 ok\r\n",
    "control": b"1 a\x07b\r\n2 \x1b[2J\r\n3 \xff\xfe\r\n",
    "twice the same number": b"1 a\r\n1 b\r\n2 c\r\n3 d\r\n",
    "twice the same uid": b"1 same\r\n2 same\r\n3 same\r\n",
    "paths": b"1 ../../../../tmp/x\r\n2 /etc/passwd\r\n3 .\r\n",
    "sql": b"1 ');DROP-TABLE-message;--\r\n2 \"\r\n3 '\r\n",
}


@pytest.mark.parametrize("name", ROWS)
def test_uids_that_are_none(collecting, name):
    """either the session ends with an error and nothing is lost, or every message comes once, also the second time"""
    with PopServer(MAILS, instead={"UIDL": lambda s, a: b"+OK\r\n" + ROWS[name] + b".\r\n" if not a else None}) as s:
        collecting.account(s.port)
        for _ in range(2):
            run = by_hand(collecting)
            assert run.status >= 0 and "\x1b" not in run.out and "\x07" not in run.out, run
            got = collecting.mails()
            assert len(got) == len(set(got)) and all(m in STORED for m in got), (run, got)
            if run.status == WELL and name in ("paths", "sql", "twice the same uid", "control", "overlong"):
                assert sorted(got) == sorted(STORED), run
        assert len(s.left()) == 3
        assert not [f for f in os.listdir(collecting.folder) if f not in ("accounts", "secret", "state", "out", "box-one")]


def test_uids_that_are_the_same_are_deleted_only_when_delivered(collecting):
    with PopServer([(m, b"same") for m in MAILS]) as s:
        run = collecting.account(s.port, delete="now").fetch()
        assert run.status == WELL, run
        assert sorted(collecting.mails()) == sorted(STORED) and s.left() == []


@pytest.mark.parametrize("ends", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\r\n.\r\r\n"])
def test_what_looks_like_an_end_is_data(collecting, ends):
    text = b"Subject: x\r\n\r\nbefore" + ends + b"after\r\n"
    with PopServer([text]) as s:
        run = collecting.account(s.port, delete="now").fetch()
        assert run.status == WELL and s.left() == [], run
        got = collecting.mails()
        assert len(got) == 1 and got[0].replace(b"\r\n", b"\n") == text.replace(b"\r\n", b"\n"), got


@pytest.mark.parametrize("ends", [b"\r\n.\n", b"\r\n.\r", b"\r\n.\0\r\n", b"\r\n. \r\n"])
def test_an_end_is_a_dot_and_crlf(collecting, ends):
    """also where a server does not double the dot: nothing of the rest is taken for answers to what was asked ahead"""
    text = b"Subject: x\r\n\r\nbefore" + ends + b"+OK\r\nafter\r\n.\r\n"
    with PopServer(MAILS, instead={"RETR": lambda s, a: b"+OK\r\n" + text if a == "1" else None}) as s:
        run = collecting.account(s.port).fetch()
        assert run.status == WELL, run
        got = collecting.mails()
        assert len(got) == 3 and all(m in got for m in STORED[1:]) and sum(b"after" in m for m in got) == 1, got


def test_words_of_a_server_command_no_terminal(collecting):
    evil = b"-ERR [AUTH] \x1b[2J\x1b]0;owned\x07 \xc2\x9b31m \xe2\x80\xae no\r\n"
    with PopServer(MAILS, instead={"PASS": lambda s, a: evil}) as s:
        run = collecting.account(s.port).fetch()
        assert run.status > 0
        for c in ("\x1b", "\x07", "\x9b", "\u202e"):
            assert c not in run.out, run


# ---- cuts

def cut_points(honest):
    """octets of replies before the last message's text, in it, before its end, and within it"""
    body = honest.rindex(b"third")
    return [body - 40, body, body + 3, honest.index(b".\r\n", body), honest.index(b".\r\n", body) + 1, honest.index(b".\r\n", body) + 2]


@pytest.mark.parametrize("how", ["fin", "reset", "tls"])
@pytest.mark.parametrize("point", range(6))
def test_cut_in_the_last_message(tmp_path, pair, how, point):
    tls = {"tls": pair, "implicit": True}
    heard = []
    collecting = Collecting(tmp_path)
    with PopServer(MAILS, **tls) as s:  # what an honest session says
        put = s.__class__
        first = Collecting(os.makedirs(str(tmp_path / "first")) or tmp_path / "first")
        first.account(s.port, tls="implicit", tls_ca=pair[0], window=1)

        def note(session, data, honest=None):
            heard.append(data)
            return send(session, data)

        from popserver import Session
        send = Session.put
        Session.put = note
        try:
            assert first.fetch().status == WELL
        finally:
            Session.put = send
        assert put
    at = cut_points(b"".join(heard))[point]
    with PopServer(MAILS, cut=at, how=how, **tls) as s:
        collecting.account(s.port, tls="implicit", tls_ca=pair[0], delete="now", window=1)
        run = by_hand(collecting)
        assert run.status > 0, run
        assert STORED[2] not in collecting.mails() and all(m in STORED for m in collecting.mails())
        assert MAILS[2] in s.left()
        s.cut = None
        assert by_hand(collecting).status == WELL
        assert sorted(collecting.mails()) == sorted(STORED) and s.left() == []


@pytest.mark.parametrize("update", ["before", "after", "never"])
@pytest.mark.parametrize("answer", [b"-ERR [SYS/TEMP] some deleted messages not removed\r\n", b"", b"+NO\r\n"])
def test_quit_without_ok(collecting, update, answer):
    """whether anything was deleted is not known: settled next time, and nothing comes twice"""
    with PopServer(MAILS, instead={"QUIT": lambda s, a: answer}, update=update) as s:
        collecting.account(s.port, delete="now")
        run = by_hand(collecting)
        assert sorted(collecting.mails()) == sorted(STORED), run
        s.instead, s.update = {}, "before"
        run = by_hand(collecting)
        assert run.status == WELL and s.left() == [] and sorted(collecting.mails()) == sorted(STORED), run
        s.add(MAILS[0].replace(b"first", b"fourth"))
        assert by_hand(collecting).status == WELL and len(collecting.mails()) == 4


# ---- stalls

def in_time(run):
    """no octet for SLOW s ends it"""
    assert run.seconds < 2 * SLOW, run


@pytest.mark.parametrize("word", ["connect", "greeting", "CAPA", "USER", "PASS", "UIDL", "LIST", "RETR", "DELE", "QUIT"])
def test_stall(collecting, word):
    with PopServer(MAILS, stall=word) as s:
        run = collecting.account(s.port, delete="now").fetch(timeout=40)
        in_time(run)
        if word != "QUIT":
            assert run.status > 0, run
        if word not in ("DELE", "QUIT"):
            assert collecting.mails() == NONE and len(s.left()) == 3
        else:
            assert sorted(collecting.mails()) == sorted(STORED)
        s.stall = None
        assert by_hand(collecting).status == WELL
        assert sorted(collecting.mails()) == sorted(STORED) and s.left() == []


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_stall_in_the_handshake(collecting, pair, tls):
    with PopServer(MAILS, stall="handshake", tls=pair, implicit=tls == "implicit") as s:
        run = collecting.account(s.port, tls=tls, tls_ca=pair[0]).fetch(timeout=40)
        assert run.status > 0, run
        in_time(run)
        assert not any("secret" in c for c in s.said())


STALLS = {"STLS": ({"tls": True}, {"tls": "starttls"}), "AUTH": ({"sasl": "PLAIN"}, {}), "APOP": ({}, {"auth": "APOP"}),
          "TOP": ({}, {"size_limit": "20", "oversize": "headers"})}


@pytest.mark.parametrize("word", STALLS)
def test_stall_on_other_ways(collecting, pair, word):
    server, account = STALLS[word]
    if "tls" in server:
        server, account = dict(server, tls=pair), dict(account, tls_ca=pair[0])
    with PopServer(MAILS, stall=word, **server) as s:
        run = collecting.account(s.port, **account).fetch(timeout=40)
        assert any(c.upper().startswith(word) for c in s.said()), s.said()  # it came to that
        assert run.status > 0 and collecting.mails() == NONE, run
        in_time(run)


@pytest.mark.parametrize("word", ["greeting", "CAPA", "PASS", "UIDL", "RETR"])
def test_an_octet_now_and_then(collecting, word):
    """never silent for long, and never done: it ends all the same"""
    def answer(session, arg):
        session.put(b"+OK")
        while not session.server.halt.wait(SLOW / 4):
            session.put(b" ")

    with PopServer(MAILS, instead={word: answer}) as s:
        run = collecting.account(s.port, delete="now").fetch(timeout=60)
        assert run.status > 0 and run.seconds < 12 * SLOW, run
        assert collecting.mails() == NONE and len(s.left()) == 3


def test_stall_inside_a_message(collecting):
    def answer(session, arg):
        session.put(b"+OK\r\nSubject: half\r\n\r\nthis is")
        session.server.halt.wait()
        return b""

    with PopServer(MAILS, instead={"RETR": answer}) as s:
        run = collecting.account(s.port, delete="now").fetch(timeout=40)
        assert run.status > 0, run
        in_time(run)
        assert collecting.mails() == NONE and len(s.left()) == 3


# ---- who is not believed gets no password

def not_told(s):
    return not any("secret" in c or c.upper().startswith(("PASS", "AUTH", "APOP")) for c in s.said())


@pytest.mark.parametrize("login", [{}, {"sasl": "PLAIN"}, {"capa": None}])
def test_who_is_believed_is_told(collecting, pair, login):
    """so that the tests below see it when somebody else is"""
    for tls in ("starttls", "none", "implicit"):
        with PopServer(MAILS, tls=pair if tls != "none" else None, implicit=tls == "implicit", **(login if tls != "starttls" or "capa" not in login else {})) as s:
            collecting.account(s.port, tls, tls=tls, tls_ca=pair[0] if tls != "none" else None)
            run = collecting.fetch(tls)
            assert run.status == WELL and not not_told(s) and sorted(collecting.mails(tls)) == sorted(STORED), run


@pytest.mark.parametrize("evil", [b"+OK\r\nSASL PLAIN\r\n.\r\n+OK logged in\r\n", b"+OK\r\n", b"-ERR\r\n", b"x"])
def test_replies_injected_before_starttls(collecting, pair, evil):
    """the server goes on with TLS after them, as it does when somebody between put them there"""
    def answer(session, arg):
        session.put(b"+OK begin\r\n" + evil)
        session.secure_it()
        return b""

    with PopServer(MAILS, tls=pair, instead={"STLS": answer}) as s:
        run = collecting.account(s.port, tls="starttls", tls_ca=pair[0]).fetch()
        assert any(c == "STLS" for c in s.said())
        assert run.status > 0 and not_told(s) and collecting.mails() == NONE, run


@pytest.mark.parametrize("how", ["refused", "not announced", "no CAPA"])
def test_starttls_that_is_not_to_be_had(collecting, how):
    capa = None if how == "no CAPA" else CAPA + (["STLS"] if how == "refused" else [])
    with PopServer(MAILS, capa=capa) as s:
        run = collecting.account(s.port, tls="starttls").fetch()
        assert run.status > 0 and not_told(s) and collecting.mails() == NONE, run
        assert "TLS" in run.out


@pytest.mark.parametrize("greeting", [b"+OK\r\n+OK logged in\r\n", b"+OK ready\r\n+OK\r\nUIDL\r\n.\r\n", b"* PREAUTH welcome\r\n", b"-ERR go away\r\n", b"220 mail ESMTP\r\n",
                                      b"\r\n", b"+OKAY\r\n"])
def test_greetings_that_are_none(collecting, pair, greeting):
    with PopServer(MAILS, tls=pair, instead={"greeting": lambda s, a: greeting}) as s:
        run = collecting.account(s.port, tls="starttls", tls_ca=pair[0]).fetch()
        assert run.status > 0 and not_told(s) and collecting.mails() == NONE, run


BAD = {"unknown issuer": ({}, None), "wrong name": ({"names": ("elsewhere.example",), "addresses": ()}, True), "expired": ({"days": -1}, True)}


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("name", [*BAD, "pinned mismatch"])
def test_certificates_that_are_not_believed(collecting, tmp_path, pair, name, tls):
    made, believed = BAD.get(name, ({}, None))
    if name == "expired":
        server = expired(str(tmp_path))
    else:
        server = certificate(str(tmp_path), name="bad", **made)
    options = {"tls_ca": server[0] if believed else None}
    if name == "pinned mismatch":
        options = {"tls_ca": server[0], "tls_fingerprint": "ab" * 32}
    with PopServer(MAILS, tls=server, implicit=tls == "implicit") as s:
        run = collecting.account(s.port, tls=tls, **options).fetch()
        assert run.status > 0 and not_told(s) and collecting.mails() == NONE, run
        assert "certificate" in run.out, run
        if name == "pinned mismatch":
            assert fingerprint(server[0]) in run.out.replace(":", "").lower(), run


def test_pinned(collecting, tmp_path, pair):
    """the pin alone is enough, whoever issued it and whatever its name"""
    server = certificate(str(tmp_path), names=("elsewhere.example",), addresses=(), name="pinned")
    with PopServer(MAILS, tls=server, implicit=True) as s:
        run = collecting.account(s.port, tls="implicit", tls_fingerprint=fingerprint(server[0])).fetch()
        assert run.status == WELL and sorted(collecting.mails()) == sorted(STORED), run


def fingerprint(cert):
    p = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True, check=True)
    return p.stdout.strip().split("=")[1].replace(":", "").lower()


def expired(folder):
    """a pair that was good for a day, in 2020"""
    key, request, cert = folder + "/old.key", folder + "/old.csr", folder + "/old.pem"
    with open(folder + "/old.cnf", "w") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
                "[req]\ndistinguished_name=n\n[n]\n[x]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n" % (folder, folder, folder))
    open(folder + "/index", "w").close()
    with open(folder + "/serial", "w") as f:
        f.write("01\n")
    conf = ["-config", folder + "/old.cnf"]
    for argv in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=localhost", *conf],
                 ["ca", "-batch", "-selfsign", "-in", request, "-keyfile", key, "-out", cert, "-notext", "-startdate", "200101000000Z", "-enddate", "200102000000Z",
                  "-extensions", "x", *conf]):
        subprocess.run(["openssl", *argv], check=True, capture_output=True)
    return cert, key


# ---- beside each other

def test_one_bad_server_stops_no_other(collecting):
    with PopServer(MAILS) as good, PopServer(MAILS, stall="UIDL") as stalls, PopServer(MAILS, users={"anna": "other"}) as refuses, \
            PopServer(MAILS, instead={"RETR": endless(b"\r\n")}) as floods:
        collecting.account(stalls.port, "stalls").account(refuses.port, "refuses").account(floods.port, "floods").account(1, "dead")
        run = collecting.account(good.port, "good").fetch(timeout=60)
        assert run.status > 0 and sorted(collecting.mails("good")) == sorted(STORED), run
        for name in ("stalls", "refuses", "floods", "dead"):
            assert name in run.out and collecting.mails(name) == NONE, run


def test_one_bad_message_stops_no_other(collecting):
    def refuses(session, arg):
        return b"-ERR [SYS/PERM] this one is broken\r\n" if session.drop[int(arg) - 1].text == MAILS[1] else None

    with PopServer(MAILS, instead={"RETR": refuses}) as s:
        collecting.account(s.port, delete="now", attempts=3)
        for i in range(4):
            run = by_hand(collecting)
            assert sorted(collecting.mails()) == sorted([STORED[0], STORED[2]]), run
            assert s.left() == [MAILS[1]]
            assert run.status > 0 and "this one is broken" in run.out, run


def test_who_listens_may_go(collecting):
    """the reader of our words goes away, and the server resets while we speak: no SIGPIPE"""
    with PopServer(MAILS * 30, how="reset", cut=2000) as s:
        collecting.account(s.port)
        p = subprocess.Popen([BUSTIA, "fetch", "-a", collecting.file, "one"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        p.stdout.close()
        assert p.wait(30) >= 0
        s.cut = None
        p = subprocess.Popen([BUSTIA, "fetch", "-a", collecting.file, "one"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        p.stdout.close()
        assert p.wait(30) >= 0
        assert by_hand(collecting).status == WELL
        assert len(collecting.mails()) == 90


def test_ended_by_hand(collecting):
    """SIGTERM and SIGINT in the middle: it ends at once, and the next run goes on"""
    with PopServer(MAILS * 10, delay=0.05) as s:
        collecting.account(s.port, delete="now", window=1)
        for sig in (signal.SIGTERM, signal.SIGINT):
            p = subprocess.Popen([BUSTIA, "fetch", "-a", collecting.file, "one"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            time.sleep(0.8)
            p.send_signal(sig)
            assert p.wait(10) != 0
            p.stdout.close()
        s.delay = 0
        assert by_hand(collecting).status == WELL
        assert len(collecting.mails()) == 30 and s.left() == []
