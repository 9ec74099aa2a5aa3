"""The index beside a Maildir, on a running server: an unchanged maildrop is not scanned, and what becomes of the index ends at
most the session that reads it."""
import errno
import os
import re
import subprocess
import sys
import time

import pytest
import tracing
from bed import Bed
from test_walls import refusing

CALLS_OF_A_LOGIN = 12  # of the store: maildrop, lock, index, its head, new/ and cur/; and at the end what was opened
CALLS_OF_A_POLL = CALLS_OF_A_LOGIN + 4  # and the two listings


def message(i):
    return b"From: a@example.test\r\nSubject: %d\r\n\r\nnumber %d\r\n" % (i, i)


def index_of(bed, name):
    return bed.maildir(name) + "/bustia-index"


def put(bed, name, base, text=b"Subject: x\n\nx\n", sub="new"):
    """as another program delivers"""
    box = bed.maildir(name)
    path = "%s/%s/%s" % (box, sub, base)
    with open(path, "wb") as f:
        f.write(text)
    st = os.stat(box)
    os.chown(path, st.st_uid, st.st_gid)


def poll(bed, name):
    p = bed.login(name)
    out = p.stat(), p.multi("LIST"), p.multi("UIDL")
    p.quit()
    return out


def kept(bed, name, secs=5):
    """a session whose findings have been kept: it may be done after the client has his answers"""
    start = len(bed.log())
    out = poll(bed, name)
    bed.wait_log(r'session: user="%s" .*end=' % name, start=start)
    end, seen, since = time.monotonic() + secs, None, time.monotonic()
    while (seen is None or time.monotonic() - since < 0.1) and time.monotonic() < end:
        time.sleep(0.02)
        now = os.stat(index_of(bed, name)) if os.path.exists(index_of(bed, name)) else None
        now = now and (now.st_ino, now.st_size, now.st_mtime_ns)
        if now != seen:
            seen, since = now, time.monotonic()
    return out


def worker_of(bed, name):
    uid = str(os.stat(bed.maildir(name)).st_uid)
    return next(w for w in bed.roles()["mail"] if re.search(r"^Uid:\s+%s\b" % uid, open("/proc/%d/status" % w).read(), re.M))


def joined(lines):
    """a call in whose midst another thread made one is one line again"""
    begun = {}
    for line in lines:
        pid = line.split(None, 1)[0]
        half, resumed = re.match(r"(.*) <unfinished \.\.\.>$", line), re.match(r"\S+ <\.\.\. \w+ resumed>(.*)", line, re.S)
        if half:
            begun[pid] = half[1]
        elif resumed and pid in begun:
            yield begun.pop(pid) + resumed[1]
        else:
            yield line
    yield from (half + "\n" for half in begun.values())


def traced(bed, name, session):
    """the store's system calls of a session, by strace"""
    trace = bed.dir + "/trace-index"
    calls = "openat,openat2,getdents64,newfstatat,fstat,statx,pread64,flock,close,write,pwrite64,renameat,renameat2,unlinkat,readlinkat"
    s = tracing.attach(worker_of(bed, name), trace, "-y", "-e", "trace=" + calls)
    try:
        session()
        tracing.quiet(trace)
    finally:
        s.terminate()
        s.communicate()
    box = re.escape(re.sub(r"^/proc/\d+/root", "", bed.maildir(name)))
    with open(trace) as f:
        return [line for line in joined(f) if re.search(box, line) or re.search(r"openat2?\(.*\"%s\"" % re.escape(os.path.basename(bed.maildir(name))), line)]


# As a mail process asks, but with no wall around it: is told of what comes to a directory?
TOLD = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def must(what, n):
    if n < 0:
        sys.exit("%s: %s" % (what, os.strerror(ctypes.get_errno())))
    return n
