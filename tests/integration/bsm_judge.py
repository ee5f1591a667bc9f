#!/usr/bin/env python3
"""tests/integration/bsm_judge.py: what goes between a BSM and its phones, captured.

bsm_judge.py PCAP PDML PORT ...     MIKEY messages from and to these UDP ports: tshark (PDML: udp and mikey of PCAP) finds none malformed and
                                    all of them to be MIKEY; no counter was used for two messages of one subscriber, or one key
Says "ok …" or "not ok …" a line.
"""
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

from scapy.layers.inet import UDP
from scapy.utils import rdpcap

RAND, KEMAC, T, ID, V, EXT = 11, 1, 5, 6, 9, 21


def say(good, what, why=""):
    print("ok" if good else "not ok", what, "" if good else f"| {why}".replace("\n", " "), flush=True)


class Message:
    """RFC 3830, as far as a BSM has it: written from the RFC, not from the programs under test."""

    def __init__(self, octets):
        self.ids, self.key, self.data, self.counter = [], None, None, None
        self.type, kind, at = octets[1], octets[2], 10 + 9 * octets[8]
        while kind:
            this, kind = kind, octets[at]
            if this == T:
                self.counter = int.from_bytes(octets[at + 2:at + 6], "big")
                at += 6
            elif this == RAND:
                at += 2 + octets[at + 1]
            elif this == ID:
                n = int.from_bytes(octets[at + 2:at + 4], "big")
                self.ids.append(octets[at + 4:at + 4 + n].decode())
                at += 4 + n
            elif this == EXT:
                n = int.from_bytes(octets[at + 2:at + 4], "big")
                if octets[at + 1] == 3:
                    self.key = octets[at + 4:at + 15].hex()
                at += 4 + n
            elif this == KEMAC:
                self.data = int.from_bytes(octets[at + 2:at + 4], "big")
                at += 4 + self.data + 21
            elif this == V:
                at += 22
            else:
                raise ValueError(f"payload {this}")
        if at != len(octets):
            raise ValueError(f"{len(octets) - at} octets behind the last payload")

    def kind(self):
        if self.type == 1:
            return "verification"
        if self.type != 0:
            return f"type {self.type}"
        if not self.ids:
            return "stkm"
        return "pull" if self.data == 0 else "ltkm"


def messages(pcap, ports):
    for p in rdpcap(pcap):
        if UDP in p and (p[UDP].sport in ports or p[UDP].dport in ports):
            yield bytes(p[UDP].payload)


def judge(pcap, pdml, ports):
    kinds, seen, twice, bad = Counter(), {}, [], []
    for octets in messages(pcap, ports):
        try:
            m = Message(octets)
        except (ValueError, IndexError) as e:
            bad.append(f"{octets.hex()}: {e}")
            continue
        kinds[m.kind()] += 1
        if m.type == 0 and seen.setdefault((m.ids[-1] if m.ids else m.key, m.counter), octets) != octets:
            twice.append((m.ids, m.key, m.counter))
    say(not bad, f"every message of the run is whole: {dict(kinds)}", bad[:3])
    say(all(kinds[k] for k in ("ltkm", "stkm", "pull", "verification")), "there are messages of each kind", kinds)
    say(seen and not twice, "no counter was used for two messages under one key", twice[:5] or "none was sent")
    found = malformed = total = 0
    for _, p in ElementTree.iterparse(pdml):
        if p.tag != "packet":
            continue
        total += 1
        found += any(e.tag == "proto" and e.get("name") == "mikey" for e in p.iter())
        malformed += any(e.get("name") == "_ws.malformed" for e in p.iter())
        p.clear()
    say(total and found == total, f"tshark takes each of them for MIKEY: {found} of {total}", "others are none")
    say(not malformed, "and none for malformed", str(malformed))


if __name__ == "__main__":
    judge(sys.argv[1], sys.argv[2], {int(p) for p in sys.argv[3:]})
