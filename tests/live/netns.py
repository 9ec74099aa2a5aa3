"""netns: two network namespaces with a cable between them that a test can cut, so that packets are lost and nobody is told."""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Cable:
    """`here` and `there`, joined by a switch in a third one: who is at one end does not see that the other end has come off"""

    HERE, THERE = "192.0.2.1", "192.0.2.2"

    def __init__(self):
        self.names = {what: "bustia-%d-%s" % (os.getpid(), what) for what in ("here", "there", "switch")}
        try:
            for name in self.names.values():
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            switch = self.names["switch"]
            ip("-n", switch, "link", "add", "switch", "type", "bridge")
            ip("-n", switch, "link", "set", "switch", "up")
            for what, address in (("here", self.HERE), ("there", self.THERE)):
                ip("-n", self.names[what], "link", "add", "wire", "type", "veth", "peer", "name", what, "netns", switch)
                ip("-n", self.names[what], "address", "add", address + "/24", "dev", "wire")
                ip("-n", self.names[what], "link", "set", "wire", "up")
                ip("-n", switch, "link", "set", what, "up", "master", "switch")
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def inside(self, what):
        """sockets and processes that are made now are there"""
        old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            new = os.open("/run/netns/" + self.names[what], os.O_RDONLY)
            try:
                setns(new)
            finally:
                os.close(new)
            yield
        finally:
            setns(old)
            os.close(old)

    def cut(self):
        ip("-n", self.names["switch"], "link", "set", "there", "down")

    def mend(self):
        ip("-n", self.names["switch"], "link", "set", "there", "up")

    def close(self):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
