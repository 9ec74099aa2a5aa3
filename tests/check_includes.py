#!/usr/bin/python3
"""Reads the #includes of src/ and says which break the order of the house:

  - "folder/module.h", so that every include shows its direction;
  - down a floor or within the folder, never up, never sideways between columns or wings;
  - no circle of modules;
  - a library is named in one place;
  - wire/ sees no socket, clock, file or errno.

    check_includes.py [SRC]        exit status 0 = in order
"""
import os
import re
import sys

# A folder may include those on lower floors, and itself.
FLOORS = {"base": 0, "wire": 1, "store": 1, "user": 1, "net": 1, "check": 2, "client": 2, "post": 3, "daemon": 3, "fetch": 4, "tool": 5, "reader": 5}

# Where a library's headers may be named: modules, by the beginning of "folder/module".
LIBRARIES = [
    ("openssl/", ("net/tls",)),
    ("nettle/", ("base/digest",)),
    ("xxhash.h", ("base/sum",)),
    ("crypt.h", ("user/secret",)),
    ("gsasl", ("user/sasl",)),
    ("sqlite3.h", ("user/users", "user/address", "fetch/seen")),
    ("event2/", ("base/loop", "daemon/metrics")),
    ("seccomp.h", ("daemon/jail", "reader/apart_walls")),
    ("gmime", ("reader/mime",)),
    ("libxml/", ("reader/html",)),
    ("json-c/", ("tool/json",)),
]

NOT_IN_WIRE = re.compile(r"errno\.h|time\.h|sys/|netinet/|arpa/|netdb\.h|poll\.h|unistd\.h|fcntl\.h|dirent\.h|pthread\.h|signal\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def modules(src):
    """(folder/module, path, text) of each .c and .h"""
    for folder in sorted(os.listdir(src)):
        if os.path.isdir(os.path.join(src, folder)):
            for name in sorted(os.listdir(os.path.join(src, folder))):
                if name.endswith((".c", ".h")):
                    path = os.path.join(src, folder, name)
                    with open(path, encoding="utf-8") as f:
                        yield folder + "/" + name[:-2], path, f.read()


def check_own(src, module, target):
    """what is wrong with an include of ours, or None"""
    folder = module.split("/")[0]
    parts = target.split("/")
    if len(parts) != 2 or parts[0] not in FLOORS or not target.endswith(".h"):
        return '"%s" is not "folder/module.h"' % target
    if not os.path.exists(os.path.join(src, target)):
        return '"%s" does not exist' % target
    if parts[0] != folder and FLOORS[parts[0]] >= FLOORS[folder]:
        way = "up" if FLOORS[parts[0]] > FLOORS[folder] else "sideways"
        return '%s/ includes "%s": %s' % (folder, target, way)
    return None


def check_library(module, target):
    for prefix, places in LIBRARIES:
        if target.startswith(prefix) and not module.startswith(places):
            return "<%s> belongs in %s only" % (target, " and ".join(places))
    if module.startswith("wire/") and NOT_IN_WIRE.match(target):
        return "<%s> in wire/, which sees no socket, clock, file or errno" % target
    return None


def circle(edges):
    """a list of modules that include each other round, or None"""
    done = set()

    def walk(module, way):
        if module in way:
            return way[way.index(module):] + [module]
        if module in done:
            return None
        for other in sorted(edges.get(module, ())):
            found = walk(other, way + [module])
            if found:
                return found
        done.add(module)
        return None

    for module in sorted(edges):
        found = walk(module, [])
        if found:
            return found
    return None


def main():
    here = os.path.dirname(os.path.realpath(__file__))
    src = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "src")
    wrong, edges, seen = [], {}, 0
    for module, path, text in modules(src):
        if module.split("/")[0] not in FLOORS:
            wrong.append("%s: an unknown folder" % path)
            continue
        for kind, target in INCLUDE.findall(text):
            seen += 1
            what = check_own(src, module, target) if kind == '"' else check_library(module, target)
            if what:
                wrong.append("%s: %s" % (os.path.normpath(path), what))
            if kind == '"' and target[:-2] != module:
                edges.setdefault(module, set()).add(target[:-2])
    round_ = circle(edges)
    if round_:
        wrong.append("a circle: " + " -> ".join(round_))
    for line in wrong:
        print(line)
    print("%d includes read, %d wrong" % (seen, len(wrong)))
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
