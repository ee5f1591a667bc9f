#!/usr/bin/env python3
"""tests/integration/simwire.py: SimulCrypt TLV written a second time, to judge the first. ECMG<=>SCS only.

simwire.py negatives HOST:PORT LOG VECTORS [strict]
    Sends every negative ECMG message to a running ECMG; says "ok …" or "not ok …" a line, and why.
simwire.py crowd HOST:PORT
    Connects until there is no room: that one is told 0x0008, everybody else is served; who comes after one has gone is welcome.
simwire.py positives VECTORS lenient|strict LEAD/PER=HOST:PORT=LOG ...
    Sends every other ECMG message, and the segmentation cases, to the running ECMG of the lead_CW and CW_per_msg it is made for.
simwire.py neighbours HOST:PORT STATUS
    SCSs with the same identifiers, one after the other and at the same time, at a running ECMG with --silence 1: those that vanish,
    with and without a word, and those that live.
"""
import fcntl
import json
import socket
import struct
import sys
import termios
import time

from probe import status

MESSAGES = {0x0001: "channel_setup", 0x0002: "channel_test", 0x0003: "channel_status", 0x0004: "channel_close",
            0x0005: "channel_error", 0x0101: "stream_setup", 0x0102: "stream_test", 0x0103: "stream_status",
            0x0104: "stream_close_request", 0x0105: "stream_close_response", 0x0106: "stream_error",
            0x0201: "CW_provision", 0x0202: "ECM_response"}
PARAMS = {0x0001: "Super_CAS_id", 0x0002: "section_TSpkt_flag", 0x0003: "delay_start", 0x0004: "delay_stop",
          0x0005: "transition_delay_start", 0x0006: "transition_delay_stop", 0x0007: "ECM_rep_period", 0x0008: "max_streams",
          0x0009: "min_CP_duration", 0x000A: "lead_CW", 0x000B: "CW_per_msg", 0x000C: "max_comp_time", 0x000D: "access_criteria",
          0x000E: "ECM_channel_id", 0x000F: "ECM_stream_id", 0x0010: "nominal_CP_duration",
          0x0011: "access_criteria_transfer_mode", 0x0012: "CP_number", 0x0013: "CP_duration", 0x0014: "CP_CW_combination",
          0x0015: "ECM_datagram", 0x0016: "AC_delay_start", 0x0017: "AC_delay_stop", 0x0018: "CW_encryption", 0x0019: "ECM_id",
          0x7000: "error_status", 0x7001: "error_information", 0x8001: "traffic_protection", 0x8002: "key_identifier"}
SIGNED = {0x0003, 0x0004, 0x0005, 0x0006, 0x0016, 0x0017}


class Message:
    def __init__(self, frame):
        self.version, self.type, size = struct.unpack(">BHH", frame[:5])
        if size != len(frame) - 5:
            raise ValueError("message_length")
        self.params, at = [], 5
        while at < len(frame):
            if at + 4 > len(frame):
                raise ValueError("octets that are no parameter")
            t, n = struct.unpack(">HH", frame[at:at + 4])
            if at + 4 + n > len(frame):
                raise ValueError(f"parameter {t:#06x} overruns the message")
            self.params.append((t, frame[at + 4:at + 4 + n]))
            at += 4 + n

    @property
    def name(self):
        return MESSAGES.get(self.type, f"{self.type:#06x}")

    def raw(self, t):
        return [v for k, v in self.params if k == t]

    def int(self, t):
        v = self.raw(t)
        return int.from_bytes(v[0], "big", signed=t in SIGNED) if v else None

    def __str__(self):
        return f"{self.name} v{self.version} " + " ".join(
            f"{PARAMS.get(k, hex(k))}={v.hex() if k != 0x0014 else '…'}" for k, v in self.params)


def frame(version, kind, *params):
    body = b"".join(struct.pack(">HH", t, len(v)) + v for t, v in params)
    return struct.pack(">BHH", version, kind, len(body)) + body


