#!/usr/bin/python3
"""powercut: does what was acknowledged survive a power cut, and kill -9?

    powercut.py block   WORK SUBJECT...     clones the disk after each acknowledgement, and reads the clone   (root)
    powercut.py trace   WORK SUBJECT...     records the system calls, replays them in three models    (root or own processes; strace)
    powercut.py killat  WORK SUBJECT...     ends a process at every n-th call                         (the same)
    powercut.py preload WORK SUBJECT...     trace and killat by a preloaded library                   (no special rights)

WORK is a directory to work in; what a subject is, subject.py says. A line per subject is the verdict: PASS, or FAIL and
why; exit status 1 if one failed, 75 if this machine cannot do it. A check that saw no acknowledgement, no write, or no
kill where there should be one has failed.

Environment: KILLAT=40, the most n that are tried for one call. BUSTIA_BUILD as for tests/testbed.
"""
import os
import sys

import block
import fetched
import killat
import mail
import preload
import replay
from subject import subject

MODES = ("block", "trace", "killat", "preload")


def run_block(work, name):
    with block.disk(work):
        s = subject(work + "/dur", name)
        try:
            return (fetched.cut_power if isinstance(s, fetched.Fetch) else block.block)(work, s)
        finally:
            s.close()


def run_traced(work, name, kill):
    s, faults = subject(work, name), []
    s.name = name
    try:
        engine = killat.Strace(work, s)
        if kill:
            return killat.killat(s, engine)
        replay.report(name, s, engine.ops(), engine.marks, faults)
        mail.empty(s.box)
        return engine.faults + faults
    finally:
        s.close()


def run_preload(work, name):
    made, faults = [], []

    def make(env):
        made.append(subject(work, name, env))
        made[0].name = name
        return made[0]

    try:
        engine = preload.Preload(work, make)
        replay.report(name, made[0], engine.plain, engine.marks, faults)
        return faults + killat.killat(made[0], engine)
    finally:
        for s in made:
            s.close()


def run(mode, work, name):
    """-> complaints"""
    os.makedirs(work, exist_ok=True)
    os.chmod(work, 0o755)
    if mode == "block":
        return run_block(work, name)
    if mode == "preload":
        return run_preload(work, name)
    return run_traced(work, name, mode == "killat")


def main(argv):
    if len(argv) < 4 or argv[1] not in MODES:
        sys.exit(__doc__)
    failed = False
    for name in argv[3:]:
        work = "%s/%s-%s" % (os.path.realpath(argv[2]), argv[1], os.path.basename(name).replace(":", "-"))
        print("%s %s" % (argv[1], name), flush=True)
        try:
            faults = run(argv[1], work, name)
        except block.Impossible as e:
            print("%s %s: impossible here: %s" % (argv[1], name, e))
            return 75
        print("%s %s: %s" % (argv[1], name, "FAIL: " + "; ".join(faults) if faults else "PASS"), flush=True)
        failed = failed or bool(faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
