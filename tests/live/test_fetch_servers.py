"""`bustia fetch` collects from real servers, all of them in one run: our own, Dovecot, Courier, GNU Mailutils and Cyrus, over TLS with
certificates of a private authority, leaving and deleting.

1,000 messages each, of the kinds in hostilemail.py. What a server itself changes is known by the shape of the message (realservers.py,
OWN), and shown: a socket without any client receives other octets than were stored. Every message must be delivered as the server gives
it, to the octet. mpop passes the same tests, which shows that they are not made for one collector.
"""
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import time

import pytest
from bed import wire
from collecting import Collecting
from hostilemail import hostile
from realserver import STLS, TLS, authority
from realservers import REAL, Ours

pytestmark = pytest.mark.root

COUNT = 1000
NEW = 25


@pytest.fixture(scope="module")
def tell(request):
    """prints, whether or not the test passes"""
    def line(text):
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print("\n" + text)
    return line


@pytest.fixture(scope="module")
def servers(peer, tmp_path_factory, tell):
    """all of them, running"""
    pair = authority(str(tmp_path_factory.mktemp("authority")))
    running = {}
    try:
        running["ours"] = Ours(pair)
        for name, kind in REAL.items():
            running[name] = kind(peer, pair)
        tell("servers: " + ", ".join("%s %s" % (s.name, s.version) for s in running.values()))
        yield running
    finally:
        for s in running.values():
            s.close()


def mails_for(server, collector, count, first=1):
    """messages that this server can give at all, and this collector take"""
    return hostile(count, first, {**server.NEVER, **collector.CANNOT})


def each(servers, what):
    """{name: what(server)}, side by side"""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(servers, pool.map(what, servers.values())))


def stored(server, mails, collector):
    """puts them into the maildrop; what the server gives for them, each as (shape, octets)"""
    server.seed([m for _, m in mails])
    return given(server, mails, collector)


def given(server, mails, collector):
    """asked by a plain socket, and compared with what was stored: only what the server is known to change is changed"""
    may = server.utf8()
    out = server.given(may and collector.UTF8)
    own = {**server.OWN, **(server.WRAPS if may and not collector.UTF8 else {})}
    assert len(out) == len(mails), server.name
    changed = collections.Counter()
    for (shape, m), octets in zip(mails, out):
        if server.without(octets) != wire(m) and (m or octets):  # an empty message has an empty line, or none
            changed[shape] += 1
    assert set(changed) <= set(own) | set(server.MAY), (server.name, changed)
    if len(mails) == COUNT:  # each kind is there
        assert set(changed) >= set(own) & {shape for shape, _ in mails}, (server.name, changed)
    return list(zip([shape for shape, _ in mails], out))


# ---- collectors

class Bustia:
    """all accounts in one file and one run"""
    CANNOT = {}
    UTF8 = True  # says it where it is announced

    @staticmethod
    def as_file(octets):
        """lines end with LF; one whose last octet is CR keeps its CR LF, and so is read as what came"""
        return re.sub(rb"(?<!\r)\r\n", b"\n", octets)

    def __init__(self, folder, servers, access, delete, window=None):
        self.servers = servers
        self.c = Collecting(folder)
        self.c.text = self.c.text.replace("= 2s", "= 60s")
        for s in servers.values():
            secret = "%s/secret-%s" % (folder, s.name)
            with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(s.password + "\n")
            self.c.account(s.ports[access], s.name, access, user=s.user, password_file=secret, tls_ca=s.ca, delete="now" if delete else None,
                           window=window)
        self.last = 0

    def wait(self):
        """until the last server allows the next log-in"""
        time.sleep(max(0, self.last + max(s.login_delay for s in self.servers.values()) + 1 - time.time()))

    def try_once(self, *words):
        """the run, and what it says at the end of each account"""
        r = self.c.fetch("--json", *words, timeout=300)
        self.last, self.seconds = time.time(), r.seconds
        events = [json.loads(line) for line in r.out.splitlines() if line.startswith("{")]
        done = {e["account"]: e for e in events if e.get("event") == "done"}
        assert set(done) == set(self.servers), r
        return r, done

    def run(self):
        """how many messages came from each"""
        self.wait()
        r, done = self.try_once()
        assert r.status == 0 and all(e["result"] == "ok" for e in done.values()), r
        return {name: e["fetched"] for name, e in done.items()}

    def box(self, name):
        return self.c.box(name)