def u16(t, v):
    return t, struct.pack(">H", v)


class Peer:
    """An SCS that says what it is told to."""

    def __init__(self, where, version=3):
        host, port = where.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.version, self.rest = version, b""
        self.name = "127.0.0.1:%d" % self.sock.getsockname()[1]

    def send(self, data):
        self.sock.sendall(data)

    def get(self, seconds=20.0):
        """The next message; None: none came in time; EOFError: the connection ended."""
        until = time.monotonic() + seconds
        while True:
            if len(self.rest) >= 5:
                n = 5 + int.from_bytes(self.rest[3:5], "big")
                if len(self.rest) >= n:
                    m, self.rest = Message(self.rest[:n]), self.rest[n:]
                    return m
            left = until - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                more = self.sock.recv(65536)
            except socket.timeout:
                return None
            if not more:
                raise EOFError
            self.rest += more

    def ask(self, data, want):
        self.send(data)
        m = self.answer(want)
        if m is None or m.type != want:
            raise ValueError(f"no {MESSAGES[want]}: {m}")
        return m

    def answer(self, want):
        """The next message; whether we live, which we are asked when we have stood still, is answered, unless that is what is wanted."""
        while (m := self.get()) is not None and m.type == 2 and m.type != want:
            self.alive(m)
        return m

    def alive(self, m):
        self.send(frame(self.version, STATUS, *m.params, (0x02, b"\0"), u16(3, 0), u16(4, 0), u16(7, 100), u16(8, 0), u16(9, 10), (0x0A, b"\1"),
                        (0x0B, b"\2"), u16(0x0C, 100)))

    def channel(self, channel=1, super_cas_id=0x4AE60001):
        return self.ask(frame(self.version, 1, u16(0x0E, channel), (1, struct.pack(">I", super_cas_id))), 3)

    def stream(self, stream=7, ecm_id=0x0102, channel=1, nominal=100):
        return self.ask(frame(self.version, 0x101, u16(0x0E, channel), u16(0x0F, stream), u16(0x19, ecm_id), u16(0x10, nominal)), 0x103)

    def provision(self, cp, channel=1, stream=7):
        words = [(0x14, struct.pack(">H", (cp + i) & 0xFFFF) + bytes.fromhex("11223366445566ff")) for i in range(2)]
        return self.ask(frame(self.version, 0x201, u16(0x0E, channel), u16(0x0F, stream), u16(0x12, cp), *words), 0x202)

    def close(self):
        self.sock.close()


def prepared(where, precondition):
    p = Peer(where)
    if "no channel" not in precondition:
        p.channel()
    if "stream 7 open" in precondition and "no stream 7" not in precondition:
        p.stream()
    return p


def log_lines(log, peer):
    with open(log, encoding="utf-8", errors="replace") as f:
        return [line for line in f if f"peer={peer} " in line and ("level=warning" in line or "level=notice" in line)]


def judge(where, log, v, strict):
    """Raises ValueError with what is wrong."""
    peer = prepared(where, v["precondition"])
    sent = bytes.fromhex(v["hex"])
    before = len(log_lines(log, peer.name))
    peer.send(sent)
    ignored = v["error_status"] is None or ("message ignored" in v["expect"] and not strict)
    if ignored:
        # What comes next is the answer to what was asked next.
        m = peer.ask(frame(3, 2, u16(0x0E, 1)), 3)
        if m.int(0x0E) != 1:
            raise ValueError(f"another channel's status: {m}")
        peer.close()
        return
    m = peer.get()
    if m is None:
        raise ValueError("no answer")
    kind = "stream_error" if v["expect"].startswith("stream_error") else "channel_error"
    if m.name != kind or m.int(0x7000) != int(v["error_status"], 16):
        raise ValueError(f"answer: {m}; wanted {kind} {v['error_status']}")
    if not 1 <= m.version <= 5:
        raise ValueError(f"protocol_version {m.version}")
    for t, name in ((0x0E, "ECM_channel_id"), (0x0F, "ECM_stream_id")):
        if name in v["expect"]:
            want = int(v["expect"].split(name)[1].split()[0].rstrip(","))
            if m.int(t) != want:
                raise ValueError(f"{name} {m.int(t)}, wanted {want}")
    end = time.monotonic() + 20
    while len(lines := log_lines(log, peer.name)[before:]) == 0 and time.monotonic() < end:
        time.sleep(0.02)
    if len(lines) != 1:
        raise ValueError(f"{len(lines)} log lines: {''.join(lines)}")
    for field in ("peer=", "message=", "param=", "offset="):
        if " " + field not in lines[0]:
            raise ValueError(f"the log line has no {field}: {lines[0]}")
    peer.close()


