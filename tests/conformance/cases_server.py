"""popcheck cases, the server.  Ids are S-<area>-<nn>; add new cases at the end of an area only."""
import base64, hashlib, hmac, os, re, socket, ssl, time
import popcheck as P
from popcheck import (case, area, ok, err, eq, must, diff, short, Fail, Skip, Closed, CRLF, mkmsg, stdmsgs,
                      head_of, top_of, b64, Scram, scram)

P.PREFIX[0] = "S"
BIG = ["4294967297", "18446744073709551617", "99999999999999999999"]

# ======================================================================== greeting and states
area("STATE")


@case("RFC 1939 4", "greeting is exactly one +OK line, sent unasked")
def _(t):
    c = t.conn()
    c.quiet(0.4, "after the greeting")


@case("RFC 1939 3", "ten simultaneous connections are all greeted")
def _(t):
    for c in [t.conn() for _ in range(10)]:
        ok(c.cmd("QUIT"))


for _c in ("STAT", "LIST", "LIST 1", "RETR 1", "DELE 1", "RSET", "NOOP"):
    @case("RFC 1939 3, 5", "%s in AUTHORIZATION state gets -ERR" % _c)
    def _(t, _c=_c):
        c = t.conn()
        err(c.cmd(_c), _c)
        c.alive()


for _c, _f in (("UIDL", "UIDL"), ("TOP 1 0", "TOP")):
    @case("RFC 1939 3, 7", "%s in AUTHORIZATION state gets -ERR" % _c, need=_f)
    def _(t, _c=_c):
        c = t.conn()
        err(c.cmd(_c), _c)
        c.alive()


@case("RFC 1939 4", "QUIT in AUTHORIZATION state: +OK, then the server closes")
def _(t):
    t.conn().quit()


@case("RFC 1939 3", "keywords are case-insensitive in AUTHORIZATION state", need="USER")
def _(t):
    t.seed(stdmsgs(1))
    u = t.user()
    c = t.conn()
    ok(c.cmd("uSeR " + u["user"]))
    ok(c.cmd("pAsS " + u["pass"]))
    ok(c.cmd("quit"))


@case("RFC 1939 3", "keywords are case-insensitive in TRANSACTION state")
def _(t):
    c, m = t.std()
    eq(c.cmd("sTaT").ok, True, "sTaT")
    c.multi("list")
    ok(c.cmd("List 1"))
    diff(c.fetch("rEtR 1"), m[0], "rEtR")
    ok(c.cmd("dElE 1"))
    ok(c.cmd("rset"))
    ok(c.cmd("noOP"))
    ok(c.cmd("Quit"))


@case("RFC 1939 3", "keywords of TOP and UIDL are case-insensitive", need=("TOP", "UIDL"))
def _(t):
    c, m = t.std()
    diff(c.fetch("tOp 1 0"), head_of(m[0]), "tOp")
    c.multi("uidl")


@case("RFC 1939 3", "an unknown command gets -ERR in AUTHORIZATION state and the session goes on")
def _(t):
    for x in ("FROB", "HELO x", "STATX", "USERNAME x", "GET / HTTP/1.0"):
        c = t.conn()
        err(c.cmd(x), x)
        ok(c.cmd("QUIT"))


@case("RFC 1939 3", "an unknown command gets -ERR in TRANSACTION state and the session goes on")
def _(t):
    c, _ = t.std()
    for x in ("FROB", "LISTX", "STA", "RETR1", "XTND XMIT", "DELETE 1", "TO 1 0"):
        err(c.cmd(x), x)
    eq(c.stat()[0], 5, "STAT")


@case("RFC 1939 3", "a shortened keyword (STA, RET 1, DEL 1) is not accepted")
def _(t):
    c, _ = t.std()
    for x in ("STA", "RET 1", "DEL 1", "NOO", "RSE", "LIS", "QUI"):
        err(c.cmd(x), x)
    eq(c.stat()[0], 5, "STAT")


for _c in ("USER x", "PASS x"):
    @case("RFC 1939 3, 7", "%s in TRANSACTION state gets -ERR" % _c.split()[0])
    def _(t, _c=_c):
        c, _ = t.std()
        err(c.cmd(_c), _c)
        eq(c.stat()[0], 5, "STAT afterwards")


@case("RFC 1939 3, 7", "APOP in TRANSACTION state gets -ERR", need="APOP")
def _(t):
    c, _ = t.std()
    err(c.apop("main", stamp=c.stamp() or b"<x@y>"))
    eq(c.stat()[0], 5, "STAT afterwards")


@case("RFC 1939 3", "an empty line is an invalid command: -ERR, in both states")
def _(t):
    c = t.conn()
    err(c.cmd(""), "empty line in AUTHORIZATION")
    c.alive()
    c, _ = t.std()
    err(c.cmd(""), "empty line in TRANSACTION")
    eq(c.stat()[0], 5, "STAT afterwards")


# ======================================================================== USER / PASS
area("LOGIN")


@case("RFC 1939 7 USER, PASS", "USER and PASS lead to the TRANSACTION state", need="USER")
def _(t):
    m = t.seed(stdmsgs(3))
    c = t.conn()
    ok(c.userpass())
    eq(c.stat(), (3, sum(map(len, m))), "STAT")


@case("RFC 1939 7 PASS", "a wrong password gets -ERR; a new USER/PASS on the same connection works", need="USER")
def _(t):
    t.seed(stdmsgs(2))
    c = t.conn()
    ok(c.cmd("USER " + t.user()["user"]))
    err(c.cmd("PASS wrong-" + t.user()["pass"]), "wrong PASS")
    err(c.cmd("STAT"), "STAT after a failed PASS")
    ok(c.userpass(), "second try")
    eq(c.stat()[0], 2, "STAT")


@case("RFC 1939 7 PASS", "PASS without USER gets -ERR", need="USER")
def _(t):
    c = t.conn()
    err(c.cmd("PASS " + t.user()["pass"]))
    err(c.cmd("STAT"), "STAT")


@case("RFC 1939 7 PASS", "PASS a second time after a failed PASS needs a new USER", need="USER")
def _(t):
    c = t.conn()
    ok(c.cmd("USER " + t.user()["user"]))
    err(c.cmd("PASS nonsense"))
    err(c.cmd("PASS " + t.user()["pass"]), "PASS not immediately after a successful USER")


@case("RFC 1939 7 USER", "USER without argument gets -ERR", need="USER")
def _(t):
    c = t.conn()
    err(c.cmd("USER"), "USER")
    err(c.cmd("USER "), "USER and a space")
    c.alive()


@case("RFC 1939 7 PASS", "PASS without argument gets -ERR and does not log in", need="USER")
def _(t):
    for line in ("PASS", "PASS "):
        c = t.conn()
        ok(c.cmd("USER " + t.user()["user"]))
        err(c.cmd(line), repr(line))
        err(c.cmd("STAT"), "STAT")


@case("RFC 1939 13", "an unknown name gets the same answers as a wrong password (no account probing)", need="USER",
      level="SHOULD")
def _(t):
    c = t.conn()
    a1 = c.cmd("USER no-such-user-57")
    a2 = c.cmd("PASS x1") if a1.ok else a1
    c = t.conn()
    b1 = c.cmd("USER " + t.user()["user"])
    b2 = c.cmd("PASS x1")
    err(a2, "PASS for an unknown user")
    eq(a1.ok, b1.ok, "USER status")
    eq(a2.line, b2.line, "PASS reply")


@case("RFC 1939 7 USER", "a second USER replaces the first, or is refused; never a mixture", need="USER")
def _(t):
    t.seed(stdmsgs(1))
    t.seed(stdmsgs(4), "other")
    c = t.conn()
    ok(c.cmd("USER " + t.user()["user"]))
    second = c.cmd("USER " + t.user("other")["user"])   # RFC 1939 lets a server refuse it
    r = c.cmd("PASS " + t.user("other")["pass"])
    if second.ok:
        ok(r, "PASS of the second user")
        eq(c.stat()[0], 4, "the other user's maildrop")
    else:
        err(r, "PASS of a user whose USER was refused")


@case("RFC 1939 7 PASS", "the password is case-sensitive", need="USER")
def _(t):
    c = t.conn()
    ok(c.cmd("USER " + t.user()["user"]))
    err(c.cmd("PASS " + t.user()["pass"].swapcase()))


@case("RFC 1939 3, 7 PASS", "a password with a trailing or a leading extra space is wrong", need="USER")
def _(t):
    for p in (t.user()["pass"] + " ", " " + t.user()["pass"]):
        c = t.conn()
        ok(c.cmd("USER " + t.user()["user"]))
        err(c.cmd("PASS " + p), "PASS %r" % p)


@case("RFC 1939 7 PASS", "spaces inside the password are part of it (server claims pass-spaces)", need=("USER", "pass-spaces"))
def _(t):
    t.seed(stdmsgs(2), "space")
    c = t.conn()
    ok(c.userpass("space"))
    eq(c.stat()[0], 2, "STAT")
    c = t.conn()
    ok(c.cmd("USER " + t.user("space")["user"]))
    err(c.cmd("PASS " + t.user("space")["pass"].split()[0]), "first word of the password alone")


