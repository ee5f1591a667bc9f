"""lint_hostile.py OUT.pcap: an SCS and an ECMG who break rules, with mark-up for words, and three crypto-periods."""
import struct
import sys

EVIL = b"</td></table><script>alert(1)</script><img src=x onerror='alert(2)'>\"<!--"


def message(kind, *params, version=3):
    body = b"".join(struct.pack(">HH", t, len(v)) + v for t, v in params)
    return struct.pack(">BHH", version, kind, len(body)) + body


def u16(v):
    return struct.pack(">H", v)


CHANNEL, STREAM = (0x000E, u16(1)), (0x000F, u16(1))
STATUS = [(0x0002, b"\1"), (0x0003, u16(0)), (0x0004, u16(0)), (0x0007, u16(100)), (0x0008, u16(0)), (0x0009, u16(10)), (0x000A, b"\0"), (0x000B, b"\1"), (0x000C, u16(50))]
TALK = [
    (0, 0.0, message(0x0001, CHANNEL, (0x0001, b"\x4a\xe6\0\1"))), (1, 0.01, message(0x0003, CHANNEL, *STATUS)),
    (0, 0.02, message(0x0101, CHANNEL, STREAM, (0x0019, u16(7)), (0x0010, u16(100)))), (1, 0.03, message(0x0103, CHANNEL, STREAM, (0x0019, u16(7)), (0x0011, b"\0"))),
]
for cp in range(3):
    TALK += [(0, 1.0 + cp * 10, message(0x0201, CHANNEL, STREAM, (0x0012, u16(cp)), (0x0014, u16(cp) + b"<script>"), (0x000D, EVIL))),
             (1, 1.5 + cp * 10, message(0x0202, CHANNEL, STREAM, (0x0012, u16(cp)), (0x0015, EVIL)))]
TALK += [(1, 40.0, message(0x0106, CHANNEL, STREAM, (0x7000, u16(0x7777)), (0x7001, EVIL))), (0, 41.0, message(0x3C73, (0x3E3C, EVIL))), (1, 42.0, message(0x0005, CHANNEL, (0x7001, EVIL)))]


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def frame(side, seq, ack, flags, data=b""):
    ends = [(b"\x0a\0\0\1", 40000), (b"\x0a\0\0\2", 2000)]
    (src, sport), (dst, dport) = ends[side], ends[1 - side]
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0, src, dst)
    ip = ip[:10] + u16(checksum(ip)) + ip[12:]
    return ip + struct.pack(">HHIIBBHHH", sport, dport, seq[side], ack, 0x50, flags, 65535, 0, 0) + data


with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))

    def put(at, octets):
        out.write(struct.pack("<IIII", 1772366400 + int(at), round(at % 1 * 1000000), len(octets), len(octets)) + octets)

    seq = [1000, 2000]
    put(0, frame(0, seq, 0, 0x02))
    put(0, frame(1, seq, 1001, 0x12))
    seq = [1001, 2001]
    for who, when, data in TALK:
        put(when, frame(who, seq, seq[1 - who], 0x18, data))
        seq[who] += len(data)
    put(43, frame(0, seq, seq[1], 0x11))
    put(43, frame(1, seq, seq[0] + 1, 0x11))
