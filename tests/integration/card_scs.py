#!/usr/bin/env python3
"""tests/integration/card_scs.py: an SCS for STKMs of the Smartcard profile that knows which TEK it sent for which crypto-period.

card_scs.py run HOST:PORT ECM_ID CP FILE
    Asks for CP, CP + 1, …, each with a TEK of its own, until the connection ends. A line of FILE per question, "CP TEK", and one per
    answer, "CP TEK STKM", each on disk before the next step.
card_scs.py again HOST:PORT ECM_ID FILE
    Asks for the last of them again: with its TEK the same octets, with another an error_status 0x0011; "ok …" or "not ok …" a line. What came
    out of the last question, which had no answer, is added to FILE.
card_scs.py time HOST:PORT ECM_ID CP N
    The median time of N answers, in µs.
"""
import os
import socket
import statistics
import struct
import sys
import time

from simwire import Peer, frame, u16

LAST = 40


class Scs(Peer):
    def __init__(self, where, ecm_id):
        super().__init__(where, 5)
        self.channel(super_cas_id=0x00020001)
        self.stream(ecm_id=ecm_id)

    def stkm(self, cp, tek):
        """The octets, or the error_status."""
        cp &= 0xFFFF
        self.send(frame(self.version, 0x201, u16(0x0E, 1), u16(0x0F, 7), u16(0x12, cp), (0x14, struct.pack(">H", cp) + tek)))
        m = self.get()
        if m is None:
            raise EOFError
        return m.raw(0x15)[0] if m.type == 0x202 else m.int(0x7000)


def run(where, ecm_id, cp, path):
    with open(path, "w", encoding="ascii", buffering=1) as f:
        try:
            scs = Scs(where, ecm_id)
            while True:
                tek = os.urandom(30)
                print(cp, tek.hex(), file=f)
                stkm = scs.stkm(cp, tek)
                if isinstance(stkm, int):
                    print(f"CP {cp}: error_status {stkm:#06x}")
                    return 1
                print(cp, tek.hex(), stkm.hex(), file=f)
                cp += 1
        except (EOFError, OSError):
            return 0


def again(where, ecm_id, path):
    asked, answered = {}, {}
    with open(path, encoding="ascii") as f:
        for line in f:
            cp, tek, *stkm = line.split()
            asked[int(cp)] = bytes.fromhex(tek)
            if stkm:
                answered[int(cp)] = bytes.fromhex(stkm[0])
    scs = Scs(where, ecm_id)
    last = sorted(answered)[-LAST:]
    wrong = [cp for cp in last if scs.stkm(cp, os.urandom(30)) != 0x0011]
    print("ok" if last and not wrong else "not ok", "another TEK for a crypto-period that was answered is refused", wrong or "")
    wrong = [cp for cp in last if scs.stkm(cp, asked[cp]) != answered[cp]]
    print("ok" if last and not wrong else "not ok", "the same TEK gives the same octets", wrong or "")
    torn = max(asked)  # the answer was on its way, or not: its TEK ID may be spent, but only for that TEK
    other = os.urandom(30)
    first = scs.stkm(torn, other)
    tek = asked[torn] if first == 0x0011 else other
    second = scs.stkm(torn, tek)
    refused = scs.stkm(torn, os.urandom(30))
    fine = isinstance(second, bytes) and refused == 0x0011 and first in (0x0011, second)
    print("ok" if fine else "not ok", "the crypto-period that was torn has one TEK")
    if fine:
        with open(path, "a", encoding="ascii") as f:
            print(torn, tek.hex(), second.hex(), file=f)


def measure(where, ecm_id, cp, n):
    scs, took = Scs(where, ecm_id), []
    for k in range(n):
        tek = os.urandom(30)
        at = time.perf_counter()
        stkm = scs.stkm(cp + k, tek)
        took.append(time.perf_counter() - at)
        assert isinstance(stkm, bytes), hex(stkm)
    print(round(statistics.median(took) * 1e6))


def main():
    what, where, ecm_id, *rest = sys.argv[1:]
    if what == "run":
        return run(where, int(ecm_id), int(rest[0]), rest[1])
    if what == "again":
        return again(where, int(ecm_id), rest[0])
    return measure(where, int(ecm_id), int(rest[0]), int(rest[1]))


if __name__ == "__main__":
    socket.setdefaulttimeout(10)
    sys.exit(main())
