#!/usr/bin/python3
"""run: sets up, builds and runs every test.

    tests/run                 everything, in order
    tests/run STEP...         only these (set-up comes first)
    tests/run --list          the steps; some run only when they are named

The last line is `N passed, N failed, N skipped` over all steps; exit status 0 if none failed. The output of a step is in
build/test-logs/STEP.log, and is shown when it fails; above the last line stands once more what failed, and what passed only
when it was run again. With CI=true a peer that cannot be had is a failure; elsewhere, and without root, it is a skip with a
name. FUZZ_SECONDS (60): how long each fuzzer runs; FUZZ_SEED (1): where its chance begins, so that what a run finds depends
on the tree and not on luck; 0: somewhere else each time. LOAD=full: the deliveries of tests/live/test_load_delivery.py in the
sizes the server is measured by, and the abuse of test_abuse_*.py in whole numbers.
"""
import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILD = TOP + "/build"
LOGS = BUILD + "/test-logs"
CPUS = os.cpu_count() or 1
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
FUZZ_SEED = os.environ.get("FUZZ_SEED", "1")
FUZZ_HANGS = 60  # seconds of the wall clock for one input: beside the live tests, niced, one may take 20 times as long as alone
COVERED = 90  # per cent of the lines of the file a target fuzzes, by its corpus alone

SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
SANITIZER_ENV = {
    "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}

# Conformance cases that are skipped because this server does not offer what they need; any other skip is a failure.
NOT_OFFERED = re.compile(r"OAUTH|OAUTHBEARER|XOAUTH2|SHA-512|oauth")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []  # what is told below the step's line
        self.bad = []  # of them, those to be told at the end as well
        self.cases = []  # the live tests that failed

    def one(self, good, note=None):
        self.passed += bool(good)
        self.failed += not good
        if note:
            self.notes.append(note)
        if not good:
            self.bad.append(note or "failed")

    def skip(self, name):
        self.skipped += 1
        self.notes.append("skipped: " + name)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.bad += other.bad


class Step:
    """what a step is given: a log, a count, and a way to run commands"""

    def __init__(self, name):
        self.name, self.count = name, Count()
        self.words = []  # before each command
        self.log = open("%s/%s.log" % (LOGS, name), "w+", errors="replace")

    def run(self, argv, env=None, timeout=1800, cwd=TOP):
        """its exit status; the output goes to the log"""
        argv = self.words + argv
        self.log.write("$ %s\n" % " ".join(argv))
        self.log.flush()
        try:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=cwd, timeout=timeout,
                                  env=dict(os.environ, **(env or {}))).returncode
        except subprocess.TimeoutExpired:
            self.log.write("no end within %d s\n" % timeout)
            return 124
        except OSError as e:
            self.log.write("%s\n" % e)
            return 127

    def output(self, argv, env=None, timeout=600):
        argv = self.words + argv
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=TOP,
                           timeout=timeout, env=dict(os.environ, **(env or {})), errors="replace")
        self.log.write("$ %s\n%s" % (" ".join(argv), p.stdout))
        return p.returncode, p.stdout

    def tail(self, lines=80):
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-lines:])


# ---- builds ----

def configure(step, folder, options, env=None):
    """0 if build/FOLDER is configured; its options are those of its first configuration"""
    if os.path.exists(folder + "/build.ninja"):
        return 0
    return step.run(["meson", "setup", folder, TOP] + options, env=env)


def build(step, folder, options, below="", env=None):
    """builds all, or what the meson.build files below a folder of the source make"""
    if configure(step, folder, options, env) != 0:
        return False
    return step.run(["ninja", "-C", folder] + (targets_of(folder, below) if below else []), env=env) == 0


def targets_of(folder, below):
    p = subprocess.run(["meson", "introspect", "--targets", folder], capture_output=True, check=True)
    out = []
    for t in json.loads(p.stdout):
        where = os.path.relpath(t["defined_in"], TOP)
        if where.startswith(below) and t["type"] in ("static library", "executable"):
            out += [os.path.relpath(f, folder) for f in t["filename"]]
    return out


# ---- meson's tests ----

WHY = re.compile(r"^.*(?:rror: |SUMMARY: |\[\s+FAILED\s+\] [a-z]).*$", re.M)  # what a failing program says of itself
CMOCKA = re.compile(r"\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test")


