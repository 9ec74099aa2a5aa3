"""Maildrops on the file systems of which the kernel is believed (src/store/maildir_place.c), each in a file of its own: what is not scanned, what
is told, what comes back from a snapshot or after a power cut. (ext4 and tmpfs are what the other tests run on; F2FS is tried nowhere.)"""
import fcntl
import os
import re
import shutil
import struct
import subprocess
import time

import pytest
from bed import TESTBED
from test_faults import PrivateBed
from test_index import CALLS_OF_A_POLL, index_of, kept, message, not_told, poll, put, room, traced

pytestmark = pytest.mark.root

MANY = 1000  # from so many on the kernel is asked (MAILDIR_WATCH_LEAST)
KINDS = {  # each as small as it may be: package, command, MB
    "ext4": ("e2fsprogs", ["mkfs.ext4", "-q", "-F"], 32),
    "xfs": ("xfsprogs", ["mkfs.xfs", "-q", "-f"], 300),
    "btrfs": ("btrfs-progs", ["mkfs.btrfs", "-q", "-f"], 112),
}
SUBVOLUME, SNAPSHOT = 0x5000940E, 0x50009401  # BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SNAP_CREATE


class Disk:
    """a file system in a file, mounted below the mail of a server in a mount namespace of its own, and one maildrop on it"""

    def __init__(self, bed, kind, name):
        self.bed, self.kind, self.name = bed, kind, name
        self.image, self.where = "%s/%s.image" % (bed.dir, kind), "%s/mail/%s" % (bed.dir, kind)
        os.makedirs(self.where, exist_ok=True)  # again after a skip
        bed.boxes[name] = self.where + "/box"

    def make(self, words, megabytes):
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        subprocess.run(words + [self.image], check=True, capture_output=True)
        self.mount()
        os.chmod(self.path(), 0o755)
        self.subvolume("box") if self.kind == "btrfs" else os.mkdir(self.path("box"))
        pool = self.bed.target["pool"]
        for sub in ("box", "box/new", "box/cur", "box/tmp"):
            os.makedirs(self.path(sub), exist_ok=True)
            os.chown(self.path(sub), pool["uid"], pool["gid"])
            os.chmod(self.path(sub), 0o700)
        self.bed.tool("user", "set", self.name, "--store", "maildir:" + self.where + "/box")

    def mount(self):
        try:
            self.bed.inside("mount", "-o", "loop", self.image, self.where)
        except RuntimeError as e:
            with open("/proc/filesystems") as f:
                if "\t%s\n" % self.kind not in f.read():  # it had its chance to load a module
                    pytest.skip("this kernel has no " + self.kind)
            if re.search("loop device|not permitted", str(e)):  # a container may have the one without the right to use it
                pytest.skip("no loop device can be mounted: " + str(e))
            raise

    def path(self, below="."):
        return "/proc/%d/root%s/%s" % (self.bed.pid, self.where, below)

    def subvolume(self, name, of=None):
        """an empty one, or a snapshot"""
        source = of and os.open(self.path(of), os.O_RDONLY)
        folder = os.open(self.path(), os.O_RDONLY)
        fcntl.ioctl(folder, SNAPSHOT if of else SUBVOLUME, bytearray(struct.pack("=q4088s", source or 0, name.encode())))
        os.close(folder)
        if of:
            os.close(source)

    def boot(self, orderly):
        """mounted again; else as if the power had been cut: what has reached the disk is all that is there from now on"""
        if not orderly:
            subprocess.run(["cp", "--sparse=always", self.image, self.image + ".cut"], check=True)
        self.bed.inside("umount", self.where)
        if not orderly:
            os.rename(self.image + ".cut", self.image)
        self.mount()

    def replace(self, name):
        """the maildrop by this one; it lies aside then"""
        os.rename(self.path("box"), self.path("aside"))
        os.rename(self.path(name), self.path("box"))


class DiskBed(PrivateBed):
    def __init__(self):
        self.boxes = {}
        super().__init__()

    def maildir(self, name):
        return "/proc/%d/root%s" % (self.pid, self.boxes[name])

    def restart(self):
        return int(self.inside(TESTBED, "restart", self.dir))


@pytest.fixture(scope="module")
def disk_bed():
    b = DiskBed()
    yield b
    b.close()


@pytest.fixture(scope="module")
def disks():
    return {}


