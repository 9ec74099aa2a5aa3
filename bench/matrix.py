"""matrix: the table with the bars, and what stands below it, from the JSON that `run` wrote."""
import statistics

from compare import medians, num
from scenarios import SCENARIOS

TUNED = ["dovecot-tuned", "dovecot-tuned-multi"]  # the better of them counts, for each figure by itself


class Row:
    """bar: our processor time per operation, at most, as a part of Dovecot's; of: the scenario in which Dovecot's figure is measured"""

    def __init__(self, title, name, bar, of=None, against=TUNED):
        self.title, self.name, self.bar, self.of, self.against = title, name, bar, of or name, against


ROWS = [
    Row("log-in (USER, PASS, STAT, QUIT)", "login", 0.22),
    Row("poll of 10 messages (CAPA … UIDL)", "poll-10", 0.25),
    Row("poll of 1,000", "poll-1k", 0.12),
    Row("poll of 10,000", "poll-10k", 0.03),
    Row("poll of 100,000", "poll-100k", 0.02),
    Row("poll of 10,000 with 1 new message", "poll-10k-new", 0.05),
    Row("poll of 10,000, no index yet", "poll-10k-coldidx", 0.35),
    Row("download, real mail", "download", 0.25),
    Row("download, stored in wire form; Dovecot: the same mail with LF", "download-wire", 0.13, of="download"),
    Row("download, 5 MB messages", "download-big", 0.30),
    Row("headers (TOP n 0, pipelined)", "headers", 0.25),
    Row("NOOP (10 connections)", "cmd", 0.6),
    Row("NOOP, 32 at a time", "cmd-pipe32", 0.4),
    Row("drain (RETR, DELE, QUIT), against stock Dovecot", "drain", 0.12, against=["dovecot-default"]),
    Row("log-in over TLS", "tls-login", 0.42),
    Row("download over TLS", "tls-download", 0.18),
]
BESIDE = [  # without a bar
    Row("download, stored in wire form, by both", "download-wire", None),
    Row("download over TLS, stored in wire form, by both", "tls-download-wire", None),
]
LATENCY = Row("log-in, one connection at a time", "login-c1", 0.5)

NAMES = [r.name for r in ROWS] + ["login-c1"]
SIZES = {"plain": (2, 4), "tls": (18, 20)}  # kB per idle connection before and after log-in, at most
STORM, STORM_S, STORM_MB = 10000, 8, 150


def good(data, name, peer):
    return [r for r in data.get("runs", {}).get(name, {}).get(peer, []) if r.get("ok")]


def best(data, row, column, most=False):
    """(figure, peer) of the best Dovecot, or (None, None)"""
    found = [(medians(good(data, row.of, p))[column], p) for p in row.against if good(data, row.of, p)]
    return (max if most else min)(found) if found else (None, None)


def cell(x):
    return "–" if x is None else num(x)


def times(a, b):
    return None if a is None or not b else a / b


def verdict(x, bar, most=False):
    if x is None or bar is None:
        return ""
    return "ok" if (x >= bar if most else x <= bar) else "**missed**"


def short(peer):
    return peer.replace("dovecot-", "") if peer else ""


# ---- the pieces ----

def row_cells(data, row):
    ours, limit = medians(good(data, row.name, "ours")), medians(good(data, row.name, "limit"))
    cpu, which = best(data, row, "cpu")
    ops, _ = best(data, row, "ops", most=True)
    p99, _ = best(data, row, "p99")
    if not ours and cpu is None:
        return None
    ratio = times(ours and ours["cpu"], cpu)
    through, late = times(ours and ours["ops"], ops), times(ours and ours["p99"], p99)
    full = [r for r in good(data, row.name, "ours") if r["client_cpu"] > 0.93]
    return [row.title, cell(cpu) + (" (%s)" % short(which) if which else ""), cell(limit and limit["cpu"]), cell(ours and ours["cpu"]), cell(ratio),
            "%.2f" % row.bar if row.bar else "", verdict(ratio, row.bar),
            cell(through) + ("" if through is None or through >= 1 else " **less**") + (" †" if full else ""),
            cell(late) + ("" if late is None or late <= 1 else " **more**")]


HEAD = ["scenario", "Dovecot's best, µs", "ceiling, µs", "Bústia, µs", "ratio", "bar", "", "throughput ×", "p99 ×"]


def markdown(head, rows, right=1):
    """right: the first column that is set to the right"""
    lines = [head, ["---" if i < right else "---:" for i in range(len(head))]] + rows
    return "\n".join("| " + " | ".join(r) + " |" for r in lines)


def main_table(data):
    return markdown(HEAD, [c for c in (row_cells(data, r) for r in ROWS + BESIDE) if c])


def short_table(data):
    """what most people want to know"""
    rows = []
    for row in ROWS + [LATENCY]:
        column, unit = ("p50", "ms") if row is LATENCY else ("cpu", "µs")
        ours, dovecot = medians(good(data, row.name, "ours")), best(data, row, column)[0]
        limit = medians(good(data, row.name, "limit"))
        if ours:
            figures = [cell(x) + (" " + unit if x is not None else "") for x in (ours[column], dovecot, limit and limit[column])]
            rows.append([row.title + (" (latency)" if row is LATENCY else "")] + figures + [cell(times(ours[column], dovecot))])
    return markdown(["a session, message or command", "Bústia", "Dovecot, tuned", "ceiling", "ratio"], rows)