def count_meson(count, log):
    """cmocka's own counts where a program prints them, else one per program"""
    for line in open(log):
        t = json.loads(line)
        text = (t.get("stdout") or "") + (t.get("stderr") or "")
        said = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for word, n in CMOCKA.findall(text):
            said[word] += int(n)
        good = t["result"] in ("OK", "EXPECTEDFAIL")
        if t["result"] == "SKIP":
            why = re.search(r"^skipped: (.*)$", text, re.M)
            count.skip(t["name"] + (": " + why[1] if why else ""))
            continue
        if not any(said.values()):
            said["PASSED"] = int(good)
        if not good:
            said["FAILED"] = max(said["FAILED"], 1)
            why = ["failed: %s (%s)" % (t["name"], t["result"])] + ["    " + w for w in WHY.findall(text)[-8:]]
            count.notes += why
            count.bad += why
        count.passed += said["PASSED"]
        count.failed += said["FAILED"]
        if said["SKIPPED"]:
            count.skipped += said["SKIPPED"]
            count.notes.append("%s: %d skipped" % (t["name"], said["SKIPPED"]))


def meson_test(step, folder, env=None):
    # Its limit of time is for what hangs: 30 s of one program may be more on a slow machine.
    # Ours for all of them is far more than one that hangs needs, so that it is meson that ends it, and tells its name.
    log = folder + "/meson-logs/testlog.json"
    if os.path.exists(log):
        os.unlink(log)
    before = step.count.failed
    status = step.run(["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", "--timeout-multiplier", "3"], env=env, timeout=7200)
    if os.path.exists(log):
        count_meson(step.count, log)
    if status != 0 and step.count.failed == before:
        step.count.one(False, "meson test: status %d" % status)


def step_unit(step):
    meson_test(step, BUILD)


def step_asan(step):
    if not build(step, BUILD + "/asan", SANITIZE):
        step.count.one(False)
        return
    meson_test(step, BUILD + "/asan", env=SANITIZER_ENV)


# ---- reading the source ----

def step_includes(step):
    status, text = step.output([TOP + "/tests/check_includes.py"])
    step.count.one(status == 0, text.splitlines()[-1] if text else None)


def step_analyzer(step):
    step.count.one(build(step, BUILD + "/analyzer", ["-Dc_args=-fanalyzer"], "src/"))


def step_tidy(step):
    files = sorted({os.path.realpath(os.path.join(c["directory"], c["file"])) for c in
                    json.load(open(BUILD + "/compile_commands.json"))})
    files = [f for f in files if f.startswith(TOP + "/src/")]
    with concurrent.futures.ThreadPoolExecutor(CPUS) as pool:
        results = list(pool.map(lambda f: step.output(["clang-tidy", "--quiet", "-p", BUILD, f]), files))
    bad = sum(status != 0 for status, _ in results)
    step.count.one(files and not bad, "%d files read, %d with warnings" % (len(files), bad))


# ---- fuzzing ----

def fuzz_build(step, folder, options):
    """with clang, whose warnings are clang-tidy's to tell"""
    return build(step, folder, options + ["-Dwerror=false"], "tests/fuzz", env={"CC": "clang"})


def fuzz_one(step, folder, name):
    """(good, note): a fuzzer run from its corpus; what it finds beside stays below build/"""
    found = "%s/found/%s" % (folder, name)
    os.makedirs(found, exist_ok=True)
    argv = ["%s/tests/fuzz/fuzz_%s" % (folder, name), "-max_total_time=%d" % FUZZ_SECONDS, "-timeout=%d" % FUZZ_HANGS, "-rss_limit_mb=2048",
            "-seed=" + FUZZ_SEED, "-print_final_stats=1", "-artifact_prefix=%s/found/%s-" % (folder, name), found, "%s/tests/fuzz/corpus/%s" % (TOP, name)]
    status, text = step.output(argv, env=SANITIZER_ENV, timeout=FUZZ_SECONDS * 3 + 120)
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    note = "fuzz %s: %s inputs tried in %d s" % (name, runs.group(1) if runs else "?", FUZZ_SECONDS)
    return status == 0, note if status == 0 else note + ": FAILED, see build/fuzz/found/%s-*" % name


def fuzzed_file(name):
    with open("%s/tests/fuzz/fuzz_%s.c" % (TOP, name)) as f:
        m = re.search(r"Fuzzes: ((?:src/\S+\.c[\s*,]*(?:and )?)+)", f.read())
    return re.findall(r"src/\S+?\.c", m.group(1)) if m else []


