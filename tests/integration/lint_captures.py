#!/usr/bin/env python3
"""tests/integration/lint_captures.py: captures of sessions that each break one rule of simulgate lint, named after it.

lint_captures.py DIR      writes DIR/RULE.pcap each, and DIR/conforming.pcap; says the rules
lint_captures.py --hostile IN.pcap DIR N    writes N copies with octets changed, frames cut, doubled and dropped
"""
import random
import struct
import sys

CLIENT, SERVER = (b"\x0a\x00\x00\x01", 5000), (b"\x0a\x00\x00\x02", 2000)


class Capture:
    """Ethernet, IPv4; a TCP connection with its handshake, datagrams beside it."""

    def __init__(self):
        self.frames, self.at, self.seq = [], 1_700_000_000_000_000, [1000, 2000]
        self.tcp(0, flags=2)
        self.tcp(1, flags=18)
        self.tcp(0, flags=16)

    def frame(self, side, proto, body):
        src, dst = (SERVER, CLIENT) if side else (CLIENT, SERVER)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, proto, 0, src[0], dst[0])
        self.frames.append((self.at, b"\x02" * 12 + b"\x08\x00" + ip + body))
        self.at += 1000

    def tcp(self, side, data=b"", flags=24):
        ports = (SERVER[1], CLIENT[1]) if side else (CLIENT[1], SERVER[1])
        self.frame(side, 6, struct.pack(">HHIIBBHHH", *ports, self.seq[side] & 0xFFFFFFFF, self.seq[1 - side] & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0) + data)
        self.seq[side] += len(data) + (1 if flags & 3 else 0)

    def udp(self, data):
        self.frame(0, 17, struct.pack(">HHHH", 5001, 2001, 8 + len(data), 0) + data)

    def wait(self, ms):
        self.at += ms * 1000

    def say(self, side, version, kind, *params):
        self.tcp(side, message(version, kind, *params))

    def end(self):
        self.tcp(0, flags=17)
        self.tcp(1, flags=17)

    def write(self, path):
        with open(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for at, p in self.frames:
                out.write(struct.pack("<IIII", at // 1_000_000, at % 1_000_000, len(p), len(p)) + p)


def message(version, kind, *params):
    body = b"".join(struct.pack(">HH", t, len(v)) + v for t, v in params)
    return struct.pack(">BHH", version, kind, len(body)) + body


def u(n, size=2):
    return n.to_bytes(size, "big", signed=n < 0)


CHANNEL, STREAM = (0x0E, u(1)), (0x0F, u(1))


def status(**changed):
    values = {"flag": u(0, 1), "start": u(-200), "stop": u(-200), "rep": u(500), "streams": u(8), "min": u(10), "lead": u(1, 1), "words": u(2, 1), "comp": u(100)}
    values.update(changed)
    numbers = {"flag": 2, "start": 3, "stop": 4, "rep": 7, "streams": 8, "min": 9, "lead": 10, "words": 11, "comp": 12}
    return [CHANNEL] + [(numbers[k], v) for k, v in values.items()]


def word(cp):
    return (0x14, u(cp) + b"\xa1\xa2\xa3\xa4\xa5\xa6" + u(cp))


def ask(c, cp, words=None, more=()):
    c.say(0, 3, 0x201, CHANNEL, STREAM, (0x12, u(cp)), *(words or [word(cp), word(cp + 1 & 0xFFFF)]), *more)


def ecm(c, cp, body=None):
    c.say(1, 3, 0x202, CHANNEL, STREAM, (0x12, u(cp)), (0x15, body or bytes([0x80 | cp & 1, 0x70, 2]) + u(cp)))


def open_ecmg(limits=None, mode=0):
    c = Capture()
    c.say(0, 3, 1, CHANNEL, (1, u(0x4ADC0001, 4)))
    c.say(1, 3, 3, *(limits or status()))
    c.say(0, 3, 0x101, CHANNEL, STREAM, (0x19, u(5)), (0x10, u(20)))
    c.say(1, 3, 0x103, CHANNEL, STREAM, (0x19, u(5)), (0x11, u(mode, 1)))
    return c


def close_ecmg(c):
    c.say(0, 3, 0x104, CHANNEL, STREAM)
    c.say(1, 3, 0x105, CHANNEL, STREAM)
    c.say(0, 3, 4, CHANNEL)
    c.end()
    return c


def periods(c, cps):
    for cp in cps:
        ask(c, cp)
        ecm(c, cp)
        c.wait(1990)


def ecmg(broken=lambda c: None, limits=None, mode=0):
    c = open_ecmg(limits, mode)
    if not mode:
        periods(c, (65534, 65535))
    broken(c)
    return close_ecmg(c)


MUX = (1, u(0x4ADC0001, 4)), (3, u(1))


def emmg(broken):
    c = Capture()
    c.say(0, 3, 0x11, *MUX, (2, u(0, 1)))
    c.say(1, 3, 0x13, *MUX, (2, u(0, 1)))
    c.say(0, 3, 0x111, *MUX, (4, u(1)), (8, u(5)), (7, u(0, 1)))
    c.say(1, 3, 0x113, *MUX, (4, u(1)), (8, u(5)), (7, u(0, 1)))
    c.say(0, 3, 0x117, *MUX, (4, u(1)), (6, u(1)))
    c.say(1, 3, 0x118, *MUX, (4, u(1)), (6, u(1)))
    broken(c)
    c.say(0, 3, 0x114, *MUX, (4, u(1)))
    c.say(1, 3, 0x115, *MUX, (4, u(1)))
    c.say(0, 3, 0x14, *MUX)
    c.end()
    return c


def data(c, *datagrams):
    c.say(0, 3, 0x211, *MUX, (4, u(1)), (8, u(5)), *((5, d) for d in datagrams))


def section(n):
    return b"\x82\x70" + bytes([n]) + b"\xaa" * n


def silence(c):
    ask(c, 0)
    c.wait(20000)
    periods(c, (0,))


def outstanding(c):
    ask(c, 0)
    ask(c, 1)
    ecm(c, 0)
    ecm(c, 1)


def late(c):
    ask(c, 0)
    c.wait(300)
    ecm(c, 0)


def refuse(status_value):
    def one(c):
        ask(c, 0)
        c.say(1, 3, 0x106, CHANNEL, STREAM, (0x7000, u(status_value)))
    return one


def on_air(c):
    for n, cp in enumerate((0, 1)):
        ask(c, cp)
        ecm(c, cp)
        for _ in range(4):
            c.udp(bytes([0x80 | cp & 1, 0x70, 2]) + u(cp))
            if n and _ == 3:
                c.udp(b"\x80\x70\x02" + u(0))
            c.wait(500)


def mixed(c):
    c.say(0, 2, 2, CHANNEL)
    c.say(1, 3, 5, CHANNEL, (0x7000, u(2)))


def both(*steps):
    def all_of(c):
        for s in steps:
            s(c)
    return all_of


BROKEN = {
    "param-missing": lambda: ecmg(lambda c: (c.say(0, 3, 0x201, CHANNEL, STREAM, word(0), word(1)), c.say(1, 3, 0x106, CHANNEL, STREAM, (0x7000, u(0x10))))),
    "param-length": lambda: ecmg(both(lambda c: ask(c, 0, more=[(0x13, u(20, 3))]), lambda c: c.say(1, 3, 0x106, CHANNEL, STREAM, (0x7000, u(0x0F))))),
    "param-repeated": lambda: ecmg(lambda c: (c.say(0, 3, 2, CHANNEL, CHANNEL), c.say(1, 3, 5, CHANNEL, (0x7000, u(1))))),
    "version-change": lambda: ecmg(mixed),
    "error-number": lambda: ecmg(refuse(0x77)),
    "cw-outstanding": lambda: ecmg(outstanding),
    "cw-count": lambda: ecmg(lambda c: (ask(c, 0, [word(0)]), ecm(c, 0))),
    "cw-window": lambda: ecmg(lambda c: (ask(c, 0, [word(1), word(2)]), ecm(c, 0))),
    "cw-changed": lambda: ecmg(lambda c: (ask(c, 0, [(0x14, b"\0\0" + b"\x77" * 8), word(1)]), ecm(c, 0))),
    "cw-refused": lambda: ecmg(refuse(0x0B)),
    "cp-sequence": lambda: ecmg(lambda c: periods(c, (4,))),
    "cp-nominal": lambda: ecmg(lambda c: (ask(c, 0, more=[(0x13, u(15))]), ecm(c, 0))),
    "ac-missing": lambda: ecmg(lambda c: periods(c, (0,)), mode=1),
    "silence": lambda: ecmg(silence),
    "ecm-late": lambda: ecmg(late),
    "ecm-format": lambda: ecmg(lambda c: (ask(c, 0), ecm(c, 0, b"\x80\x70\x09\0\0"))),
    "delay-late": lambda: ecmg_lead_0(),
    "air-window": lambda: ecmg(on_air),
    "bandwidth": lambda: emmg(lambda c: data(c, *[section(120)] * 20) or data(c, section(120))),
    "data-format": lambda: emmg(lambda c: data(c, section(20) + b"\0")),
    "udp-param": lambda: emmg(lambda c: c.udp(message(3, 0x211, *MUX, (4, u(1)), (8, u(5)), (5, section(20))))),
    "data-id": lambda: emmg(lambda c: c.say(0, 3, 0x211, *MUX, (4, u(1)), (8, u(6)), (5, section(20)))),
}


def ecmg_lead_0():
    c = open_ecmg(status(start=u(100), stop=u(100), lead=u(0, 1), words=u(1, 1)))
    ask(c, 0, [word(0)])
    ecm(c, 0)
    return close_ecmg(c)


def hostile(path, out, n):
    whole = open(path, "rb").read()
    rng = random.Random(7)
    at, frames = 24, []
    while at < len(whole):
        size = struct.unpack_from("<I", whole, at + 8)[0]
        frames.append(whole[at:at + 16 + size])
        at += 16 + size
    for k in range(n):
        with open(f"{out}/hostile-{k}.pcap", "wb") as f:
            f.write(whole[:24])
            for frame in frames:
                p = bytearray(frame)
                if rng.random() < 0.2:
                    for _ in range(rng.randint(1, 6)):
                        p[rng.randrange(16 + 34, len(p))] = rng.randrange(256)
                if rng.random() < 0.95:
                    f.write(p)
                if rng.random() < 0.05:
                    f.write(frame)


def main():
    if sys.argv[1] == "--hostile":
        hostile(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    ecmg(lambda c: periods(c, (0, 1))).write(f"{sys.argv[1]}/conforming.pcap")
    for rule, make in BROKEN.items():
        make().write(f"{sys.argv[1]}/{rule}.pcap")
        print(rule)


if __name__ == "__main__":
    main()
