#!/usr/bin/env python3
"""tests/integration/air.py: a source and an eye on the air that share no code with what they judge.

air.py send ADDR ... [--rate N] [--count N] [--seq N] [--step N] [--ts N]
    RTP (payload type 33, seven TS packets each, or --ts) whose every octet follows from its number, until SIGTERM; prints how many.
    --seq: the first sequence number; --step: from one to the next.
air.py report ADDR ...
    RTCP at the ports above: ten receiver reports a second, until SIGTERM.
air.py watch --status SOCKET --media ADDR [--stkm drm=ADDR] [--stkm smartcard=ADDR] [--slack MS]
    Receives scrambled media and STKMs, and tells at SOCKET what it saw: /status as of our programs.
air.py record ADDR --to FILE --count N
    Packets as they come, each behind its length (2 octets).
air.py compare CLEAR RECOVERED
    Two such files: every recovered RTP packet is the clear one of the same number, none is missing in between; prints how many.
air.py nals CLEAR FILE
    Such a file of RTP with H.264 (RFC 6184), and an Annex B stream: its NAL units are those of the packets, none is missing in between.
air.py listen --status SOCKET --media ADDR
    Receives clear media from the descrambled side and compares it with what `send` sends.
ADDR is HOST:PORT; a multicast group is joined on the loopback interface.
"""
import argparse
import json
import os
import select
import signal
import socket
import struct
import sys
import time

from sockets import arrivals, roomy, timed

TS, PER_PACKET = 188, 7
BREATH = 0.3  # seconds


def payload(n, ts=PER_PACKET):
    """Null packets with the number of their RTP packet: what no cipher text looks like."""
    head = b"\x47\x1f\xff\x10" + struct.pack(">Q", n)
    return b"".join(head + bytes([(n * ts + i) & 0xFF]) * (TS - len(head)) for i in range(ts))


def addr(text):
    text = text.removeprefix("udp://").split("?")[0]
    host, port = text.rsplit(":", 1)
    return host, int(port)


def multicast(host):
    return 224 <= int(host.split(".")[0]) < 240


def sender():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    return s


def receiver(text):
    host, port = addr(text)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    roomy(s, 4 << 20)
    timed(s)
    s.bind((host, port))
    if multicast(host):
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(host) + socket.inet_aton("127.0.0.1"))
    s.setblocking(False)
    return s


def send(a):
    going = True

    def stop(*_):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    s, to, n, start = sender(), [addr(t) for t in a.to], 0, time.monotonic()
    while going and n != a.count:
        time.sleep(max(0, start + n / a.rate - time.monotonic()))
        late = time.monotonic() - start - n / a.rate
        if late > 0.1:  # we stood still, and so perhaps did all: what was due meanwhile does not come at once, nor before others have said what they had to
            start += late + BREATH
            continue
        head = struct.pack(">BBHII", 0x80, 33, (a.seq + n * a.step) & 0xFFFF, int(n * 90000 / a.rate) & 0xFFFFFFFF, 0x53474154)
        packet = head + payload(n, a.ts)
        for at in to:
            s.sendto(packet, at)
        n += 1
    print(json.dumps({"sent": n}), flush=True)


def report(a):
    s, to = sender(), [addr(t) for t in a.to]
    while True:
        for host, port in to:
            s.sendto(struct.pack(">BBHI", 0x80, 201, 1, 0x53474154), (host, port + 1))
        time.sleep(0.1)


class Numbers:
    """16-bit numbers made whole again, and what is missing among them."""

    def __init__(self):
        self.last, self.lost, self.repeated = None, 0, 0

    def take(self, n16):
        if self.last is None:
            self.last = n16
            return n16
        n = self.last + ((n16 - self.last + 0x8000) & 0xFFFF) - 0x8000
        if n > self.last:
            self.lost += n - self.last - 1
            self.last = n
        else:
            self.repeated += 1
        return n


def drm_keys(m):
    """The key identifiers of a DRM-profile STKM for SRTP: current, next or None (OMA BCAST, short_term_key_message)."""
    if len(m) < 6 or m[0] >> 4 or m[1] >> 5 != 1:
        raise ValueError("not an STKM for SRTP")
    n = m[2]
    following = int.from_bytes(m[3 + n:3 + 2 * n], "big") if m[1] & 0x08 else None
    return int.from_bytes(m[3:3 + n], "big"), following


