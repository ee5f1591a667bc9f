#!/usr/bin/env python3
"""tests/integration/emmgwire.py: EMMGs and PDGs that say what they are told to, to judge a running simulgate-mux.

emmgwire.py vectors VECTORS lenient|strict HOST:PORT LOG AIR-PORT
    Sends every EMMG<=>MUX message of the vectors, the negative ones and the segmentation cases, by TCP and UDP (the port is the
    same); says "ok …" or "not ok …" a line. The mux maps everything to 127.0.0.1:AIR-PORT, where this listens.
emmgwire.py habits HOST:PORT AIR-PORT
    Other people's habits: other orders of parameters, identifiers on UDP, many messages a segment, one octet a segment.
emmgwire.py feed HOST:PORT SECONDS
    Sections to data_id 32 and packets to data_id 34 (0x4AE60001) for a while, restarting the first stream; for those who judge the TS.
emmgwire.py datagrams HOST:PORT DATA_ID ...
    One data_provision by UDP for each.
emmgwire.py sessions HOST:PORT
    A session of each version, TCP, and UDP from version 2 on, and an error in each: for those who judge the wire. Prints how many
    messages of each kind went either way.
emmgwire.py crowd HOST:PORT
    Connects until it is told 0x0007; the first connection goes on.
"""
import json
import socket
import struct
import sys
import time

from simwire import Message, Peer, drained, frame, log_lines, u16
from sockets import roomy

CLIENT = 0x4AE60001
NAMES = {0x11: "channel_setup", 0x12: "channel_test", 0x13: "channel_status", 0x14: "channel_close", 0x15: "channel_error",
         0x111: "stream_setup", 0x112: "stream_test", 0x113: "stream_status", 0x114: "stream_close_request",
         0x115: "stream_close_response", 0x116: "stream_error", 0x117: "stream_BW_request", 0x118: "stream_BW_allocation",
         0x211: "data_provision"}
STATUS, ERROR, SSTATUS, SCLOSED, SERROR, ALLOCATION = 0x13, 0x15, 0x113, 0x115, 0x116, 0x118
# What the mux does with each message: what must be open, and the type of its answer, or error and status. None: no answer.
REACTIONS = {0x11: ("", STATUS), 0x12: ("channel", STATUS), 0x13: ("channel", None), 0x14: ("channel", EOFError),
             0x15: ("channel", None), 0x111: ("channel", SSTATUS), 0x112: ("stream", SSTATUS), 0x113: ("stream", None),
             0x114: ("stream", SCLOSED), 0x115: ("stream", (SERROR, 1)), 0x116: ("stream", None), 0x117: ("stream", ALLOCATION),
             0x118: ("stream", (SERROR, 1)), 0x211: ("stream", None)}


def u8(t, v):
    return t, bytes([v])


def cid(client):
    return 1, struct.pack(">I", client)


def section(n, seed=0):
    return bytes([0x82 | seed & 1, 0x70 | (n - 3) >> 8, (n - 3) & 0xFF]) + bytes((seed + k) & 0xFF for k in range(n - 3))


def packet(k):
    return bytes([0x47, 0x1F, 0xFF, 0x10]) + bytes([k & 0xFF]) * 184


class Emmg(Peer):
    """One channel of one client."""

    def __init__(self, where, version=3, client=CLIENT, channel=1, flag=0):
        super().__init__(where, version)
        self.client, self.id, self.flag = client, channel, flag

    def ids(self, stream=None):
        return [cid(self.client), u16(3, self.id)] + ([u16(4, stream)] if stream is not None else [])

    def ask(self, data, want):
        if data:
            self.send(data)
        while (m := self.get()) is not None and m.type == 0x12 and m.type != want:
            self.alive()
        if m is None or m.type != want:
            raise ValueError(f"no {NAMES[want]}: {m and m.name} {m}")
        return m

    def alive(self):
        self.send(frame(self.version, STATUS, *self.ids(), u8(2, self.flag)))

    def channel(self):
        return self.ask(frame(self.version, 0x11, *self.ids(), u8(2, self.flag)), STATUS)

    def stream(self, stream=3, data_id=32, data_type=0):
        extra = [u16(8, data_id)] if self.version > 1 else []
        return self.ask(frame(self.version, 0x111, *self.ids(stream), *extra, u8(7, data_type)), SSTATUS)

    def test(self):
        return self.ask(frame(self.version, 0x12, *self.ids()), STATUS)

    def data(self, *datagrams, stream=3, data_id=32):
        extra = [u16(8, data_id)] if self.version > 1 else []
        return frame(self.version, 0x211, *self.ids(stream), *extra, *[(5, d) for d in datagrams])


