"""Ports of the loopback that are free, for servers that take them a little later."""
import os
import socket
import time


def free_ports(n):
    """Below the range from which the kernel takes client ports, so that no client sits on one when we start again."""
    found, socks = [], []
    base = 20000 + (os.getpid() * 37 + time.monotonic_ns() // 1000) % 10000
    for port in list(range(base, 32000)) + list(range(20000, base)):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            s.close()
            continue
        socks.append(s)
        found.append(port)
        if len(found) == n:
            break
    for s in socks:
        s.close()
    return found


def free_port():
    return free_ports(1)[0]