def negatives(where, log, vectors, strict):
    with open(vectors, encoding="utf-8") as f:
        cases = [v for v in json.load(f)["negative"] if v["interface"] == "ECMG-SCS"]
    good = Peer(where)
    good.channel(9)
    good.stream(1, 1, 9)
    cp = 0
    for v in cases:
        what = f"{v['name']}: {v['expect']}" + (f", {v['error_status']}" if v["error_status"] else "")
        try:
            judge(where, log, v, strict)
            print("ok", what, flush=True)
        except (ValueError, EOFError, OSError) as e:
            print("not ok", what, "|", repr(e), flush=True)
        cp += 1
        good.provision(cp, 9, 1)  # a neighbour's ECMs go on; ValueError ends all
    print(f"ok a neighbour's stream got all of its {cp} ECMs", flush=True)


STATUS, SSTATUS, RESPONSE, CLOSED = 0x0003, 0x0103, 0x0202, 0x0105
# What an ECMG does with each message: what must be open, and the type of its answer. None: no answer. An error: type and status.
REACTIONS = {0x0001: ("", STATUS), 0x0002: ("channel", STATUS), 0x0003: ("channel", None), 0x0004: ("channel", EOFError),
             0x0005: ("channel", None), 0x0101: ("channel", SSTATUS), 0x0102: ("stream", SSTATUS), 0x0103: ("stream", None),
             0x0104: ("stream", CLOSED), 0x0105: ("stream", (0x0106, 0x0001)), 0x0106: ("stream", None),
             0x0201: ("stream", RESPONSE), 0x0202: ("stream", (0x0106, 0x0001))}


def reaction(m, strict):
    before, answer = REACTIONS[m.type]
    if m.type == 0x0201 and m.raw(0x0018):
        return before, (0x0106, 0x0011)  # a ciphertext is not taken for a CW
    if m.type == 0x0001 and m.raw(0x8001) and strict:
        return before, (0x0005, 0x000E)  # a parameter that channel_setup does not have
    return before, answer


def expect(peer, m, answer):
    """The answer to m, which has been sent."""
    if answer is EOFError:  # channel_close has no answer; the ECMG closes TCP, too
        try:
            raise ValueError(f"an answer: {peer.get(10)}")
        except EOFError:
            return
    if answer is None:  # what comes next is the answer to what was asked next
        got = peer.ask(frame(m.version, 2, u16(0x0E, peer.channel_id)), STATUS)
    else:
        kind, status = answer if isinstance(answer, tuple) else (answer, None)
        got = peer.get()
        if got is None or got.type != kind or got.int(0x7000) != status:
            raise ValueError(f"answer: {got}; wanted {MESSAGES[kind]} {status}")
        for t in (0x0E, 0x0F, 0x12):  # identifiers and CP_number as asked
            if t in dict(got.params) and got.int(t) != m.int(t):
                raise ValueError(f"{PARAMS[t]} {got.int(t)}: {got}")
    if got.version != m.version:
        raise ValueError(f"protocol_version {got.version}, wanted {m.version}")


