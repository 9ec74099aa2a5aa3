"""late: by how much this machine is late at the moment. A limit of time holds for the server; a machine whose processors are all at work
for others wakes it late, and the test that waits for it as well. A process of its own sees that, so that what the test itself computes
does not count."""
import mmap
import os
import signal
import time

STEP = 0.02
ROOM = 1 << 17  # steps that are kept: more than half an hour

_watcher = 0
_seen = None  # doubles, for each step when it ended, and how late all before it were together; a step that is not there yet ended at 0


def _watch(seen, parent):
    n, total, before = 0, 0.0, time.monotonic()
    while os.getppid() == parent:
        time.sleep(STEP)
        now = time.monotonic()
        total += now - before - STEP
        at = n % ROOM * 2
        seen[at + 1], seen[at] = total, now
        n, before = n + 1, now


def begin():
    """watches from now on"""
    global _seen, _watcher
    if _seen is not None:
        return
    seen, parent = memoryview(mmap.mmap(-1, ROOM * 16)).cast("d"), os.getpid()
    _watcher = os.fork()
    if _watcher == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.closerange(0, 1024)
            _watch(seen, parent)
        finally:
            os._exit(0)
    _seen = seen


def late(start, limit, own=0.0):
    """by how many seconds a limit may be exceeded: by what a process that sleeps over and over was late in all since then, but for the
    processor time that the server itself has used meanwhile, and never by more than once the limit"""
    assert os.waitpid(_watcher, os.WNOHANG) == (0, 0), "nobody watches how late this machine is"
    return min(limit, max(0.0, _late(start) - own))


def _late(start):
    now, first, last = time.monotonic(), None, None
    for at in range(0, ROOM * 2, 2):
        when = _seen[at]
        if start <= when <= now:
            first = at if first is None or when < _seen[first] else first
            last = at if last is None or when > _seen[last] else last
        elif not when:
            break
    if first is None:
        return max(0.0, now - start - STEP)
    return _seen[last + 1] - _seen[first + 1] + max(0.0, _seen[first] - start - STEP) + max(0.0, now - _seen[last] - STEP)
