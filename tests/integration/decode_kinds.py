#!/usr/bin/env python3
"""tests/integration/decode_kinds.py: captures of rarer kinds, for simulgate-decode.

decode_kinds.py DATA DIR   writes DIR/KIND.pcap for each of KINDS: one ECMG<=>SCS exchange each, in one link layer or IP of its own; DIR/air.pcap; and hostile
ones: connections.pcap (half a message each, none ever ends), fragments.pcap (no datagram is ever whole), gap.pcap (octets behind one that never comes)
"""
import json
import random
import struct
import sys
from scapy.all import IP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw

ETHER, NULL, RAW, LOOP, IPV4, IPV6 = 1, 0, 101, 108, 228, 229


def tlv(kind, value):
    return struct.pack(">HH", kind, len(value)) + value


def message(kind, *parameters):
    body = b"".join(parameters)
    return struct.pack(">BHH", 3, kind, len(body)) + body


def u16(kind, value):
    return tlv(kind, struct.pack(">H", value))


SETUP = message(1, u16(14, 7), tlv(1, b"\x4a\xe6\0\1"))
STATUS = message(3, u16(14, 7), tlv(2, b"\2"), u16(3, 0), u16(4, 0), u16(7, 500), u16(8, 0), u16(9, 10), tlv(10, b"\0"), tlv(11, b"\1"), u16(12, 500))
ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def v6(t, *extensions):
    p = IPv6(src="fd00::1", dst="fd00::2")
    for e in extensions:
        p = p / e
    return p / t


def v4(t):
    return IP(src="10.0.0.1", dst="10.0.0.2") / t


KINDS = {
    "vlan": (ETHER, lambda t: ETH / Dot1Q(vlan=7) / v4(t)),
    "provider": (ETHER, lambda t: ETH / Dot1AD(vlan=7) / Dot1Q(vlan=8) / v4(t)),
    "padded": (ETHER, lambda t: bytes(ETH / v4(t)) + b"\xee" * 9),
    "null": (NULL, lambda t: struct.pack("=I", 2) + bytes(v4(t))),
    "null6": (NULL, lambda t: struct.pack("=I", 30) + bytes(v6(t))),
    "loop": (LOOP, lambda t: struct.pack(">I", 2) + bytes(v4(t))),
    "raw6": (RAW, v6),
    "ipv4": (IPV4, v4),
    "ipv6": (IPV6, v6),
    "extended": (ETHER, lambda t: ETH / v6(t, IPv6ExtHdrHopByHop(), IPv6ExtHdrRouting(), IPv6ExtHdrDestOpt())),
    "options": (ETHER, lambda t: ETH / IP(src="10.0.0.1", dst="10.0.0.2", options=b"\1\1\1\0") / t),
}


def exchange():
    yield TCP(sport=40000, dport=2000, flags="S", seq=999)
    yield TCP(sport=40000, dport=2000, flags="PA", seq=1000, ack=1) / Raw(SETUP)


def write(name, link, frames):
    with open(name, "wb") as w:
        w.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link))
        for k, p in enumerate(map(bytes, frames)):
            w.write(struct.pack("<IIII", 1700000000 + k, 0, len(p), len(p)) + p)


def swapped(p):
    """The frame in the other direction: addresses change places where they lie one behind the other."""
    for a, b in ((b"\x0a\0\0\1", b"\x0a\0\0\2"), (bytes(IPv6(src="fd00::1"))[8:24], bytes(IPv6(src="fd00::2"))[8:24])):
        if a + b in p:
            return p.replace(a + b, b + a)
    raise ValueError("no addresses")


def make(data, out):
    for kind, (link, wrap) in KINDS.items():
        frames = [bytes(wrap(t)) for t in exchange()]
        frames.append(swapped(bytes(wrap(TCP(sport=2000, dport=40000, flags="PA", seq=1, ack=1000 + len(SETUP)) / Raw(STATUS)))))
        write(f"{out}/{kind}.pcap", link, frames)
    with open(f"{data}/bcast/stkm-examples.json", encoding="utf-8") as f:
        air = [bytes.fromhex(e["stkm"]) for e in json.load(f)["examples"]]
    with open(f"{data}/bcast/mikey-vectors.json", encoding="utf-8") as f:
        vectors = json.load(f)["vectors"]
    air += [bytes.fromhex(vectors[v]["message"]) for v in ("V09_ltkm_ext_bcast_min", "V13_stkm_srtp_ext_bcast")]
    rng = random.Random(5)
    junk = [struct.pack(">BBHII", 0x80, 33, k, k * 3000, 77) + rng.randbytes(rng.randrange(20, 1400)) for k in range(300)]	# RTP
    junk += [b"\x47" + rng.randbytes(187) for _ in range(50)] + [rng.randbytes(rng.randrange(1, 600)) for _ in range(1000)]
    frames = [ETH / IP(src="10.0.0.1", dst="239.1.1.1") / UDP(sport=5000, dport=5010) / Raw(p) for p in air]
    frames += [ETH / IP(src="10.0.0.1", dst="239.1.1.2") / UDP(sport=5000, dport=5004) / Raw(p) for p in junk]
    write(f"{out}/air.pcap", ETHER, frames)
    for kind, n in (("connections", 10000), ("fragments", 5000), ("gap", 1000)):
        flood(f"{out}/{kind}.pcap", kind, n)


def of_flood(kind, k):
    half = SETUP + b"\3\2\1\xff\xff" + bytes(100)
    if kind == "connections":
        return IP(src=f"10.{k >> 16}.{k >> 8 & 255}.{k & 255}", dst="10.0.0.2") / TCP(sport=4000, dport=2000, flags="A", seq=1) / Raw(half)
    if kind == "fragments":
        return IP(src="10.0.0.1", dst="10.0.0.2", id=k & 0xffff, proto=17, flags="MF", frag=k % 90) / Raw(bytes(800))
    return IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=4000, dport=2000, flags="A", seq=1 + k * 1400 + (9000 if k else 0)) / Raw(half if k == 0 else bytes(1400))


def flood(name, kind, n):
    """Packets are built once and patched: scapy takes a millisecond for each."""
    first, other = (bytes(of_flood(kind, k)) for k in (0, 1))

    def packet(k):
        p = bytearray(first if k == 0 else other)
        if kind == "connections":
            p[13:16] = k.to_bytes(3, "big")
        elif kind == "fragments":
            p[4:6] = (k & 0xffff).to_bytes(2, "big")
        elif k:
            p[24:28] = (9001 + k * 1400).to_bytes(4, "big")
        return p
    write(name, RAW, map(packet, range(n)))


make(sys.argv[1], sys.argv[2])
