"""frames: the messages between the processes, for tests that play one of them against a real other."""
import array
import os
import re
import resource
import socket
import struct
import subprocess

from bed import TOP

NUMS = 10
HEAD = struct.Struct("=I%dI4HIQQ" % NUMS)


def types():
    """{"LOG": 0, …} as src/daemon/talk.h numbers them"""
    with open(TOP + "/src/daemon/talk.h") as f:
        body = re.search(r"enum talk_type \{(.*?)TALK_TYPES", f.read(), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return {name: n for n, name in enumerate(re.findall(r"TALK_(\w+)", body))}


TYPES = types()
NAMES = {n: name for name, n in TYPES.items()}


def let_through(path):
    """the numbers that roles run as must get through pytest's folders"""
    while path != "/tmp":
        os.chmod(path, 0o755)
        path = os.path.dirname(path)


def start(words, conf, log_path, descriptors_most=None, env=None):
    """a role as the master starts it, up to its LOG: (the process, our end of its channel, its log)"""
    master, theirs = pair()
    memory = os.memfd_create("conf")
    os.write(memory, conf.encode() if isinstance(conf, str) else conf)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def descriptors():
        a, b = os.dup(theirs.fileno()), os.dup(memory)
        while a in (3, 4):
            a = os.dup(a)
        while b in (3, 4):
            b = os.dup(b)
        os.dup2(a, 3)
        os.dup2(b, 4)
        if descriptors_most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors_most, descriptors_most))

    process = subprocess.Popen(words, preexec_fn=descriptors, pass_fds=(3, 4), stderr=log, env=dict(os.environ, **(env or {})))
    theirs.close()
    os.close(memory)
    send(master, "LOG", fd=log)
    return process, master, log


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock, kind, door=0, n=0, num=(), texts=(), fd=None):
    num = tuple(num) + (0,) * (NUMS - len(num))
    texts = [t.encode() if isinstance(t, str) else t for t in texts] + [b""] * (4 - len(texts))
    data = HEAD.pack(TYPES[kind], *num, *[len(t) for t in texts], 0, door, n) + b"".join(texts)
    if fd is None:
        sock.send(data)
    else:
        sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def receive(sock, timeout=10):
    """(name, door, n, numbers, texts), or None at the end; without TERMS, which auth tells its doors when it has looked them up"""
    while True:
        got = receive_any(sock, timeout)
        if not got or got[0] != "TERMS":
            return got


def receive_any(sock, timeout=10):
    sock.settimeout(timeout)
    data, anc, _, _ = sock.recvmsg(65536, 1024)
    for _, _, fds in anc:
        a = array.array("i")
        a.frombytes(fds[:len(fds) - len(fds) % a.itemsize])
        for fd in a:
            os.close(fd)
    return parse(data) if data else None


def parse(data):
    h = HEAD.unpack_from(data)
    at, texts = HEAD.size, []
    for size in h[1 + NUMS:5 + NUMS]:
        texts.append(data[at:at + size])
        at += size
    return NAMES.get(h[0]), h[-2], h[-1], h[1:1 + NUMS], texts
