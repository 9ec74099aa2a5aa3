"""about: what the figures were measured with: the machine, the versions, and how our configuration differs from the shipped one."""
import os
import platform
import re
import subprocess
import sys
import tempfile
import time

from servers import CCPU, CPUS, DIR, HERE, PRIO, SCPU

TOP = os.path.dirname(HERE)

# What may differ from the shipped configuration, and as what; anything else that does is an error.
PORTS, PATHS, PLACE, ACCOUNTS, LIMITS, DELAYS = "address", "path", "place of the log", "account", "limit", "delay"
MAY_DIFFER = {
    "listen": PORTS, "hostname": PORTS, "tls_cert": PATHS, "tls_key": PATHS, "users_db": PATHS, "mail_root": PATHS, "store_default": PATHS,
    "run_dir": PATHS, "log": PLACE, "log_file": PATHS, "mail_user": ACCOUNTS, "first_uid": ACCOUNTS, "door_user": ACCOUNTS, "auth_user": ACCOUNTS,
    "control_user": ACCOUNTS, "connections": LIMITS, "tls_waiting": LIMITS, "mail_sessions": LIMITS, "user_sessions": LIMITS, "user_logins": LIMITS,
    "mail_idle": DELAYS, "password_remember": DELAYS,
}


def output(*argv, **kw):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, errors="replace", **kw)
    return p.stdout.strip() if p.returncode == 0 else ""


def build():
    return os.environ.get("BUSTIA_BUILD") or TOP + "/build"


# ---- the configuration ----

def options(path):
    """{option: [value]} as `bustia conf` reads it"""
    text = subprocess.run([build() + "/src/tool/bustia", "-c", path, "conf"], check=True, stdout=subprocess.PIPE, text=True).stdout
    out = {}
    for line in text.splitlines():
        name, _, value = line.partition(" = ")
        out.setdefault(name.strip(), []).append(value.strip())
    return out


def difference(path):
    """[[option, kind, shipped, here]]; ends the program where an option differs that may not"""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        shipped = dict(options(f.name), hostname=["the machine's name"])
    here, out, wrong = options(path), [], []
    for name in list(shipped) + [n for n in here if n not in shipped]:
        a, b = ", ".join(shipped.get(name, [])), ", ".join(here.get(name, []))
        if a == b:
            continue
        if name not in MAY_DIFFER:
            wrong.append("%s = %s (shipped: %s)" % (name, b, a))
        out.append([name, MAY_DIFFER.get(name, "?"), a.replace(DIR, "$BENCH_DIR"), b.replace(DIR, "$BENCH_DIR").replace(TOP, ".")])
    if wrong:
        sys.exit("%s: differs from the shipped configuration where it may not: %s" % (path, "; ".join(wrong)))
    return out


# ---- the machine ----

def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    with open("/proc/meminfo") as f:
        kb = int(f.readline().split()[1])
    return {
        "cpu": model[1].strip() if model else platform.machine(), "cpus": len(CPUS), "memory_gb": round(kb / 2**20, 1),
        "kernel": os.uname().release, "system": next(iter(re.findall(r'PRETTY_NAME="(.*)"', open("/etc/os-release").read())), ""),
        "virtual": output("systemd-detect-virt") or "not known", "file_system": output("findmnt", "-n", "-o", "FSTYPE", "--target", DIR),
    }


def versions(dovecot=True):
    v = {"bustia": output(build() + "/src/tool/bustia", "version"), "commit": output("git", "-C", TOP, "describe", "--always", "--dirty", "--abbrev=12"),
         "openssl": output("openssl", "version"), "compiler": output("gcc", "--version").split("\n")[0],
         "build": " ".join("%s=%s" % o for o in build_options().items()) or "build options not known"}
    if dovecot:
        v["dovecot"] = output(HERE + "/../tests/peer", "dovecot-pop3d", "--", "dovecot", "--version").split("\n")[-1]
    return v


def build_options():
    """those of meson that change speed"""
    import json
    try:
        found = {o["name"]: o["value"] for o in json.loads(output("meson", "introspect", "--buildoptions", build()))}
    except ValueError:
        return {}
    return {n: found[n] for n in ("buildtype", "optimization", "b_sanitize", "b_lto") if n in found}


def sanitized():
    return build_options().get("b_sanitize", "none") not in ("none", "", [])


def part(only, runs, seconds, dovecot=True):
    """what a call of `run` begins with"""
    return {"when": time.strftime("%Y-%m-%d %H:%M:%S %z"), "command": "bench/run " + " ".join(sys.argv[1:]), "only": only, "runs": runs, "seconds": seconds,
            "machine": machine(), "versions": versions(dovecot), "load_average": [round(x, 2) for x in os.getloadavg()],
            "server_cpu": SCPU, "client_cpu": CCPU, "prio": " ".join(PRIO)}
