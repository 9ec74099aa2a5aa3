"""scenarios: what is measured, on which mailboxes, and one run of the load generator."""
import json
import os
import shutil
import subprocess
import time

from servers import CCPU, CERT, CORPUS, DIR, GID, HERE, KEY, PASSWD, PRIO, UID, busy_seconds, sh

POPLOAD, LIMIT = DIR + "/popload", DIR + "/limit"

# name: (users, messages, kind, extra mkmail arguments)
CORPORA = {
    "a": (200, 50, "real", []),
    "b": (200, 10, "small", []),
    "c": (20, 1000, "small", []),
    "d": (4, 10000, "small", ["--pool", "200"]),
    "e": (2, 100000, "small", ["--pool", "200"]),
    "g": (1, 100, "big", ["--pool", "8"]),
    "i": (10000, 2, "small", ["--pool", "50"]),
    "r": (200, 20, "real", ["--pool", "60"]),
    # a, as it is stored in wire form: CRLF, and no line that begins with a dot
    "w": (200, 50, "real", ["--wire", "--like", "a%d", "--seed", str(ord("a"))]),
}

WANTED = os.environ.get("BENCH_CORPORA", "".join(CORPORA))  # e.g. "abc": no big ones


def scenario(corpus, users, conns, args, pre=None, count=None, prime="same", secs=None, tls=False):
    """pre: what happens before each run (new: a message for each user; drop: the index is removed; cache: the page cache is emptied;
    refill: the maildrops are made anew). prime: what each peer does once before the first run: the same, or a log-in of each user."""
    return dict(corpus=corpus, users=users, conns=conns, args=args.split(), pre=pre, count=count, prime=prime, secs=secs, tls=tls)


AES = " --tls --ciphers TLS_AES_128_GCM_SHA256"
SCENARIOS = {
    "login": scenario("b", 200, 20, "--scenario login"),
    "login-c1": scenario("b", 200, 1, "--scenario login"),
    "poll-10": scenario("b", 200, 20, "--scenario poll"),
    "poll-1k": scenario("c", 20, 10, "--scenario poll"),
    "poll-10k": scenario("d", 4, 2, "--scenario poll"),
    "poll-100k": scenario("e", 2, 1, "--scenario poll", secs=3),
    "poll-10-new": scenario("b", 200, 10, "--scenario poll", pre="new", count=200),
    "poll-1k-new": scenario("c", 20, 5, "--scenario poll", pre="new", count=20),
    "poll-10k-new": scenario("d", 4, 1, "--scenario poll", pre="new", count=4),
    "poll-100k-new": scenario("e", 2, 1, "--scenario poll", pre="new", count=2),
    "poll-1k-coldidx": scenario("c", 20, 5, "--scenario poll", pre="drop", count=20),
    "poll-10k-coldidx": scenario("d", 4, 1, "--scenario poll", pre="drop", count=4),
    "poll-100k-coldidx": scenario("e", 2, 1, "--scenario poll", pre="drop", count=2),
    "poll-1k-coldcache": scenario("c", 20, 1, "--scenario poll", pre="cache", count=20),
    "poll-10k-coldcache": scenario("d", 4, 1, "--scenario poll", pre="cache", count=4),
    "poll-100k-coldcache": scenario("e", 2, 1, "--scenario poll", pre="cache", count=2),
    "download": scenario("a", 200, 10, "--scenario download", secs=3),
    "download-wire": scenario("w", 200, 10, "--scenario download", secs=3),
    "download-pipelined": scenario("a", 200, 10, "--scenario download-pipelined", secs=3),
    "download-c1": scenario("a", 200, 1, "--scenario download", secs=3),
    "download-coldcache": scenario("a", 200, 4, "--scenario download", pre="cache", count=100),
    "download-big": scenario("g", 1, 1, "--scenario download", count=1),
    "headers": scenario("a", 200, 10, "--scenario headers"),
    "cmd": scenario("b", 200, 10, "--scenario cmd", prime="login"),
    "cmd-pipe32": scenario("b", 200, 10, "--scenario cmd --pipeline 32", prime="login"),
    "drain": scenario("r", 200, 10, "--scenario drain", pre="refill", count=200, prime="login"),
    "tls-login": scenario("b", 200, 20, "--scenario login --tls", tls=True),
    "tls-login-resume": scenario("b", 200, 20, "--scenario login --tls --resume", tls=True),
    "stls-login": scenario("b", 200, 20, "--scenario login --stls"),
    "tls-download": scenario("a", 200, 10, "--scenario download" + AES, tls=True, secs=3),
    "tls-download-wire": scenario("w", 200, 10, "--scenario download" + AES, tls=True, secs=3),
    "tls-download-pipelined": scenario("a", 200, 10, "--scenario download-pipelined" + AES, tls=True, secs=3),
}
QUICK = "login,poll-10,poll-10k,download,download-pipelined,cmd,tls-login,tls-download".split(",")


# ---- what is needed once ----

