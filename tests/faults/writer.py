"""writer: delivers one message into a Maildir, with or without what makes it last. powercut.py must find those that lack it.

    writer.py KIND MAILDIR TAG       prints "ACK TAG" when it holds the message for safe

KIND   none         writes in tmp/, renames into new/
       file         and syncs the file
       dir          or the directory
       both         or both: this one is right
       torn         syncs both, but writes in new/
       modern       as both, by openat2 and renameat2
       modern-nodir the same without the directory
"""
import ctypes
import os
import sys

KINDS = "none file dir both torn modern modern-nodir".split()
LIBC = ctypes.CDLL(None, use_errno=True)
OPENAT2 = 437
RENAME_NOREPLACE, RESOLVE_BENEATH = 1, 8
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def message(tag):
    """30 kB; the last line tells a whole one from a torn one"""
    return b"Subject: %s\n\n" % tag.encode() + (b"a line of text, as long as lines of mail are: sixty-four octets\n" * 470) + b"END\n"


def create(kind, box, name):
    if not kind.startswith("modern"):
        return os.open("%s/%s" % (box, name), FLAGS, 0o600)
    root = os.open(box, os.O_RDONLY | os.O_DIRECTORY)
    how = (ctypes.c_uint64 * 3)(FLAGS, 0o600, RESOLVE_BENEATH)
    return checked(LIBC.syscall(OPENAT2, root, name.encode(), how, ctypes.sizeof(how)))


def move(kind, box, old, new):
    if kind.startswith("modern"):
        root = os.open(box, os.O_RDONLY | os.O_DIRECTORY)
        checked(LIBC.renameat2(root, old.encode(), root, new.encode(), RENAME_NOREPLACE))
    else:
        os.rename("%s/%s" % (box, old), "%s/%s" % (box, new))


def deliver(kind, box, tag):
    first = ("new/" if kind == "torn" else "tmp/") + tag
    fd, text = create(kind, box, first), message(tag)
    for i in range(0, len(text), 4096):
        os.write(fd, text[i:i + 4096])
    if kind not in ("none", "dir"):
        os.fsync(fd)
    os.close(fd)
    if kind != "torn":
        move(kind, box, first, "new/" + tag)
    if kind in ("dir", "both", "torn", "modern"):
        new = os.open(box + "/new", os.O_RDONLY)
        os.fsync(new)
        os.close(new)


if __name__ == "__main__":
    deliver(*sys.argv[1:4])
    os.write(1, b"ACK %s\n" % sys.argv[3].encode())