@pytest.fixture
def disk(disk_bed, disks, peer, request):
    kind = request.param
    if kind not in disks:
        if not os.path.exists("/dev/loop-control"):
            pytest.skip("this kernel has no loop devices")
        package, words, megabytes = KINDS[kind]
        found = shutil.which(words[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        words = words if found else peer(package) + words
        new = Disk(disk_bed, kind, disk_bed.pool(20 + list(KINDS).index(kind))[0])
        new.make(words, megabytes)
        disks[kind] = new
    for path in disk_bed.files(disks[kind].name):
        os.unlink(path)
    return disks[kind]


def uids(polled):
    return [u.split()[1] for u in polled[2]]


def deliver(bed, name, i):
    m = bed.mail()
    assert m.deliver(name, message(i))[0].startswith(b"250")
    m.close()


def bodies(bed, name, *numbers):
    p = bed.login(name)
    out = [p.retr(n) for n in numbers]
    p.quit()
    return out


def fill(disk, n):
    for i in range(n):
        put(disk.bed, disk.name, "1700%06d.a" % i, message(i), "cur" if i % 3 else "new")
    time.sleep(0.05)  # what has changed within this tick of the clock would be counted again


@pytest.mark.parametrize("disk", ["xfs", "btrfs"], indirect=True)
def test_told_delivered_drained_restarted(disk):
    bed, name = disk.bed, disk.name
    fill(disk, MANY)
    first = kept(bed, name)
    assert uids(first) == [b"1700%06d.a" % i for i in range(MANY)]
    why_not = not_told(bed, name)
    assert not why_not or disk.kind == "btrfs", why_not  # of a subvolume before Linux 6.8
    poll(bed, name)  # from here on it is told
    seen = []

    def unchanged_then_one_more():
        seen.append(poll(bed, name))
        deliver(bed, name, MANY)
        time.sleep(0.05)
        seen.append(poll(bed, name))

    calls = traced(bed, name, unchanged_then_one_more)
    assert seen[0] == first and seen[1][0][0] == MANY + 1 and uids(seen[1])[:-1] == uids(first)
    read = [c for c in calls if "getdents64(" in c]
    if not why_not:
        assert len(read) <= 2 and not [c for c in read if room(c) > 300], "".join(calls) + bed.log()[-2000:]
        assert len(calls) <= 2 * CALLS_OF_A_POLL + 30, "".join(calls)
    p = bed.login(name)
    for word in ("RETR", "DELE"):
        assert p.retr(MANY) == message(MANY - 1)
        p.send("".join("DELE %d\r\n" % (i + 1) for i in range(MANY - 5)) if word == "DELE" else "")
    for _ in range(MANY - 5):
        assert p.line().startswith(b"+OK")
    assert p.quit().startswith(b"+OK")
    left = kept(bed, name)
    assert uids(left) == uids(seen[1])[MANY - 5:] and len(bed.files(name)) == 6
    bed.restart()  # and nothing is marked: beside another's marks a subvolume takes none
    assert poll(bed, name) == left and os.path.exists(index_of(bed, name))


@pytest.mark.parametrize("disk", KINDS, indirect=True)
def test_what_a_power_cut_has_left_in_a_directory(disk):
    """a file that another program has synced, and not its directory: btrfs brings it back, under the ctime that the directory had before"""
    bed, name = disk.bed, disk.name
    fill(disk, 3)
    before = kept(bed, name)
    os.sync()
    device = os.stat(bed.maildir(name)).st_dev
    put(bed, name, "1900000000.x", message(7))
    fd = os.open(bed.maildir(name) + "/new/1900000000.x", os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    disk.boot(orderly=False)
    for _ in range(8):  # btrfs makes up the numbers of its devices; where all is mounted in turn they are those of before
        if os.stat(bed.maildir(name)).st_dev != device:
            disk.boot(orderly=True)
    assert os.path.exists(bed.maildir(name) + "/new/1900000000.x")
    for _ in range(2):
        after = kept(bed, name)
        assert uids(after) == uids(before) + [b"1900000000.x"] and after[0][0] == len(bed.files(name))
        assert bodies(bed, name, 4) == [message(7)]


@pytest.mark.parametrize("disk,how", [("btrfs", "snapshot"), ("xfs", "reflinks")], indirect=["disk"])
def test_brought_back(disk, how):
    """as it was, in the place of what it has become since, and the other way round"""
    bed, name = disk.bed, disk.name
    fill(disk, 10)
    first = kept(bed, name)
    texts = bodies(bed, name, 1, 10)
    if how == "snapshot":
        disk.subvolume("copy", of="box")
        assert os.stat(disk.path("copy/new")).st_ino == os.stat(disk.path("box/new")).st_ino
    else:
        subprocess.run(["cp", "-a", "--reflink=always", disk.path("box"), disk.path("copy")], check=True)
    deliver(bed, name, 20)
    p = bed.login(name)
    p.ok("DELE 1")
    assert p.quit().startswith(b"+OK")
    changed = kept(bed, name)
    assert changed[0][0] == 10 and uids(changed)[:-1] == uids(first)[1:]
    disk.replace("copy")
    assert kept(bed, name) == first  # and by the index that was made then
    assert poll(bed, name) == first and bodies(bed, name, 1, 10) == texts
    deliver(bed, name, 21)
    assert uids(kept(bed, name))[:-1] == uids(first)
    os.rename(disk.path("aside"), disk.path("changed"))
    disk.replace("changed")
    assert poll(bed, name) == changed and bodies(bed, name, 1, 9) == [message(1), message(9)]
    shutil.rmtree(disk.path("aside"))