def covered(step, folder, name):
    """(per cent, files): of the lines of the files a target fuzzes, those its corpus runs through"""
    program, profile = "%s/tests/fuzz/replay_%s" % (folder, name), "%s/%s.profraw" % (folder, name)
    files = fuzzed_file(name)
    if not files or step.run([program, "%s/tests/fuzz/corpus/%s" % (TOP, name)], env={"LLVM_PROFILE_FILE": profile}) != 0:
        return 0.0, files
    step.run(["llvm-profdata-14", "merge", "-sparse", profile, "-o", profile + ".data"])
    p = subprocess.run(["llvm-cov-14", "export", "-summary-only", "-instr-profile", profile + ".data", program], capture_output=True)
    step.log.write(p.stderr.decode(errors="replace"))
    lines = hit = 0
    for f in json.loads(p.stdout)["data"][0]["files"]:  # names are as the compiler was given them
        if os.path.relpath(os.path.realpath(f["filename"]), TOP) in files:
            lines += f["summary"]["lines"]["count"]
            hit += f["summary"]["lines"]["covered"]
    return 100.0 * hit / max(lines, 1), files


def planted(step, folder):
    """the out-of-bounds read that was put there must be found"""
    status, text = step.output([folder + "/tests/fuzz/fuzz_planted", "-max_total_time=60", "-artifact_prefix=%s/found/planted-" % folder],
                               env=SANITIZER_ENV)
    return status != 0 and "heap-buffer-overflow" in text and "planted.c" in text


def step_fuzz(step):
    names = sorted(os.path.basename(f)[5:-2] for f in glob.glob(TOP + "/tests/fuzz/fuzz_*.c"))
    fuzz, cover = BUILD + "/fuzz", BUILD + "/cover"
    if not fuzz_build(step, fuzz, SANITIZE + ["-Dfuzz=true", "-Dc_args=-fsanitize=fuzzer-no-link"]):
        step.count.one(False, "the fuzzers do not build")
        return
    if not fuzz_build(step, cover, ["-Dc_args=-fprofile-instr-generate -fcoverage-mapping", "-Dc_link_args=-fprofile-instr-generate"]):
        step.count.one(False, "the build that measures coverage fails")
        return
    with concurrent.futures.ThreadPoolExecutor(CPUS) as pool:
        for good, note in pool.map(lambda n: fuzz_one(step, fuzz, n), names):
            step.count.one(good, note)
    for name in names:
        percent, files = covered(step, cover, name)
        step.count.one(percent >= COVERED, "corpus %s covers %.1f %% of the lines of %s" % (name, percent, " ".join(files) or "?"))
    step.count.one(planted(step, fuzz), "the planted out-of-bounds read is found")


# ---- the real processes ----

AGAIN = 3  # so many live tests may be run once more
LANES = 3  # files of live tests that run side by side: they mostly wait
# What takes longest begins first, so that the lanes end together.
LONGEST = ["beside", "clients", "fetch_servers", "busy", "powercut", "mta_opensmtpd", "processes", "login", "mta_postfix", "lmtp", "slow",
           "load_delivery", "abuse_input", "busy_link", "expire_tool"]


# What measures memory or what others wait runs alone at the end.
ALONE = ["bounds", "abuse_limits"]


def live_files():
    rank = {"%s/tests/live/test_%s.py" % (TOP, name): i for i, name in enumerate(LONGEST)}
    return sorted(glob.glob(TOP + "/tests/live/test_*.py"), key=lambda f: (rank.get(f, len(rank)), f))


def pytest(step, report, args, env=None):
    """each file of the live tests in a run of its own"""
    files, done = live_files(), []
    alone = [f for f in files if os.path.basename(f)[5:-3] in ALONE]
    for some, lanes in (([f for f in files if f not in alone], LANES), (alone, 1)):
        with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
            done += pool.map(lambda f: pytest_file(step, report, f, args, env), some)
    for count, text in sorted(done, key=lambda d: d[0].failed > 0):  # what failed stands last, where it is shown
        step.log.write(text)
        step.count.notes += count.notes
    once_more(step, report, [c for c, _ in done], env)
    for count, _ in done:
        step.count.add(count)


