#!/usr/bin/env python3
"""tests/integration/decode_schema.py: FILE ...: every object of simulgate-decode --json has the members that its manual names, and no others"""
import json
import sys

FIELD = {"type", "name", "length", "value"}
FIELD_MAY = {"unit", "words", "cp", "masked", "payload"}
OF_SESSION = {"event", "session", "interface", "transport", "from", "to", "sender"}
MEMBERS = {
    "message": (OF_SESSION | {"frame", "time", "version", "type", "message", "length", "fault", "fields"}, {"answers", "latency_us"}),
    "gap": (OF_SESSION | {"octets"}, set()), "passed_over": (OF_SESSION | {"octets"}, set()), "truncated": (OF_SESSION | {"octets"}, set()),
    "air": ({"event", "transport", "from", "to", "frame", "time", "length", "payload"}, set()),
    "summary": ({"event", "frames", "tcp", "udp", "other", "broken", "cut", "sessions", "messages", "faults", "errors", "gaps", "octets_missing",
                 "octets_passed_over", "evicted", "torn", "air"}, set()),
}


def check(keys, must, may, what):
    assert must <= set(keys) <= must | may, (what, set(keys) ^ must)


def fields(all_of_them):
    for f in all_of_them:
        check(f, FIELD, FIELD_MAY, f)
        if isinstance(f["value"], list):
            fields(f["value"])
        if "payload" in f:
            check(f["payload"], {"kind", "text"}, set(), f)


def schema(*names):
    seen = set()
    for name in names:
        with open(name, encoding="utf-8") as lines:
            objects = [json.loads(line) for line in lines]
        assert [g["event"] for g in objects].index("summary") == len(objects) - 1, name
        for g in objects:
            check(g, *MEMBERS[g["event"]], g["event"])
            seen.add(g["event"])
            if g["event"] == "message":
                fields(g["fields"])
                if g["fault"]:
                    check(g["fault"], {"text", "parameter", "offset"}, set(), g)
    print(*sorted(seen))


schema(*sys.argv[1:])