class Air:
    """Where the mux sends to."""

    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        roomy(self.sock, 4 << 20)  # 500 datagrams at once
        self.sock.bind(("127.0.0.1", int(port)))

    def expect(self, *datagrams):
        for want in datagrams:
            self.sock.settimeout(20)
            got = self.sock.recv(65536)
            if got != want:
                raise ValueError(f"on air {len(got)}:{got[:24].hex()}, wanted {len(want)}:{want[:24].hex()}")

    def silent(self):
        """Nothing more; what was sent before an answer by TCP has arrived by then."""
        self.sock.setblocking(False)
        try:
            raise ValueError(f"on air, unwanted: {self.sock.recv(65536)[:24].hex()}")
        except BlockingIOError:
            pass


class Judge:
    def __init__(self, vectors, strict, where, log, air):
        with open(vectors, encoding="utf-8") as f:
            self.all = json.load(f)
        self.strict, self.where, self.log, self.air = strict, where, log, Air(air)
        host, port = where.rsplit(":", 1)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect((host, int(port)))

    def peer(self, m, before, data=None):
        """A peer with what must be open before m; data: what its stream is for."""
        like = data or m
        flag = 2 if m.int(1) == 0x00010007 else 1 if (m.raw(5) or [b""])[0][:1] == b"\x47" else 0
        p = Emmg(self.where, m.version, m.int(1) or CLIENT, m.int(3) or 1, flag)
        if before:
            p.channel()
        if before == "stream":
            p.stream(like.int(4) or 3, like.int(8) if like.int(8) is not None else like.int(4) or 32, like.int(7) or 0)
        return p

    def positive(self, v):
        sent = bytes.fromhex(v["hex"])
        m = Message(sent)
        before, answer = REACTIONS[m.type]
        p = self.peer(m, before)
        if v["transport"] == "UDP":
            self.udp.send(sent)
        else:
            p.send(sent)
        if m.type == 0x211:
            self.air.expect(*m.raw(5))
        self.answered(p, m, answer)
        p.close()

    def answered(self, p, m, answer):
        if answer is EOFError:
            try:
                raise ValueError(f"an answer: {p.get(20)}")
            except EOFError:
                return
        if answer is None:  # what comes next is the answer to what was asked next
            got = p.test()
        else:
            kind, status = answer if isinstance(answer, tuple) else (answer, None)
            got = p.ask(b"", kind)
            if got.int(0x7000) != status:
                raise ValueError(f"status {got.int(0x7000)}, wanted {status}")
            for t in (1, 3, 4, 7, 8):
                if t in dict(got.params) and t in dict(m.params) and got.int(t) != m.int(t):
                    raise ValueError(f"parameter {t} is {got.int(t)}: {got}")
            if kind == ALLOCATION and got.int(6) != min(m.int(6) or 200, 200):
                raise ValueError(f"allocation {got.int(6)}")
        if got.version != m.version:
            raise ValueError(f"protocol_version {got.version}, wanted {m.version}")

    def negative(self, v):
        sent, pre = bytes.fromhex(v["hex"]), v["precondition"]
        p = Emmg(self.where)
        if "channel 1" in pre or v["transport"] == "UDP":
            p.channel()
        if "stream 3" in pre or v["transport"] == "UDP":
            p.stream()
        if v["transport"] == "UDP":  # nothing, and the program goes on
            self.udp.send(sent)
            self.udp.send(frame(3, 0x211, cid(CLIENT), u16(8, 32), (5, section(20))))
            self.air.expect(section(20))
            p.test()
            self.udp.setblocking(False)
            try:
                raise ValueError(f"an answer by UDP: {self.udp.recv(65536).hex()}")
            except BlockingIOError:
                pass
            self.udp.setblocking(True)
        elif not self.strict and "(tolerant)" in v["expect"]:
            p.send(sent)
            self.air.expect(Message(sent).raw(5)[0])
            p.test()
            self.said_once(p, "event=tolerated")
        else:
            kind = SERROR if v["expect"].startswith("stream_error") else ERROR
            p.send(sent)
            got = p.ask(b"", kind)
            if got.int(0x7000) != int(v["error_status"], 16):
                raise ValueError(f"status {got.int(0x7000):#06x}: {got}")
            if "client_id 0" in v["expect"] and (got.int(1), got.int(3)) != (0, 1):
                raise ValueError(f"identifiers: {got}")
            self.said_once(p, "event=refused")
        self.air.silent()
        p.close()

    def said_once(self, p, event):
        until = time.monotonic() + 20
        while True:
            lines = [x for x in log_lines(self.log, p.name) if event in x]
            if lines or time.monotonic() > until:
                break
            time.sleep(0.02)
        if len(lines) != 1 or any(" " + f not in lines[0] for f in ("peer=", "message=", "param=", "offset=")):
            raise ValueError(f"log: {lines}")

    def stream(self, v, chunks):
        whole = bytes.fromhex(v["hex"])
        first = Message(whole[:5 + int.from_bytes(whole[3:5], "big")])
        p = self.peer(first, REACTIONS[first.type][0])
        for chunk in chunks:
            p.send(chunk)
            drained(p.sock)
        self.air.expect(*first.raw(5))
        self.answered(p, first, EOFError)  # channel_close ends it
        p.close()

    def run(self):
        cases = []
        for v in (v for v in self.all["vectors"] if v["interface"] == "EMMG-MUX"):
            cases.append((v["name"], lambda v=v: self.positive(v)))
        for v in (v for v in self.all["negative"] if v["interface"] == "EMMG-MUX"):
            cases.append((f"{v['name']}: {v['error_status'] or 'dropped'}", lambda v=v: self.negative(v)))
        for v in (v for v in self.all["streams"] if v["interface"] == "EMMG-MUX"):
            chunks = [bytes.fromhex(c) for c in v["chunks"]]
            octets = [bytes([b]) for b in bytes.fromhex(v["hex"])]
            cases.append((f"{v['name']}, in {len(chunks)} segments", lambda v=v, c=chunks: self.stream(v, c)))
            cases.append((f"{v['name']}, an octet a segment", lambda v=v, c=octets: self.stream(v, c)))
        tell(cases, 34)


