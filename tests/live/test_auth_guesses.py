"""A real auth, and a door played by this test: what many guesses at once, by whatever way, tell of passwords."""
import base64
import hashlib
import hmac
import time

import frames
import pytest
from test_busy_messages import PASS, TLS, UNASKED, auth, own_bed_of_module, said  # noqa: F401

SASL_BEGIN, SASL_STEP, INITIAL = 2, 3, 4  # enum pop3_auth_how; a flag
ERR_AUTH, ERR_LIMIT = 4, 8                # enum err_kind
MOST, ADDRESS = 4, "192.0.2.9"

pytestmark = [pytest.mark.asan, pytest.mark.root]

FEW = "address_failures = %d\nuser_failures = 5\nfailure_delay = 20ms\npassword_threads = 1\n" % MOST


def kinds(a, n):
    """of so many answers: {kind: how many}"""
    got = {}
    end = time.monotonic() + 20
    while sum(got.values()) < n and time.monotonic() < end:
        name, _, _, num, _ = frames.receive_any(a.door)
        if name not in UNASKED:
            assert name == "DENIED"
            got[num[0]] = got.get(num[0], 0) + 1
    return got


def verify(a, n, name, password, address=ADDRESS):
    frames.send(a.door, "VERIFY", door=1, n=n, num=[PASS, TLS], texts=[name, password, address])


def test_passwords_at_once(auth):  # noqa: F811
    """those that wait when the last one that may be wrong has been are not looked at, right or wrong, and answered no sooner"""
    a = auth(FEW)
    for i in range(40):
        verify(a, 10 + i, "u%d" % i if i < 39 else "berta", b"wrong" if i < 39 else b"pw")
    got = kinds(a, 40)
    assert sorted(got) == [ERR_AUTH, ERR_LIMIT] and MOST <= got[ERR_AUTH] <= MOST + 1, got
    verify(a, 100, "berta", b"pw", "192.0.2.10")  # nobody's name is locked
    assert said(a.master, "NEED")


class Scram:
    def __init__(self, a, n, name):
        self.a, self.n, self.bare = a, n, b"n=%s,r=abcdefgh%d" % (name, n)
        self.ask(SASL_BEGIN, INITIAL, b"SCRAM-SHA-256", b"n,," + self.bare)
        got, = said(a.door, "CHALLENGE")
        assert got[2] == n
        self.first = got[4][0]

    def ask(self, how, flags, mechanism, text):
        frames.send(self.a.door, "VERIFY", door=1, n=self.n, num=[how, TLS | flags], texts=[mechanism, text, ADDRESS, b""])

    def shows(self, password):
        got = dict(w.split(b"=", 1) for w in self.first.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(got[b"s"]), int(got[b"i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = b"c=biws,r=" + got[b"r"]
        sign = hmac.digest(hashlib.sha256(key).digest(), b",".join((self.bare, self.first, last)), "sha256")
        proof = base64.b64encode(bytes(x ^ y for x, y in zip(key, sign)))
        self.ask(SASL_STEP, 0, b"", last + b",p=" + proof)


def test_exchanges_at_once(auth):  # noqa: F811
    a = auth(FEW)
    begun = [Scram(a, 10 + i, b"u%d" % i) for i in range(19)] + [Scram(a, 29, b"berta")]
    for x in begun:
        x.shows(b"wrong" if x.n != 29 else b"pw")
    assert kinds(a, 20) == {ERR_AUTH: MOST, ERR_LIMIT: 20 - MOST}


def test_a_right_proof_where_pop3_is_off(auth):  # noqa: F811
    """is answered as a wrong one, and with no signature of the server's"""
    a = auth("failure_delay = 20ms\n")
    x = Scram(a, 20, b"anna")
    x.shows(b"pw")
    assert said(a.door, "CHALLENGE")[0][4][0].startswith(b"v=")
    a.tool("user", "set", "anna", "--pop3", "off")
    for n, password in ((21, b"pw"), (22, b"wrong")):
        Scram(a, n, b"anna").shows(password)
        assert said(a.door, "DENIED")[0][3][0] == ERR_AUTH, password
    assert 'off: user="anna" may not log in over POP3' in a.log() or "off: user=anna may" in a.log()