@case("RFC 1939 7 PASS", "a prefix of the password, or the password and more, is wrong", need="USER")
def _(t):
    for p in (t.user()["pass"][:-1], t.user()["pass"] + "x", t.user()["pass"] + t.user()["pass"]):
        c = t.conn()
        ok(c.cmd("USER " + t.user()["user"]))
        err(c.cmd("PASS " + p), "PASS %r" % p)


@case("RFC 1939 7", "each user sees only his own maildrop", need="USER")
def _(t):
    a = t.seed([mkmsg("for main", ["main only"])])
    b = t.seed([mkmsg("for other", ["other only"])], "other")
    diff(t.login("main").fetch("RETR 1"), a[0], "main")
    diff(t.login("other").fetch("RETR 1"), b[0], "other")


# ======================================================================== APOP
area("APOP")


@case("RFC 1939 7 APOP", "the greeting's timestamp has the form of a message-id <...@...>", need="APOP")
def _(t):
    c = t.conn()
    must(re.search(rb"<[^<>@\s]+@[^<>@\s]+>", c.greeting.line), "greeting %r" % c.greeting)


@case("RFC 1939 7 APOP", "the timestamp differs in each of 30 greetings", need="APOP")
def _(t):
    s = [t.conn().stamp() for _ in range(30)]
    eq(len(set(s)), 30, "distinct timestamps")


@case("RFC 1939 7 APOP", "APOP with the right digest logs in", need="APOP")
def _(t):
    t.seed(stdmsgs(2))
    c = t.conn()
    ok(c.apop())
    eq(c.stat()[0], 2, "STAT")


@case("RFC 1939 7 APOP", "a wrong digest gets -ERR, the state stays, a new try works", need="APOP")
def _(t):
    t.seed(stdmsgs(2))
    c = t.conn()
    err(c.apop(pw="wrong"))
    err(c.cmd("STAT"), "STAT after a failed APOP")
    ok(c.apop(), "second try")


@case("RFC 1939 7 APOP", "another connection's timestamp (replay) is refused", need="APOP")
def _(t):
    a, b = t.conn(), t.conn()
    err(b.apop(stamp=a.stamp()))


@case("RFC 1939 7 APOP", "missing or surplus arguments and malformed digests get -ERR", need="APOP")
def _(t):
    c = t.conn()
    u = t.user()["user"]
    d = hashlib.md5(c.stamp() + t.user()["pass"].encode()).hexdigest()
    for a in ("APOP", "APOP " + u, "APOP %s " % u, "APOP %s %s" % (u, d[:31]), "APOP %s %s0" % (u, d),
              "APOP %s %s x" % (u, d), "APOP %s %s" % (u, "g" * 32), "APOP %s" % d):
        c2 = t.conn()
        err(c2.cmd(a), a)
        err(c2.cmd("STAT"), "STAT after %s" % a)


# ======================================================================== STAT LIST
area("STATLIST")


@case("RFC 1939 5 STAT", "STAT is '+OK nn mm' and mm the sum of the messages' octets")
def _(t):
    c, m = t.std(6)
    eq(c.stat(), (6, sum(map(len, m))), "STAT")


@case("RFC 1939 5", "an empty maildrop: STAT 0 0, empty LIST, RETR/DELE 1 refused")
def _(t):
    t.seed([])
    c = t.login()
    eq(c.stat(), (0, 0), "STAT")
    eq(c.list(), {}, "LIST")
    for x in ("RETR 1", "DELE 1", "LIST 1", "RETR 0"):
        err(c.cmd(x), x)
    ok(c.cmd("RSET"))
    ok(c.cmd("NOOP"))


@case("RFC 1939 7", "an empty maildrop: empty UIDL, TOP 1 0 and UIDL 1 refused", need=("UIDL", "TOP"))
def _(t):
    t.seed([])
    c = t.login()
    eq(c.uidl(), {}, "UIDL")
    err(c.cmd("UIDL 1"))
    err(c.cmd("TOP 1 0"))


@case("RFC 1939 5 LIST", "LIST gives messages 1..n in order with exact octet counts")
def _(t):
    c, m = t.std(7)
    _, ls = c.multi("LIST")
    eq([l.split()[:2] for l in ls], [[b"%d" % (i + 1), b"%d" % len(x)] for i, x in enumerate(m)], "scan listings")


@case("RFC 1939 5 LIST", "LIST n gives one '+OK n size' line")
def _(t):
    c, m = t.std(3)
    for i, x in enumerate(m, 1):
        r = ok(c.cmd("LIST %d" % i))
        must(re.match(rb"\+OK %d %d( .*)?$" % (i, len(x)), r.line), "LIST %d: %r, want %d octets" % (i, r, len(x)))
    c.quiet(0.2)


for _cmd in ("LIST", "RETR", "DELE"):
    for _a, _d in (("0", "zero"), ("6", "past the last"), ("-1", "negative"), ("abc", "not a number"),
                   ("1x", "number and letter"), ("1 2", "two arguments")):
        @case("RFC 1939 3, 5 " + _cmd, "%s %s (%s) gets -ERR and changes nothing" % (_cmd, _a, _d))
        def _(t, _cmd=_cmd, _a=_a):
            c, m = t.std()
            err(c.cmd("%s %s" % (_cmd, _a)), "%s %s" % (_cmd, _a))
            eq(c.stat(), (5, sum(map(len, m))), "STAT afterwards")

    @case("RFC 1939 5 " + _cmd, "%s with numbers beyond 32 and 64 bits gets -ERR (no wrap to message 1)" % _cmd)
    def _(t, _cmd=_cmd):
        c, m = t.std()
        for a in BIG + ["4294967296", "-4294967295", "340282366920938463463374607431768211457"]:
            err(c.cmd("%s %s" % (_cmd, a)), "%s %s" % (_cmd, a))
        eq(c.stat(), (5, sum(map(len, m))), "STAT afterwards")

for _cmd in ("RETR", "DELE"):
    @case("RFC 1939 5 " + _cmd, "%s without argument gets -ERR" % _cmd)
    def _(t, _cmd=_cmd):
        c, m = t.std()
        err(c.cmd(_cmd), _cmd)
        err(c.cmd(_cmd + " "), _cmd + " and a space")
        eq(c.stat()[0], 5, "STAT")

for _cmd in ("STAT", "NOOP", "RSET"):
    @case("RFC 1939 3, 5 " + _cmd, "%s takes no argument: '%s x' gets -ERR" % (_cmd, _cmd), level="STRICT")
    def _(t, _cmd=_cmd):
        c, _ = t.std(2)
        err(c.cmd(_cmd + " x"), _cmd + " x")
        c.alive()


# ======================================================================== RETR
area("RETR")


def fixture(name, msg, ref="RFC 1939 3, 5 RETR, 11", want=None, lit=None, level="MUST"):
    """one message of a kind: octets on the wire and the count in LIST must both be right"""
    @case(ref, "RETR " + name, level=level)
    def _(t):
        m = msg() if callable(msg) else msg
        other = mkmsg("neighbour", ["n"])
        t.seed([m, other])
        c = t.login()
        got = c.fetch("RETR 1")
        w = m if want is None else want(m)
        ws = w if isinstance(w, list) else [w]
        if got not in ws:
            diff(got, ws[0], "message octets")
        eq(c.list()[1], len(got), "LIST octets against octets received")
        eq(c.stat()[1], len(got) + len(other), "STAT octets against octets received")
        diff(c.fetch("RETR 2"), other, "the message after it")


fixture("returns a plain message octet for octet", mkmsg("plain", ["Hello", "", "Bye"]))
fixture("byte-stuffs lines that begin with a dot", mkmsg("dots", [".", "..", "...", ".x", "..x", "x.", " .", ".."]))
fixture("a message whose only body line is a dot", mkmsg("dot", ["."]))
fixture("a message whose header begins with a dot line", b".Odd: header\r\nSubject: x\r\n\r\nbody\r\n")
fixture("a header-only message (blank line, no body)", mkmsg("header only", []))
fixture("a message without the blank line after the header", b"From: a@example.test\r\nSubject: no blank\r\n")
fixture("a message without final line end (CRLF is added, and counted)", mkmsg("nofinal", ["a"]) + b"last line",
        want=lambda m: m + CRLF)
fixture("a message ending in a lone dot without line end", mkmsg("nofinal2", ["a"]) + b".", want=lambda m: m + CRLF)
fixture("an empty (0 octets) message", b"", want=lambda m: [b"", CRLF])
fixture("a message that is one CRLF", CRLF)
fixture("trailing blank lines are kept", mkmsg("blanks", ["x", "", "", "", ""]))
fixture("white space at line ends is kept", mkmsg("ws", ["a ", "b\t", " ", "\t ", "c  "]))
fixture("8-bit octets are returned unchanged", mkmsg("8bit", ["".join(map(chr, range(128, 256))), "\xe9\xe8", "caf\xc3\xa9"]))
fixture("all control octets but NUL, CR, LF", mkmsg("ctl", ["".join(chr(i) for i in range(1, 32) if i not in (10, 13)) + "\x7f"]))
fixture("NUL octets are returned unchanged", mkmsg("nul", ["a\0b", "\0", "\0\0.", "."]), level="ROBUST")
fixture("a lone CR inside a line", mkmsg("cr", ["a\rb", "\rc", "d\r\r\re"]), level="ROBUST",
        want=lambda m: [m, re.sub(rb"\r(?!\n)", b"\r\n", m)])
