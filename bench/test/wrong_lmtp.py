#!/usr/bin/python3
"""lmtpload must refuse wrong servers: plays one fault at a time and checks its exit status.
   wrong_lmtp.py PATH_TO_LMTPLOAD"""
import socket
import subprocess
import sys
import threading


def serve(server, fault):
    while True:
        try:
            c, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=session, args=(c, fault), daemon=True).start()


def session(c, fault):
    f, say = c.makefile("rb"), c.sendall
    try:
        say(b"420 no\r\n" if fault == "greeting" else b"220 here\r\n")
        for line in f:
            word = line.split()[0].upper()
            if word == b"LHLO":
                say(b"250-here\r\n250 PIPELINING\r\n" if fault != "bare lf" else b"250 here\n")
            elif word == b"MAIL":
                say(b"451 later\r\n" if fault == "mail" else b"250 ok\r\n")
            elif word == b"RCPT":
                say(b"550 nobody\r\n" if fault == "rcpt" else b"250 ok\r\n")
            elif word == b"DATA":
                say(b"250 what\r\n" if fault == "data" else b"354 go\r\n")
                size = 0
                for part in f:
                    if part == b".\r\n":
                        break
                    size += len(part)
                if fault == "hang":
                    continue
                if fault == "end":
                    c.close()
                    return
                say(b"452 full\r\n" if fault == "message" or size != 8192 else b"250 ok\r\n250 twice\r\n" if fault == "twice" else b"250 ok\r\n")
            elif word == b"QUIT":
                say(b"221 bye\r\n")
    except (OSError, IndexError):
        pass


bad = 0
for fault in (None, "greeting", "bare lf", "mail", "rcpt", "data", "message", "twice", "hang", "end"):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(16)
    threading.Thread(target=serve, args=(s, fault), daemon=True).start()
    p = subprocess.run([sys.argv[1], "--port", str(s.getsockname()[1]), "--conns", "3", "--count", "9", "--timeout", "2"], capture_output=True, text=True)
    good = p.returncode == (0 if fault is None else 1)
    bad += not good
    print("%-4s %-9s exit %d  %s" % ("ok" if good else "BAD", fault, p.returncode, p.stderr.strip()[:110]))
    s.close()
sys.exit(bad != 0)
