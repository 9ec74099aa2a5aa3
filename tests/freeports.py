"""Ports of the loopback that are free, for servers that take them a little later."""
import fcntl
import os
import socket
import tempfile

FIRST, END = 20000, 32000  # below the range from which the kernel takes client ports, so that no client sits on one when a server starts again


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(n):
    """none that was given to another test lately, which may not have taken it yet: whose turn it is stands in a file that all of them lock"""
    fd = os.open("%s/bustia-test-ports-%d" % (tempfile.gettempdir(), os.getuid()), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        text = f.read()
        port = int(text) if text.isdigit() else FIRST + os.getpid() * 37 % (END - FIRST)
        found = []
        for _ in range(END - FIRST):
            port = port + 1 if FIRST <= port + 1 < END else FIRST
            if is_free(port):
                found.append(port)
            if len(found) == n:
                break
        f.seek(0)
        f.truncate()
        f.write(str(port))
    assert len(found) == n, "no free ports"
    return found


def free_port():
    return free_ports(1)[0]