fixture("a lone LF: kept or made CRLF, but counted as sent", mkmsg("lf", ["a\nb", "\nc"]), level="ROBUST",
        want=lambda m: [re.sub(rb"(?<!\r)\n", b"\r\n", m), m])
fixture("a line of 998 octets", mkmsg("998", ["x" * 998, "y"]))
fixture("a line of 100000 octets", mkmsg("100k", ["z" * 100000, "end"]), level="ROBUST")
fixture("a header line of 20000 octets", mkmsg("hdr", ["body"], extra=["X-Long: " + "h" * 20000]), level="ROBUST")
fixture("'From ' at line start is not quoted", mkmsg("from", ["From here on", ">From there", "From "]))
fixture("dots at every offset around 512, 1024, 4096 and 8192", mkmsg("bound", [
    "q" * 301, *(l for n in (512, 1024, 4096, 8192) for k in range(-4, 4) for l in ("p" * (n + k - 3), ".d"))]))
fixture("1 MiB in lines of 76", lambda: mkmsg("1M", ["%075d" % i for i in range(13600)]))
fixture("3 MiB of nothing but dot lines", lambda: mkmsg("3M", ["."] * 1000000), level="ROBUST")


@case("RFC 1939 5 RETR", "RETR gives the same octets each time, and after TOP and RSET")
def _(t):
    c, m = t.std(3)
    for _ in range(3):
        diff(c.fetch("RETR 2"), m[1], "RETR 2")
    ok(c.cmd("RSET"))
    diff(c.fetch("RETR 2"), m[1], "RETR 2")


@case("RFC 1939 5 RETR", "any order of RETR works; RETR does not delete")
def _(t):
    c, m = t.std(8)
    for i in (8, 1, 5, 5, 2, 7, 3, 6, 4):
        diff(c.fetch("RETR %d" % i), m[i - 1], "RETR %d" % i)
    ok(c.cmd("QUIT"))
    eq(t.login().stat()[0], 8, "STAT in the next session")


@case("RFC 1939 3", "numbers with leading zeros mean the same message or get -ERR, never another one", level="ROBUST")
def _(t):
    c, m = t.std(12)
    for a, i in (("00001", 1), ("010", 10), ("0x1", None), ("1.0", None), ("+1", 1), ("1e0", None)):
        r, b = c.multi_or_err("RETR " + a)
        if r.ok:
            must(i is not None, "RETR %s accepted" % a)
            diff(b, m[i - 1], "RETR " + a)


@case("RFC 1939 5", "2000 messages: LIST, STAT and RETR of first, last and middle agree", level="ROBUST")
def _(t):
    m = t.seed([mkmsg("m%d" % i, ["b%d" % i]) for i in range(2000)])
    c = t.login()
    eq(c.list(), {i: len(x) for i, x in enumerate(m, 1)}, "LIST")
    eq(c.stat(), (2000, sum(map(len, m))), "STAT")
    for i in (1, 1000, 2000):
        diff(c.fetch("RETR %d" % i), m[i - 1], "RETR %d" % i)


# ======================================================================== DELE / RSET / QUIT
area("DELE")


@case("RFC 1939 5 DELE", "a deleted message is gone from STAT and LIST; the others keep their numbers")
def _(t):
    c, m = t.std(5)
    ok(c.cmd("DELE 2"))
    ok(c.cmd("DELE 5"))
    eq(c.stat(), (3, sum(len(m[i]) for i in (0, 2, 3))), "STAT")
    eq(c.list(), {1: len(m[0]), 3: len(m[2]), 4: len(m[3])}, "LIST")
    diff(c.fetch("RETR 3"), m[2], "RETR 3")


@case("RFC 1939 5 DELE", "RETR, LIST n and DELE of a deleted message get -ERR")
def _(t):
    c, m = t.std(3)
    ok(c.cmd("DELE 2"))
    for x in ("RETR 2", "LIST 2", "DELE 2"):
        err(c.cmd(x), x)
    eq(c.stat()[0], 2, "STAT")


@case("RFC 1939 7 TOP, UIDL", "TOP and UIDL n of a deleted message get -ERR; UIDL leaves it out", need=("TOP", "UIDL"))
def _(t):
    c, m = t.std(3)
    u = c.uidl()
    ok(c.cmd("DELE 2"))
    err(c.cmd("TOP 2 0"))
    err(c.cmd("UIDL 2"))
    eq(c.uidl(), {1: u[1], 3: u[3]}, "UIDL")


@case("RFC 1939 5 RSET", "RSET undeletes everything")
def _(t):
    c, m = t.std(4)
    for i in (1, 3, 4):
        ok(c.cmd("DELE %d" % i))
    ok(c.cmd("RSET"))
    eq(c.stat(), (4, sum(map(len, m))), "STAT")
    diff(c.fetch("RETR 3"), m[2], "RETR 3")
    ok(c.cmd("DELE 3"), "DELE again after RSET")
    eq(c.stat()[0], 3, "STAT")


@case("RFC 1939 6 QUIT", "QUIT removes exactly the deleted messages; the rest is renumbered in order")
def _(t):
    c, m = t.std(5)
    ok(c.cmd("DELE 1"))
    ok(c.cmd("DELE 4"))
    c.quit()
    c = t.login()
    eq(c.stat(), (3, sum(len(m[i]) for i in (1, 2, 4))), "STAT")
    for n, i in ((1, 1), (2, 2), (3, 4)):
        diff(c.fetch("RETR %d" % n), m[i], "RETR %d" % n)


@case("RFC 1939 6 QUIT", "DELE of all, QUIT: the maildrop is empty")
def _(t):
    c, m = t.std(4)
    for i in range(1, 5):
        ok(c.cmd("DELE %d" % i))
    eq(c.stat(), (0, 0), "STAT")
    eq(c.list(), {}, "LIST")
    c.quit()
    eq(t.login().stat(), (0, 0), "next session's STAT")


@case("RFC 1939 6", "an abrupt close (FIN) in TRANSACTION state deletes nothing")
def _(t):
    c, m = t.std(3)
    ok(c.cmd("DELE 1"))
    c.close()
    eq(t.login().stat()[0], 3, "next session's STAT")


@case("RFC 1939 6", "an abrupt reset (RST) in TRANSACTION state deletes nothing")
def _(t):
    c, m = t.std(3)
    ok(c.cmd("DELE 1"))
    ok(c.cmd("DELE 2"))
    c.close(rst=True)
    eq(t.login().stat()[0], 3, "next session's STAT")


@case("RFC 1939 6", "DELE, RSET, QUIT deletes nothing")
def _(t):
    c, m = t.std(3)
    ok(c.cmd("DELE 1"))
    ok(c.cmd("RSET"))
    c.quit()
    eq(t.login().stat()[0], 3, "next session's STAT")


@case("RFC 1939 6 QUIT", "QUIT in TRANSACTION state: +OK, then the server closes")
def _(t):
    c, _ = t.std(1)
    c.quit()


@case("RFC 1939 6", "what follows QUIT in the same segment is not executed")
def _(t):
    c, _ = t.std(3)
    c.send("DELE 1\r\nQUIT\r\nDELE 2\r\nNOOP\r\n")
    try:
        ok(c.status(), "DELE 1")
        ok(c.status(), "QUIT")
        c.expect_close(what="after QUIT")
    except Closed:      # unread input may turn the close into a reset that overtakes the replies
        time.sleep(0.5)
    c.close()
    eq(t.login().stat()[0], 2, "next session's STAT")


@case("RFC 1939 5 NOOP", "NOOP gets +OK and changes nothing")
def _(t):
    c, m = t.std(2)
    ok(c.cmd("DELE 1"))
    ok(c.cmd("NOOP"))
    eq(c.stat(), (1, len(m[1])), "STAT")


# ======================================================================== TOP
area("TOP")
_body = ["body line %d" % i for i in range(1, 21)]
_tm = mkmsg("top", _body)


def topcase(title, lines, msg=_tm, want=None, level="MUST"):
    @case("RFC 1939 7 TOP", title, need="TOP", level=level)
    def _(t):
        t.seed([msg, mkmsg("z", ["z"])])
        c = t.login()
        for n in lines:
            diff(c.fetch("TOP 1 %s" % n), (want or top_of)(msg, n), "TOP 1 %s" % n)
        diff(c.fetch("RETR 1"), msg if msg.endswith(CRLF) or not msg else msg + CRLF, "RETR 1 afterwards")