def programs():
    os.makedirs(DIR, exist_ok=True)
    os.chmod(DIR, 0o755)
    for n in ("popload", "limit"):
        sh("gcc -O2 -w %s/%s.c -o %s/%s.new -lssl -lcrypto && mv %s/%s.new %s/%s" % (HERE, n, DIR, n, DIR, n, DIR, n))
    os.makedirs(DIR + "/tls", exist_ok=True)
    if not os.path.exists(CERT):
        sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s -out %s -days 365 "
           "-subj /CN=localhost 2>/dev/null" % (KEY, CERT))
    text = "".join("%s%d:{PLAIN}secret::::::\n" % (c, u) for c in CORPORA if c in WANTED for u in range(1, CORPORA[c][0] + 1))
    if not os.path.exists(PASSWD) or open(PASSWD).read() != text:
        with open(PASSWD, "w") as f:
            f.write(text)


def corpus(c):
    """makes one, if it is not there; what it is made of stands beside it"""
    users, messages, kind, extra = CORPORA[c]
    if os.path.exists("%s/%s.dig" % (CORPUS, c)):
        return
    os.makedirs(CORPUS, exist_ok=True)
    seed = [] if "--seed" in extra else ["--seed", str(ord(c))]
    argv = ["python3", HERE + "/mkmail.py", "--root", "%s/%s" % (CORPUS, c), "--pattern", c + "%d", "--users", str(users), "--messages",
            str(messages), "--dist", kind, "--digest", "%s/%s.tmp" % (CORPUS, c), "--uid", str(UID), "--gid", str(GID)] + seed + extra
    subprocess.run(argv, check=True)
    os.rename("%s/%s.tmp" % (CORPUS, c), "%s/%s.dig" % (CORPUS, c))


def prepare():
    programs()
    for c in WANTED:
        corpus(c)


# ---- what happens before a run ----

DELIVERED = [int(time.time())]


def deliver(peer, corp, users):
    src = "%s/b/b1/new" % CORPUS
    f = sorted(os.listdir(src))[0]
    for u in range(1, users + 1):
        DELIVERED[0] += 1
        d = "%s/%s%d/new/%d.M1P%d.new" % (peer.mail, corp, u, int(time.time()), DELIVERED[0])
        part = "%s/%s%d/tmp/%d" % (peer.mail, corp, u, DELIVERED[0])
        shutil.copy(src + "/" + f, part)
        os.chown(part, UID, GID)
        os.rename(part, d)


def before(peer, s):
    """False: this peer has no such run"""
    k = s["pre"]
    if peer.cfg.get("own_mail"):
        return k is None or k == "cache"
    if k == "new":
        deliver(peer, s["corpus"], s["users"])
        time.sleep(1.1)  # a Maildir's mtime has a resolution of a second for some servers
    elif k == "drop":
        if not peer.cfg.get("drop_index"):
            return False
        command = peer.words(peer.cfg["drop_index"])
        sh("\n".join(command.replace("{user}", "%s%d" % (s["corpus"], u)) for u in range(1, s["users"] + 1)))
    elif k == "cache":
        sh("sync; echo 3 > /proc/sys/vm/drop_caches")
    elif k == "refill" and not peer.cfg.get("static"):
        peer.ensure(s["corpus"], s["users"])
        sh("sync")
    return True


# ---- the load generator ----

def load_words(peer, tls, pattern, users, conns):
    return PRIO + ["taskset", "-c", CCPU, POPLOAD, "--port", str(peer.tls_port if tls else peer.port), "--user-pattern", pattern,
                   "--users", str(users), "--conns", str(conns), "--cpu-file", peer.cpu_file]


def popload(peer, s, seconds=1, prime=False):
    c, args = s["corpus"], s["args"]
    if prime and s["prime"] == "login" or prime and s["pre"] == "drop":
        args = ["--scenario", "login"] + args[2:] if s["tls"] else ["--scenario", "login"]
    cmd = load_words(peer, s["tls"], c + "%d", s["users"], min(s["conns"], peer.cfg.get("max_conns", 10**6)))
    cmd += ["--label", peer.name, "--timeout", "60"] + args
    if args[1].startswith("download") and not peer.cfg.get("no_verify"):
        cmd += ["--verify", "%s/%s.dig" % (CORPUS, c)]
    if args[1] == "drain" and not peer.cfg.get("no_verify"):
        cmd += ["--expect-msgs", str(CORPORA[c][1])]
    if peer.cfg.get("size_slack") is not None:
        cmd += ["--size-slack", str(peer.cfg["size_slack"])]
    if peer.cfg.get("no_capa"):
        cmd += ["--capa", "0"]
    if peer.cfg.get("retry_inuse"):
        cmd += ["--retry-inuse"]
    if prime or s["count"]:
        cmd += ["--count", str(s["users"] if prime else s["count"])]
    else:
        cmd += ["--seconds", str(max(seconds, (s["secs"] or 0) / (1 if seconds >= 2 else 2))), "--warmup", "0.2"]
    t0, b0 = busy_seconds()
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    t1, b1 = busy_seconds()
    if r.returncode:
        return dict(ok=False, error=r.stderr.strip()[-400:])
    return dict(json.loads(r.stdout.strip().splitlines()[-1]), machine_busy=(b1 - b0) / max(1e-3, (t1 - t0) / os.cpu_count()))
