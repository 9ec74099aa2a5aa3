"""The walls of a running server, seen from outside: rights, root directories, descriptors, memory, and how the programs are linked."""
import errno
import os
import re
import subprocess
import sys

import pytest
from bed import Bed, Mail, wire

ROOT = os.geteuid() == 0
CHILDREN = ("door", "auth", "mail", "deliver", "control")
ROLES = ("master",) + CHILDREN
TEXT = b"From: a@example.test\nSubject: walls\n\nbody\n"

# What the master keeps of root's rights: chown, dac_override, dac_read_search, fowner, kill, setgid, setuid, setpcap,
# net_bind_service, sys_chroot, sys_resource (capabilities(7)).
MASTER_CAPS = sum(1 << n for n in (0, 1, 2, 3, 5, 6, 7, 8, 10, 18, 24))


@pytest.fixture(scope="module")
def bed():
    b = Bed(["mail_idle=1h"])  # what was started once stays
    yield b
    b.close()


@pytest.fixture(scope="module")
def running(bed):
    """{role: pid} of a server with one session in a mail process, and one delivery"""
    bed.seed("t30", [TEXT])
    session = bed.login("t30")
    assert session.retr(1) == wire(TEXT)
    m = Mail(bed)
    assert m.deliver("t33@localhost", wire(TEXT))[0].startswith(b"250")
    m.quit()
    pids = {role: found[-1] for role, found in bed.roles().items()}
    pids["master"] = bed.pid
    assert set(pids) == set(ROLES)
    yield pids
    session.quit()


