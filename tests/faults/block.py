"""block: the power is cut after each acknowledgement, for real: what is on the disk at that moment is mounted and read.

The disk is an ext4 in a file, with commit=600, so that only a sync brings anything to it. The file lies on a file system
that can clone it at once (XFS with reflinks, itself in a file): the clone is what a power cut would have left. Root only."""
import contextlib
import os
import subprocess
import time

import mail

CUTS = 8
PEER = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + "/peer"


class Impossible(Exception):
    """this machine has no such disk"""


def run(*argv):
    p = subprocess.run(argv, capture_output=True, text=True)
    if p.returncode != 0:
        raise Impossible("%s: %s" % (" ".join(argv), (p.stdout + p.stderr).strip()[-300:]))


def make_xfs(file):
    argv = ["mkfs.xfs", "-q", "-f", "-m", "reflink=1", file]
    found = any(os.path.exists(d + "/mkfs.xfs") for d in ("/sbin", "/usr/sbin"))
    run(*(argv if found else [PEER, "xfsprogs", "--", *argv]))


def unmount(d):
    """a loop device lets its file go a little later; a mount namespace that somebody made meanwhile, when that ends"""
    for _ in range(30):
        if subprocess.run(["umount", d], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", d], check=True)


@contextlib.contextmanager
def disk(work):
    """mounted at WORK/dur"""
    mounted = []
    for d in ("snap", "dur", "look"):
        os.makedirs("%s/%s" % (work, d), exist_ok=True)
    try:
        with open(work + "/snap.xfs", "wb") as f:
            f.truncate(600 << 20)
        make_xfs(work + "/snap.xfs")
        run("mount", "-o", "loop", work + "/snap.xfs", work + "/snap")
        mounted.append(work + "/snap")
        with open(work + "/snap/disk", "wb") as f:
            f.truncate(64 << 20)
        run("mkfs.ext4", "-q", "-F", work + "/snap/disk")
        run("mount", "-o", "loop,commit=600", work + "/snap/disk", work + "/dur")
        mounted.append(work + "/dur")
        os.chmod(work + "/dur", 0o755)
        yield work + "/dur"
    finally:
        for d in reversed(mounted):
            unmount(d)
        os.unlink(work + "/snap.xfs")


@contextlib.contextmanager
def cut(work):
    """the disk as it is now, after its journal was replayed, at WORK/look"""
    run("cp", "--reflink=always", work + "/snap/disk", work + "/snap/cut")
    try:
        run("mount", "-o", "loop", work + "/snap/cut", work + "/look")
        try:
            yield work + "/look"
        finally:
            unmount(work + "/look")
    finally:
        os.unlink(work + "/snap/cut")


def block(work, subject):
    """-> complaints"""
    faults, wanted, losses, torn, left = [], set(), 0, 0, 0
    below = os.path.relpath(subject.box, work + "/dur")
    os.sync()
    for n in range(CUTS):
        tag = "cut%d" % n
        if not subject.send(tag):
            continue
        wanted.add(tag)
        with cut(work) as image:
            box = os.path.join(image, below)
            lost, broken, _ = mail.look(box, wanted)
            left = max(left, len(mail.files(box, "tmp")))
        losses += bool(lost)
        torn += len(broken)
        if lost or broken:
            print("   cut after %s: lost %s, torn %s" % (tag, lost, broken))
    print("   %d acknowledged, %d cuts with a loss, %d torn, %d in tmp/" % (len(wanted), losses, torn, left))
    if losses:
        faults.append("%d of %d cuts lost acknowledged mail" % (losses, len(wanted)))
    if torn:
        faults.append("%d torn" % torn)
    if len(wanted) < CUTS:
        faults.append("only %d of %d deliveries were acknowledged" % (len(wanted), CUTS))
    if subject.removes:
        faults += removal(work, subject, below)
    return faults


def removal(work, subject, below):
    there = len(mail.files(subject.box, "new", "cur"))
    if not subject.remove():
        return ["the removal was not confirmed"]
    with cut(work) as image:
        back = len(mail.files(os.path.join(image, below), "new", "cur"))
    print("   a confirmed removal of %d messages: %d are back after the cut" % (there, back))
    return ["%d of %d removed messages came back" % (back, there)] if back or not there else []