def latency_table(data):
    dovecot, which = best(data, LATENCY, "p50")
    ours, limit = medians(good(data, LATENCY.name, "ours")), medians(good(data, LATENCY.name, "limit"))
    if not ours:
        return ""
    ratio = times(ours["p50"], dovecot)
    return markdown(["unloaded latency (median)", "Dovecot's best, ms", "ceiling, ms", "Bústia, ms", "ratio", "bar", ""], [[
        LATENCY.title, cell(dovecot) + (" (%s)" % short(which) if which else ""), cell(limit and limit["p50"]), cell(ours["p50"]), cell(ratio), "%.2f" % LATENCY.bar,
        verdict(ratio, LATENCY.bar)]])


def held_whole(data, peer, how):
    """{connections: what was held with them}, where all of them were"""
    return {int(n): d for n, d in data.get("idle", {}).get(peer, {}).get(how, {}).items() if d["held"] == int(n)}


def held_mb(data, peer, how):
    """[(connections, MB of all processes)] from none on"""
    one = held_whole(data, peer, how)
    return [(0, one[min(one)]["zero"]["pss_kb"] / 1024)] + [(n, one[n]["full"]["pss_kb"] / 1024) for n in sorted(one)] if one else []


def dovecots_mb(data, how):
    """the same of the Dovecot that held most connections, and of two such the one that holds least with them"""
    found = [h for h in (held_mb(data, p, how) for p in TUNED) if h]
    return min(found, key=lambda h: (-h[-1][0], h[-1][1])) if found else []


def most_held(data, peers, how):
    """as many connections as the first of them that was measured held at most"""
    return next((max(one) for one in (held_whole(data, p, how) for p in peers) if one), 0)


def idle_kb(data, peer, how, n):
    """kB per connection with n of them"""
    one = held_whole(data, peer, how)
    return one[n]["per_conn_kb"] if n in one else None


def idle_states():
    """[(name, how it is called, bar)]"""
    return [("%s-%s" % (link, stage), "%s, %s log-in" % (title, stage), bar) for link, title in (("plain", "plain"), ("tls", "TLS"))
            for stage, bar in zip(("before", "after"), SIZES[link])]


def idle_table(data):
    """all but the last column with the same number of connections: the most that ours held"""
    rows, sizes = [], [most_held(data, ["ours"] + TUNED, how) for how, _, _ in idle_states()]
    single = max(most_held(data, ["ours-single"], how) for how, _, _ in idle_states())
    for (how, title, bar), n in zip(idle_states(), sizes):
        found = [(idle_kb(data, p, how, n), p) for p in TUNED if idle_kb(data, p, how, n) is not None]
        dovecot, which = min(found) if found else (None, None)
        ours = idle_kb(data, "ours", how, n)
        if ours is None and dovecot is None:
            continue
        rows.append([title + ("" if n == max(sizes) else " (%s of them)" % format(n, ",")), cell(dovecot) + (" (%s)" % short(which) if which else ""),
                     cell(idle_kb(data, "limit-empty", how, n)), cell(ours), str(bar), verdict(ours, bar), cell(idle_kb(data, "ours-single", how, single))])
    return markdown(["kB (PSS) per idle connection, %s of them" % format(max(sizes), ","), "Dovecot's best", "ceiling", "Bústia", "bar", "",
                     "Bústia, a process for each session" + (" (%s of them)" % format(single, ",") if single else "")], rows) if rows else ""


def totals_table(data):
    """what doc/img/memory.svg shows"""
    rows, counts = [], []
    for how, title, _ in idle_states():
        found = [dovecots_mb(data, how), held_mb(data, "limit-empty", how), held_mb(data, "ours", how)]
        if found[0] or found[2]:
            rows.append([title] + [" / ".join(num(mb) for _, mb in one) or "–" for one in found])
            counts = max([counts] + [[format(n, ",") for n, _ in one] for one in found], key=len)
    return markdown(["MB (PSS) of all processes with %s idle connections" % " / ".join(counts), "Dovecot's best", "ceiling", "Bústia"], rows) if rows else ""


def storm_table(data):
    rows = []
    for peer, one in data.get("storm", {}).items():
        for name, d in one.items():
            ours = peer == "ours" and name == "warm"
            rows.append(["%s: %s" % ("Bústia" if peer == "ours" else peer, {"cold": "the first time", "warm": "have logged in before"}[name]), "%d" % d["held"],
                         "%.1f" % d["seconds"], str(STORM_S) if ours else "", verdict(d["seconds"], STORM_S) if ours else "", "%.0f" % (d["pss_kb"] / 1024),
                         str(STORM_MB) if ours else "", verdict(d["pss_kb"] / 1024, STORM_MB) if ours else "", "%.1f" % d["cpu_s"]])
    return markdown(["%s log-ins at once" % format(STORM, ","), "held", "seconds", "bar", "", "MB (PSS), all processes", "bar", "", "CPU s"], rows) if rows else ""


