#!/usr/bin/env python3
"""tests/integration/capture_copies.py: copies of a capture that a decoder has to read as the original.

capture_copies.py IN.pcap OUT KIND ...   writes OUT-KIND.pcap each; says the kind, then the TCP and UDP ports that servers have in it
KIND: same, ports (random ones), midway (each connection loses its first frames), reordered (frames change places with near ones), split (segments in two
or three), doubled (segments sent again, some overlapping), lost (one segment of each connection is missing; its receiver confirms it all the same),
vlan (two tags), cooked (Linux cooked), cookedv2, raw, v6 (IPv6, UDP datagrams and large segments in fragments), fragments (IPv4)
"""
import random
import sys
from scapy.all import IP, TCP, UDP, CookedLinux, CookedLinuxV2, Dot1Q, Ether, IPv6, IPv6ExtHdrFragment, PcapWriter, Raw, fragment, fragment6, rdpcap

SERVERS = set(range(22220, 22226)) | set(range(33331, 33336))


def tcp_data(p):
    ip = p[IP]
    return bytes(ip)[ip.ihl * 4 + p[TCP].dataofs * 4:ip.len] if TCP in p else b""


def remade(p, **tcp):
    """A copy with another payload or sequence number; lengths and checksums are computed again."""
    data = tcp.pop("data", None)
    q = p.copy()
    q.time = p.time
    for k, v in tcp.items():
        setattr(q[TCP], k, v)
    if data is not None:
        q[TCP].remove_payload()
        q = q / Raw(data) if data else q
        q.time = p.time
    for layer in (IP, TCP, UDP):
        if layer in q:
            del q[layer].chksum
    if IP in q:
        del q[IP].len
    return q


def connection(p):
    return tuple(sorted(((p[IP].src, p[TCP].sport), (p[IP].dst, p[TCP].dport))))


def ports(frames, rng):
    new = {}
    for p in frames:
        t = p[TCP] if TCP in p else p[UDP]
        for side in ("sport", "dport"):
            old = getattr(t, side)
            if old not in new:
                new[old] = rng.choice([n for n in range(1024, 65000) if n not in new.values()])
            setattr(t, side, new[old])
        del t.chksum
    return frames, {new[n] for n in SERVERS if n in new}


def midway(frames, rng):
    seen, cut = {}, {}
    out = []
    for p in frames:
        if TCP in p:
            c = connection(p)
            cut.setdefault(c, rng.randrange(4, 9))
            seen[c] = seen.get(c, 0) + 1
            if seen[c] <= cut[c]:
                continue
        out.append(p)
    return out


def reordered(frames, rng):
    """Data of one direction change places within four frames of a moment; the handshake stays first. Times stay in order."""
    out, times = list(frames), [p.time for p in frames]
    for i in range(0, len(out) - 4, 4):
        block = out[i:i + 4]
        if all(TCP in p and not p[TCP].flags & 7 for p in block) and block[-1].time - block[0].time < 0.2:
            rng.shuffle(block)
            out[i:i + 4] = block
    for p, t in zip(out, times):
        p.time = t
    return out


def split(frames, rng):
    out = []
    for p in frames:
        data = tcp_data(p)
        if len(data) < 3:
            out.append(p)
            continue
        cuts = sorted({rng.randrange(1, len(data)) for _ in range(rng.choice((1, 2)))})
        for a, b in zip([0] + cuts, cuts + [len(data)]):
            out.append(remade(p, seq=(p[TCP].seq + a) % 2 ** 32, data=data[a:b]))
    return out


def doubled(frames, rng):
    out, before = [], {}
    for p in frames:
        data = tcp_data(p)
        out.append(p)
        if not data:
            continue
        key = (p[IP].src, p[TCP].sport, p[TCP].dport)
        choice = rng.randrange(3)
        if choice == 0:
            out.append(remade(p))
        elif choice == 1 and key in before and before[key][0][TCP].seq + len(before[key][1]) == p[TCP].seq:
            q, old = before[key]	# one that covers two
            again = remade(p, seq=q[TCP].seq, data=old + data)
            again.time = p.time
            out.append(again)
        before[key] = (p, data)
    return out


def lost(frames, rng):
    """Of each connection one segment that is neither its first nor its last with data."""
    data = {}
    for i, p in enumerate(frames):
        if TCP in p and tcp_data(p):
            data.setdefault((p[IP].src, p[TCP].sport, p[TCP].dport), []).append(i)
    gone = {rng.choice(v[1:-1]) for v in data.values() if len(v) > 2}
    return [p for i, p in enumerate(frames) if i not in gone]


def with_link(frames, make):
    out = []
    for p in frames:
        q = make(p)
        q.time = p.time
        out.append(q)
    return out


def to_v6(frames):
    out = []
    for p in frames:
        t = (p[TCP] if TCP in p else p[UDP]).copy()
        if TCP in p:
            t.remove_payload()
            t = t / Raw(tcp_data(p)) if tcp_data(p) else t
        del t.chksum
        q = IPv6(src="::1", dst="::1") / t
        parts = fragment6(IPv6(src="::1", dst="::1") / IPv6ExtHdrFragment(id=len(out)) / t, 400) if len(q) > 400 else [q]
        for f in parts:
            f = Ether(src="00:00:00:00:00:00", dst="00:00:00:00:00:00") / f
            f.time = p.time
            out.append(f)
    return out


def in_fragments(frames):
    out = []
    for i, p in enumerate(frames):
        ip = p[IP].copy()
        ip.flags, ip.id = 0, i + 1
        del ip.chksum
        pieces = fragment(ip, 256)
        if len(pieces) > 1 and i % 2:
            pieces.reverse()
        for f in pieces:
            f = Ether(src=p.src, dst=p.dst) / f
            f.time = p.time
            out.append(f)
    return out


def copy(kind, frames, rng, target):
    servers = {n for p in frames for n in ((p[TCP] if TCP in p else p[UDP]).sport, (p[TCP] if TCP in p else p[UDP]).dport)} & SERVERS
    if kind == "ports":
        frames, servers = ports(frames, rng)
    elif kind in ("midway", "reordered", "split", "doubled", "lost"):
        frames = globals()[kind](frames, rng)
    elif kind in LINKS:
        frames = with_link(frames, LINKS[kind])
    elif kind == "v6":
        frames = to_v6(frames)
    elif kind == "fragments":
        frames = in_fragments(frames)
    with PcapWriter(target, nano=False, linktype={"cooked": 113, "cookedv2": 276, "raw": 101}.get(kind, 1)) as w:
        for p in frames:
            w.write(p)
    print(kind, *sorted(servers))


LINKS = {
    "vlan": lambda p: Ether(src=p.src, dst=p.dst) / Dot1Q(vlan=7) / Dot1Q(vlan=8) / p[IP],
    "cooked": lambda p: CookedLinux(proto=0x800) / p[IP],
    "cookedv2": lambda p: CookedLinuxV2(proto=0x800) / p[IP],
    "raw": lambda p: p[IP].copy(),
}
for name in sys.argv[3:]:
    copy(name, list(rdpcap(sys.argv[1])), random.Random(7), f"{sys.argv[2]}-{name}.pcap")