def once_more(step, report, counts, env):
    """A few live tests that failed beside others are run again, each alone: what the others took from it (time, memory, ports) is
    not its fault, and a fault of ours shows itself there again. Many, or what a sanitizer says, is never for want of anything."""
    failed = [(c, f) for c in counts for f in c.cases]
    if len(failed) > AGAIN or any("Sanitizer" in f["text"] or "runtime error" in f["text"] for _, f in failed):
        return
    for count, f in failed:
        again, text = pytest_file(step, report + "-again", "%s::%s" % (f["path"], f["name"]), [], env)
        step.log.write(text)
        if again.failed == 0 and again.passed == 1:
            count.failed, count.passed = count.failed - 1, count.passed + 1
            count.bad.remove(f["note"])
            step.count.notes.append("alone it passed: " + f["note"])
            count.bad.append("alone it passed: " + f["note"])


def pytest_file(step, report, path, args, env):
    """(count, output): of a file of tests, or of one of its tests"""
    name = os.path.basename(path.split("::")[0])[:-3]
    os.makedirs("%s/%s" % (LOGS, report), exist_ok=True)
    where = "%s/%s/%s" % (LOGS, report, name)
    if os.path.exists(where + ".xml"):
        os.unlink(where + ".xml")
    argv = step.words + ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--junitxml", where + ".xml", path] + args
    count = Count()
    with open(where + ".log", "w+", errors="replace") as log:
        try:
            status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=TOP, timeout=1800,
                                    env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **(env or {}))).returncode
        except subprocess.TimeoutExpired:
            status = "none within 1800 s"
        log.seek(0)
        text = "$ %s\n%s" % (" ".join(argv), log.read())
    if status not in (0, 1, 5):  # 5: none of its tests was asked for
        count.one(False, "failed: %s ended with status %s" % (name, status))
    if os.path.exists(where + ".xml"):
        count_pytest(count, where + ".xml", path)
    else:
        count.one(False, "failed: %s gave no report" % name)
    return count, text


def count_pytest(count, report, path):
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = "%s::%s" % (case.get("classname", "").split(".")[-1], case.get("name"))
        skipped = case.find("skipped")
        if skipped is not None:
            count.skip("%s: %s" % (name, skipped.get("message")))
            continue
        count.notes += ["%s: %s" % (name.split(".")[-1], p.get("value")) for p in case.iter("property") if p.get("name") == "figure"]
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is None:
            count.one(True)
            continue
        note = "failed: %s: %s" % (name, " ".join(bad.get("message", "").split())[:300])
        count.one(False, note)
        count.cases.append({"path": path, "name": case.get("name"), "note": note, "text": "".join(case.itertext())})


def step_live(step):
    pytest(step, "live", [])


def step_live_asan(step):
    """the tests marked `asan`: the real processes under the sanitizers"""
    if not build(step, BUILD + "/asan", SANITIZE):
        step.count.one(False)
        return
    pytest(step, "live-asan", ["-m", "asan"], env=dict(SANITIZER_ENV, BUSTIA_BUILD=BUILD + "/asan"))


# What the sanitizers make meaningless: measured memory, walls that a sanitized build does not have, time in a full machine.
NOT_SANITIZED = "not hostile_peers_together and not who_does_not_read_is_not_read and not sister and not test_demo and not test_walls"


def step_live_asan_all(step):
    """all of them: takes half an hour more, and is not part of the whole run"""
    if not build(step, BUILD + "/asan", SANITIZE):
        step.count.one(False)
        return
    env = dict(SANITIZER_ENV, BUSTIA_BUILD=BUILD + "/asan")
    env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"  # the library that makes calls fail comes first
    pytest(step, "live-asan-all", ["-k", NOT_SANITIZED], env=env)


def step_conformance(step):
    """every case over plain POP3 with CRLF files, and again over TLS with LF files"""
    d = BUILD + "/conformance"
    if step.run([TOP + "/tests/testbed", "up", d]) != 0:
        step.count.one(False, "the testbed does not come up")
        return
    try:
        for access, eol in (("pop3", "crlf"), ("pop3s", "lf")):
            with open(d + "/target.json") as f:
                target = dict(json.load(f), access=access, eml_eol=eol)
            with open("%s/target-%s.json" % (d, access), "w") as f:
                json.dump(target, f)
            result = "%s/result-%s.json" % (d, access)
            step.run(["/usr/bin/python3", TOP + "/tests/conformance/popcheck.py", "%s/target-%s.json" % (d, access), "--json", result])
            if not os.path.exists(result):
                step.count.one(False, "popcheck gave no result")
                continue
            with open(result) as f:
                count_cases(step.count, json.load(f)["cases"], access)
    finally:
        step.run([TOP + "/tests/testbed", "down", d])