topcase("TOP n 0 gives the header and the blank line only", [0])
topcase("TOP n k gives exactly k body lines", [1, 2, 7, 19])
topcase("TOP with exactly or more than the message's lines gives all of it", [20, 21, 1000, 65536])
topcase("TOP byte-stuffs", [0, 1, 2, 3, 4, 9], mkmsg("topdots", [".", "..", "", ".a", "end"]))
topcase("TOP of a header-only message", [0, 1, 10], mkmsg("toph", []))
topcase("TOP of a message without a blank line", [0, 5], b"From: a@example.test\r\nSubject: nb\r\n")
topcase("TOP counts blank lines at the body's start", [0, 1, 2, 3], mkmsg("tb", ["", "", "x", ""]))
topcase("TOP of a message without final line end", [0, 1, 2, 3], mkmsg("tn", ["a"]) + b"no end")
topcase("TOP with long lines counts lines, not octets", [0, 1, 2], mkmsg("tl", ["x" * 70000, "y" * 5000, "z"]))

for _a in ("TOP", "TOP 1", "TOP 1 ", "TOP 1 -1", "TOP 1 x", "TOP x 1", "TOP 0 1", "TOP 3 1", "TOP -1 1", "TOP 1 1 1"):
    @case("RFC 1939 3, 7 TOP", "'%s' (maildrop of 2) gets -ERR" % _a, need="TOP")
    def _(t, _a=_a):
        c, _ = t.std(2)
        err(c.cmd(_a), _a)
        eq(c.stat()[0], 2, "STAT afterwards")


@case("RFC 1939 7 TOP", "TOP with a line count beyond 32/64 bits: all of the message or -ERR, never less", need="TOP",
      level="ROBUST")
def _(t):
    c, m = t.std(1)
    for a in BIG + ["4294967296", "2147483648", "18446744073709551616"]:
        r, b = c.multi_or_err("TOP 1 " + a)
        if r.ok:
            diff(b, m[0], "TOP 1 " + a)


# ======================================================================== UIDL
area("UIDL")


@case("RFC 1939 7 UIDL", "unique-ids: one per message, 1..70 octets of 0x21-0x7E, all different", need="UIDL")
def _(t):
    c, m = t.std(9)
    u = c.uidl()
    eq(sorted(u), list(range(1, 10)), "numbers")
    eq(len(set(u.values())), 9, "distinct unique-ids")


@case("RFC 1939 7 UIDL", "UIDL n gives '+OK n uid', the same as in UIDL", need="UIDL")
def _(t):
    c, m = t.std(4)
    u = c.uidl()
    for i in u:
        eq(ok(c.cmd("UIDL %d" % i)).line, b"+OK %d %s" % (i, u[i]), "UIDL %d" % i)
    c.quiet(0.2)


@case("RFC 1939 7 UIDL", "unique-ids persist across sessions ended by QUIT and by a close", need="UIDL")
def _(t):
    c, m = t.std(4)
    u = c.uidl()
    c.quit()
    c = t.login()
    eq(c.uidl(), u, "after QUIT")
    c.close(wait=True)
    eq(t.login().uidl(), u, "after a close")


@case("RFC 1939 7 UIDL", "unique-ids follow their messages when others are deleted", need="UIDL")
def _(t):
    c, m = t.std(5)
    u = c.uidl()
    ok(c.cmd("DELE 1"))
    ok(c.cmd("DELE 3"))
    c.quit()
    eq(t.login().uidl(), {1: u[2], 2: u[4], 3: u[5]}, "UIDL")


@case("RFC 1939 7 UIDL", "bad arguments to UIDL get -ERR", need="UIDL")
def _(t):
    c, m = t.std(2)
    for a in ["0", "3", "-1", "x", "1x", "1 2"] + BIG:
        err(c.cmd("UIDL " + a), "UIDL " + a)
    eq(len(c.uidl()), 2, "UIDL")


@case("RFC 1939 7 UIDL", "unique-ids stay when new mail arrives; the new one is new", need=("UIDL", "append"))
def _(t):
    c, m = t.std(3)
    u = c.uidl()
    c.quit()
    new = mkmsg("new", ["new"])
    t.append(new)
    c = t.login()
    v = c.uidl()
    eq({i: v.get(i) for i in u}, u, "old unique-ids")
    eq(len(v), 4, "messages")
    must(v[4] not in u.values(), "unique-id reused")
    diff(c.fetch("RETR 4"), new, "RETR 4")


@case("RFC 1939 7 UIDL", "identical messages have different unique-ids", need="UIDL", level="SHOULD")
def _(t):
    t.seed([mkmsg("twin", ["same"])] * 3)
    eq(len(set(t.login().uidl().values())), 3, "distinct unique-ids")


# ======================================================================== maildrop lock
area("LOCK")


@case("RFC 1939 4", "a second session is refused, or cannot take messages away from the first")
def _(t):
    a, m = t.std(3)
    b = t.conn()
    b.timeout = 40
    r = b.userpass()
    if r.ok:
        ok(b.cmd("DELE 1"))
        b.quit()
    diff(a.fetch("RETR 1"), m[0], "first session's RETR 1")
    eq(a.stat()[0], 3, "first session's STAT")


@case("RFC 2449 8.1.1", "a locked maildrop is reported with [IN-USE]", need="RESP-CODES")
def _(t):
    a, m = t.std(1)
    b = t.conn()
    b.timeout = 40
    r = b.userpass()
    if r.ok:
        raise Fail("second session admitted: no exclusive lock (RFC 1939 4)")
    eq(r.code, "IN-USE", "response code of %r" % r)


@case("RFC 1939 4", "the lock goes with QUIT")
def _(t):
    a, m = t.std(1)
    a.quit()
    ok(t.conn().userpass(), "login right after QUIT")


@case("RFC 1939 4", "the lock goes within 3 s of an abrupt close")
def _(t):
    a, m = t.std(1)
    a.close(rst=True)
    time.sleep(3)
    ok(t.conn().userpass(), "login 3 s after a reset")


@case("RFC 1939 4", "one user's lock does not affect another user")
def _(t):
    a, m = t.std(1)
    t.seed(stdmsgs(2), "other")
    eq(t.login("other").stat()[0], 2, "STAT")


@case("RFC 1939 4, 5", "mail arriving during a session does not appear in it", need="append")
def _(t):
    c, m = t.std(2)
    eq(c.stat(), (2, sum(map(len, m))), "STAT before")
    t.append(mkmsg("late", ["late"]))
    eq(c.stat(), (2, sum(map(len, m))), "STAT")
    err(c.cmd("RETR 3"))
    ok(c.cmd("DELE 2"))
    c.quit()
    c = t.login()
    eq(c.stat()[0], 2, "next session's STAT")
    diff(c.fetch("RETR 2"), mkmsg("late", ["late"]), "the late message")


# ======================================================================== RFC 2449
area("CAPA")


@case("RFC 2449 5", "CAPA in AUTHORIZATION state is a well-formed list", need="CAPA")
def _(t):
    ls = t.conn().capa()
    must(ls, "empty capability list")
    for l in ls:
        must(re.match(r"[!-,/-~][!-~]*( [!-~]+)*$", l) and len(l) <= 510, "capability line %r" % l)
    tags = [l.split()[0].upper() for l in ls]
    eq(len(tags), len(set(tags)), "distinct capability tags")


@case("RFC 2449 5", "CAPA in TRANSACTION state is a well-formed list", need="CAPA")
def _(t):
    c, _ = t.std(1)
    ls = c.capa()
    must(ls is not None, "CAPA refused in TRANSACTION state")
    for l in ls:
        must(re.match(r"[!-,/-~][!-~]*( [!-~]+)*$", l), "capability line %r" % l)


@case("RFC 2449 5", "CAPA does not disturb a login in progress nor the session", need=("CAPA", "USER"))
def _(t):
    c, m = t.std(2)
    ok(c.cmd("DELE 1"))
    c.capa()
    eq(c.stat()[0], 1, "STAT")


@case("RFC 2449 6.1, 6.8", "TOP and UIDL work and are announced", need="CAPA")
def _(t):
    c, m = t.std(1)
    tags = {l.split()[0].upper() for l in c.capa()}
    for cmd, tag in (("TOP 1 0", "TOP"), ("UIDL", "UIDL")):
        r, _b = c.multi_or_err(cmd)
        eq(tag in tags, r.ok, "%s announced / works" % tag)


@case("RFC 2449 6.6", "PIPELINING: twenty commands in one segment are answered in order", need="PIPELINING")
def _(t):
    c, m = t.std(5)
    c.send(b"".join(b"LIST %d\r\nNOOP\r\nRETR %d\r\nXYZZY\r\n" % (i, i) for i in range(1, 6)))
    for i in range(1, 6):
        eq(ok(c.status()).line.split()[1], b"%d" % i, "LIST")
        ok(c.status(), "NOOP")
        ok(c.status(), "RETR")
        diff(c.unstuff(c.body()), m[i - 1], "RETR %d" % i)
        err(c.status(), "XYZZY")
    c.quiet(0.2)


