#!/usr/bin/env python3
"""tests/integration/mux_ts.py: a capture of a transport stream over UDP, taken to pieces.

mux_ts.py sections CAPTURE PID N    N sections, each whole, none twice, in the order emmgwire.py feeds them
mux_ts.py packets CAPTURE PID TIMES    each payload of emmgwire.py's packets TIMES over, but for the two ends of what was still to be
                                       repeated when the EMMG left
"""
import collections
import struct
import sys

from emmgwire import section


def datagrams(name):
    """UDP payloads of a classic pcap of Ethernet frames."""
    with open(name, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        n = struct.unpack("<I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + n]
        at += 16 + n
        yield frame[14 + 4 * (frame[14] & 15) + 8:]


def packets(name, pid):
    for d in datagrams(name):
        if len(d) % 188 == 0:
            for k in range(0, len(d), 188):
                p = d[k:k + 188]
                if (p[1] & 0x1F) << 8 | p[2] == pid:
                    yield p


def sections(name, pid):
    held = None  # None: no section has begun yet
    for p in packets(name, pid):
        body = p[4:]
        if p[1] & 0x40:
            pointer, body = body[0], body[1:]
            if held is not None and len(held) == 0 and pointer:
                sys.exit("a pointer_field into nothing")
            if held is None:
                held, body = b"", body[pointer:]
        held += body
        while len(held) >= 3 and held[0] != 0xFF:
            n = 3 + ((held[1] & 15) << 8 | held[2])
            if len(held) < n:
                break
            yield held[:n]
            held = held[n:]
        if held[:1] == b"\xff":
            held = b""


what, capture, pid, n = sys.argv[1], sys.argv[2], int(sys.argv[3], 0), int(sys.argv[4])
if what == "sections":
    found = list(sections(capture, pid))
    want = [section(20 + (k * 37 + i * 211) % 600, k) for k in range(1, n // 3 + 1) for i in range(3)]
    if found != want:
        at = next((i for i, (a, b) in enumerate(zip(found, want)) if a != b), min(len(found), len(want)))
        sys.exit(f"{len(found)} sections, wanted {len(want)}; the first difference at {at}")
else:
    seen = list(packets(capture, pid))
    most = collections.Counter(p[4:] for p in seen)
    odd = [c for c in most.values() if c % n]
    if not seen or len(odd) > 2:
        sys.exit(f"{len(seen)} packets, {len(odd)} payloads not a multiple of {n} times")
