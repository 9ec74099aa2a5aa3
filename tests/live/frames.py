"""frames: the messages between the processes, for tests that play one of them against a real other."""
import array
import os
import re
import socket
import struct

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
    """(name, door, n, numbers, texts), or None at the end"""
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