@case("RFC 2449 6.6", "PIPELINING: a whole session with the login in one segment", need=("PIPELINING", "USER"))
def _(t):
    m = t.seed(stdmsgs(2))
    u = t.user()
    c = t.conn()
    c.send("USER %s\r\nPASS %s\r\nSTAT\r\nRETR 2\r\nDELE 2\r\nQUIT\r\n" % (u["user"], u["pass"]))
    ok(c.status(), "USER")
    ok(c.status(), "PASS")
    eq(ok(c.status()).line.split()[1], b"2", "STAT")
    ok(c.status(), "RETR")
    diff(c.unstuff(c.body()), m[1], "RETR 2")
    ok(c.status(), "DELE")
    ok(c.status(), "QUIT")
    c.expect_close()
    c.close()
    eq(t.login().stat()[0], 1, "next session's STAT")


@case("RFC 2449 6.6", "PIPELINING: 300 RETRs sent before anything is read", need="PIPELINING")
def _(t):
    m = t.seed([mkmsg("p%d" % i, ["x" * 70] * 200) for i in range(3)])
    c = t.login()
    c.send(b"".join(b"RETR %d\r\n" % (i % 3 + 1) for i in range(300)))
    time.sleep(0.5)
    for i in range(300):
        ok(c.status("RETR"))
        diff(c.unstuff(c.body()), m[i % 3], "reply %d" % i)


@case("RFC 2449 6.7", "EXPIRE's argument is NEVER or a number, optionally USER", need="EXPIRE")
def _(t):
    for where, a in t.features["EXPIRE"]:
        must(re.match(r"(NEVER|\d+)( USER)?$", " ".join(a)), "EXPIRE %s (%s)" % (a, where))


@case("RFC 2449 6.5", "LOGIN-DELAY's argument is a number of seconds, optionally USER", need="LOGIN-DELAY")
def _(t):
    for where, a in t.features["LOGIN-DELAY"]:
        must(re.match(r"\d+( USER)?$", " ".join(a)), "LOGIN-DELAY %s (%s)" % (a, where))


@case("RFC 2449 6.9", "IMPLEMENTATION has an argument", need="IMPLEMENTATION")
def _(t):
    for where, a in t.features["IMPLEMENTATION"]:
        must(a, "IMPLEMENTATION without argument (%s)" % where)


@case("RFC 2449 6.3; RFC 5034 3", "SASL lists mechanism names of 1..20 characters A-Z 0-9 - _", need="SASL")
def _(t):
    for where, a in t.features["SASL"]:
        for m in a:
            must(re.match(r"[A-Z0-9_-]{1,20}$", m), "mechanism %r (%s)" % (m, where))


@case("RFC 2449 6.3", "USER is not announced after the login alone, and USER works where announced", need="USER")
def _(t):
    where = [w for w, _ in t.features["USER"] if w != "transaction"]
    must(where, "USER announced only after login")
    for w in where:
        c = t.conn(w)
        ok(c.cmd("USER " + t.user()["user"]), "USER over " + w)


@case("RFC 2449 4", "a command of 255 octets with CRLF is taken (PASS with 248 octets)", need=("USER", "CAPA"))
def _(t):
    t.seed(stdmsgs(1), "long")
    eq(len(t.user("long")["pass"]), 248, "password length in the target file")
    c = t.conn()
    ok(c.userpass("long"))


@case("RFC 2449 4", "an over-long command (1000 octets) gives one -ERR, or the connection ends", level="ROBUST")
def _(t):
    c, m = t.std(2)
    c.send(b"X" * 998 + CRLF)
    try:
        err(c.status(), "over-long command")
        c.quiet(0.2)
        eq(c.stat()[0], 2, "STAT afterwards")
    except Closed:
        pass


@case("RFC 2449 4", "the tail of an over-long command is never run as a command", level="ROBUST")
def _(t):
    for n in (255, 256, 510, 511, 512, 1000, 1022, 1024, 4096, 8190, 8192):
        c, m = t.std(2)
        c.send(b"A" * n + b"DELE 1\r\n")
        try:
            must(c.rawline().startswith(b"-ERR"), "over-long command accepted")
            c.quiet(0.1, "after an over-long command of %d" % n)
            ok(c.cmd("QUIT"))
        except Closed:
            pass
        c.close(wait=True)
        eq(t.login().stat()[0], 2, "messages after %d octets and DELE 1" % n)
        t.cleanup()


# ======================================================================== RFC 3206
area("CODES")


@case("RFC 3206 4, 5", "a wrong password is reported with [AUTH]", need=("AUTH-RESP-CODE", "USER"))
def _(t):
    c = t.conn()
    ok(c.cmd("USER " + t.user()["user"]))
    eq(err(c.cmd("PASS wrong")).code, "AUTH", "response code")


@case("RFC 3206 4", "a wrong APOP digest is reported with [AUTH]", need=("AUTH-RESP-CODE", "APOP"))
def _(t):
    eq(err(t.conn().apop(pw="wrong")).code, "AUTH", "response code")


@case("RFC 3206 3", "an unreadable maildrop is reported with [SYS/TEMP] or [SYS/PERM], not [AUTH]",
      need=("RESP-CODES", "hook:systemp-on"))
def _(t):
    t.seed(stdmsgs(1))
    u = t.user()["user"]
    t.hook(t.cfg["hooks"]["systemp-on"], user=u)
    try:
        c = t.conn()
        r = c.userpass()
        if r.ok:
            r = c.cmd("STAT")
        err(r, "login to a broken maildrop")
        must(r.code in ("SYS/TEMP", "SYS/PERM"), "response code of %r" % r)
    finally:
        t.hook(t.cfg["hooks"]["systemp-off"], user=u)
        t.seed(stdmsgs(1))


@case("RFC 2449 8", "errors in TRANSACTION state carry no [AUTH] or [IN-USE]", need="RESP-CODES")
def _(t):
    c, _ = t.std(2)
    for x in ("RETR 9", "DELE 0", "LIST x", "XYZZY", "USER x"):
        r = err(c.cmd(x), x)
        must(r.code not in ("AUTH", "IN-USE", "LOGIN-DELAY"), "%s: %r" % (x, r))


# ======================================================================== TLS
area("TLS")


@case("RFC 2595 4", "STLS: +OK, handshake, no second greeting, login works", need="STLS")
def _(t):
    m = t.seed(stdmsgs(2))
    c = t.conn("pop3")
    ok(c.cmd("STLS"))
    c.wrap()
    c.quiet(0.3, "after the handshake")
    ok(c.userpass())
    diff(c.fetch("RETR 2"), m[1], "RETR 2")
    c.quit()


@case("RFC 2595 4", "the keyword stls is case-insensitive", need="STLS")
def _(t):
    c = t.conn("pop3")
    ok(c.cmd("stLs"))
    c.wrap()
    ok(c.cmd("QUIT"))


@case("RFC 2595 4", "a second STLS inside TLS gets -ERR and the session goes on", need="STLS")
def _(t):
    c = t.conn("stls")
    err(c.cmd("STLS"), "second STLS")
    c.alive()


@case("RFC 2595 4", "CAPA inside TLS no longer lists STLS", need="STLS", level="SHOULD")
def _(t):
    ls = t.conn("stls").capa()
    must("STLS" not in [l.upper() for l in ls], "STLS still listed")


@case("RFC 2595 4", "STLS with an argument gets -ERR", need="STLS", level="STRICT")
def _(t):
    c = t.conn("pop3")
    err(c.cmd("STLS now"))


@case("RFC 2595 4", "STLS in TRANSACTION state gets -ERR", need="STLS")
def _(t):
    t.seed(stdmsgs(1))
    c = t.login(access="pop3") if "USER" in t.features and any(
        w == "pop3" for w, _ in t.features["USER"]) else t.login(access="stls")
    err(c.cmd("STLS"))
    eq(c.stat()[0], 1, "STAT")


@case("RFC 2595 4; RFC 3207 4.2 (by analogy)", "a USER sent before STLS is forgotten: PASS inside TLS gets -ERR",
      need=("STLS", "USER"), level="SHOULD")
def _(t):
    c = t.conn("pop3")
    c.cmd("USER " + t.user()["user"])
    if not c.cmd("STLS").ok:        # refusing STLS between USER and PASS is safe as well
        return
    c.wrap()
    err(c.cmd("PASS " + t.user()["pass"]), "PASS with a USER from before TLS")


@case("RFC 2595 4; CVE-2011-0411", "plain text after STLS in the same segment is not run inside TLS", need="STLS")
def _(t):
    c = t.conn("pop3")
    c.send("STLS\r\nCAPA\r\n")
    ok(c.status("STLS"))
    try:
        if c.buf:
            raise Fail("plain-text reply to the injected command: %s" % short(c.buf))
        c.wrap()
    except Fail as e:
        if "handshake" in str(e):
            return
        raise
    c.quiet(0.6, "reply to the injected CAPA")
    ok(c.cmd("CAPA"))
    c.body()
    c.quiet(0.2)


@case("RFC 8314 3.3", "pop3s: TLS from the start, then the greeting; login and RETR work", need="POP3S")
def _(t):
    m = t.seed(stdmsgs(2))
    c = t.conn("pop3s")
    ok(c.userpass())
    diff(c.fetch("RETR 1"), m[0], "RETR 1")
    c.quit()