def tell(cases, n):
    print(f"ok there are {n} cases" if len(cases) == n else f"not ok {len(cases)} cases, wanted {n}", flush=True)
    for name, case in cases:
        try:
            case()
            print("ok", name, flush=True)
        except (ValueError, EOFError, OSError) as e:
            print("not ok", name, "|", repr(e), flush=True)


def habits(where, air_port):
    air = Air(air_port)

    def backwards():
        """biTStream and TSDuck put data_channel_id and data_stream_id first; here everything stands the other way round."""
        p = Emmg(where, 2)
        p.ask(frame(2, 0x11, u8(2, 0), u16(3, 1), cid(CLIENT)), STATUS)
        p.ask(frame(2, 0x111, u8(7, 0), u16(8, 32), u16(4, 3), u16(3, 1), cid(CLIENT)), SSTATUS)
        m = p.ask(frame(2, 0x117, u16(6, 64), u16(3, 1), cid(CLIENT), u16(4, 3)), ALLOCATION)
        if m.int(6) != 64:
            raise ValueError(f"allocation {m.int(6)}")
        p.send(frame(2, 0x211, (5, section(30)), u16(8, 32), (5, section(40)), u16(4, 3), u16(3, 1), cid(CLIENT)))
        air.expect(section(30), section(40))
        p.close()

    def udp_with_ids():
        p = Emmg(where, 2)
        p.channel(), p.stream()
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host, port = where.rsplit(":", 1)
        for k in range(3):
            u.sendto(frame(2, 0x211, u16(3, 1), u16(4, 3), cid(CLIENT), u16(8, 32), (5, section(50 + k))), (host, int(port)))
        air.expect(section(50), section(51), section(52))
        p.close()
        # with the connection went the right: nothing is on air until the stream is open again
        while True:
            u.sendto(frame(2, 0x211, cid(CLIENT), u16(8, 32), (5, section(60))), (host, int(port)))
            q = Emmg(where, 2, channel=2)
            q.channel()
            try:
                q.stream()
                break
            except ValueError:
                q.close()
        q.close()
        air.sock.setblocking(False)
        try:
            while air.sock.recv(65536):
                pass
        except BlockingIOError:
            air.sock.setblocking(True)

    def all_at_once():
        """Everything in one segment: the mux answers in order, and no octet is lost."""
        p = Emmg(where)
        parts = [frame(3, 0x11, *p.ids(), u8(2, 0)), frame(3, 0x111, *p.ids(3), u16(8, 32), u8(7, 0)),
                 p.data(section(20)), p.data(section(21), section(22)), frame(3, 0x112, *p.ids(3)), p.data(section(23))]
        p.send(b"".join(parts))
        for want in (STATUS, SSTATUS, SSTATUS):
            p.ask(b"", want)
        air.expect(*(section(20 + k) for k in range(4)))
        p.close()

    def octet_by_octet():
        p = Emmg(where)
        for b in frame(3, 0x11, *p.ids(), u8(2, 0)) + frame(3, 0x111, *p.ids(3), u16(8, 32), u8(7, 0)) + p.data(section(200)):
            p.send(bytes([b]))
            drained(p.sock)
        p.ask(b"", STATUS), p.ask(b"", SSTATUS)
        air.expect(section(200))
        p.close()

    def two_streams():
        """A second stream on the same channel; and 500 datagrams in a message of 65,540 octets."""
        p = Emmg(where)
        p.channel(), p.stream(), p.stream(4, 33, 1)
        many = [section(110, k) for k in range(500)]
        p.send(p.data(*many))
        air.expect(*many)
        p.send(p.data(section(33), stream=4, data_id=33))
        air.expect(section(33))
        many = [section(122, k) for k in range(499)]
        many.append(section(65540 - len(p.data(*many)) - 4))
        if len(p.data(*many)) != 65540:
            raise ValueError("not the largest message")
        p.send(p.data(*many))
        air.expect(*many)
        p.close()

    def an_error_for_a_packet_that_is_none():
        p = Emmg(where, flag=1)
        p.channel(), p.stream()
        for bad, status in ((b"\x48" + packet(0)[1:], 0x0D), (packet(0)[:187], 0x0B), (packet(0) + b"\0" * 188, 0x0D), (b"", 0x0B)):
            p.send(p.data(bad))
            m = p.ask(b"", SERROR)
            if m.int(0x7000) != status:
                raise ValueError(f"{m}, wanted {status:#06x}")
        p.send(p.data(packet(1) + packet(2)))
        air.expect(packet(1) + packet(2))
        p.close()

    def a_vanished_peer():
        """Its identifiers are free when the connection is gone, by FIN or RST: the next attempt succeeds."""
        for k in range(20):
            p = Emmg(where)
            p.channel(), p.stream()
            if k % 2:
                p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            p.close()

    def silence():
        """Started with --silence 1: a peer that says nothing is tested, one that does not answer is left."""
        p = Emmg(where)
        p.channel()
        m = p.get(20)
        if m is None or m.type != 0x12:
            raise ValueError(f"no channel_test: {m}")
        p.alive()
        m = p.get(20)
        if m is None or m.type != 0x12:
            raise ValueError(f"no second channel_test: {m}")
        try:
            raise ValueError(f"not left: {p.get(30)}")
        except EOFError:
            q = Emmg(where)  # with the same identifiers, at the first attempt
            q.channel(), q.stream()
            q.close()

    cases = [backwards, udp_with_ids, all_at_once, octet_by_octet, two_streams, an_error_for_a_packet_that_is_none, a_vanished_peer, silence]
    tell([(c.__name__.replace("_", " "), c) for c in cases], len(cases))


