#!/usr/bin/env python3
"""tests/integration/decode_judge.py: what simulgate-decode --json says of a capture against what tshark says of it.

decode_judge.py NAME PDML JSON [LOST.pdml]   message for message, by sender: version, type, and every parameter with its value. LOST: the same
capture with nothing missing, of whose messages the others may lack some, but may have none beside, nor another order.
Says "ok …" or "not ok …".
"""
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict


def say(good, what, why=""):
    print("ok" if good else "not ok", what, "" if good else f"| {why}".replace("\n", " "), flush=True)


def field(e, name):
    return next((f for f in e.iter("field") if f.get("name") == name), None)


def theirs(pdml):
    """By (source, destination): messages (version, type, ((type, hexadecimal value), …))."""
    out = defaultdict(list)
    for _, p in ElementTree.iterparse(pdml):
        if p.tag != "packet":
            continue
        found = [e for e in p.findall("proto") if e.get("name") == "simulcrypt"]
        if found:
            t = next(e for e in p.findall("proto") if e.get("name") in ("tcp", "udp"))
            n = t.get("name")
            key = (n, field(t, n + ".srcport").get("show"), field(t, n + ".dstport").get("show"))
        for e in found:
            values = []
            for q in (f for f in e.iter("field") if f.get("name") == "simulcrypt.parameter"):
                kind = int(field(q, "simulcrypt.parameter.type").get("value"), 16)
                value = [f for f in q if f.get("name") not in ("simulcrypt.parameter.type", "simulcrypt.parameter.len")]
                values.append((kind, (value[0].get("value") or "") if value else ""))
            out[key].append((int(field(e, "simulcrypt.version").get("value"), 16), int(field(e, "simulcrypt.message.type").get("value"), 16), tuple(values)))
        p.clear()
    return out


def as_hex(f):
    v, n = f["value"], f["length"]
    if "cp" in f:
        return f"{f['cp']:04x}" + v
    if isinstance(v, int):
        return (v % (1 << 8 * n)).to_bytes(n, "big").hex()
    return v


def ours(name):
    out = defaultdict(list)
    with open(name, encoding="utf-8") as lines:
        for g in map(json.loads, lines):
            if g["event"] != "message":
                continue
            key = (g["transport"], g["from"].rpartition(":")[2], g["to"].rpartition(":")[2])
            out[key].append((g["version"], g["type"], tuple((f["type"], as_hex(f)) for f in g["fields"])))
            assert g["fault"] is None, g
    return out


def within(some, whole):
    rest = iter(whole)
    return all(any(g == h for h in rest) for g in some)


def main():
    name, pdml, told = sys.argv[1:4]
    a, b = theirs(pdml), ours(told)
    if len(sys.argv) > 4:
        whole = theirs(sys.argv[4])
        bad = [k for k in b if not within(b[k], whole[k])]
        missing = sum(len(whole[k]) - len(b[k]) for k in whole)
        n = sum(map(len, b.values()))
        say(not bad and 0 < missing <= 2 * len(whole) and all(set(map(repr, a[k])) <= set(map(repr, b[k])) for k in a if k in whole),
            f"{name}: {n} messages, {missing} of them lost; all that tshark has are among them", (bad, missing, len(whole)))
        return
    n = sum(map(len, a.values()))
    wrong = [(k, x, y) for k in a for x, y in zip(a[k], b[k]) if x != y][:1]
    counts = {k: (len(a[k]), len(b[k])) for k in set(a) | set(b) if len(a[k]) != len(b[k])}
    say(n >= 50 and a == b, f"{name}: {n} messages, field by field as tshark has them", (n, counts, wrong))


main()