@case("RFC 8314 3.3; RFC 2595 4", "pop3s: STLS is not offered and gets -ERR", need="POP3S")
def _(t):
    c = t.conn("pop3s")
    ls = c.capa()
    must(ls is None or "STLS" not in ls, "STLS offered on pop3s")
    err(c.cmd("STLS"))
    c.alive()


@case("RFC 8314 4.1; RFC 8997", "TLS 1.2 works", need="STLS|POP3S")
def _(t):
    ctx = t.tls_ctx(maximum_version=ssl.TLSVersion.TLSv1_2)
    c = t.conn("pop3s" if t.pop3s else "stls", ctx=ctx)
    ok(c.cmd("QUIT"))


@case("RFC 8314 4.1", "TLS 1.3 works", need="STLS|POP3S", level="SHOULD")
def _(t):
    ctx = t.tls_ctx(minimum_version=ssl.TLSVersion.TLSv1_3)
    c = t.conn("pop3s" if t.pop3s else "stls", ctx=ctx)
    ok(c.cmd("QUIT"))


@case("RFC 8996 4, 5", "TLS 1.0 and 1.1 are refused", need="STLS|POP3S")
def _(t):
    import warnings
    warnings.simplefilter("ignore")
    for v in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        ctx = t.tls_ctx()
        ctx.set_ciphers("ALL:@SECLEVEL=0")
        ctx.minimum_version = v
        ctx.maximum_version = v
        try:
            c = t.conn("pop3s" if t.pop3s else "stls", ctx=ctx)
        except Fail as e:
            must("handshake" in str(e), str(e))
            continue
        raise Fail("server negotiated %s" % c.s.version())


@case("RFC 2595 2.3; RFC 8314 4.1", "a listener told to refuse clear-text logins: USER/PASS get -ERR, no TRANSACTION",
      need="TLSONLY")
def _(t):
    c = t.conn("tlsonly")
    r = c.cmd("USER " + t.user()["user"])
    r = c.cmd("PASS " + t.user()["pass"])
    err(r, "PASS in clear text")
    err(c.cmd("STAT"), "STAT")


@case("RFC 2595 2.3", "that listener announces neither USER nor SASL PLAIN/LOGIN before TLS, and USER after", need=("TLSONLY", "CAPA"))
def _(t):
    c = t.conn("tlsonly")
    ls = [l.upper() for l in c.capa()]
    must("STLS" in ls, "STLS not offered: %s" % ls)
    must("USER" not in ls, "USER announced before TLS")
    for l in ls:
        if l.startswith("SASL"):
            must("PLAIN" not in l.split() and "LOGIN" not in l.split(), "%s before TLS" % l)
    ok(c.cmd("STLS"))
    c.wrap()
    ls = [l.upper() for l in c.capa()]
    must("USER" in ls or any(l.startswith("SASL") and "PLAIN" in l for l in ls), "no login offered inside TLS: %s" % ls)
    t.seed(stdmsgs(1))
    ok(c.userpass(), "login inside TLS")


@case("RFC 2595 2.3", "that listener refuses AUTH PLAIN and AUTH LOGIN before TLS", need=("TLSONLY", "SASL"))
def _(t):
    u = t.user()
    c = t.conn("tlsonly")
    err(c.cmd("AUTH PLAIN " + b64("\0%s\0%s" % (u["user"], u["pass"]))))
    err(c.cmd("STAT"))
    c = t.conn("tlsonly")
    c.send("AUTH LOGIN\r\n")
    must(c.rawline().startswith(b"-ERR"), "AUTH LOGIN started in clear text")


@case("RFC 8446 6.1", "the server ends a TLS session with close_notify after QUIT", need="STLS|POP3S", level="SHOULD")
def _(t):
    c = t.conn("pop3s" if t.pop3s else "stls")
    ok(c.cmd("QUIT"))
    c.s.settimeout(3)
    try:
        d = c.s.recv(100)
    except ssl.SSLEOFError:
        raise Fail("TCP closed without close_notify (truncation)")
    except ConnectionResetError:
        raise Fail("connection reset instead of close_notify")
    eq(d, b"", "data after QUIT")


@case("RFC 2595 4", "garbage instead of a ClientHello ends the connection; the server lives on", need="STLS")
def _(t):
    c = t.conn("pop3")
    ok(c.cmd("STLS"))
    c.send(b"USER a\r\nPASS b\r\nSTAT\r\n" * 20)
    out, eof = c.drain(4)
    must(b"+OK" not in out and b"-ERR" not in out, "plain-text replies after STLS: %s" % short(out))
    must(eof, "connection kept open after a failed handshake")
    ok(t.conn("pop3").cmd("QUIT"))


@case("RFC 8314 3.3", "plain text sent to the pop3s port gets no POP3 reply", need="POP3S")
def _(t):
    c = P.Conn(t, "pop3", greet=False, port=t.pop3s)
    c.send("CAPA\r\nQUIT\r\n")
    out, eof = c.drain(3)
    must(b"+OK" not in out, "reply %s" % short(out))


@case("RFC 1939 6", "an abrupt close inside TLS deletes nothing", need="STLS|POP3S")
def _(t):
    t.seed(stdmsgs(2))
    c = t.login(access="pop3s" if t.pop3s else "stls")
    ok(c.cmd("DELE 1"))
    c.close(rst=True)
    eq(t.login().stat()[0], 2, "next session's STAT")


@case("RFC 1939 3, 5 RETR", "a 2 MiB message inside TLS arrives octet for octet", need="STLS|POP3S")
def _(t):
    m = t.seed([mkmsg("big", [".%074d" % i for i in range(27000)])])
    c = t.login(access="pop3s" if t.pop3s else "stls")
    diff(c.fetch("RETR 1"), m[0], "RETR 1")


# ======================================================================== SASL
area("SASL")


def plain(t, role="main", authz=""):
    u = t.user(role)
    return "%s\0%s\0%s" % (authz, u["user"], u["pass"])


@case("RFC 5034 4", "AUTH PLAIN: empty challenge '+ ', response, +OK", need="SASL:PLAIN")
def _(t):
    t.seed(stdmsgs(2))
    c = t.sasl_conn("PLAIN")
    c.send("AUTH PLAIN\r\n")
    eq(c.rawline(), b"+ \r\n", "first challenge")
    c.send(b64(plain(t)) + "\r\n")
    ok(c.status("AUTH PLAIN"))
    eq(c.stat()[0], 2, "STAT")


@case("RFC 5034 4", "AUTH PLAIN with an initial response", need="SASL:PLAIN")
def _(t):
    t.seed(stdmsgs(2))
    c = t.sasl_conn("PLAIN")
    ok(c.auth("PLAIN", initial=plain(t)))
    eq(c.stat()[0], 2, "STAT")


@case("RFC 5034 4", "the keyword AUTH and the mechanism name in lower case", need="SASL:PLAIN", level="ROBUST")
def _(t):
    c = t.sasl_conn("PLAIN")
    ok(c.cmd("auth plain " + b64(plain(t))))


@case("RFC 5034 4", "AUTH PLAIN = (empty initial response) is a failed login, not a challenge", need="SASL:PLAIN")
def _(t):
    c = t.sasl_conn("PLAIN")
    err(c.cmd("AUTH PLAIN ="))
    c.alive()


@case("RFC 5034 4", "'*' cancels: -ERR, and the session stays in AUTHORIZATION state", need="SASL:PLAIN")
def _(t):
    c = t.sasl_conn("PLAIN")
    c.send("AUTH PLAIN\r\n")
    c.rawline()
    err(c.cmd("*"), "cancel")
    err(c.cmd("STAT"))
    ok(c.auth("PLAIN", initial=plain(t)), "AUTH after a cancel")


for _b, _d in (("!!!notbase64!!!", "characters outside the alphabet"), ("AHRlc3Q", "length not a multiple of 4"),
               ("AHRl=c3Q", "'=' inside")):
    @case("RFC 5034 4; RFC 4648 3.3", "bad base64 in a response (%s) gets -ERR" % _d, need="SASL:PLAIN")
    def _(t, _b=_b):
        c = t.sasl_conn("PLAIN")
        c.send("AUTH PLAIN\r\n")
        c.rawline()
        err(c.cmd(_b), "bad base64")
        c.alive()


@case("RFC 5034 4", "bad base64 in the initial response gets -ERR", need="SASL:PLAIN")
def _(t):
    c = t.sasl_conn("PLAIN")
    err(c.cmd("AUTH PLAIN %%%%"))
    c.alive()


@case("RFC 5034 4; RFC 3206 4", "a wrong password in AUTH PLAIN gets -ERR (with [AUTH] if announced); retry works",
      need="SASL:PLAIN")
def _(t):
    c = t.sasl_conn("PLAIN")
    r = err(c.auth("PLAIN", initial="\0%s\0wrong" % t.user()["user"]))
    if t.has("AUTH-RESP-CODE"):
        eq(r.code, "AUTH", "response code of %r" % r)
    ok(c.auth("PLAIN", initial=plain(t)), "retry")


@case("RFC 5034 4", "an unknown mechanism gets -ERR", need="SASL")
def _(t):
    c = t.conn()
    for m in ("X-NO-SUCH", "PLAINX", "PLAI"):
        err(c.cmd("AUTH " + m), m)
    c.alive()