def feed(where, seconds):
    a, b = Emmg(where, flag=0), Emmg(where, channel=2, flag=1)
    a.channel(), b.channel(), a.stream(), b.stream(7, 34)
    until, k = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        k += 1
        a.send(a.data(*[section(20 + (k * 37 + i * 211) % 600, k) for i in range(3)]))
        b.send(b.data(packet(k) + packet(k + 1), stream=7, data_id=34))
        if k % 50 == 0:  # the counters go on
            a.ask(frame(3, 0x114, *a.ids(3)), SCLOSED)
            a.stream()
        time.sleep(0.01)
    a.test(), b.test()
    print(3 * k, "sections", flush=True)


def sessions(where):
    seen = {}

    def count(*kinds):
        for k in kinds:
            seen[k] = seen.get(k, 0) + 1

    for version in range(1, 6):
        p = Emmg(where, version, channel=version)
        p.channel(), p.stream(version, 32 if version > 1 else 0)
        count(0x11, STATUS, 0x111, SSTATUS)
        p.ask(frame(version, 0x117, *p.ids(version), u16(6, 64)), ALLOCATION)
        p.ask(frame(version, 0x112, *p.ids(version)), SSTATUS)
        p.ask(frame(version, 0x112, *p.ids(99)), SERROR)
        p.ask(frame(version, 0x11, *p.ids(), u8(2, 0)), ERROR)
        count(0x117, ALLOCATION, 0x112, SSTATUS, 0x112, SERROR, 0x11, ERROR)
        p.send(p.data(section(100), section(200), stream=version))
        count(0x211)
        if version > 1:
            host, port = where.rsplit(":", 1)
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.sendto(frame(version, 0x211, cid(CLIENT), u16(8, 32), (5, section(300))), (host, int(port)))
            count(0x211)
        p.test()
        p.ask(frame(version, 0x114, *p.ids(version)), SCLOSED)
        p.send(frame(version, 0x14, *p.ids()))
        count(0x12, STATUS, 0x114, SCLOSED, 0x14)
        try:
            raise ValueError(f"an answer to channel_close: {p.get(20)}")
        except EOFError:
            p.close()
    print("\n".join(f"{k:#06x} {seen[k]}" for k in sorted(seen)))


def crowd(where):
    first = Emmg(where)
    first.channel(), first.stream()
    peers = []
    while len(peers) < 5000:
        p = Emmg(where, channel=len(peers) + 2)
        p.send(frame(3, 0x11, *p.ids(), u8(2, 0)))
        m = p.get(20)
        if m is None or m.type not in (STATUS, ERROR):
            sys.exit(f"not ok after {len(peers)}: {m}")
        if m.type == ERROR:
            break
        peers.append(p)
    if m.int(0x7000) != 0x07 or m.int(3) != len(peers) + 2:
        sys.exit(f"not ok {m}")
    first.test()
    for p in peers:
        p.test()
    print(f"ok {len(peers) + 1} channels, then 0x0007")


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "vectors":
        Judge(args[0], args[1] == "strict", *args[2:]).run()
    elif what == "habits":
        habits(*args)
    elif what == "feed":
        feed(args[0], float(args[1]))
    elif what == "datagrams":
        host, port = args[0].rsplit(":", 1)
        for data_id in args[1:]:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
                frame(3, 0x211, cid(CLIENT), u16(8, int(data_id)), (5, section(30))), (host, int(port)))
    elif what == "sessions":
        sessions(args[0])
    elif what == "crowd":
        crowd(args[0])