def status(pid):
    with open("/proc/%s/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def account(bed, role):
    """the number a role runs under"""
    if not ROOT:
        return os.getuid()
    if role in ("master", "mail", "deliver"):
        return 0 if role == "master" else bed.target["pool"]["uid"]
    with open(bed.target["config"]) as f:
        return int(re.findall(r"(?m)^%s_user = (\d+)$" % role, f.read())[-1])


# ---- rights

@pytest.mark.parametrize("role", ROLES)
def test_user(bed, running, role):
    st, uid = status(running[role]), account(bed, role)
    assert set(st["Uid"].split()) == {str(uid)}
    assert set(st["Gid"].split()) == {str(bed.target["pool"]["gid"] if role in ("mail", "deliver") else os.getgid() if not ROOT else uid)}
    if ROOT and role != "master":
        assert st["Groups"].strip() == ""


@pytest.mark.parametrize("role", ROLES)
def test_capabilities(running, role):
    st = status(running[role])
    keep = MASTER_CAPS if ROOT and role == "master" else 0
    for name in ("CapPrm", "CapEff"):
        assert int(st[name], 16) & ~keep == 0, name
    assert int(st["CapInh"], 16) == int(st["CapAmb"], 16) == 0
    if ROOT:
        assert int(st["CapBnd"], 16) & ~keep == 0


@pytest.mark.parametrize("role", ROLES)
def test_no_new_privs_and_seccomp(running, role):
    st, ours = status(running[role]), status("self")
    assert st["NoNewPrivs"].strip() == "1"
    assert st["Seccomp"].strip() == "2"
    # A role's own filter stands on top of the master's, which has its own on top of what we were given.
    own = int(st["Seccomp_filters"]) - int(ours["Seccomp_filters"])
    assert own == (1 if role == "master" else 2)


@pytest.mark.parametrize("role", ROLES)
def test_limits(running, role):
    limits = {}
    with open("/proc/%d/limits" % running[role]) as f:
        for line in f.readlines()[1:]:
            words = re.split(r"\s{2,}", line.strip())
            limits[words[0]] = words[1:3]
    assert limits["Max core file size"] == ["0", "0"]
    assert int(limits["Max open files"][0]) >= 1024
    if role == "master":
        return
    assert limits["Max locked memory"] == limits["Max msgqueue size"] == ["0", "0"]
    if role in ("door", "control"):
        assert limits["Max processes"] == ["0", "0"]


@pytest.mark.parametrize("role", ROLES)
def test_not_for_others_of_its_user(running, role):
    """not dumpable: whoever has the same number can neither trace it nor read its memory"""
    assert os.stat("/proc/%d/mem" % running[role]).st_uid == 0
    if not ROOT:
        with pytest.raises(PermissionError):
            open("/proc/%d/mem" % running[role], "rb")
        with pytest.raises(PermissionError):
            os.listdir("/proc/%d/fd" % running[role])


def test_threads(running):
    """those that have neither a store nor a hash to wait for are one thread"""
    for role in ("master", "door", "control"):
        assert status(running[role])["Threads"].strip() == "1"


# ---- what they see

@pytest.mark.root
@pytest.mark.parametrize("role", ROLES)
def test_root_directory(bed, running, role):
    empty = bed.dir + "/run/empty"
    where = {"master": "/", "auth": bed.dir + "/db"}.get(role, empty)
    for name in ("root", "cwd"):
        if role != "master" or name == "root":
            assert os.path.samefile("/proc/%d/%s" % (running[role], name), where)
    st = os.stat(empty)
    assert os.listdir(empty) == [] and st.st_uid == 0 and st.st_mode & 0o222 == 0
    if role == "auth":
        assert set(os.listdir(where)) <= {"users.db", "users.db-wal", "users.db-shm"}


def sockets():
    """{inode: kind} of all there are"""
    out = {}
    for table in ("tcp", "tcp6"):
        with open("/proc/net/" + table) as f:
            for line in f.readlines()[1:]:
                words = line.split()
                out[words[9]] = "listener" if words[3] == "0A" else "client"
    with open("/proc/net/unix") as f:
        for line in f.readlines()[1:]:
            words = line.split()
            name = os.path.basename(words[7]) if int(words[3], 16) & 0x10000 and len(words) > 7 else None
            out[words[6]] = {"control.sock": "control socket", "lmtp": "listener"}.get(name, {"0005": "channel"}.get(words[4], "?"))
    return out


def kinds(bed, pid):
    """how many descriptors of each kind a process holds"""
    known, out = sockets(), {}
    names = {bed.dir + "/stderr": "stderr", bed.dir + "/log": "log", bed.dir + "/mail": "mail root", "/dev/null": "null",
             bed.dir + "/bustiad.pid": "pid file", bed.cert: "certificate", bed.dir + "/key.pem": "key",
             bed.dir + "/client.pem": "client issuers"}
    for fd in os.listdir("/proc/%d/fd" % pid):
        to = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        if to.startswith("socket:["):
            kind = known.get(to[8:-1], "?")
        elif to.startswith(("anon_inode:[event", "pipe:")):
            kind = "loop"
        elif to.startswith("/memfd:bustia.conf"):
            kind = "configuration"
        elif to.startswith("/memfd:bustia.pem"):  # certificates, keys and issuers, as they were when they last fitted
            kind = "certificates"
        elif to.startswith(bed.maildir("t30")):
            kind = "maildrop"
        elif to.startswith(bed.dir + "/db/users.db"):
            kind = "database"
        elif to.startswith(os.path.dirname(bed.programs["bustiad"]) + "/"):
            kind = "program"
        else:
            kind = names.get(to, to)
        out[kind] = out.get(kind, 0) + 1
    return out


EVERYBODY = {"null", "stderr", "log", "channel", "loop"}
ALSO = {
    "door": {"listener"},
    "auth": {"database"},
    "mail": {"mail root", "client", "maildrop"},
    "deliver": {"mail root"},
    "control": {"control socket"},
    "master": {"listener", "control socket", "mail root", "certificates", "pid file", "program", "configuration"},
}


@pytest.mark.root
@pytest.mark.parametrize("role", ROLES)
def test_descriptors(bed, running, role):
    """nobody holds what it needs not: no file of the database or of mail at the door, no key but in the master"""
    held = kinds(bed, running[role])
    assert set(held) == EVERYBODY | ALSO[role], held
    # the door has one of them twice: what it gives up to turn somebody away when no descriptor is left
    assert held.get("listener", 6) == (7 if role == "door" else 6) and held.get("mail root", 1) == 1 and held.get("client", 1) == 1
    assert held["channel"] == {"door": 4, "auth": 5, "mail": 3, "deliver": 3, "control": 2, "master": 5}[role], held


# ---- memory

@pytest.mark.root
def test_fresh_memory(bed, running):
    """a fork shares the places of everything with its parent; a fresh exec has new ones"""
    with open("/proc/sys/kernel/randomize_va_space") as f:
        if f.read().strip() == "0":
            pytest.skip("this kernel gives every process the same places")
    stacks, programs = set(), {}
    for role, pid in running.items():
        with open("/proc/%d/maps" % pid) as f:
            stacks.add(next(line.split("-")[0] for line in f if line.rstrip().endswith("[stack]")))
        programs[role] = os.path.basename(os.readlink("/proc/%d/exe" % pid))
    assert len(stacks) == len(running)
    assert programs == {role: "bustia-mail" if role in ("mail", "deliver") else "bustiad" for role in ROLES}


def memory(pid):
    """all that can be written of a process, and no page that two may share through a file"""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            place, mode, *_ = line.split()
            if "rw" not in mode:
                continue
            start, end = (int(x, 16) for x in place.split("-"))
            mem.seek(start)
            try:
                data = mem.read(end - start)
            except OSError:
                continue
            yield data


def holds(pid, *needles):
    return any(n in data for data in memory(pid) for n in needles)


@pytest.mark.root
def test_no_key_near_secrets_or_mail(bed, running):
    """the door calculates with it; the master, who opens it for the door, has checked that it fits the certificate"""
    s = bed.connect("pop3s")
    s.close()
    out = subprocess.run(["openssl", "ec", "-in", bed.dir + "/key.pem", "-noout", "-text"], capture_output=True, text=True).stdout
    key = bytes.fromhex(re.sub(r"[\s:]", "", re.search(r"priv:([\s0-9a-f:]+)", out).group(1)))[-32:]
    with open(bed.dir + "/key.pem", "rb") as f:
        text = f.read().splitlines()[1]
    needles = (key, key[::-1], text)  # as it is written, as OpenSSL calculates with it, as the file has it
    assert holds(running["door"], *needles)
    assert [role for role in ("auth", "mail", "deliver", "control") if holds(running[role], *needles)] == []


@pytest.mark.root
def test_no_password_stays(bed, running):
    """after a log-in none of the roles has the password in its memory, nor has the log"""
    name, password = bed.user("other")
    for port in ("pop3", "pop3s"):
        bed.login(name, password, port=port).quit()
        s = bed.connect(port)
        assert s.plain(name, password).startswith((b"+OK", b"-ERR [IN-USE]"))
        s.close()
    assert holds(running["door"], b"Bustia") or holds(running["door"], b"bustia")  # the search finds what is there
    assert [role for role in ROLES if holds(running[role], password.encode())] == []
    assert password not in bed.log()


# ---- from inside

def probe(bed, role, *file):
    p = subprocess.run([bed.programs["bustiad"], "-c", bed.target["config"], "--probe", role, *file], capture_output=True, text=True)
    return p.returncode, p.stdout + p.stderr


@pytest.mark.parametrize("role", ROLES)
def test_probe(bed, running, role):
    bed.seed("t31", [TEXT])
    code, text = probe(bed, role, bed.files("t31")[0])
    if ROOT or role not in ("mail", "deliver") or (role == "deliver" and "no-landlock" not in text.splitlines()[0]):
        assert code == 0, text
        assert re.search(r"(?m)^[3-9]\d as expected, 0 not$", text)
    else:
        bad = [line for line in text.splitlines() if line.endswith("NOT OK")]
        assert code != 0 and all(" another's mail" in line for line in bad), text  # its own number's, so its own


@pytest.mark.root
def test_probe_fails_where_a_wall_is_missing(bed):
    """a file below the root that is granted, and that anybody may read, is no other's mail"""
    path = bed.dir + "/mail/everybodys"
    with open(path, "w") as f:
        f.write("mail\n")
    os.chmod(path, 0o644)
    code, text = probe(bed, "mail", path)
    os.unlink(path)
    assert code != 0
    assert [line for line in text.splitlines() if line.endswith("NOT OK")] == [
        "open another's mail by ..: expected EACCES or ENOENT: got success: NOT OK"]


@pytest.mark.asan
def test_probe_leaves_nothing_allocated(bed, tmp_path):
    """told by the build with the sanitizers, which has no walls and says that it cannot be probed"""
    for role in ROLES:
        assert "LeakSanitizer" not in probe(bed, role)[1], role
    p = subprocess.run([bed.programs["bustiad"], "-c", str(tmp_path / "none"), "--probe", "door"], capture_output=True, text=True)
    assert p.returncode == 78 and "LeakSanitizer" not in p.stderr, p.stderr


def test_probe_of_nobody(bed):
    assert probe(bed, "janitor")[0] == 64


# ---- without Landlock: an older kernel

# Answers an errno to one system call, and lets all else through; then runs the rest of the line.
REFUSING = """
import ctypes, os, struct, sys
call, error = int(sys.argv[1]), int(sys.argv[2])
code = b"".join(struct.pack("HBBI", *i) for i in [(0x20, 0, 0, 0), (0x15, 0, 1, call), (6, 0, 0, 0x50000 + error), (6, 0, 0, 0x7fff0000)])
room = ctypes.create_string_buffer(code, len(code))
prog = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(room)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.addressof(prog), 0, 0) == 0
os.execvp(sys.argv[3], sys.argv[3:])
"""


def refusing(call, error):
    return [sys.executable, "-c", REFUSING, str(call), str(error)]


WITHOUT = refusing(444, errno.ENOSYS)  # landlock_create_ruleset, on every architecture


class OldBed(Bed):
    def _run(self, argv, **kw):
        return super()._run(WITHOUT + argv if argv[1] in ("up", "restart") else argv, **kw)


def answers(bed, role, file, prefix=()):
    """{call: what came} of a probe"""
    p = subprocess.run([*prefix, bed.programs["bustiad"], "-c", bed.target["config"], "--probe", role, file], capture_output=True, text=True)
    assert p.stdout, p.stderr
    return dict(re.findall(r"(?m)^(.*?)(?: \(no wall on this system\))?: expected .*: got (\w+): ", p.stdout)), p.stdout


def test_server_without_landlock():
    bed = OldBed()
    try:
        bed.seed("t0", [TEXT])
        p = bed.login("t0", port="pop3s")
        assert p.retr(1) == wire(TEXT)
        p.quit()
        m = Mail(bed)
        assert m.deliver("t0@localhost", wire(TEXT))[0].startswith(b"250")
        m.quit()
        for role in CHILDREN:
            walls = bed.wait_log(r'ready: role=%s .* walls="([^"]*)"' % role).group(1).split()
            assert "no-landlock" in walls and "seccomp" in walls and ("chroot" if ROOT else "no-chroot") in walls
    finally:
        bed.close()


# What only makes the server quicker, and what a container or an older kernel refuses: (x86_64, aarch64), errno.
SPARED = {"fanotify_init": (300, 262, errno.EPERM), "fanotify_mark of a descriptor": (301, 263, errno.EPERM),
          "name_to_handle_at of a descriptor": (303, 264, errno.EPERM), "close_range": (436, 436, errno.ENOSYS)}


@pytest.mark.parametrize("call", SPARED)
def test_probe_where_all_are_refused_a_call(bed, running, call):
    """a wall around the whole server is none of its own"""
    machine = {"x86_64": 0, "aarch64": 1}.get(os.uname().machine)
    if machine is None:
        pytest.skip("the calls' numbers are not known here")
    bed.seed("t31", [TEXT])
    file = bed.files("t31")[0]
    (x86, arm, error), bare = SPARED[call], answers(bed, "mail", file)[1]
    got, text = answers(bed, "mail", file, refusing((x86, arm)[machine], error))
    assert got[call] == errno.errorcode[error], text
    assert [line for line in text.splitlines() if line.endswith("NOT OK")] == [line for line in bare.splitlines() if line.endswith("NOT OK")]


# doc/processes.md, "Without root" and "Without Landlock": who can open what, a row each. The answer with Landlock, then without
# it, for root and for an ordinary user.
REACH = [
    ("door", "mail", "EPERM", ("EPERM", "EPERM")),
    ("door", "database", "EPERM", ("EPERM", "EPERM")),
    ("door", "key", "EPERM", ("EPERM", "EPERM")),
    ("control", "database", "EPERM", ("EPERM", "EPERM")),
    ("auth", "mail", "EACCES", ("ENOENT", "success")),
    ("auth", "key", "EACCES", ("ENOENT", "success")),
    ("mail", "database", "EACCES", ("ENOENT", "success")),
    ("mail", "key", "EACCES", ("ENOENT", "success")),
    ("deliver", "mail", "EACCES", ("ENOENT", "success")),
    ("deliver", "database", "EACCES", ("ENOENT", "success")),
    ("deliver", "key", "EACCES", ("ENOENT", "success")),
]


@pytest.mark.parametrize("role,what,landlock,without", REACH)
def test_reach(bed, running, role, what, landlock, without):
    bed.seed("t32", [TEXT])
    file = {"mail": bed.files("t32")[0], "database": bed.dir + "/db/users.db", "key": bed.dir + "/key.pem"}[what]
    opens = "openat2" if role == "deliver" else "open"
    hidden = {"EACCES", "ENOENT"}  # by another root directory, whichever of permissions and names the kernel looks at first
    for prefix in ([], WITHOUT):
        got, text = answers(bed, role, file, prefix)
        want = without[not ROOT] if "no-landlock" in text.splitlines()[0] else landlock
        assert got[opens + " another's mail"] in (hidden if ROOT and want in hidden else {want}), text
        assert got["kill none"] == "EPERM" and got["ptrace SEIZE parent"] == "EPERM"


@pytest.mark.root
def test_a_deliver_process_reads_no_mail(bed, running):
    """not even that of its own number, below a root that it may write to; where there is no Landlock, permissions alone decide"""
    name, _ = bed.user()  # a mailbox of mail_user, which a probe becomes
    bed.seed(name, [TEXT])
    below = bed.files(name)[0]
    got, text = answers(bed, "deliver", below)
    if "no-landlock" not in text.splitlines()[0]:
        assert got["openat2 another's mail by .."] == "EACCES", text
    got, text = answers(bed, "deliver", below, WITHOUT)
    assert got["openat2 another's mail by .."] == "success" and got["openat2 .. of it, beneath"] == "EXDEV", text
    got, text = answers(bed, "deliver", bed.dir + "/db/users.db", WITHOUT)
    assert got["openat2 another's mail by .."] == "EACCES", text


@pytest.mark.root
def test_climbing_from_a_mail_root(bed, running):
    """its descriptor leads out of the empty root directory: Landlock bars that way; without it only the number does"""
    path = bed.dir + "/readable"
    with open(path, "w") as f:
        f.write("by everybody\n")
    os.chmod(path, 0o644)
    for file, old in ((path, "success"), (bed.dir + "/db/users.db", "EACCES"), (bed.dir + "/key.pem", "EACCES")):
        got, text = answers(bed, "mail", file)
        if "no-landlock" not in text.splitlines()[0]:
            assert got["open another's mail by .."] == "EACCES" and got["open .. of it"] == "EACCES", text
        got, text = answers(bed, "mail", file, WITHOUT)
        assert got["open another's mail by .."] == old and got["open .. of it"] == "success", text
        assert got["openat2 .. of it, beneath"] == "EXDEV"


# ---- the programs

def elf(*args):
    p = subprocess.run(["readelf", "-W", *args], capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    return p.stdout


@pytest.mark.parametrize("program", ["bustiad", "bustia-mail"])
def test_hardened(bed, program):
    path = "%s/%s" % (os.path.dirname(bed.programs["bustiad"]), program)
    assert re.search(r"Type:\s+DYN .Position-Independent Executable", elf("-h", path))
    segments, dynamic = elf("-l", path), elf("-d", path)
    assert "GNU_RELRO" in segments and "BIND_NOW" in dynamic
    assert re.search(r"GNU_STACK(\s+0x[0-9a-f]+){5}\s+RW ", segments)  # not executable
    assert not re.search(r"LOAD(\s+0x[0-9a-f]+){5}\s+RWE", segments)
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic and "TEXTREL" not in dynamic
    assert "__stack_chk_fail" in elf("--dyn-syms", path)


def test_mail_is_linked_with_little(bed):
    """no TLS, SQL or password code is near the mail"""
    path = os.path.dirname(bed.programs["bustiad"]) + "/bustia-mail"
    direct = set(re.findall(r"NEEDED.*\[(lib[a-z]+)", elf("-d", path)))
    assert direct == {"libc", "libevent", "libseccomp", "libnettle"}
    loaded = set(re.findall(r"(?m)^\s+(lib[a-z]+)", subprocess.run(["ldd", path], capture_output=True, text=True).stdout))
    assert loaded == direct


# ---- what it says of itself

def test_the_log_says_which_walls_stand(bed, running):
    lines = [l for l in bed.log().splitlines() if " ready: " in l]
    said = {re.search(r"role=(\w+)", l).group(1): re.search(r'walls="([^"]*)"', l).group(1).split() for l in lines}
    assert set(said) == set(CHILDREN)
    for role, walls in said.items():
        assert ("user" if ROOT else "no-user") in walls and ("chroot" if ROOT else "no-chroot") in walls
        assert "no_new_privs" in walls and "seccomp" in walls and any("landlock" in w for w in walls)
    start = re.search(r"master info start: .*", bed.log()).group(0)
    assert ("not root" in start) == (not ROOT)