@case("RFC 5034 4", "AUTH in TRANSACTION state gets -ERR", need="SASL:PLAIN")
def _(t):
    t.seed(stdmsgs(2))
    c = t.sasl_conn("PLAIN")
    ok(c.auth("PLAIN", initial=plain(t)))
    err(c.cmd("AUTH PLAIN " + b64(plain(t))), "second AUTH")
    eq(c.stat()[0], 2, "STAT")


@case("RFC 5034 4; RFC 4616 2", "AUTH PLAIN with the authorization identity of oneself works, of another is refused",
      need="SASL:PLAIN")
def _(t):
    c = t.sasl_conn("PLAIN")
    err(c.auth("PLAIN", initial=plain(t, authz=t.user("other")["user"])), "foreign authzid")
    err(c.cmd("STAT"))
    c = t.sasl_conn("PLAIN")
    ok(c.auth("PLAIN", initial=plain(t, authz=t.user()["user"])), "own authzid")


@case("RFC 5034 4", "AUTH without argument gets -ERR, or a terminated list", need="SASL", level="ROBUST")
def _(t):
    c = t.conn()
    r = c.cmd("AUTH")
    if r.ok:
        c.body()
    c.alive()


@case("RFC 5034 4", "a response of 12000 octets is dealt with: -ERR or close, nothing of it run as a command", need="SASL:PLAIN")
def _(t):
    c = t.sasl_conn("PLAIN")
    c.send("AUTH PLAIN\r\n")
    c.rawline()
    c.send(b64("\0x\0" + "p" * 9000) + "\r\n")
    try:
        err(c.status("long response"))
        c.alive()
    except Closed:
        pass


@case("draft-murchison-sasl-login", "AUTH LOGIN asks for Username: and Password:", need="SASL:LOGIN")
def _(t):
    u = t.user()
    c = t.sasl_conn("LOGIN")
    c.send("AUTH LOGIN\r\n")
    eq(c.sasl_reply()[1].lower().rstrip(b"\0").rstrip(b":"), b"username", "first challenge")
    c.send(b64(u["user"]) + "\r\n")
    eq(c.sasl_reply()[1].lower().rstrip(b"\0").rstrip(b":"), b"password", "second challenge")
    c.send(b64(u["pass"]) + "\r\n")
    ok(c.status("AUTH LOGIN"))


@case("draft-murchison-sasl-login", "AUTH LOGIN: wrong password -ERR; '*' at the second step cancels", need="SASL:LOGIN")
def _(t):
    u = t.user()
    c = t.sasl_conn("LOGIN")
    err(c.auth("LOGIN", u["user"], "wrong"))
    err(c.auth("LOGIN", u["user"], b"*\r\n"), "cancel")
    ok(c.auth("LOGIN", u["user"], u["pass"]), "good login afterwards")


def crammd5(c, user, pw):
    c.send("AUTH CRAM-MD5\r\n")
    k, v = c.sasl_reply()
    must(k == "cont" and re.match(rb"<[^<>@\s]+@[^<>\s]+>$", v), "challenge %r is no msg-id (RFC 2195 2)" % v)
    c.send(b64("%s %s" % (user, hmac.new(pw.encode(), v, "md5").hexdigest())) + "\r\n")
    return c.status("CRAM-MD5")


@case("RFC 2195 2; RFC 5034 4", "AUTH CRAM-MD5: right and wrong password", need="SASL:CRAM-MD5")
def _(t):
    u = t.user()
    c = t.sasl_conn("CRAM-MD5")
    err(crammd5(c, u["user"], "wrong"))
    ok(crammd5(c, u["user"], u["pass"]))


for _m in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
    _r = "RFC 5802 5" if _m == "SCRAM-SHA-1" else "RFC 7677 3; RFC 5802 5"

    @case(_r, "AUTH %s with an initial response; the server's signature is right" % _m, need="SASL:" + _m)
    def _(t, _m=_m):
        u = t.user()
        t.seed(stdmsgs(2))
        c = t.sasl_conn(_m)
        ok(scram(c, _m, u["user"], u["pass"])[0])
        eq(c.stat()[0], 2, "STAT")

    @case(_r + "; RFC 5034 4", "AUTH %s without initial response" % _m, need="SASL:" + _m)
    def _(t, _m=_m):
        u = t.user()
        c = t.sasl_conn(_m)
        ok(scram(c, _m, u["user"], u["pass"], initial=False)[0])

    @case(_r, "%s: a wrong password and an unknown user get -ERR" % _m, need="SASL:" + _m)
    def _(t, _m=_m):
        c = t.sasl_conn(_m)
        err(scram(c, _m, t.user()["user"], "wrong")[0])
        c = t.sasl_conn(_m)
        err(scram(c, _m, "no-such-user-58", "x")[0])

    @case("RFC 5802 5.1", "%s: a changed nonce in the final message is refused" % _m, need="SASL:" + _m)
    def _(t, _m=_m):
        u = t.user()
        c = t.sasl_conn(_m)
        err(scram(c, _m, u["user"], u["pass"], tweak_nonce="x")[0])


@case("RFC 7677 4", "SCRAM-SHA-256's iteration count is at least 4096", need="SASL:SCRAM-SHA-256", level="SHOULD")
def _(t):
    u = t.user()
    r, s = scram(t.sasl_conn("SCRAM-SHA-256"), "SCRAM-SHA-256", u["user"], u["pass"])
    must(s.iter >= 4096, "i=%d" % s.iter)


def plusconn(t, mech, **kw):
    ctx = t.tls_ctx(maximum_version=ssl.TLSVersion.TLSv1_2)
    c = t.conn("pop3s" if t.pop3s else "stls", ctx=ctx)
    return c, c.s.get_channel_binding("tls-unique")


for _m in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
    @case("RFC 5802 6; RFC 5929 3", "AUTH %s with tls-unique over TLS 1.2" % _m, need="SASL:" + _m)
    def _(t, _m=_m):
        u = t.user()
        c, cb = plusconn(t, _m)
        ok(scram(c, _m, u["user"], u["pass"], plus="tls-unique", cbdata=cb)[0])

    @case("RFC 5802 6", "%s: wrong channel-binding data is refused" % _m, need="SASL:" + _m)
    def _(t, _m=_m):
        u = t.user()
        c, cb = plusconn(t, _m)
        err(scram(c, _m, u["user"], u["pass"], plus="tls-unique", cbdata=bytes([cb[0] ^ 1]) + cb[1:])[0])


def certconn(t):
    cc = t.cfg.get("client_cert")
    if not cc:
        raise Skip("target has no client_cert")
    ctx = t.tls_ctx()
    ctx.load_cert_chain(t.path(cc["cert"]), t.path(cc["key"]))
    return t.conn("pop3s" if t.pop3s else "stls", ctx=ctx), cc


@case("RFC 4422 A; RFC 5034 4; RFC 2595 4", "AUTH EXTERNAL with a client certificate and '=' logs in", need="SASL:EXTERNAL")
def _(t):
    c, cc = certconn(t)
    t.seed(stdmsgs(3), cc.get("role", "cert"))
    ok(c.cmd("AUTH EXTERNAL ="))
    eq(c.stat()[0], 3, "STAT")


@case("RFC 4422 A", "AUTH EXTERNAL without a certificate gets -ERR", need="SASL:EXTERNAL")
def _(t):
    c = t.conn("pop3s" if t.pop3s else "stls")
    r = c.auth("EXTERNAL", initial=t.user()["user"])
    err(r)
    err(c.cmd("STAT"))


def bearer(t, token, user=None):
    o = t.cfg.get("oauth") or {}
    if token not in o:
        raise Skip("target has no oauth.%s" % token)
    return "n,a=%s,\x01host=localhost\x01port=110\x01auth=Bearer %s\x01\x01" % (user or o["user"], o[token])


def xoauth(t, token, user=None):
    o = t.cfg.get("oauth") or {}
    if token not in o:
        raise Skip("target has no oauth.%s" % token)
    return "user=%s\x01auth=Bearer %s\x01\x01" % (user or o["user"], o[token])


def oauth(c, mech, msg, final=b"\x01"):
    """token exchange; the error challenge is answered as RFC 7628 3.2.3 says"""
    c.send("AUTH %s\r\n" % mech)
    k, v = c.sasl_reply()
    if k == "done":
        return v, None
    eq(v, b"", "first challenge")
    c.send(b64(msg) + "\r\n")
    k, v = c.sasl_reply()
    if k == "done":
        return v, None
    c.send(b64(final) + "\r\n")
    k, w = c.sasl_reply()
    must(k == "done", "more challenges after the error")
    return w, v