def tek_id(m):
    """The TEK ID of a Smartcard-profile STKM: the sub-payload of type 2 in the EXT payload of type 3 (RFC 3830, RFC 4563)."""
    kind, at = m[2], 10 + (9 * m[8] if m[9] == 0 else 0)
    while kind == 21 or kind == 5:
        if kind == 5:
            kind, at = m[at], at + 6
            continue
        size = int.from_bytes(m[at + 2:at + 4], "big")
        if m[at + 1] == 3:
            ids = m[at + 4:at + 4 + size]
            while ids:
                if ids[0] == 2:
                    return int.from_bytes(ids[2:2 + ids[1]], "big")
                ids = ids[2 + ids[1]:]
        kind, at = m[at], at + 4 + size
    raise ValueError("no TEK ID")


class Watch:
    MKI, TAG = 2, 10

    def __init__(self, a):
        self.slack = a.slack / 1000
        self.numbers = Numbers()
        self.s = {"packets": 0, "clear": 0, "not_rtp": 0, "seen": None, "lost": 0, "repeated": 0, "unannounced": 0, "stale": 0, "mki": None, "switches": [], "lag": None,
                  "faults": [], "longest_silence_ms": 0, "stkm": {}}
        self.announced, self.now_on_air, self.since = set(), None, 0
        self.heard, self.halt = None, 0

    def fault(self, what, t):
        if len(self.s["faults"]) < 20:
            self.s["faults"].append([t, what])

    def hear(self, t):
        """When neither media nor STKMs come, the machine stands still; by so much the next switch may be late, as no crypto-period is cut short."""
        if self.heard is not None and self.s["packets"] and t - self.heard > 0.6:
            self.halt = max(self.halt, t - self.heard)
        self.heard = t

    def media(self, p, t):
        s = self.s
        self.hear(t)
        s["packets"] += 1
        if s["seen"] is not None:
            s["longest_silence_ms"] = max(s["longest_silence_ms"], int((t - s["seen"]) * 1000))
        s["seen"] = t
        if len(p) < 12 + self.MKI + self.TAG or p[0] >> 6 != 2:
            s["not_rtp"] += 1
            return
        seq = int.from_bytes(p[2:4], "big")
        self.numbers.take(seq)
        s["lost"], s["repeated"] = self.numbers.lost, self.numbers.repeated
        body = p[12:]
        if sum(body[i] == 0x47 for i in range(0, len(body) - self.MKI - self.TAG, TS)) >= PER_PACKET - 1 or b"\x10" * 16 in body:
            s["clear"] += 1
            self.fault(f"clear payload, seq {seq}", t)
            if len(p) == 12 + TS * PER_PACKET:  # as it came: there is no MKI in it
                return
        mki = int.from_bytes(p[-self.TAG - self.MKI:-self.TAG], "big")
        if mki != s["mki"]:
            s["mki"] = mki
            s["switches"] = s["switches"][-99:] + [[round(t, 3), mki]]
        if self.now_on_air is None:
            return
        if mki not in self.announced:
            s["unannounced"] += 1
            self.fault(f"media under key {mki}, whose STKM was never on air", t)
        # An STKM precedes its key by -delay_start; the one before it is what receivers hold meanwhile.
        s["lag"] = lag = (self.now_on_air - mki) & 0xFFFF
        if lag > 1 or (lag == 1 and t - self.since > self.slack + self.halt):
            s["stale"] += 1
            self.fault(f"media under key {mki} while STKM {self.now_on_air} has been on air for {t - self.since:.2f} s", t)

    def stkm(self, name, m, t):
        self.hear(t)
        v = self.s["stkm"].setdefault(name, {"count": 0, "malformed": 0, "ids": [], "longest_gap_ms": 0, "seen": t})
        v["count"] += 1
        v["longest_gap_ms"] = max(v["longest_gap_ms"], int((t - v["seen"]) * 1000))
        v["seen"] = t
        try:
            if name == "drm":
                current, following = drm_keys(m)
                self.announced |= {current, following}
                if current != self.now_on_air:
                    self.now_on_air, self.since = current, t
            else:
                current = tek_id(m)
        except (ValueError, IndexError) as e:
            v["malformed"] += 1
            self.fault(f"{name}: {e}: {m.hex()}", t)
            return
        if not v["ids"] or v["ids"][-1][1] != current:
            v["ids"] = v["ids"][-99:] + [[round(t, 3), current]]


class Listen:
    """Packets are numbered by their payload; the first one tells where the source stands."""

    def __init__(self, _):
        self.s = {"packets": 0, "wrong": 0, "first": None, "last": None, "lost": 0, "repeated": 0}

    def media(self, p, _):
        s = self.s
        body = p[12:] if p[:1] == b"\x80" and len(p) == 12 + TS * PER_PACKET else p
        n = int.from_bytes(body[4:12], "big")
        s["packets"] += 1
        if body != payload(n):
            s["wrong"] += 1
            return
        if s["last"] is None:
            s["first"] = n
        elif n <= s["last"]:
            s["repeated"] += 1
            return
        else:
            s["lost"] += n - s["last"] - 1
        s["last"] = n


