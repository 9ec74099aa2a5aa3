"""openmetrics: reads the text format strictly, as OpenMetrics 1.0.0 has it ("ABNF" and "MetricFamily"): what is not exactly so is an
AssertionError."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)?\})? (-?\d+(?:\.\d+)?|NaN|[+-]Inf)" % (NAME, LABEL, LABEL))
ABOUT = re.compile(r"# (TYPE|UNIT|HELP) (%s) (.*)" % NAME)
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_count", "_sum")}


def parse(text):
    """{(sample's name, (label="value", …)): number}; {family: type}"""
    assert text.endswith("\n# EOF\n") and "\r" not in text
    samples, types, told, family = {}, {}, set(), None
    for line in text[:-len("# EOF\n")].splitlines():
        about = ABOUT.fullmatch(line)
        if about:
            what, name, value = about.groups()
            if name != family:  # a family's lines stand together, and it comes once
                assert name not in types and what == "TYPE", line
                family, told = name, set()
                types[name] = value
                assert value in SUFFIXES, line
            assert what not in told, line
            assert not any(n[0].startswith(family) and n[0][len(family):] in SUFFIXES[types[family]] for n in samples), line
            told.add(what)
            assert what != "UNIT" or (value and name.endswith("_" + value)), line
            continue
        m = SAMPLE.fullmatch(line)
        assert m, line
        name, labels, value = m.groups()
        assert family and name.startswith(family) and name[len(family):] in SUFFIXES[types[family]], line
        key = (name, tuple(sorted(re.findall(LABEL, labels or ""))))
        assert key not in samples, line
        samples[key] = float(value)
        assert types[family] not in ("counter", "histogram") or samples[key] >= 0, line
    for name, kind in types.items():
        if kind == "histogram":
            histogram(samples, name)
    return samples, types


def histogram(samples, name):
    steps = [(float(labels[0][len('le="'):-1]), n) for (sample, labels), n in samples.items() if sample == name + "_bucket"]
    assert steps == sorted(steps) and [n for _, n in steps] == sorted(n for _, n in steps), steps
    assert steps[-1] == (float("inf"), samples[name + "_count", ()]), steps
    assert (name + "_sum", ()) in samples