# ---- how quiet it was ----

def others(r):
    """CPUs that were busy with neither the server nor the load generator, roughly"""
    return max(0.0, r["machine_busy"] - max(0, r["server_cpu_util"]) - r["client_cpu"])


def quiet(data):
    runs = [(others(r), "%s of %s" % (n, p)) for n, one in data.get("runs", {}).items() for p, rs in one.items() for r in rs if r.get("ok") and "machine_busy" in r]
    if not runs:
        return "nothing was measured"
    middle, (worst, where) = statistics.median(x for x, _ in runs), max(runs)
    loud = sum(x > 0.25 for x, _ in runs)
    return "%s: beside server and load generator %.2f CPUs were busy (median of %d runs; the most: %.2f, in a run of %s; %d runs over 0.25)" % (
        "quiet" if middle <= 0.1 and loud <= len(runs) / 20 else "NOT QUIET", middle, len(runs), worst, where, loud)


# ---- the whole ----

def failures(data):
    out = ["%s, %s: %s" % (n, p, r["error"]) for n, one in data.get("runs", {}).items() for p, rs in one.items() for r in rs if not r["ok"]]
    out += ["idle, %s, %s: %d of %s were held" % (p, how, d["held"], n) for p, one in data.get("idle", {}).items() for how, sizes in one.items()
            for n, d in sizes.items() if d["held"] != int(n)]
    out += ["storm, %s, %s: %d of %d were held" % (p, n, d["held"], STORM) for p, one in data.get("storm", {}).items() for n, d in one.items() if d["held"] != STORM]
    return out


def pinned(part):
    by = "; by " + part["prio"] if part["prio"] else ""
    if part["server_cpu"] == part["client_cpu"]:
        return "Pinned: server and load generator to the SAME CPU %s: throughput and latency say little%s" % (part["server_cpu"], by)
    return "Pinned: server to CPU %s, load generator to CPU %s%s" % (part["server_cpu"], part["client_cpu"], by)


def commits(data):
    """of all parts, each once"""
    return list(dict.fromkeys(p["versions"]["commit"] for p in data["parts"]))


def days(data):
    return " … ".join(dict.fromkeys(p["when"][:10] for p in (data["parts"][0], data["parts"][-1])))


def about(data):
    last = data["parts"][-1]
    m, v = last["machine"], last["versions"]
    out = ["Machine: %(cpu)s, %(cpus)d CPUs (%(virtual)s), %(memory_gb)s GB; %(system)s, Linux %(kernel)s, %(file_system)s" % m,
           "Versions: %s, commit %s (%s); Dovecot %s; %s; %s" % (v["bustia"], v["commit"], v["build"] or "build options not known", v.get("dovecot", "–"), v["openssl"], v["compiler"]),
           pinned(last),
           "The machine was " + quiet(data), "", "Commands:", ""]
    for p in data["parts"]:
        out.append("    %s    # %s, %d runs of %g s, commit %s, load average before %s, %.1f minutes" % (
            p["command"].strip(), p["when"], p["runs"], p["seconds"], p["versions"]["commit"], p["load_average"][0], p.get("minutes", 0)))
    return "\n".join(out)


def conf_table(data):
    rows = [[n, kind, a or "–", b] for n, kind, a, b in data.get("conf", [])]
    return "Our configuration differs from the shipped one in:\n\n" + markdown(["option", "what it is", "shipped", "here"], rows, right=9) if rows else ""


def every_peer(data):
    rows = []
    for name in [n for n in SCENARIOS if n in data.get("runs", {})]:
        for peer, rs in data["runs"][name].items():
            ok = [r for r in rs if r["ok"]]
            if not ok:
                continue
            m, cpus = medians(ok), [r["server_cpu_ms_per_kop"] for r in ok]
            rows.append([name, peer, num(m["cpu"]), "%s … %s" % (num(min(cpus)), num(max(cpus))), num(m["ops"]), "%.0f" % m["mb"] if m["mb"] >= 1 else "", "%.3f" % m["p50"],
                         "%.3f" % m["p99"], "%.2f" % ok[0]["client_cpu"]])
    head = ["scenario", "server", "µs per operation", "least … most", "operations/s", "MB/s", "p50 ms", "p99 ms", "load generator's CPU"]
    return "Every server, medians:\n\n" + markdown(head, rows, right=2) if rows else ""


def whole(data):
    first = data["parts"][0]["when"][:10]
    bad = failures(data)
    parts = ["POP3 servers side by side, %s" % first,
             "Processor time of all of a server's processes per operation, medians; ratios to the better of the two tuned Dovecots.", main_table(data),
             "† the load generator's CPU was full", latency_table(data), idle_table(data), totals_table(data), storm_table(data), about(data), conf_table(data), every_peer(data)]
    if bad:
        parts.insert(1, "FAILED:\n" + "\n".join("    " + b for b in bad))
    return "\n\n".join(p for p in parts if p) + "\n"