def record(a):
    r = receiver(a.source)
    r.setblocking(True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("watching", flush=True)
    with open(a.to, "wb") as f:
        for _ in range(a.count):
            p = r.recv(65536)
            f.write(struct.pack(">H", len(p)) + p)


def recorded(name):
    with open(name, "rb") as f:
        data = f.read()
    at = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at:at + 2], "big")
        if at + 2 + size > len(data):
            return  # the last one is still being written
        yield data[at + 2:at + 2 + size]
        at += 2 + size


def compare(a):
    clear = list(recorded(a.clear))
    found = list(recorded(a.recovered))
    places = {p: i for i, p in enumerate(clear)}
    if not found:
        raise SystemExit("nothing was recovered")
    strange = [p for p in found if p not in places]
    if strange:
        raise SystemExit(f"{len(strange)} of {len(found)} packets are none of the clear ones, the first: {strange[0][:64].hex()}")
    at = [places[p] for p in found]
    gaps = [(x, y) for x, y in zip(at, at[1:]) if y != x + 1]
    if gaps:
        raise SystemExit(f"not in a row: {gaps[:10]}")
    print(len(found))


def nals_of(packets):
    unit = None
    for p in packets:
        p = p[12:]
        kind = p[0] & 31
        if kind == 28:
            if p[1] & 0x80:
                unit = bytes([p[0] & 0xE0 | p[1] & 31])
            if unit is not None:
                unit += p[2:]
                if p[1] & 0x40:
                    yield unit
                    unit = None
        elif kind == 24:
            p = p[1:]
            while p:
                size = int.from_bytes(p[:2], "big")
                yield p[2:2 + size]
                p = p[2 + size:]
        else:
            yield p


def nals(a):
    clear = list(nals_of(recorded(a.clear)))
    with open(a.recovered, "rb") as f:
        found = f.read().split(b"\0\0\0\1")[1:]
    starts = [i for i, c in enumerate(clear) if found and c == found[0]]
    if not any(clear[i:i + len(found)] == found for i in starts):
        known = set(clear)
        raise SystemExit(f"the {len(found)} NAL units are no stretch of the {len(clear)} clear ones; {sum(n not in known for n in found)} are none of them")
    print(len(found))


def serve(a, eye):
    inputs = {receiver(a.media): eye.media}
    for text in getattr(a, "stkm", None) or []:
        name, at = text.split("=", 1)
        inputs[receiver(at)] = lambda p, t, name=name: eye.stkm(name, p, t)
    door = socket.socket(socket.AF_UNIX)
    door.bind(a.status)
    door.listen(8)
    print("watching", flush=True)
    while True:
        ready = select.select([*inputs, door], [], [])[0]
        # In the order in which they came, however late we look: media first, so that no STKM which came before them is left for the next round.
        for t, p, take in sorted(((t, p, take) for r, take in inputs.items() for t, p in arrivals(r)), key=lambda one: one[0]):
            take(p, t)
        if door in ready:
            answer(door, eye.s)


def answer(door, s):
    c = door.accept()[0]
    c.settimeout(15)
    try:
        c.recv(4096)
        body = json.dumps(s).encode()
        c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    except OSError:
        pass
    c.close()


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(dest="what", required=True)
    q = sub.add_parser("send")
    q.add_argument("to", nargs="+")
    q.add_argument("--rate", type=float, default=200)
    q.add_argument("--count", type=int, default=-1)
    q.add_argument("--seq", type=int, default=0)
    q.add_argument("--step", type=int, default=1)
    q.add_argument("--ts", type=int, default=PER_PACKET)
    q = sub.add_parser("report")
    q.add_argument("to", nargs="+")
    for name in "watch", "listen":
        q = sub.add_parser(name)
        q.add_argument("--status", required=True)
        q.add_argument("--media", required=True)
        if name == "watch":
            q.add_argument("--stkm", action="append")
            q.add_argument("--slack", type=float, default=1500)
    q = sub.add_parser("record")
    q.add_argument("source")
    q.add_argument("--to", required=True)
    q.add_argument("--count", type=int, required=True)
    for name in "compare", "nals":
        q = sub.add_parser(name)
        q.add_argument("clear")
        q.add_argument("recovered")
    a = p.parse_args()
    if a.what in ("send", "report", "record", "compare", "nals"):
        {"send": send, "report": report, "record": record, "compare": compare, "nals": nals}[a.what](a)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        serve(a, {"watch": Watch, "listen": Listen}[a.what](a))


if __name__ == "__main__":
    main()