def count_cases(count, cases, access):
    for c in cases:
        if c["result"] == "skip" and NOT_OFFERED.search(c["why"]):
            count.skipped += 1
        elif c["result"] == "pass":
            count.passed += 1
        else:
            count.one(False, "%s %s %s: %s" % (access, c["id"], c["title"], c["why"]))
    skipped = sorted({c["why"] for c in cases if c["result"] == "skip"})
    count.notes.append("%s: %d cases; skipped: %s" % (access, len(cases), "; ".join(skipped) or "none"))


def step_bench(step):
    """the load generators must refuse wrong servers; their figures are no test"""
    for name, libraries, wrong in (("popload", ["-lssl", "-lcrypto"], "wrong.py"), ("lmtpload", [], "wrong_lmtp.py")):
        program = "%s/%s" % (BUILD, name)
        good = step.run(["gcc", "-O2", "-w", "%s/bench/%s.c" % (TOP, name), "-o", program] + libraries) == 0
        step.count.one(good and step.run(["%s/bench/test/%s" % (TOP, wrong), program]) == 0)


STEPS = [
    ("unit", "unit, dialogue and store tests, corpora", step_unit),
    ("asan", "the same under ASan and UBSan", step_asan),
    ("includes", "who may include whom", step_includes),
    ("analyzer", "gcc -fanalyzer is quiet", step_analyzer),
    ("tidy", "clang-tidy is quiet", step_tidy),
    ("fuzz", "fuzzers, their corpora's coverage, a planted mistake", step_fuzz),
    ("live", "the real processes and real clients", step_live),
    ("live-asan", "the real processes under ASan and UBSan", step_live_asan),
    ("conformance", "protocol cases", step_conformance),
    ("bench", "the load generators refuse wrong servers", step_bench),
]
ON_REQUEST = [
    ("live-asan-all", "all the real processes' tests under ASan and UBSan", step_live_asan_all),
]


# The fuzzers take what the live tests leave of the processors: these mostly wait.
BESIDE, LIVE = (next(s for s in STEPS if s[0] == name) for name in ("fuzz", "live"))
PRINTING = threading.Lock()


def do(which, total):
    name, what, fn = which
    began, step = time.monotonic(), Step(name)
    if threading.current_thread() is not threading.main_thread():
        step.words = ["nice", "-n", "19"]
    try:
        fn(step)
    except Exception as e:
        step.count.one(False, "%s: %s" % (type(e).__name__, e))
    c = step.count
    if not c.passed + c.failed + c.skipped:
        c.one(False, "no test was run")
    with PRINTING:
        if c.failed:
            print(step.tail())
        print("%-13s %4d passed %4d failed %4d skipped  %4d s  %s" % (name, c.passed, c.failed, c.skipped,
                                                                      time.monotonic() - began, what), flush=True)
        for note in c.notes:
            print("    " + note)
        c.bad = [name + ": " + note for note in c.bad]
        total.add(c)
    step.log.close()


def main():
    names = [n for n, _, _ in STEPS + ON_REQUEST]
    if sys.argv[1:] == ["--list"]:
        for name, what, step in STEPS + ON_REQUEST:
            print("%-13s %s%s" % (name, what, " (only when named)" if (name, what, step) in ON_REQUEST else ""))
        return 0
    if [a for a in sys.argv[1:] if a not in names]:
        sys.exit(__doc__)
    os.chdir(TOP)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it, and so would all that is tested
    total = Count()
    if subprocess.run([TOP + "/setup"]).returncode != 0:
        print("0 passed, 1 failed")
        return 1
    os.makedirs(LOGS, exist_ok=True)
    chosen = [s for s in STEPS + ON_REQUEST if s[0] in sys.argv[1:]] or STEPS
    beside = threading.Thread(target=do, args=(BESIDE, total)) if all(s in chosen for s in (BESIDE, LIVE)) else None
    for step in chosen:
        if beside and step is BESIDE:
            continue
        if beside and step is LIVE:
            beside.start()
        do(step, total)
        if beside and step is LIVE:
            beside.join()
    for note in total.bad:
        print(note)
    print("%d passed, %d failed" % (total.passed, total.failed) + (", %d skipped" % total.skipped if total.skipped else ""))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
