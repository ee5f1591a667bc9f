#!/usr/bin/env python3
"""tests/integration/tshark_judge.py: what tshark says of a captured session against what our programs said of it.

tshark_judge.py simulcrypt PDML VERSIONS LOG ...   the messages against the debug log of simulgate-ecmg (event=message), one for one;
                                          VERSIONS: the protocol_versions to be found; a "+" behind them: with OMA BCAST's parameters
tshark_judge.py mikey PDML                STKMs on air, and in ECM_responses, that tshark decoded as MIKEY
Says "ok …" or "not ok …" a line.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict

OURS = {0x8001, 0x8002}
HEX = {0x0001: 8, 0x7000: 4, 0x8001: 4}  # digits
UNIT = {0x0003: "ms", 0x0004: "ms", 0x0005: "ms", 0x0006: "ms", 0x0007: "ms", 0x000C: "ms", 0x0016: "ms", 0x0017: "ms",
        0x0009: "x100ms", 0x0010: "x100ms", 0x0013: "x100ms"}
BYTES = {0x000D, 0x0015}


def say(good, what, why=""):
    print("ok" if good else "not ok", what, "" if good else f"| {why}".replace("\n", " "), flush=True)


def packets(name):
    for _, p in ElementTree.iterparse(name):
        if p.tag == "packet":
            yield p
            p.clear()


def field(e, name):
    return next((f for f in e.iter("field") if f.get("name") == name), None)


def number(f):
    """As tshark understood it: the first number of its own words."""
    word = re.search(r": (True|False|-?0x[0-9a-fA-F]+|-?\d+)", f.get("showname")).group(1)
    return {"True": 1, "False": 0}[word] if word in ("True", "False") else int(word, 0)


def parameter(p, names):
    kind = int(field(p, "simulcrypt.parameter.type").get("value"), 16)
    name = names.get(kind, f"{kind:#06x}")
    value = [f for f in p if f.get("name") not in ("simulcrypt.parameter.type", "simulcrypt.parameter.len")]
    raw = value[0].get("value") if value else ""
    if kind == 0x0014:
        return kind, f"{name}={int(raw[:4], 16)}:({len(raw) // 2 - 2} bytes)"
    if kind == 0x8002:
        return kind, f"{name}={int(raw[:4], 16)}:{raw[4:]}"
    if kind in BYTES:
        return kind, f"{name}={raw}"
    if kind in HEX:
        return kind, f"{name}=0x{int(raw, 16) if kind in OURS else number(value[0]):0{HEX[kind]}x}"
    return kind, f"{name}={number(value[0])}{UNIT.get(kind, '')}"


def simulcrypt(pdml, versions, logs):
    from simwire import MESSAGES, PARAMS
    wanted, strangers, seen = versions.rstrip("+"), OURS if versions.endswith("+") else set(), set()
    theirs, unknown, malformed, kinds = defaultdict(list), Counter(), [], Counter()
    for p in packets(pdml):
        if any(e.get("name") in ("_ws.malformed", "_ws.expert.message") and "alformed" in (e.get("show") or "") + (e.get("showname") or "")
               for e in p.iter()) or any(e.get("name") == "_ws.malformed" for e in p.iter()):
            malformed.append(p.find("proto[@name='geninfo']/field[@name='num']").get("show"))
        protos = [e for e in p.findall("proto") if e.get("name") == "simulcrypt"]
        if not protos:
            continue
        ports = [int(field(p, "tcp." + side + "port").get("show")) for side in ("src", "dst")]
        for e in protos:
            kind = int(field(e, "simulcrypt.message.type").get("value"), 16)
            if kind not in MESSAGES:
                unknown[f"message {kind:#06x}"] += 1
            values = [parameter(q, PARAMS) for q in e.iter("field") if q.get("name") == "simulcrypt.parameter"]
            for q in e.iter("field"):
                if q.get("name") == "simulcrypt.parameter.type" and "Unknown" in q.get("showname"):
                    unknown[int(q.get("value"), 16)] += 1
            kinds[MESSAGES.get(kind)] += 1
            version = number(field(e, "simulcrypt.version"))
            seen.add(version)
            text = f"v{version} " + " ".join([MESSAGES.get(kind, f"message_{kind:#06x}")] + [v for _, v in values])
            theirs[tuple(ports)].append(text)
    say(sum(kinds.values()) >= 20, f"tshark found SimulCrypt messages: {sum(kinds.values())}", dict(kinds))
    want = {"channel_setup", "channel_status", "stream_setup", "stream_status", "CW_provision", "ECM_response"}
    say(want <= set(kinds), "of every kind a session has", f"missing: {want - set(kinds)}")
    say(not malformed, "none is malformed", f"packets {malformed[:20]}")
    say(seen == set(map(int, wanted)), f"of the versions {wanted}", seen)
    say(set(unknown) == strangers, f"unknown to it are {', '.join(map(hex, sorted(strangers))) or 'none'}", dict(unknown))

    line = re.compile(r'event=message .*peer=127\.0\.0\.1:(\d+) way=(\S+) version=(\d+) msg=(?:"((?:[^"\\]|\\.)*)"|(\S+))')
    ours = defaultdict(list)
    for name in logs:
        with open(name, encoding="utf-8") as f:
            for m in filter(None, map(line.search, f)):
                ours[int(m[1]), m[2]].append(f"v{m[3]} {m[4] or m[5]}")
    wrong, compared = [], 0
    for (src, dst), said in theirs.items():
        # The SCS has the port that the log knows it by.
        mine = [v for (port, _), v in ours.items() if port == src] if any(port == src for port, _ in ours) else None
        peer, inward = (src, True) if mine is not None else (dst, False)
        logged = [v for (port, way), v in ours.items() if port == peer and (way in ("in", "from", "received")) == inward]
        logged = logged[0] if logged else []
        if len(said) != len(logged):
            wrong.append(f"{src}->{dst}: tshark {len(said)} messages, we {len(logged)}")
        for a, b in zip(said, logged):
            compared += 1
            if a != b and not (len(b) >= 500 and a.startswith(b[:500])):
                wrong.append(f"tshark: {a} we: {b}")
    say(compared >= 20 and not wrong, f"its fields equal ours in all {compared} messages", wrong[:3] or "nothing to compare")
    cws = defaultdict(set)
    for p in packets(pdml):
        for f in p.iter("field"):
            if f.get("name") == "simulcrypt.cp_cw_combination":
                cws[f.get("value")[:4]].add(f.get("value")[4:])
    say(len(cws) >= 3 and all(len(v) == 1 for v in cws.values()), f"all KMSs got the same control word for each of {len(cws)} crypto-periods",
        {k: len(v) for k, v in cws.items()})


def mikey(pdml):
    air, responses, malformed, maps, exts = 0, 0, [], set(), set()
    for p in packets(pdml):
        found = [e for e in p.iter() if e.tag == "proto" and e.get("name") == "mikey"]
        if not found:
            continue
        if any(e.get("name") == "_ws.malformed" for e in p.iter()):
            malformed.append(p.find("proto[@name='geninfo']/field[@name='num']").get("show"))
        if p.find("proto[@name='udp']") is not None:
            air += len(found)
        else:
            responses += len(found)
        for e in found:
            maps |= {int(f.get("value"), 16) for f in e.iter("field") if f.get("name") == "mikey.cs_id_map_type"}
            exts |= {int(f.get("value"), 16) for f in e.iter("field") if f.get("name") == "mikey.ext.type"}
    say(air >= 5, f"tshark takes the Smartcard-profile STKMs on air for MIKEY: {air}", "too few")
    say(responses >= 2, f"and with its preference those in ECM_response: {responses}", "too few")
    say(not malformed, "none is malformed", f"packets {malformed[:20]}")
    say(maps == {1}, "the map type is 1 (empty)", sorted(maps))
    say(exts == {3, 5}, "the extensions are 3 (Key ID) and 5 (OMA BCAST)", sorted(exts))


if __name__ == "__main__":
    if sys.argv[1] == "simulcrypt":
        simulcrypt(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        mikey(sys.argv[2])
