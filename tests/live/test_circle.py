"""The circle of the classic picture, over TLS from end to end: `bustia send` -> our SMTP -> our mailbox -> `bustia fetch` from our POP3 ->
`bustia show`; and an answer goes back the same way."""
import glob
import os

import pytest
from collecting import Collecting

pytestmark = pytest.mark.asan


def person(tmp_path, bed, number, name):
    """somebody with a mailbox on the testbed, and an account of it"""
    (tmp_path / name).mkdir()
    where = Collecting(tmp_path / name)
    user, password = bed.pool(number)
    bed.empty(user)
    with open(os.open(where.folder + "/pool", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(password + "\n")
    where.account(bed.ports["pop3s"], name=name, tls="implicit", tls_ca=bed.cert, user=user, password_file=where.folder + "/pool",
                  **{"from": "%s Muster <%s@localhost>" % (name.title(), user), "smtp_server": "localhost:%d" % bed.ports["smtp"], "smtp_tls": "starttls",
                     "smtp_tls_ca": bed.cert, "smtp_auth": "NONE"})
    where.address = user + "@localhost"
    return where


def write(where, text, *words):
    path = where.folder + "/text"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    run = where.bustia("send", "-a", where.file, *words, where.names[0], path)
    assert run.status == 0, run
    return run.out


def read(where, *words):
    run = where.bustia(*words, "-a", where.file)
    assert run.status == 0, run
    return run.out


def test_the_circle(bed, tmp_path):
    anna, ben = person(tmp_path, bed, 27, "anna"), person(tmp_path, bed, 28, "ben")
    with open(anna.folder + "/plan.bin", "wb") as f:
        f.write(bytes(range(256)) * 40)
    assert "sent to 1 recipient" in write(anna, "Grüße, Ben!\n\n.\n..dots\nFrom here\n", "--to", "Ben <%s>" % ben.address, "--subject", "Übung: ein Kreis",
                                          "--attach", anna.folder + "/plan.bin")

    # collected, and read where it lies, without the server
    read(ben, "fetch", "ben")
    shown = read(ben, "show", "--collected", "ben", "1")
    assert "From: Anna Muster <%s>\n" % anna.address in shown and "Subject: Übung: ein Kreis\n" in shown
    assert "\nGrüße, Ben!\n\n.\n..dots\nFrom here\n" in shown and "[2] plan.bin, application/octet-stream, 10k" in shown
    assert shown == read(ben, "show", "ben", "1")  # the server says the same
    read(ben, "save", "--collected", "--folder", ben.folder, "ben", "1")
    with open(ben.folder + "/plan.bin", "rb") as f:
        assert f.read() == bytes(range(256)) * 40

    # the answer
    write(ben, "Danke.\n", "--collected", "--reply", "1")
    read(anna, "fetch", "anna")
    shown = read(anna, "show", "--collected", "anna", "1")
    assert "From: Ben Muster <%s>\n" % ben.address in shown and "Subject: Re: Übung: ein Kreis\n" in shown and shown.endswith("\nDanke.\n")
    first, answer = (read(p, "headers", "--collected", n, "1") for p, n in ((ben, "ben"), (anna, "anna")))
    identity = [line for line in first.splitlines() if line.lower().startswith("message-id:")][0].split(": ")[1]
    assert "In-Reply-To: %s\n" % identity in answer and "References: %s\n" % identity in answer
    assert "with ESMTPS" in first and "with ESMTPS" in answer
    for p in (anna, ben):
        bed.empty(p.address.split("@")[0])
        assert glob.glob(p.folder + "/**/*.draft", recursive=True) == []