def react(where, log, sent, strict):
    m = Message(sent)
    before, answer = reaction(m, strict)
    peer = Peer(where, m.version)
    peer.channel_id = m.int(0x0E)
    if before:
        peer.channel(peer.channel_id)
    if before == "stream":
        params = [u16(0x0E, peer.channel_id), u16(0x0F, m.int(0x0F))] + [u16(0x19, 1)] * (m.version > 1) + [u16(0x10, 100)]
        peer.ask(frame(m.version, 0x101, *params), SSTATUS)
    peer.send(sent)
    expect(peer, m, answer)
    peer.close()
    with open(log, encoding="utf-8") as f:
        tolerated = sum("event=tolerated" in line and f"peer={peer.name} " in line for line in f)
    if tolerated != (m.type == 1 and bool(m.raw(0x8001)) and not strict):
        raise ValueError(f"{tolerated} deviations in the log")


def window(m):
    """LEAD/PER that a CW_provision is made for; others go anywhere."""
    cps = [int.from_bytes(v[:2], "big") for v in m.raw(0x14)]
    return f"{(cps[-1] - m.int(0x12)) & 0xFFFF}/{len(cps)}" if cps else "1/2"


def drained(sock):
    """The last chunk is with the peer's kernel: the next one is a segment of its own. Or there is no connection any more (TCP_CLOSE, 7)."""
    left, end = b"\1", time.monotonic() + 20
    while int.from_bytes(left, sys.byteorder) and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 7 and time.monotonic() < end:
        left = fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4)


def segments(where, chunks):
    peer = Peer(where)
    for chunk in chunks:
        peer.send(chunk)
        drained(peer.sock)
    rest = b"".join(chunks)
    while rest:
        n = 5 + int.from_bytes(rest[3:5], "big")
        m, rest = Message(rest[:n]), rest[n:]
        expect(peer, m, REACTIONS[m.type][1])
    peer.close()


def positives(vectors, strict, places):
    with open(vectors, encoding="utf-8") as f:
        all_ = json.load(f)
    cases = []
    for v in (v for v in all_["vectors"] if v["interface"] == "ECMG-SCS"):
        sent = bytes.fromhex(v["hex"])
        where, log = places[window(Message(sent))]
        cases.append((v["name"], lambda w=where, l=log, b=sent: react(w, l, b, strict)))
    for v in (v for v in all_["streams"] if v["interface"] == "ECMG-SCS"):
        chunks = [bytes.fromhex(c) for c in v["chunks"]]
        bytes_ = [bytes([b]) for b in b"".join(chunks)]
        where = places["1/2"][0]
        cases.append((f"{v['name']}, in {len(chunks)} segments", lambda w=where, c=chunks: segments(w, c)))
        cases.append((f"{v['name']}, a byte a segment", lambda w=where, c=bytes_: segments(w, c)))
    print(f"ok there are {len(cases)} cases" if len(cases) == 33 else f"not ok {len(cases)} cases", flush=True)
    for name, case in cases:
        try:
            case()
            print("ok", name, flush=True)
        except (ValueError, EOFError, OSError) as e:
            print("not ok", name, "|", repr(e), flush=True)


def channels(where):
    return status(where)["channels"]


