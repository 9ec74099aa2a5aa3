#!/usr/bin/env python3
"""plot: two pictures of a result of `run`, as SVG that is read in light and in dark:

    bench/plot.py F.json FOLDER        FOLDER/poll.svg: what a poll costs by the number of messages
                                       FOLDER/memory.svg: what idle connections hold
"""
import json
import math
import sys

sys.dont_write_bytecode = True
import matrix  # noqa: E402
from compare import medians  # noqa: E402

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 66, 52  # what is right of the picture belongs to the lines' names

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .note { fill: #57606a; font-size: 12px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .thin { stroke-width: 1.25 }
  .a { stroke: #0a6b4f } .fa { fill: #0a6b4f }
  .b { stroke: #b3541e } .fb { fill: #b3541e }
  .c { stroke: #6e7781; stroke-dasharray: 5 4 } .fc { fill: #6e7781 }
  .back { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .grid { stroke: #30363d }
    .a { stroke: #3fcf9f } .fa { fill: #3fcf9f }
    .b { stroke: #f0954f } .fb { fill: #f0954f }
    .c { stroke: #9198a1 } .fc { fill: #9198a1 }
    .back { fill: #0d1117 }
  }
"""


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;")


class Picture:
    def __init__(self, title, note, height=HEIGHT):
        self.parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">' % (
            WIDTH, height, WIDTH, height, escape(title)), "<style>%s</style>" % STYLE, '<rect class="back" width="%d" height="%d"/>' % (WIDTH, height)]
        self.text(16, 24, title, "title")
        self.text(16, 42, note, "note")

    def text(self, x, y, s, cls="", anchor="start"):
        self.parts.append('<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (x, y, cls, anchor, escape(s)))

    def add(self, s, *values):
        self.parts.append(s % values)

    def write(self, path):
        with open(path, "w") as f:
            f.write("\n".join(self.parts + ["</svg>"]) + "\n")


def human_time(us):
    return "%g µs" % us if us < 1000 else "%g ms" % (us / 1000) if us < 1e6 else "%g s" % (us / 1e6)


def three(x):
    """three digits"""
    return float("%.3g" % x)


def apart(ys, least=32):
    """the same heights, moved so that no two are nearer than that, and none is below the picture"""
    order, out = sorted(range(len(ys)), key=lambda i: ys[i]), list(ys)
    for a, b in zip(order, order[1:]):
        out[b] = max(out[b], out[a] + least)
    bottom = HEIGHT - BOTTOM
    for i in reversed(order):
        out[i] = min(out[i], bottom)
        bottom = out[i] - least
    return out


# ---- polls ----

POLLS = [(10, "poll-10"), (1000, "poll-1k"), (10000, "poll-10k"), (100000, "poll-100k")]


def poll(data, path):
    cpu = {"a": [], "b": [], "c": []}
    for n, name in POLLS:
        for cls, peer in (("a", "ours"), ("c", "limit")):
            if matrix.good(data, name, peer):
                cpu[cls].append((n, medians(matrix.good(data, name, peer))["cpu"]))
        best = matrix.best(data, matrix.Row("", name, None), "cpu")[0]
        if best:
            cpu["b"].append((n, best))
    drawn = {k: v for k, v in cpu.items() if v}
    if not drawn:
        return False
    values = [y for v in drawn.values() for _, y in v]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    p = Picture("What a poll costs, by the number of messages in the maildrop", "The server's processor time for a session that finds nothing new (CAPA … UIDL, QUIT); logarithmic")
    x = lambda n: LEFT + (math.log10(n) - 1) / 4 * (WIDTH - LEFT - RIGHT)  # noqa: E731
    y = lambda v: HEIGHT - BOTTOM - (math.log10(v) - low) / max(1, high - low) * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    for e in range(low, high + 1):
        p.add('<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>', LEFT, WIDTH - RIGHT, y(10**e), y(10**e))
        p.text(LEFT - 8, y(10**e) + 4, human_time(10**e), "note", "end")
    for n in (10, 100, 1000, 10000, 100000):
        p.text(x(n), HEIGHT - BOTTOM + 20, format(n, ","), "note", "middle")
    p.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "messages", "note", "middle")
    ends = apart([y(v[-1][1]) for v in drawn.values()])
    for (cls, points), end in zip(drawn.items(), ends):
        p.add('<polyline class="line %s" points="%s"/>', cls, " ".join("%.1f,%.1f" % (x(n), y(v)) for n, v in points))
        for n, v in points:
            p.add('<circle class="f%s" cx="%.1f" cy="%.1f" r="3.5"/>', cls, x(n), y(v))
        p.text(WIDTH - RIGHT + 14, end, {"a": "Bústia", "b": "Dovecot, tuned", "c": "ceiling"}[cls], "f" + cls)
        p.text(WIDTH - RIGHT + 14, end + 15, human_time(three(points[-1][1])), "note")
    p.write(path + "/poll.svg")
    return True


# ---- memory ----

def memory_lines(data, link):
    """[(class, words, points)]"""
    out = []
    for stage, word in (("before", "not logged in"), ("after", "logged in")):
        how = "%s-%s" % (link, stage)
        for cls, who, points in (("a", "Bústia", matrix.held_mb(data, "ours", how)), ("b", "Dovecot", matrix.dovecots_mb(data, how))):
            if points:
                out.append((cls + (" thin" if stage == "before" else ""), "%s, %s" % (who, word), points))
    ceiling = matrix.held_mb(data, "limit-empty", link + "-after")
    return out + ([("c", "ceiling", ceiling)] if ceiling else [])


def memory(data, path):
    panels = [(title, lines) for title, lines in ((word, memory_lines(data, link)) for link, word in (("plain", "plain"), ("tls", "over TLS"))) if lines]
    if not panels:
        return False
    points = [q for _, lines in panels for line in lines for q in line[2]]
    low, high = math.floor(math.log10(min(v for _, v in points))), math.log10(max(v for _, v in points) * 1.3)
    most = max(n for n, _ in points)
    p = Picture("What idle connections hold", "Memory of all of a server's processes (PSS), by the number of connections; logarithmic upwards")
    wide = (WIDTH - 60) / 2
    for i, (title, lines) in enumerate(panels):
        left, right = 60 + wide * i, 60 + wide * i + 150
        panel(p, left, right, i == 0, title, lines, (low, high, most))
    p.write(path + "/memory.svg")
    return True


def panel(p, left, right, first, title, lines, scale):
    low, high, most = scale
    x = lambda n: left + n / most * (right - left)  # noqa: E731
    y = lambda v: HEIGHT - BOTTOM - (math.log10(v) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    for e in range(low, math.floor(high) + 1):
        p.add('<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>', left, right, y(10**e), y(10**e))
        if first:
            p.text(left - 8, y(10**e) + 4, "%g MB" % 10**e, "note", "end")
    for n in sorted({n for line in lines for n, _ in line[2]}):
        p.text(x(n), HEIGHT - BOTTOM + 20, format(n, ","), "note", "middle")
    p.text((left + right) / 2, HEIGHT - 12, "connections, " + title, "note", "middle")
    for (cls, words, points), end in zip(lines, apart([y(points[-1][1]) for _, _, points in lines])):
        p.add('<polyline class="line %s" points="%s"/>', cls, " ".join("%.1f,%.1f" % (x(n), y(v)) for n, v in points))
        p.text(right + 10, end + 1, words, "f" + cls[0])
        p.text(right + 10, end + 15, "%g MB" % three(points[-1][1]), "note")


def main():
    if len(sys.argv) != 3:
        print("\n".join(__doc__.split("\n")[2:4]), file=sys.stderr)
        return 64
    with open(sys.argv[1]) as f:
        data = json.load(f)
    drawn = [poll(data, sys.argv[2]), memory(data, sys.argv[2])]
    return 0 if all(drawn) else 1


if __name__ == "__main__":
    sys.exit(main())
