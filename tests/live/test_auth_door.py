"""A real auth, and a door played by this test, which has been taken over: what auth does not give it although it asks."""
import os
import select
import signal

import frames
import pytest
from bed import Bed
from test_route import Auth, FIRST

PASS, SASL_BEGIN, SASL_STEP = 0, 2, 3  # enum pop3_auth_how
TLS, CLEAR, INITIAL = 1, 2, 4          # flags
NO_WORKER = 2                          # ERR_PERM: no other answer of ours is this one

pytestmark = [pytest.mark.asan, pytest.mark.root]


@pytest.fixture(scope="module")
def auth(own_bed_of_module, tmp_path_factory):
    a = Auth(own_bed_of_module, tmp_path_factory.mktemp("auth"), "password_threads = 1\nfailure_delay = 20ms\nsasl_mechanisms = EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN\n")
    for name, words in (("anna", ["--external", "--apop"]), ("berta", []), ("carla", ["--external", "--disable"])):
        a.user(name, FIRST, *words)
    a.start()
    yield a
    a.close()


@pytest.fixture(scope="module")
def own_bed_of_module():
    b = Bed()
    yield b
    b.close()


class Asking:
    n = 100


def ask(auth, mechanism, flags, initial=None, below=b""):
    """auth's first answer; NEED is what a log-in that is granted begins with"""
    Asking.n += 1
    frames.send(auth.door, "VERIFY", door=1, n=Asking.n, num=[SASL_BEGIN, flags | (INITIAL if initial is not None else 0)],
                texts=[mechanism, initial or b"", "127.0.0.1", below])
    return answer(auth)


def answer(auth):
    name = "TERMS"
    while name == "TERMS":  # it may come at any time
        ready, _, _ = select.select([auth.door, auth.master], [], [], 10)
        assert ready
        name, _, _, num, texts = frames.receive_any(ready[0])
    if name == "NEED":  # no mail process today: the session is over
        frames.send(auth.master, "NO_WORKER", num=[num[0], 4])
        assert frames.receive(auth.door)[0] == "DENIED"
        return "granted"
    return name if name != "CHALLENGE" else (name, texts[0])


def test_external_only_for_whom_it_is_permitted(auth):
    for flags, name, wanted, good in ((TLS, "anna", b"", True), (TLS, "anna", b"anna", True), (TLS, "anna", b"berta", False),
                                      (TLS, "berta", b"", False), (TLS, "berta", b"anna", False), (TLS, "carla", b"", False),
                                      (TLS, "nobody", b"", False), (TLS, "", b"anna", False), (0, "anna", b"", False),
                                      (CLEAR, "anna", b"", False)):
        assert ask(auth, "EXTERNAL", flags, wanted, name.encode()) == ("granted" if good else "DENIED"), (flags, name, wanted)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_no_password_on_a_way_that_is_not_safe(auth, mechanism):
    """RFC 2595 2.3, whatever the door's machine has said"""
    right = b"\0anna\0pw" if mechanism == "PLAIN" else b"anna"
    for flags, good in ((0, False), (TLS, True), (CLEAR, True)):
        first = ask(auth, mechanism, flags, right)
        assert first == "DENIED" if not good else first in ("granted", ("CHALLENGE", b"Password:")), flags


def test_a_binding_is_of_use_inside_tls_alone(auth):
    first = b"p=tls-exporter,,n=anna,r=abcdef"
    below = b"tls-exporter " + bytes(range(32))
    assert ask(auth, "SCRAM-SHA-256-PLUS", 0, first, below) == "DENIED"
    assert ask(auth, "SCRAM-SHA-256-PLUS", CLEAR, first, below) == "DENIED"
    assert ask(auth, "SCRAM-SHA-256-PLUS", TLS, first, below)[0] == "CHALLENGE"
    for odd in (b"", b"tls-exporter", b" " + bytes(32), b"tls-other x", b"x" * 100 + b" y"):
        assert ask(auth, "SCRAM-SHA-256-PLUS", TLS, first, odd) == "DENIED", odd


def test_cram_asks_whoever_comes(auth):
    """a challenge with our name in it, before there is a name of his"""
    name, challenge = ask(auth, "CRAM-MD5", 0)
    assert name == "CHALLENGE" and challenge.startswith(b"<") and challenge.endswith(b"@host.example>")
    frames.send(auth.door, "VERIFY", door=1, n=Asking.n, num=[SASL_STEP, 0], texts=[b"", b"nobody " + b"0" * 32, "127.0.0.1"])
    assert answer(auth) == "DENIED"


HOWS = ["disabled", "another password", "gone", "as before"]


def answered(auth, got, n):
    """until so many have their answer: {number: "granted" or "DENIED"}"""
    while len(got) < n:
        ready, _, _ = select.select([auth.door, auth.master], [], [], 20)
        assert ready, got
        name, _, of, num, _ = frames.receive_any(ready[0])
        if name == "NEED":
            frames.send(auth.master, "NO_WORKER", num=[num[0], NO_WORKER])
        elif name == "DENIED":
            got[of] = "granted" if num[0] == NO_WORKER else "DENIED"


@pytest.mark.parametrize("how", HOWS)
def test_who_waits_for_his_check_is_judged_by_what_he_is_then(auth, how):
    """the right password, twice, behind some wrong ones of the same address: one is checked, and the other known from that"""
    name, before = "dora-" + how.replace(" ", "-"), 6
    auth.user(name, FIRST)
    first = Asking.n + 1
    for i in range(before + 2):
        Asking.n += 1
        who, password = ("nobody%d" % i, "wrong") if i < before else (name, "pw")
        frames.send(auth.door, "VERIFY", door=1, n=Asking.n, num=[PASS, TLS], texts=[who, password, "127.0.0.%d" % (9 + HOWS.index(how))])
    got = {}
    answered(auth, got, 1)  # auth has read them all, and its thread is at the second
    os.kill(auth.process.pid, signal.SIGSTOP)
    if how == "disabled":
        auth.tool("user", "set", name, "--disable")
    elif how == "another password":
        auth.tool("user", "passwd", name, "--password-stdin", stdin="other\n")
    elif how == "gone":
        auth.tool("user", "del", name)
    os.kill(auth.process.pid, signal.SIGCONT)
    answered(auth, got, before + 2)
    assert [got[n] for n in range(first, first + before)] == ["DENIED"] * before
    assert [got[first + before], got[first + before + 1]] == (["granted"] * 2 if how == "as before" else ["DENIED"] * 2)
