#!/usr/bin/env python3
"""tests/integration/esp_scapy.py: scapy's IPsec layer opens what esp_wire wrote.

esp_scapy.py CAPTURE KEYS MODE AUTH    KEYS: lines "SPI TEK TAK"; MODE: transport or tunnel; AUTH: auth or plain
Every packet must be authentic, in order per SPI, and hold the RTP packet that follows from its number, with right checksums.
"""
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.ipsec import ESP, SecurityAssociation  # noqa: E402
from scapy.utils import RawPcapReader  # noqa: E402

HEADER = bytes.fromhex("80600000 00003840 c0ffee01".replace(" ", ""))
PORT = 5004


def payload(n):
    p = bytearray(HEADER) + bytes((n + i * 3) & 255 for i in range(12, 12 + n * 13 % 1289))
    p[2:4] = n.to_bytes(2, "big")
    return bytes(p)


def association(spi, tek, tak, outer, tunnel, auth):
    return SecurityAssociation(
        ESP, spi=int(spi, 16), crypt_algo="AES-CBC", crypt_key=bytes.fromhex(tek), auth_algo="HMAC-SHA1-96" if auth else "NULL",
        auth_key=bytes.fromhex(tak) if auth else None, tunnel_header=outer if tunnel else None)


def rebuilt(packet):
    """The same with lengths and checksums that scapy computes."""
    again = packet.copy()
    for layer in (IP, UDP):
        if layer in again:
            for name in ("len", "chksum"):
                again[layer].delfieldval(name)
    return bytes(again)


def main(capture, keys, mode, auth):
    lines = [line.split() for line in open(keys, encoding="ascii")]
    sas, numbers, count, ivs = {}, {}, 0, set()
    for raw, _ in RawPcapReader(capture):
        outer = (IPv6 if raw[0] >> 4 == 6 else IP)(raw)
        assert bytes(outer) == raw, "scapy reads the packet whole"
        if IP in outer:
            assert rebuilt(outer) == raw, "the outer header is right"
        esp = outer[ESP]
        if esp.spi not in sas:
            spi, tek, tak = lines[len(sas)]
            sas[esp.spi] = association(spi, tek, tak, outer.copy(), mode == "tunnel", auth == "auth")
            assert int(spi, 16) == esp.spi, "SPIs come in turn"
        numbers[esp.spi] = numbers.get(esp.spi, 0) + 1
        assert esp.seq == numbers[esp.spi], f"sequence number {esp.seq}, {numbers[esp.spi]} expected"
        ivs.add(esp.data[:16])
        clear = sas[esp.spi].decrypt(outer)
        if mode == "tunnel":
            assert clear.src == outer.src and clear.dst == outer.dst and bytes(clear) == rebuilt(clear), "the inner header is right"
            assert (clear.hlim, clear.tc) == (64, 0) if IPv6 in clear else (clear.ttl, clear.tos, str(clear.flags)) == (64, 0, "DF")
        assert rebuilt(clear)[-len(clear[UDP]):] == bytes(clear[UDP]), "length and checksum of UDP are right"
        assert (clear[UDP].sport, clear[UDP].dport) == (PORT, PORT)
        assert bytes(clear[UDP].payload) == payload(count), f"packet {count} is what was sent"
        if auth == "auth":
            sas[esp.spi].decrypt(outer.__class__(raw))  # again: it is not damaged by being opened
            broken = bytearray(raw)
            broken[-20] ^= 1
            try:
                sas[esp.spi].decrypt(outer.__class__(bytes(broken)))
                raise SystemExit("a damaged packet was taken")
            except Exception as e:  # scapy's own
                assert type(e).__name__ == "IPSecIntegrityError", repr(e)
        count += 1
    assert count == 200 and len(sas) == 8 and len(ivs) == count, f"{count} packets, {len(sas)} SPIs, {len(ivs)} IVs"
    print(f"{count} packets of {len(sas)} SPIs")


main(*sys.argv[1:])
