#!/usr/bin/env python3
"""tests/integration/scrub_judge.py: a scrubbed capture against what it was made of.

scrub_judge.py NAME IN.pcap IN.json OUT.pcap OUT.json   the JSON is that of simulgate-decode --json, of IN with --secrets. Says "ok …" or "not ok …":
the same messages of the same form at the same times; one pseudonym for each id and address, and another for another; nothing left of what was
replaced.
"""
import ipaddress
import json
import re
import sys
from collections import Counter

IDS = {"Super_CAS_id", "ECM_channel_id", "ECM_stream_id", "ECM_id", "client_id", "data_channel_id", "data_stream_id", "data_id"}
MADE = {"CP_CW_combination", "access_criteria", "ECM_datagram", "datagram", "error_information"}


def messages(name):
    with open(name, encoding="utf-8") as lines:
        return [g for g in map(json.loads, lines)]


def form(g):
    """What has to stay as it is."""
    out = {k: v for k, v in g.items() if k not in ("fields", "from", "to", "file")}
    out["ports"] = [g[k].rpartition(":")[2] for k in ("from", "to") if k in g]
    out["fields"] = [(f["type"], f.get("name"), f["length"], f.get("cp"), (f.get("payload") or {}).get("kind"),
                      None if f.get("name") in IDS | MADE or f["type"] >= 0x8000 else f.get("value")) for f in g.get("fields", [])]
    return out


def octets(f):
    v = f.get("value")
    if isinstance(v, int):
        return (v % (1 << 8 * f["length"])).to_bytes(f["length"], "big")
    return bytes.fromhex(v) if isinstance(v, str) and re.fullmatch("([0-9a-f]{2})*", v) else b""


def windows(value, n):
    """Runs of one octet say nothing: stuffing, padding."""
    return {value[i:i + n] for i in range(len(value) - n + 1) if len(set(value[i:i + n])) > 1}


def bodies(payload):
    """A datagram without what stays: TS headers, pointer fields, the heads of sections."""
    if payload and len(payload) % 188 == 0 and all(payload[i] == 0x47 for i in range(0, len(payload), 188)):
        for i in range(0, len(payload), 188):
            start = 8 if payload[i + 1] & 0x40 else 4
            part = payload[i + start:i + 188]
            yield from re.split(rb"\xff\xff+|[\x80-\x8f].{2}", part, flags=re.S)
    else:
        yield payload[3:]


def secrets(all_of):
    out = set()
    for g in all_of:
        for end in (g.get("from"), g.get("to")):
            if end:
                out.add(ipaddress.ip_address(end.rpartition(":")[0].strip("[]")).packed)
        for f in g.get("fields", []):
            v = octets(f)
            if f.get("name") in ("CP_CW_combination", "access_criteria") or (f.get("name") in IDS and f["length"] >= 4):
                out |= windows(v, 4)
            elif f.get("name") in ("ECM_datagram", "datagram"):
                for part in bodies(v):
                    out |= windows(part, 8)
    return {v for v in out if len(set(v)) > 2 and b"\0\0" not in v}  # 127.0.0.1 is found by chance


def same(name, a, b):
    if len(a) != len(b):
        return f"{len(a)} lines, then {len(b)}"
    for x, y in zip(a, b):
        if form(x) != form(y):
            return f"{form(x)} became {form(y)}"
    return ""


def consistent(a, b):
    there, back = {}, {}
    for x, y in zip(a, b):
        pairs = [("address", x.get(k), y.get(k)) for k in ("from", "to")]
        pairs += [(f["name"], f["value"], g["value"]) for f, g in zip(x.get("fields", []), y.get("fields", [])) if f.get("name") in IDS]
        for kind, old, new in pairs:
            if there.setdefault((kind, old), new) != new or back.setdefault((kind, new), old) != old:
                return f"{kind} {old}: {new} and {there[kind, old]}"
            if kind in ("Super_CAS_id", "client_id", "address") and old == new and old is not None:
                return f"{kind} {old} is still there"
    return ""


def left(values, capture):
    by = {}
    for v in values:
        by.setdefault(len(v), set()).add(v)
    for n, wanted in by.items():
        for i in range(len(capture) - n + 1):
            if capture[i:i + n] in wanted:
                return f"{capture[i:i + n].hex()} at {i}"
    return ""


def main():
    name, source, source_json, out, out_json = sys.argv[1:]
    a, b = messages(source_json), messages(out_json)
    capture = open(out, "rb").read()
    counts = Counter(g["event"] for g in a)
    hidden = secrets(a)
    for what, why in ((f"the same {counts['message']} messages of the same form", same(name, a, b) or ("" if counts["message"] else "none")),
                      ("an id has one pseudonym, another has another", consistent(a, b)),
                      (f"none of {len(hidden)} strings is left", left(hidden, capture) or ("" if hidden else "there were none")),
                      ("the size is the same", "" if len(capture) == len(open(source, "rb").read()) else "it differs")):
        print("not ok" if why else "ok", f"{name}: {what}", f"| {why[:2000]}" if why else "", flush=True)


main()