fd = int(sys.argv[1])
group = must("fanotify_init", libc.fanotify_init(0xC03, 0x80000))  # FAN_REPORT_DFID_NAME, FAN_NONBLOCK, FAN_CLOEXEC
must("fanotify_mark", libc.fanotify_mark(group, 1, ctypes.c_uint64(0x400003C0), fd, None))
handle = ctypes.create_string_buffer((40).to_bytes(4, sys.byteorder) + bytes(44), 48)
must("name_to_handle_at", libc.name_to_handle_at(fd, b"", handle, ctypes.byref(ctypes.c_int()), 0x1000))
"""
LOCAL = {"ef53", "58465342", "9123683e", "1021994", "f2f52010"}  # ext4, XFS, btrfs, tmpfs, F2FS


def not_told(bed, name):
    """why this kernel does not tell of what comes to a maildrop; "" where it does"""
    box = bed.maildir(name)
    kind = subprocess.run(["stat", "-f", "-c", "%t", box], capture_output=True, text=True, check=True).stdout.strip()
    if kind not in LOCAL:
        return "file system of type %s" % kind
    st = os.stat(box)
    kw = {"user": st.st_uid, "group": st.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    fd = os.open(box + "/new", os.O_RDONLY)
    try:
        p = subprocess.run([sys.executable, "-c", TOLD, str(fd)], capture_output=True, text=True, cwd="/", pass_fds=[fd], **kw)
    finally:
        os.close(fd)
    return "" if p.returncode == 0 else p.stderr.strip() or "status %d" % p.returncode


@pytest.fixture
def name(bed):
    """a maildrop of 30 messages"""
    user = bed.pool(17)[0]
    bed.empty(user)
    for i in range(30):
        put(bed, user, "17000000%02d.a" % i, message(i), "cur" if i % 3 else "new")
    time.sleep(0.05)  # what has changed within this tick of the clock would be counted again
    yield user
    bed.empty(user)


@pytest.mark.root
def test_unchanged_is_not_scanned(bed, name):
    first = kept(bed, name)
    calls = traced(bed, name, lambda: bed.login(name).quit())
    assert not [c for c in calls if "getdents64" in c] and len(calls) <= CALLS_OF_A_LOGIN, "".join(calls)
    seen = []
    calls = traced(bed, name, lambda: seen.append(poll(bed, name)))
    assert seen == [first]
    assert not [c for c in calls if "getdents64" in c] and len(calls) <= CALLS_OF_A_POLL, "".join(calls)
    assert os.stat(index_of(bed, name)).st_mode & 0o777 == 0o600
    put(bed, name, "1700000099.z")  # and when something comes, only that is opened
    calls = traced(bed, name, lambda: poll(bed, name))
    assert len([c for c in calls if "getdents64" in c]) >= 1
    assert len([c for c in calls if re.search(r"openat2?\(.*/(new|cur)>, \"\d", c)]) == 1, "".join(calls)


@pytest.mark.root
def test_delivered_renamed_removed_by_others(bed, name):
    kept(bed, name)
    box = bed.maildir(name)
    m = bed.mail()
    assert m.deliver(name, message(99))[0].startswith(b"250")
    m.close()
    assert poll(bed, name)[0][0] == 31
    os.rename(box + "/new/1700000003.a", box + "/cur/1700000003.a:2,S")
    uids = kept(bed, name)[2]
    os.unlink(box + "/cur/1700000003.a:2,S")
    assert [u.split()[1] for u in poll(bed, name)[2]] == [u.split()[1] for u in uids if b"1700000003.a" not in u]


def room(call):
    """octets that a getdents64 asks for"""
    m = re.search(r", (\d+)\)", call)
    return int(m[1]) if m else 0


@pytest.mark.root
def test_large_is_told_of_what_comes(bed):
    """behind all walls: no directory is read for one message more, and it is served. (One entry of each is asked for, to pass its lock)"""
    name = bed.pool(18)[0]
    bed.empty(name)
    if why := not_told(bed, name):
        pytest.skip("not told of what comes: " + why)
    try:
        for i in range(1000):
            put(bed, name, "1700%06d.a" % i, message(i), "cur" if i % 3 else "new")
        time.sleep(0.05)
        kept(bed, name)
        poll(bed, name)  # from here on it is told
        for i in range(3):
            put(bed, name, "18000000%02d.z" % i, message(i))
            time.sleep(0.05)
            seen = []
            calls = traced(bed, name, lambda: seen.append(poll(bed, name)))
            assert seen[0][0][0] == 1001 + i and seen[0][2][-1].split() == [b"%d" % (1001 + i), b"18000000%02d.z" % i]
            read = [c for c in calls if "getdents64(" in c]
            assert len(read) <= 2 and not [c for c in read if room(c) > 300], "".join(calls) + bed.log()[-2000:]
            assert len([c for c in calls if re.search(r"openat2?\(.*/(new|cur)>, \"\d", c)]) == 1, "".join(calls)
            assert len(calls) <= CALLS_OF_A_POLL + 30, "".join(calls)
            p = bed.login(name)
            assert p.retr(1001 + i) == message(i) and p.retr(1) == message(0)
            p.quit()
        os.rename(bed.maildir(name) + "/new/1800000000.z", bed.maildir(name) + "/cur/1800000000.z:2,S")
        os.unlink(bed.maildir(name) + "/new/1700000003.a")
        put(bed, name, "1800000009.z")
        assert [u.split()[1] for u in poll(bed, name)[2]] == [u.split()[1] for u in seen[0][2] if b"1700000003.a" not in u] + [b"1800000009.z"]
    finally:
        bed.empty(name)


class Untold(Bed):
    """a server whose kernel marks no directory, as of an overlay or of a subvolume"""

    def _run(self, argv, **kw):
        call = {"x86_64": 301, "aarch64": 263}.get(os.uname().machine)
        if call is None:
            pytest.skip("the call's number is not known here")
        return super()._run(refusing(call, errno.EXDEV) + argv if argv[1] in ("up", "restart") else argv, **kw)


def test_large_is_served_where_nothing_is_told():
    """and why is said once for the device"""
    bed = Untold()
    try:
        name = bed.pool(1)[0]
        for i in range(1000):
            put(bed, name, "1700%06d.a" % i, message(i))
        time.sleep(0.05)
        for i in range(3):
            put(bed, name, "18000000%02d.z" % i, message(i))
            assert kept(bed, name)[0][0] == 1001 + i
        told = re.findall(r"the kernel does not tell of new messages.*", bed.log())
        assert len(told) == len(bed.roles()["mail"]) == 1 or "fanotify_init" in told[0], told
        assert re.search(r"on device \d+:\d+: \w+: |fanotify_init", told[0]), told
    finally:
        bed.close()


def test_with_a_process_for_each_session(own_bed):
    """mail_sessions = 1: in what Landlock leaves of one maildrop it is written and read as well"""
    bed = own_bed("mail_sessions=1")
    name = bed.pool(1)[0]
    bed.seed(name, [message(i) for i in range(3)])
    time.sleep(0.05)
    first = kept(bed, name)
    before = os.stat(index_of(bed, name))
    assert poll(bed, name) == first
    after = os.stat(index_of(bed, name))
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert "bustia-index" not in bed.log()


def test_cut_while_it_is_sent(own_bed):
    """more listings than wait on their way: where one cannot be brought to its end, the session ends in its midst; where it has not
    begun, it is found out anew. The process and the other sessions go on"""
    bed = own_bed()
    name, other = bed.pool(2)[0], bed.pool(3)[0]
    bed.seed(other, [message(1)])
    bed.login(name).quit()
    for i in range(3000):
        put(bed, name, "1700%06d.%s" % (i, "a" * 58), b"")
    time.sleep(0.05)
    whole = kept(bed, name)
    listing = b"".join(line + b"\r\n" for line in whole[2]) + b".\r\n"
    bystander = bed.login(other)
    p = bed.login(name)
    p.send("UIDL\r\n" * 60 + "QUIT\r\n")
    assert p.line().startswith(b"+OK") and p.body() + b".\r\n" == listing  # the next ones are on their way
    os.truncate(index_of(bed, name), 5000)
    got = p.rest()
    listings = [g.split(b"\r\n", 1)[1] for g in re.split(rb"(?m)^\+OK", got)[1:]]
    complete = [g for g in listings if g.endswith(b"\r\n.\r\n")]
    assert set(complete) <= {listing}
    assert len(complete) == 59 and got.endswith(b"\r\n") or not got.endswith(b"\r\n.\r\n") and listing.startswith(listings[-1])
    assert bystander.stat()[0] == 1
    bystander.quit()
    assert poll(bed, name) == whole


def test_where_nothing_can_be_written(own_bed):
    """served without it; said once"""
    bed = own_bed()
    name = bed.pool(4)[0]
    bed.seed(name, [message(i) for i in range(3)])
    time.sleep(0.05)
    if os.geteuid() == 0 and os.stat(bed.maildir(name)).st_uid == 0:
        pytest.skip("rights do not bind this maildrop's owner")
    os.chmod(bed.maildir(name), 0o500)
    try:
        first = poll(bed, name)
        assert poll(bed, name) == first and first[0][0] == 3
        assert sorted(os.listdir(bed.maildir(name))) == ["cur", "new", "tmp"]
    finally:
        os.chmod(bed.maildir(name), 0o700)
    assert bed.log().count("bustia-index cannot be written") == 1
    kept(bed, name)
    assert poll(bed, name) == first and os.path.exists(index_of(bed, name))