for _m, _f in (("OAUTHBEARER", bearer), ("XOAUTH2", xoauth)):
    _ref = "RFC 7628 3" if _m == "OAUTHBEARER" else "XOAUTH2 (Google)"

    @case(_ref, "AUTH %s with a good token" % _m, need="SASL:" + _m)
    def _(t, _m=_m, _f=_f):
        t.seed(stdmsgs(2))
        c = t.sasl_conn(_m)
        ok(oauth(c, _m, _f(t, "token"))[0])
        eq(c.stat()[0], 2, "STAT")

    @case(_ref + "; 3.2.3", "AUTH %s with an expired token: JSON error challenge, then -ERR" % _m, need="SASL:" + _m)
    def _(t, _m=_m, _f=_f):
        import json
        c = t.sasl_conn(_m)
        r, ch = oauth(c, _m, _f(t, "expired"))
        err(r)
        must(ch is not None, "no error challenge before -ERR (RFC 7628 3.2.2)")
        must("status" in json.loads(ch), "challenge without status: %s" % short(ch))
        err(c.cmd("STAT"))


# ======================================================================== RFC 6856
area("UTF8")


@case("RFC 6856 2.1", "UTF8 in AUTHORIZATION state gets +OK; login and CAPA work afterwards", need="UTF8")
def _(t):
    m = t.seed(stdmsgs(1))
    c = t.conn()
    ok(c.cmd("UTF8"))
    ok(c.userpass())
    diff(c.fetch("RETR 1"), m[0], "RETR 1")


@case("RFC 6856 2.1", "UTF8 in TRANSACTION state gets -ERR", need="UTF8")
def _(t):
    c, _ = t.std(1)
    err(c.cmd("UTF8"))


@case("RFC 6856 2.1", "a message with UTF-8 header fields comes as it is in UTF8 mode", need="UTF8")
def _(t):
    m = t.seed(["From: jos\u00e9@ex\u00e4mple.test\r\nSubject: \u00fcml\u00e4ut\r\n\r\nb\r\n".encode()])
    c = t.conn()
    ok(c.cmd("UTF8"))
    ok(c.userpass())
    diff(c.fetch("RETR 1"), m[0], "RETR 1")
    eq(c.list()[1], len(m[0]), "LIST")


@case("RFC 6856 2.1, 5", "without UTF8 mode no raw UTF-8 header fields are sent: -ERR [UTF8] or a surrogate", need="UTF8",
      level="SHOULD")
def _(t):
    t.seed(["From: jos\u00e9@ex\u00e4mple.test\r\nSubject: \u00fcml\u00e4ut\r\n\r\nb\r\n".encode()])
    c = t.login()
    r, b = c.multi_or_err("RETR 1")
    if r.ok:
        must(all(x < 128 for x in head_of(b)), "raw UTF-8 header sent outside UTF8 mode")
    elif r.code is not None:
        eq(r.code, "UTF8", "response code")


@case("RFC 6856 2.2", "USER and PASS in UTF-8 log in (UTF8 USER announced)", need="UTF8:USER")
def _(t):
    t.seed(stdmsgs(2), "utf8")
    c = t.conn()
    ok(c.cmd("UTF8"))
    ok(c.userpass("utf8"))
    eq(c.stat()[0], 2, "STAT")


@case("RFC 6856 3", "LANG lists languages; LANG i-default and * get +OK, an unknown one -ERR", need="LANG")
def _(t):
    c = t.conn()
    _, ls = c.multi("LANG")
    must(ls and all(re.match(rb"[A-Za-z0-9-]+( .*)?$", l) for l in ls), "language list %r" % ls)
    ok(c.cmd("LANG i-default"))
    ok(c.cmd("LANG *"))
    err(c.cmd("LANG x-no-such-language"))
    c.alive()


# ======================================================================== robustness
area("ROBUST")


@case("RFC 1939 3; RFC 9293 3.8", "a session sent one octet at a time")
def _(t):
    m = t.seed(stdmsgs(2))
    u = t.user()
    c = t.conn()

    def slow(s):
        for ch in s.encode() + CRLF:
            c.send(bytes([ch]))
            time.sleep(0.001)
        return c.status(s)
    ok(slow("USER " + u["user"]))
    ok(slow("PASS " + u["pass"]))
    ok(slow("RETR 2"))
    diff(c.unstuff(c.body()), m[1], "RETR 2")
    ok(slow("DELE 1"))
    ok(slow("QUIT"))
    c.close(wait=True)
    eq(t.login().stat()[0], 1, "next session's STAT")


@case("RFC 1939 3", "CR and LF in separate segments", level="ROBUST")
def _(t):
    c, m = t.std(2)
    for x in ("NOOP", "LIST 1", "NOOP"):
        c.send(x + "\r")
        time.sleep(0.08)
        c.send("\n")
        ok(c.status(x))
    c.quiet(0.2)


@case("RFC 1939 3", "bare LF line ends: each line answered, or refused - never half of each", level="ROBUST")
def _(t):
    c, m = t.std(3)
    c.send("STAT\nNOOP\r\n")
    a = c.status("bare LF")
    if a.ok:
        ok(c.status("the second line"))
    c.quiet(0.2)
    eq(c.stat()[0], 3, "STAT")


@case("RFC 1939 3", "a bare CR does not end a command", level="ROBUST")
def _(t):
    c, m = t.std(3)
    c.send("NOOP\rDELE 1\r\n")
    c.rawline("bare CR")
    c.quiet(0.2, "second reply to one line")
    ok(c.cmd("QUIT"))
    c.close(wait=True)
    eq(t.login().stat()[0], 3, "messages")


@case("RFC 1939 3", "telnet IAC octets: one reply, the session goes on", level="ROBUST")
def _(t):
    c, m = t.std(3)
    c.send(b"\xff\xf4\xff\xfd\x06\r\n")
    err(c.status("IAC"))
    c.send(b"\xff\xfd\x03NOOP\r\n")
    c.status("IAC and NOOP")
    c.quiet(0.2)
    eq(c.stat()[0], 3, "STAT")


@case("RFC 1939 3", "trailing spaces: one reply each, the session goes on", level="ROBUST")
def _(t):
    c, m = t.std(3)
    for x in ("NOOP ", "STAT  ", "LIST 1 ", "RSET    "):
        c.cmd(x)
    c.quiet(0.2)
    eq(c.stat()[0], 3, "STAT")


@case("RFC 1939 3", "a TAB is no separator: 'LIST<TAB>1' is refused or means LIST 1, 'DELE<TAB>1' likewise", level="ROBUST")
def _(t):
    c, m = t.std(3)
    r = c.cmd("LIST\t1")
    if r.ok:
        must(re.match(rb"\+OK 1 %d" % len(m[0]), r.line), "LIST<TAB>1: %r" % r)
    c.quiet(0.2)
    r = c.cmd("DELE\t1")
    eq(c.stat()[0], 2 if r.ok else 3, "STAT")


@case("RFC 1939 3", "leading spaces and doubled separators: one reply each, no other meaning", level="ROBUST")
def _(t):
    c, m = t.std(3)
    r = c.cmd(" NOOP")
    r = c.cmd("LIST  2")
    if r.ok:
        must(re.match(rb"\+OK 2 %d" % len(m[1]), r.line), "LIST  2: %r" % r)
    c.quiet(0.2)
    eq(c.stat()[0], 3, "STAT")


@case("RFC 1939 3", "NUL octets in a command: one reply or a close; 'DELE 1<NUL>2' deletes nothing else", level="ROBUST")
def _(t):
    c, m = t.std(3)
    try:
        c.send(b"NOOP\0\r\n")
        c.status("NUL")
        c.send(b"DELE 9\x001\r\n")
        err(c.status("NUL in a number"))
        c.quiet(0.2)
        eq(c.stat()[0], 3, "STAT")
    except Closed:
        eq(t.login().stat()[0], 3, "STAT")


@case("RFC 1939 6", "a DELE without its CRLF before the close is not executed, nor is the session committed", level="MUST")
def _(t):
    c, m = t.std(3)
    ok(c.cmd("DELE 1"))
    c.send("DELE 2")
    c.s.shutdown(socket.SHUT_WR)
    c.drain(1)
    c.close()
    eq(t.login().stat()[0], 3, "next session's STAT")


@case("RFC 1939 3", "100 unknown commands: each -ERR, or the server hangs up", level="ROBUST")
def _(t):
    c, m = t.std(1)
    try:
        for i in range(100):
            err(c.cmd("BOGUS %d" % i))
        eq(c.stat()[0], 1, "STAT")
    except Closed:
        ok(t.conn().cmd("QUIT"))


@case("RFC 1939 3", "40 connections that say nothing do not keep a 41st from being served", level="ROBUST")
def _(t):
    cs = [t.conn() for _ in range(40)]
    t.seed(stdmsgs(1))
    eq(t.login().stat()[0], 1, "STAT")


@case("RFC 1939 3", "a connection closed before the greeting or in mid-command does no harm", level="ROBUST")
def _(t):
    for i in range(20):
        c = P.Conn(t, "pop3" if t.pop3 else "pop3s", greet=False)
        if i % 2:
            c.send("USE")
        c.close(rst=True)
    t.seed(stdmsgs(1))
    eq(t.login().stat()[0], 1, "STAT")


@case("RFC 1939 3", "the auto-logout timer is not below 10 minutes", slow=True)
def _(t):
    c, m = t.std(1)
    ok(c.cmd("DELE 1"))
    time.sleep(595)
    eq(c.stat(), (0, 0), "STAT after 595 s of silence")
