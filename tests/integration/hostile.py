#!/usr/bin/env python3
"""tests/integration/hostile.py: sources that send anything but what they should, and an eye for what of it comes out in clear.

hostile.py DIR SECONDS [SAP] NAME=KIND,IN,OUT ...
KIND is srtp, ipsec, cissa, video or audio; IN and OUT are HOST:PORT, ESP's where it is in UDP. SAP is HOST:PORT, its messages are kept in
DIR/sap. Every payload is one mark again and again; what a protection leaves clear by design is not looked at. Each verdict is a line.
"""
import os
import random
import select
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from air import addr, receiver, sender  # noqa: E402

MARK = os.urandom(8)
IN_TYPE = {"srtp": 33, "ipsec": 33, "cissa": 33, "video": 98, "audio": 99}


def marks(n):
    return (MARK * (n // 8 + 1))[:n]


def body(kind, rng):
    if kind == "cissa":
        return b"".join(b"\x47\x01\x00" + bytes([0x10 | rng.randrange(16)]) + marks(184) for _ in range(7))
    if kind == "video":
        return b"\x65" + marks(rng.randrange(50, 900))
    if kind == "audio":
        n = rng.randrange(50, 900)
        return struct.pack(">HH", 16, n << 3) + marks(n)
    return marks(rng.randrange(50, 1316))


class Source:
    def __init__(self, kind, to, rng):
        self.kind, self.to, self.rng, self.seq, self.ssrc = kind, addr(to), rng, rng.randrange(1000), rng.getrandbits(32)

    def good(self):
        self.seq = (self.seq + 1) & 0xFFFF
        second = IN_TYPE[self.kind] | (0x80 if self.kind in ("video", "audio") else 0)
        return struct.pack(">BBHII", 0x80, second, self.seq, self.seq * 900, self.ssrc) + body(self.kind, self.rng)

    def bad(self):
        rng, p = self.rng, bytearray(self.good())
        ways = [self.flip, self.cut, self.longer, self.first, self.type, self.inside, self.noise, self.bare]
        for way in rng.sample(ways, rng.choice((1, 1, 1, 2, 3))):
            p = way(p, rng) or bytearray(b"\x80")
        if self.kind == "cissa":  # what is marked as scrambled by somebody goes through as it is
            at = len(p) - len(p) // 188 * 188
            for i in range(at + 3, len(p), 188):
                p[i] &= 0x7F
        return bytes(p[:65000])

    def flip(self, p, rng):
        for _ in range(rng.randrange(1, 9)):
            p[rng.randrange(min(len(p), 48))] ^= 1 << rng.randrange(8)
        return p

    def cut(self, p, rng):
        return p[:rng.choice((0, 1, 11, 12, 13, 14, 16, 20, rng.randrange(len(p) + 1)))]

    def longer(self, p, rng):
        return p + marks(rng.choice((1, 7, 188, 3000, 60000)))

    def first(self, p, rng):  # version, padding, extension, CSRCs
        p[0] = rng.choice((rng.randrange(256), 0x90, 0xA0, 0x8F, 0xBF, 0x40))
        if rng.random() < 0.3:
            p[-1] = rng.choice((0, 1, 255))
        return p

    def type(self, p, rng):
        if len(p) > 1:
            p[1] = rng.choice((rng.randrange(256), 96, 97, 98, 99, 33, 200, 201))
        return p

    def inside(self, p, rng):  # what the payload announces: NAL types, AU headers, TS headers
        at = 12 + rng.choice((0, 0, 0, 1, 188, 376))
        for i in range(rng.randrange(1, 6)):
            if at + i < len(p):
                p[at + i] = rng.choice((rng.randrange(256), 0, 255, 0x7C, 0x78, 0x18, 0x47))
        return p

    def noise(self, p, rng):
        n = rng.randrange(1, 64)
        return bytearray(rng.randbytes(n)) + p[n:]

    def bare(self, p, _):
        return p[12:]


def rtp_payload(d):
    if len(d) < 12 or d[0] >> 6 != 2:
        return d
    at = 12 + 4 * (d[0] & 15)
    if d[0] & 0x10 and at + 4 <= len(d):
        at += 4 + 4 * struct.unpack_from(">H", d, at + 2)[0]
    return d[at:] if at <= len(d) else d


def secret_part(kind, d):
    """What must be cipher text."""
    if kind == "ipsec":
        return [d]
    p = d if kind == "cissa" and d[:1] == b"\x47" and len(d) % 188 == 0 else rtp_payload(d)
    if kind != "cissa" or len(p) % 188 or any(p[i] != 0x47 for i in range(0, len(p), 188)):
        return [p]
    found = []
    for i in range(0, len(p), 188):
        t = p[i:i + 188]
        pid, at = struct.unpack_from(">H", t, 1)[0] & 0x1FFF, 4 + (1 + t[4] if t[3] & 0x20 else 0)
        if t[3] & 0x10 and 0x1F < pid < 0x1FFF and at < 188:
            n = (188 - at) // 16 * 16  # the rest fills no block
            found.append(t[at:at + n])
    return found


def main(where, seconds, *what):
    rng, out = random.Random(1), sender()
    sap = receiver(what[0]) if "=" not in what[0] else None
    services = [(name, *rest.split(",")) for name, rest in (w.split("=", 1) for w in what[sap is not None:])]
    sources = {name: Source(kind, to, rng) for name, kind, to, _ in services}
    eyes = {receiver(at): (name, kind) for name, kind, _, at in services}
    seen, leaked, sent = dict.fromkeys(sources, 0), {}, dict.fromkeys(sources, 0)
    heard = open(f"{where}/sap", "ab")

    def look(wait=0.0):
        for s in select.select([*eyes, *([sap] if sap else [])], [], [], wait)[0]:
            d = s.recv(65536)
            if s is sap:
                heard.write(d)
                continue
            name, kind = eyes[s]
            seen[name] += 1
            if any(MARK in part for part in secret_part(kind, d)):
                leaked.setdefault(name, d)

    def send(name, packet):
        sent[name] += 1
        out.sendto(packet, sources[name].to)

    def flows(why):
        """Every service lets what is right through."""
        before, end = dict(seen), time.monotonic() + 20
        while time.monotonic() < end and any(seen[n] < before[n] + 20 for n in sources):
            for name, s in sources.items():
                send(name, s.good())
            look(0.02)
        for name in sources:
            print(f"{'ok' if seen[name] >= before[name] + 20 else 'not ok'} {name}: {why}", flush=True)

    flows("packets come out")
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for name, s in sources.items():
            for _ in range(4):
                send(name, s.bad())
            send(name, s.good())
            look()
        look(0.01)
    flows("after all that they still do")
    heard.close()
    for name in sources:
        hint = "" if name not in leaked else " " + leaked[name][:64].hex()
        print(f"{'not ok' if name in leaked else 'ok'} {name}: nothing of what came in goes out in clear{hint}", flush=True)
    print(f"# sent {sent}, seen {seen}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