def until(what, true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise ValueError(f"waited in vain for {what}")
        time.sleep(0.02)


def silent(where, door):
    """No FIN, no answer: tested, then left; meanwhile the same identifiers are refused to nobody, afterwards they are free."""
    p = Peer(where)
    p.channel(), p.stream()
    m = p.get(20)
    if m is None or m.name != "channel_test":
        raise ValueError(f"{m} instead of channel_test")
    p.alive(m)
    m = p.get(20)
    if m is None or m.name != "channel_test":
        raise ValueError(f"{m} instead of another channel_test")
    try:
        raise ValueError(f"{p.get(30)} instead of an end")
    except EOFError:
        pass
    again(where, door, p)


def again(where, door, p):
    """The same channel, stream and ECM_id, at the first attempt."""
    until("the channel to be free", lambda: not channels(door))
    q = Peer(where)
    q.channel(), q.stream(), q.provision(1)
    q.close()
    p.close()
    until("no channel", lambda: not channels(door))


def gone(where, door, how):
    """A connection that ends, by FIN or RST: everything of it is free at once, not after a time-out."""
    for _ in range(10):
        p = Peer(where)
        p.channel(), p.stream(), p.provision(1)
        if how == "RST":
            p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        p.close()
    until("the channels to be free", lambda: not channels(door), 5)  # ten of them; --silence and patience are longer together


def both(where, door):
    """Two SCSs with one ECM_channel_id and one ECM_stream_id: a connection's own, and no conflict."""
    peers = [Peer(where), Peer(where)]
    for k, p in enumerate(peers):
        p.channel(), p.stream(ecm_id=0x0102 + k)
    for cp in range(20):
        for p in peers:
            p.provision(cp)
    words = [(0x14, struct.pack(">H", 30 + i) + bytes(8)) for i in range(2)]
    for p in peers:  # both at once
        p.send(frame(3, 0x201, u16(0x0E, 1), u16(0x0F, 7), u16(0x12, 30), *words))
    for p in peers:
        m = p.ask(b"", RESPONSE)
        if m.int(0x12) != 30:
            raise ValueError(f"{m} instead of ECM_response")
    if len(channels(door)) != 2:
        raise ValueError(f"{channels(door)}")
    peers[0].close()
    until("one to be gone", lambda: len(channels(door)) == 1)
    peers[1].provision(40)
    peers[1].close()
    until("no channel", lambda: not channels(door))


def neighbours(where, door):
    for what, case in (("a silent SCS is tested and left, then its identifiers are free", lambda: silent(where, door)),
                       ("identifiers are free at once after FIN", lambda: gone(where, door, "FIN")),
                       ("identifiers are free at once after RST", lambda: gone(where, door, "RST")),
                       ("two SCSs with the same ECM_channel_id get their ECMs", lambda: both(where, door))):
        try:
            case()
            print("ok", what, flush=True)
        except (ValueError, EOFError, OSError) as e:
            print("not ok", what, "|", repr(e), flush=True)


def crowd(where):
    good, turned_away = [], None
    while turned_away is None:
        p = Peer(where, 2)
        channel = len(good) + 1
        p.send(frame(2, 1, u16(0x0E, channel), (1, struct.pack(">I", 0x4AE60001))))
        m = p.get(20)
        if m is not None and m.type == STATUS:
            p.stream(channel=channel)
            good.append(p)
        else:
            turned_away = m
            if m is None or (m.type, m.version, m.int(0x0E), m.int(0x7000)) != (0x0005, 2, channel, 0x0008):
                raise ValueError(f"the one too many was told {m}")
            try:
                raise ValueError(f"and then {p.get(20)}")
            except EOFError:
                p.close()
        if len(good) > 1000:
            raise ValueError("there is room for everybody")
    for channel, p in enumerate(good, 1):
        p.provision(1, channel)
    good.pop().close()
    late, until = None, time.monotonic() + 20
    while late is None and time.monotonic() < until:  # once the ECMG has seen the end of the one that left
        p = Peer(where)
        p.send(frame(3, 1, u16(0x0E, 9999), (1, struct.pack(">I", 0x4AE60001))))
        m = p.get(20)
        if m is not None and m.type == STATUS:
            late = p
        else:
            p.close()
    late.stream(channel=9999)
    late.provision(1, 9999)
    print(f"{len(good)} were served")


if __name__ == "__main__":
    if sys.argv[1] == "crowd":
        crowd(sys.argv[2])
    elif sys.argv[1] == "neighbours":
        neighbours(*sys.argv[2:])
    if sys.argv[1] == "positives":
        positives(sys.argv[2], sys.argv[3] == "strict", {k: (w, l) for k, w, l in (a.split("=") for a in sys.argv[4:])})
    if sys.argv[1] == "negatives":
        negatives(sys.argv[2], sys.argv[3], sys.argv[4], "strict" in sys.argv[5:])