class Mpop:
    """one account after another"""
    CANNOT = {"cr_at_edges": "a CR that stands where its buffer ends is lost"}
    UTF8 = False

    @staticmethod
    def as_file(octets):
        return octets.replace(b"\r\n", b"\n")

    def __init__(self, folder, servers, access, delete, peer):
        self.folder, self.servers, self.words = folder, servers, peer("mpop")
        self.rc = "%s/mpoprc" % folder
        with open(os.open(self.rc, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("defaults\nreceived_header off\nauth user\ntls on\ntls_starttls %s\nkeep %s\nuidls_file %s/uidls-%%U-%%H\n" % (
                "on" if access == STLS else "off", "off" if delete else "on", folder))
            for s in servers.values():
                for sub in ("", "/tmp", "/new", "/cur"):
                    os.mkdir(self.box(s.name) + sub)
                f.write("account %s\nhost localhost\nport %d\nuser %s\npassword %s\ntls_trust_file %s\nuidls_file %s/uidls-%s\ndelivery maildir %s\n"
                        % (s.name, s.ports[access], s.user, s.password, s.ca, folder, s.name, self.box(s.name)))

    def run(self):
        began = time.monotonic()
        p = subprocess.run(self.words + ["mpop", "-q", "-C", self.rc, "-a"], capture_output=True, timeout=600, env=dict(os.environ, LC_ALL="C"))
        assert p.returncode == 0, p.stderr
        self.seconds = time.monotonic() - began
        return None

    def box(self, name):
        return "%s/box-%s" % (self.folder, name)


@pytest.fixture
def collect(servers, tmp_path, peer):
    """collect("bustia", access, delete=False): a collector with an account at each server, or at these"""
    def make(name, access, delete=False, window=None, at=tuple(servers)):
        some = {n: servers[n] for n in at}
        if name == "mpop":
            return Mpop(str(tmp_path), some, access, delete, peer)
        return Bustia(str(tmp_path), some, access, delete, window)
    return make


# ---- what was delivered

def digest(octets):
    return hashlib.sha256(octets).hexdigest()


class Box:
    """a Maildir: {name: digest}"""

    def __init__(self, folder, varies=None):
        self.files = {}
        for sub in ("new", "cur"):
            for f in os.listdir("%s/%s" % (folder, sub)):
                with open("%s/%s/%s" % (folder, sub, f), "rb") as fd:
                    self.files[f] = digest(even(fd.read(), varies))
        assert not os.listdir(folder + "/tmp")


def even(octets, varies):
    """without what the server makes anew each time"""
    return varies.sub(b"", octets) if varies and octets.startswith(b"From: Mail Delivery Subsystem") else octets


def delivered(collector, server, expected):
    """the box holds these messages, each as often as the server has it, and nothing else"""
    box = Box(collector.box(server.name), server.VARIES)
    have = collections.Counter(box.files.values())
    want = collections.Counter()
    shapes = {}
    for shape, octets in expected:
        d = digest(even(collector.as_file(octets), server.VARIES))
        want[d] += 1
        shapes[d] = shape
    missing, more = want - have, have - want
    assert not missing and not more, (server.name, "missing", collections.Counter(shapes[d] for d in missing.elements()),
                                      "too much", collections.Counter(shapes.get(d, d) for d in more.elements()))
    return set(box.files)


# ---- the tests

@pytest.mark.parametrize("name,access", [("bustia", TLS), ("bustia", STLS), ("mpop", TLS)])
def test_leaving(servers, collect, tell, name, access):
    """all come; then what has come meanwhile, though all messages have other numbers; then nothing"""
    c = collect(name, access)
    mails = each(servers, lambda s: mails_for(s, c, COUNT))
    expected = each(servers, lambda s: stored(s, mails[s.name], c))

    def run(news):
        fetched = c.run()
        assert fetched is None or fetched == news
        for n, s in servers.items():
            assert s.left(len(mails[n])) == len(mails[n]), n
        return {n: delivered(c, s, expected[n]) for n, s in servers.items()}

    first = run(dict.fromkeys(servers, COUNT))
    tell("%s, %s: %d messages at each of %d servers in %.1f s" % (name, access, COUNT, len(servers), c.seconds))

    def change(s):
        """each third goes, by another client's hand"""
        s.delete(range(3, COUNT + 1, 3))
        more = mails_for(s, c, NEW, 5001)
        s.append([m for _, m in more])
        mails[s.name] = [m for i, m in enumerate(mails[s.name], 1) if i % 3] + more
        expected[s.name] += given(s, mails[s.name], c)[-NEW:]

    each(servers, change)
    second = run(dict.fromkeys(servers, NEW))
    assert all(first[n] < second[n] for n in servers)
    assert run(dict.fromkeys(servers, 0)) == second


@pytest.mark.parametrize("name,access", [("bustia", TLS), ("bustia", STLS), ("mpop", STLS)])
def test_deleting(servers, collect, name, access):
    """all come, and the maildrops are empty; again with what has come meanwhile"""
    c = collect(name, access, delete=True)
    expected = {n: [] for n in servers}
    for count, first in ((COUNT, 2001), (NEW, 6001)):
        new = each(servers, lambda s: stored(s, mails_for(s, c, count, first), c))
        fetched = c.run()
        assert fetched is None or fetched == dict.fromkeys(servers, count)
        for n, s in servers.items():
            expected[n] += new[n]
            delivered(c, s, expected[n])
            assert s.left(0) == 0, n


def others(collector, server, before, now):
    """what comes again from a server that gives other uids to all: with bustia, whatever has other octets too"""
    if isinstance(collector, Mpop):
        return now
    known = collections.Counter(octets for _, octets in before)
    out = []
    for shape, octets in now:
        varies = even(octets, server.VARIES) != octets
        known[octets] -= 1
        if varies or known[octets] < 0:
            out.append((shape, octets))
    return out


@pytest.mark.parametrize("name,window", [("bustia", None), ("bustia", 1), ("mpop", None)])
def test_new_uids(servers, collect, name, window):
    """a server that forgot the uids it gave: what is known by its octets does not come twice, what is new comes, and none is lost; with
    many commands at once, and one after another"""
    c = collect(name, TLS, window=window)
    mails = each(servers, lambda s: mails_for(s, c, 100, 4001))
    expected = each(servers, lambda s: stored(s, mails[s.name], c))
    c.run()
    for n, s in servers.items():
        delivered(c, s, expected[n])

    def forget(s):
        old = set(s.uids())
        time.sleep(1.1)  # some make their uids of the time
        now = stored(s, mails[s.name] + mails_for(s, c, NEW, 7001), c)
        assert not old & set(s.uids()), s.name
        return others(c, s, expected[s.name], now)

    again = each(servers, forget)
    assert name == "mpop" or len(again["ours"]) < NEW + 10 > len(again["dovecot"]) and len(again["mailutils"]) == 100 + NEW
    c.run()
    first = {n: delivered(c, s, expected[n] + again[n]) for n, s in servers.items()}
    c.run()
    assert first == {n: delivered(c, s, expected[n] + again[n]) for n, s in servers.items()}


# ---- what some of them say and do

def test_login_delay(servers, collect):
    """who announces LOGIN-DELAY is left alone for so long, and the others are not"""
    each(servers, lambda s: s.seed([b"Subject: first\n\n1\n"]))
    c = collect("bustia", TLS)
    c.run()
    each(servers, lambda s: s.append([b"Subject: second\n\n2\n"]))
    r, done = c.try_once()
    early = {n for n, s in servers.items() if s.login_delay}
    assert r.status == 0 and early == {"courier"}, r
    assert {n: e["fetched"] for n, e in done.items()} == {n: 0 if n in early else 1 for n in servers}
    assert "LOGIN-DELAY" in done["courier"]["text"], done
    assert c.run() == {n: 1 if n in early else 0 for n in servers}


@pytest.mark.parametrize("name", sorted(n for n, s in REAL.items() if "dot" in s.NEVER))
@pytest.mark.parametrize("delete", [False, True])
def test_end_at_once(servers, collect, name, delete):
    """A message whose first line is a dot: they do not double it, so the message ends there, without an octet, and its next line is no
    answer to anything. That costs the session it is asked for in; all other messages come, once, and are deleted, and that one stays"""
    s = servers[name]
    mails = mails_for(s, Bustia, 60, 3001)
    expected = stored(s, mails, Bustia)
    mails[30:30] = [("dot", b".\nSubject: after the end\n\nbody\n")]
    s.seed([m for _, m in mails])
    c = collect("bustia", TLS, delete=delete, at=(name,))
    ends = []
    for _ in range(4):
        c.wait()
        ends.append(c.try_once(name)[0].status)
    delivered(c, s, expected)
    assert s.left(1 if delete else 61) == (1 if delete else 61), ends
    assert ends == ([75, 75, 0, 75] if delete else [75] * 4)  # the third tries only what it can
