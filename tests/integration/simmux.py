#!/usr/bin/env python3
"""tests/integration/simmux.py: a scripted MUX that judges simulgate-emmg: as careless as the equipment there is (parameters in another
order as TSDuck and biTStream send them, one octet a segment, several messages in one), and as strict as the standard in what it takes.

simmux.py CASE ... -- EMMG LOG DIRECTORY    "ok …" and "not ok …" a line; the program's output goes to LOG
simmux.py listen PORT UDP_PORT VERSION SECONDS   one polite session (for a capture), then exit
"""
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time

from simwire import Message, drained, frame, u16
from sockets import arrivals, roomy, timed

CLIENT = 0x4AE60001
SETUP, TEST, STATUS, CLOSE, ERROR = 0x11, 0x12, 0x13, 0x14, 0x15
S_SETUP, S_TEST, S_STATUS, S_CLOSE, S_CLOSED, S_ERROR, BW_REQUEST, BW_ALLOCATION = range(0x111, 0x119)
DATA = 0x211
client_id, flag, channel_id, stream_id, datagram, bandwidth, data_type, data_id, status_ = 1, 2, 3, 4, 5, 6, 7, 8, 0x7000
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/sim/simulcrypt-vectors.json")
LONG = 30.0  # for what comes at once on an idle machine


def u8(t, v):
    return t, bytes([v])


def u32(t, v):
    return t, struct.pack(">I", v)


def section(i, size=60):
    return bytes([0x82 + i % 14, 0x70, size - 3, *(((i * 7 + k) & 0xFF) for k in range(size - 3))])


def bits_of(size):
    """Of a section in TS packets."""
    return 188 * 8 * -(-(size + 1) // 184)


class Wrong(Exception):
    pass


class Told(Message):
    """Numbers of this interface have no sign."""

    def int(self, t):
        v = self.raw(t)
        return int.from_bytes(v[0], "big") if v else None


def want(got, expected, what):
    if got != expected:
        raise Wrong(f"{what}: {got}, wanted {expected}")


class Conn:
    def __init__(self, sock, version, way="whole"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.version, self.way, self.rest, self.data, self.fmt = sock, version, way, b"", [], 0
        self.dice = random.Random(version)

    def send(self, *messages):
        out = b"".join(messages)
        chunks = [out]
        if self.way == "octets":
            chunks = [bytes([b]) for b in out]
        elif self.way == "cut":
            at = sorted(self.dice.sample(range(1, len(out)), min(3, len(out) - 1)))
            chunks = [out[a:b] for a, b in zip([0] + at, at + [len(out)])]
        for chunk in chunks:
            self.sock.sendall(chunk)
            if self.way == "cut":
                drained(self.sock)

    def read(self, seconds):
        """The next message; None: none in time; EOFError."""
        until = time.monotonic() + seconds
        while True:
            if len(self.rest) >= 5 and len(self.rest) >= 5 + int.from_bytes(self.rest[3:5], "big"):
                n = 5 + int.from_bytes(self.rest[3:5], "big")
                m, self.rest = Told(self.rest[:n]), self.rest[n:]
                m.at = time.monotonic()
                return m
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.rest += more

    def get(self, kind, seconds=LONG, data=True):
        """The next message of that kind; data_provisions before it are kept, anything else is wrong."""
        until = time.monotonic() + seconds
        while True:
            m = self.read(max(until - time.monotonic(), 0))
            if m is None:
                raise Wrong(f"no message {kind:#06x}")
            if m.type == DATA and kind != DATA:
                if not data:
                    raise Wrong("data, though none was allowed")
                self.data.append(m)
            elif m.type == kind:
                return m
            elif m.type == TEST:  # this one is slow, and the EMMG asks whether it lives
                self.send(self.message(STATUS, u8(flag, self.fmt)))
            else:
                raise Wrong(f"message {m.type:#06x} {m.params}, wanted {kind:#06x}")

    def get_any(self):
        """The next message but data."""
        while (m := self.read(LONG)) is not None:
            if m.type != DATA:
                return m
            self.data.append(m)
        raise Wrong("silence")

    def message(self, kind, *params, stream=None, version=None, channel=1, client=CLIENT):
        """Parameters backwards, identifiers last."""
        names = [u32(client_id, client), u16(channel_id, channel)] + ([u16(stream_id, stream)] if stream is not None else [])
        return frame(version or self.version, kind, *reversed(names + list(params)))

    def names(self, number, kind=0):
        return ([u16(data_id, number)] if self.version >= 2 else []) + [u8(data_type, kind)]

    def check(self, m, *listed):
        want(m.version, self.version, "protocol_version")
        want(m.int(client_id), CLIENT, "client_id")
        want(sorted(t for t, _ in m.params), sorted((client_id, channel_id) + listed), f"parameters of {m.type:#06x}")

    def open(self, fmt=0):
        m = self.get(SETUP)
        self.check(m, flag)
        want((m.int(flag), m.int(channel_id)), (fmt, 1), "section_TSpkt_flag, data_channel_id")
        self.fmt = fmt
        self.send(self.message(STATUS, u8(flag, fmt)))

    def stream(self, number=0x20, kind=0, kbps=None, asked=100, stream=None):
        stream = stream or (1 if self.version >= 2 else number)  # version 1 has no other name for it
        m = self.get(S_SETUP)
        self.check(m, *([data_id] if self.version >= 2 else []), data_type, stream_id)
        want((m.int(stream_id), m.int(data_type)), (stream, kind), "data_stream_id, data_type")
        want(m.int(data_id), number if self.version >= 2 else None, "data_id")
        self.send(self.message(S_STATUS, *self.names(number, kind), stream=stream))
        m = self.get(BW_REQUEST)
        self.check(m, bandwidth, stream_id)
        want(m.int(bandwidth), asked, "bandwidth")
        self.send(self.message(BW_ALLOCATION, u16(bandwidth, kbps or asked), stream=stream))
        return stream

    def goodbye(self, streams=1):
        for _ in range(streams):
            m = self.get(S_CLOSE)
            self.check(m, stream_id)
            self.send(self.message(S_CLOSED, stream=m.int(stream_id)))
        self.check(self.get(CLOSE, data=False))
        try:
            if self.read(LONG) is not None:
                raise Wrong("a message after channel_close")
            raise Wrong("the connection does not end")
        except EOFError:
            self.sock.close()


class Run:
    """simulgate-emmg with this MUX."""

    def __init__(self, env, *options, version=3, way="whole", sections=30, udp=False, content=None):
        program, log, self.dir = env
        self.version, self.way = version, way
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LONG)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        roomy(self.udp, 1 << 20)
        timed(self.udp)
        self.udp.bind(("127.0.0.1", 0))
        self.sections = [section(i) for i in range(sections)]
        self.source = self.dir + "/sections.bin"
        with open(self.source, "wb") as f:
            f.write(content or b"".join(self.sections))
        port = self.listener.getsockname()[1]
        words = [program, "--to", f"tcp://127.0.0.1:{port}", "--client-id", hex(CLIENT), "--data-id", "0x20", "--protocol-version",
                 str(version), "--log-level", "debug"]
        if udp:
            words += ["--udp", "udp://127.0.0.1:%d" % self.udp.getsockname()[1]]
        self.log = open(log, "ab")
        self.logged_from = self.log.tell()
        self.p = subprocess.Popen(words + [o.replace("SOURCE", self.source) for o in options], stdout=self.log, stderr=self.log)

    def accept(self, version=None):
        sock, _ = self.listener.accept()
        return Conn(sock, version or self.version, self.way)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)

    def ended(self, status=0):
        want(self.p.wait(LONG), status, "exit status")

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            f.seek(self.logged_from)
            return f.read()

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        self.listener.close()
        self.udp.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def datagrams(messages):
    return [d for m in messages for d in m.raw(datagram)]


def carousel(run, got, what="the data"):
    """What came is the source, again and again, from its beginning."""
    for i, d in enumerate(got):
        if d != run.sections[i % len(run.sections)]:
            raise Wrong(f"{what}: datagram {i} is not the {i % len(run.sections)}th of the source")


def session(env, version, way):
    with Run(env, "--source", "SOURCE", "--loop", version=version, way=way) as r:
        c = r.accept()
        c.open()
        c.stream()
        while len(c.data) < 10:
            c.data.append(c.get(DATA))
        r.stop()
        c.goodbye()
        r.ended()
        for m in c.data:
            c.check(m, stream_id, *([data_id] if version >= 2 else []), datagram)
            want(m.int(stream_id), 1 if version >= 2 else 0x20, "data_stream_id")
        carousel(r, datagrams(c.data))


def case_sessions(env):
    for version in (1, 2, 3, 4, 5):
        way = "octets" if version % 2 else "whole"
        yield (f"version {version}: set-up, data, an orderly end, to a mux that sends " +
               ("one octet a segment" if way == "octets" else "whole messages"), lambda: session(env, version, way))


def over_udp(env, version):
    with Run(env, "--source", "SOURCE", "--loop", "--datagrams-per-message", "50", "--bandwidth", "2Mbit/s", version=version, udp=True) as r:
        c = r.accept()
        c.open()
        c.stream(asked=2000)
        got, last = [], 0.0
        r.udp.settimeout(LONG)
        while len(got) < 20:
            got.append(r.udp.recv(65536))
        r.stop()
        closing = None
        r.udp.setblocking(False)
        while closing is None:  # what UDP still carries comes before stream_close_request
            ready, _, _ = select.select([c.sock, r.udp], [], [], LONG)
            for last, m in arrivals(r.udp):  # when it came, however late we look
                got.append(m)
            if c.sock in ready and r.udp not in ready:
                closing = c.get(S_CLOSE)
        apart = time.time() - last
        if last and apart < 0.08:
            raise Wrong(f"stream_close_request {apart:.3f} s after the last datagram")
        c.send(c.message(S_CLOSED, stream=1))
        c.goodbye(0)
        r.ended()
        want(c.data, [], "data by TCP")
        messages = [Told(m) for m in got]
        for raw, m in zip(got, messages):
            if len(raw) > 1472:
                raise Wrong(f"a datagram of {len(raw)} octets")
            want((m.version, m.type), (version, DATA), "version and type")
            want(sorted({t for t, _ in m.params}), [client_id, datagram, data_id], "parameters")
            want((m.int(client_id), m.int(data_id)), (CLIENT, 0x20), "client_id, data_id")
        if max(len(m.raw(datagram)) for m in messages) < 20:
            raise Wrong("messages are not filled")
        carousel(r, datagrams(messages))


def case_udp(env):
    for version in (2, 3, 5):
        yield f"version {version}: data by UDP without channel and stream, below the MTU, all of it before the stream ends", lambda: over_udp(env, version)
    yield "what is too long for a UDP message of the path goes by TCP", lambda: long_over_udp(env)


def long_over_udp(env):
    long = bytes(range(256)) * 16
    with Run(env, "--source", "SOURCE", "--format", "bcast", "--loop", "--bandwidth", "10Mbit/s", version=5, udp=True, content=long) as r:
        c = r.accept()
        c.open(2)
        c.stream(asked=10000)
        want(c.get(DATA).raw(datagram), [long], "the message")
        r.stop()
        c.goodbye()
        r.ended()


def one_segment(env):
    with Run(env, "--source", "SOURCE", "--loop") as r:
        c = r.accept()
        c.get(SETUP)
        c.send(c.message(STATUS, u8(flag, 0)), c.message(TEST))
        c.get(S_SETUP)
        c.check(c.get(STATUS), flag)
        c.send(c.message(S_STATUS, *c.names(0x20), stream=1), c.message(BW_ALLOCATION, u16(bandwidth, 50), stream=1),
               c.message(S_TEST, stream=1), c.message(TEST))
        c.get(BW_REQUEST)
        m = c.get(S_STATUS)
        want((m.int(data_id), m.int(data_type)), (0x20, 0), "data_id, data_type")
        c.get(STATUS)
        c.data.append(c.get(DATA))
        r.stop()
        c.goodbye()
        r.ended()


def wrong_names(env):
    """A refused message gets the code of this interface; the right one after it is taken. An error gets no answer."""
    with Run(env, "--source", "SOURCE", "--loop") as r:
        c = r.accept()
        c.get(SETUP)
        for sent, kind, code in (
                (c.message(STATUS, u8(flag, 0), channel=9), ERROR, 0x0006), (c.message(STATUS, u8(flag, 0), client=7), ERROR, 0x000E),
                (c.message(S_TEST, stream=1), S_ERROR, 0x0006), (c.message(TEST), ERROR, 0x0006), (c.message(STATUS), ERROR, 0x000C),
                (c.message(STATUS, (flag, b"\0\0")), ERROR, 0x000B), (c.message(STATUS, u8(flag, 0), u8(flag, 0)), ERROR, 0x0001),
                (c.message(SETUP, u8(flag, 0)), ERROR, 0x0001), (c.message(STATUS, u8(flag, 0), version=9), ERROR, 0x0002)):
            c.send(sent)
            m = c.get(kind)
            want(m.int(status_), code, f"answer to {sent.hex()}")
            want((m.version, m.int(client_id), m.int(channel_id)), (3, CLIENT, 1), "identifiers of the answer")
        c.send(frame(3, 0x4711), c.message(STATUS, u8(flag, 0), u16(0x8123, 1)))
        c.stream()
        # broken errors, and one of another channel: taken or dropped, never answered; what is asked next is answered next
        c.send(frame(3, ERROR), frame(3, S_ERROR, u16(stream_id, 1)), c.message(ERROR, u16(status_, 1), channel=5, client=0),
               c.message(S_ERROR, u16(status_, 0x1234), u16(status_, 2), stream=1), c.message(S_TEST, stream=9), c.message(TEST))
        m = c.get(S_ERROR)
        want((m.int(status_), m.int(stream_id)), (0x0005, 9), "test of a stream that there is not")
        c.get(STATUS)
        r.stop()
        c.goodbye()
        r.ended()
        text = r.text()
        for what in ("carries parameters that it does not list", "of unknown type is ignored", "an error names other identifiers"):
            want(text.count(what), 1, f"times that the log names: {what}")


def strict(env):
    with Run(env, "--source", "SOURCE", "--loop", "--strict") as r:
        c = r.accept()
        c.get(SETUP)
        for sent, code in ((frame(3, 0x4711), 0x0003), (c.message(STATUS, u8(flag, 0), u16(0x0999, 1)), 0x000A),
                           (c.message(STATUS, u8(flag, 0), version=2), 0x0002)):
            c.send(sent)
            want(c.get(ERROR).int(status_), code, f"answer to {sent.hex()}")
        c.send(c.message(STATUS, u8(flag, 0)))
        c.get(S_SETUP)
        c.send(c.message(S_STATUS, u8(data_type, 0), stream=1))
        want(c.get(S_ERROR).int(status_), 0x000C, "answer to stream_status without data_id")
        c.send(c.message(S_STATUS, *c.names(0x20), stream=1))
        c.get(BW_REQUEST)
        want(r.text().count("event=tolerated"), 0, "tolerated deviations")
        r.stop()
        c.goodbye()
        r.ended()


def case_messages(env):
    yield "several messages in one segment are answered each", lambda: one_segment(env)
    yield "wrong identifiers, versions and parameters get the code of this interface, errors no answer", lambda: wrong_names(env)
    yield "strict: what is not in the standard is refused with its code", lambda: strict(env)


def vectors():
    with open(VECTORS, encoding="utf-8") as f:
        all_ = json.load(f)
    return {v["name"]: bytes.fromhex(v["hex"]) for k in ("vectors", "negative", "streams") for v in all_[k]}


def hear(c, sent, *errors):
    """What is said to this is these errors and nothing else, and the channel lives: what is asked next is answered next."""
    c.send(sent, c.message(TEST))
    got = []
    while (m := c.read(LONG)) is not None and m.type != STATUS:
        if m.type == DATA:
            c.data.append(m)
        else:
            got.append((m.type, m.int(status_)))
            want((m.version, m.int(client_id), m.int(channel_id)), (c.version, CLIENT, 1), "version and identifiers")
    if m is None:
        raise Wrong(f"no channel_status after {sent.hex()}")
    want(got, list(errors), f"answers to {sent.hex()}")


def every_vector(env, strict, way):
    """A life in which each vector of a MUX has its place; then those of all interfaces, one error for each at most."""
    all_ = vectors()
    with Run(env, "--source", "SOURCE", "--loop", "--bandwidth", "200kbit/s", *(["--strict"] if strict else []), way=way) as r:
        def adapted(name):
            m = Told(all_[name])
            return frame(3, m.type, *reversed([u16(t, 1) if t == stream_id else (t, v) for t, v in m.params]))

        c = r.accept()
        c.get(SETUP)
        c.send(adapted("emmg_channel_error"))  # already in use: it is left, and tried again
        try:
            raise Wrong(f"{c.read(LONG)} in answer to channel_error")
        except EOFError:
            c = r.accept()
        c.get(SETUP)
        c.send(adapted("emmg_channel_status"), adapted("emmg_channel_test"))
        c.get(S_SETUP)
        c.check(c.get(STATUS), flag)
        c.send(adapted("emmg_stream_status"), adapted("emmg_bw_allocation_unknown"), adapted("emmg_bw_allocation"))
        c.get(BW_REQUEST)
        c.get(DATA)
        c.send(adapted("emmg_stream_error"))
        c.get(BW_REQUEST)  # exceeded bandwidth: what is it?
        c.send(adapted("emmg_bw_allocation"))
        for name in ("channel_status", "stream_status", "bw_allocation", "bw_allocation_unknown", "stream_close_response"):
            hear(c, adapted("emmg_" + name))
        n = 0
        for name, raw in all_.items():
            ends = ("channel_error", "udp_truncated")  # the channel, or the framing
            if name.endswith(ends) or name.endswith("_test") and name.startswith("emmg"):
                continue
            c.send(raw, c.message(TEST))
            got = []
            while (m := c.get_any()).type != STATUS:
                got.append((m.type, m.int(status_)))
            if len(got) > (1 if "stream_" not in name[:7] else 3) or any(t not in (ERROR, S_ERROR) for t, _ in got):
                raise Wrong(f"{name}: {got}")
            n += 1
        if n < 80:
            raise Wrong(f"{n} vectors")
        c.data = []
        c.get(DATA)
        r.stop()
        m = c.get(S_CLOSE)
        c.send(adapted("emmg_stream_close_response"))
        c.goodbye(0)
        r.ended()


def negatives(env, strict):
    """What is wrong gets the code of this interface; what is strange that of the strict, and goes unpunished by the lenient."""
    with Run(env, "--source", "SOURCE", "--loop", *(["--strict"] if strict else [])) as r:
        c = r.accept()
        c.open()
        c.stream()
        s, t = c.message(STATUS, u8(flag, 0)), c.message(S_STATUS, *c.names(0x20), stream=1)
        names = [u32(client_id, CLIENT), u16(channel_id, 1)]
        for what, sent, lenient, other in (
                ("without client_id", frame(3, STATUS, names[1], u8(flag, 0)), (ERROR, 0x0C), 0),
                ("without section_TSpkt_flag", c.message(STATUS), (ERROR, 0x0C), 0),
                ("client_id of two octets", frame(3, STATUS, (client_id, b"\x4a\xe6"), names[1], u8(flag, 0)), (ERROR, 0x0B), 0),
                ("a parameter twice", s[:3] + struct.pack(">H", len(s)) + s[5:] + b"\0\2\0\1\0", (ERROR, 0x01), 0),
                ("a parameter that overruns", s[:-6] + b"\0\x09" + s[-4:], (ERROR, 0x01), 0),
                ("two octets too many", s[:3] + struct.pack(">H", len(s) - 3) + s[5:] + b"\0\0", (ERROR, 0x01), 0),
                ("version 0", b"\0" + s[1:], (ERROR, 0x02), 0), ("version 6", b"\6" + s[1:], (ERROR, 0x02), 0),
                ("another version", b"\2" + s[1:], None, (ERROR, 0x02)),
                ("an unknown message", frame(3, 0x0119, *names), None, (ERROR, 0x03)),
                ("a user-defined message", frame(3, 0x8123, *names, (0x8001, b"x")), None, None),
                ("an unknown parameter", c.message(STATUS, u8(flag, 0), (0x0999, b"")), None, (ERROR, 0x0A)),
                ("another channel", c.message(STATUS, u8(flag, 0), channel=2), (ERROR, 0x06), 0),
                ("another client", c.message(STATUS, u8(flag, 0), client=2), (ERROR, 0x0E), 0),
                ("another stream", c.message(S_TEST, stream=7), (S_ERROR, 0x05), 0),
                ("stream_status without data_type", c.message(S_STATUS, c.names(0x20)[0], stream=1), (S_ERROR, 0x0C), 0),
                ("data_type of two octets", c.message(S_STATUS, c.names(0x20)[0], u16(data_type, 0), stream=1), (S_ERROR, 0x0B), 0),
                ("a message of an EMMG", c.message(S_SETUP, *c.names(0x20), stream=1), (S_ERROR, 0x01), 0),
                ("the same again", s + t, None, None),
                ("errors that are wrong in every way", b"".join((
                    frame(3, ERROR), frame(3, S_ERROR), frame(9, ERROR, u16(status_, 1)), c.message(ERROR, (status_, b"\1")),
                    c.message(S_ERROR, (status_, b""), stream=1), c.message(S_ERROR, u16(status_, 1), stream=99), c.message(ERROR),
                    frame(3, ERROR)[:3] + b"\0\2\0\1")), None, None)):
            answer = lenient if other == 0 or not strict else other
            try:
                hear(c, sent, *([answer] if answer else []))
            except Wrong as e:
                raise Wrong(f"{what}: {e}") from e
        c.data = []
        c.get(DATA)
        r.stop()
        c.goodbye()
        r.ended()


def vanished(env):
    """A mux that is there no more, though its connection is: it is asked, then given up; data goes on with the next connection."""
    with Run(env, "--source", "SOURCE", "--loop", "--bandwidth", "10kbit/s") as r:
        c = r.accept()
        c.open()
        c.stream(asked=10)
        while (m := c.read(LONG)) is not None and m.type == DATA:
            pass
        want(m and m.type, TEST, "what a silent mux is asked")
        try:
            while c.read(LONG) is not None:
                pass
            raise Wrong("it clings to the silent connection")
        except EOFError:
            c = r.accept()
        c.open()
        c.stream(asked=10)
        c.get(DATA)
        r.stop()
        c.goodbye()
        r.ended()


def case_vectors(env):
    for strict in (False, True):
        kind, way, how = ("strict", "octets", "octet by octet") if strict else ("lenient", "cut", "cut anywhere")
        yield f"every vector, messages {how}, {kind}", lambda: every_vector(env, strict, way)
        yield f"what is wrong, and what is strange, {kind}", lambda: negatives(env, strict)
    yield "a mux that vanished is asked, given up, and connected to anew", lambda: vanished(env)


def complaints(env):
    with Run(env, "--source", "SOURCE", "--loop", "--bandwidth", "100kbit/s") as r:
        c = r.accept()
        c.open()
        c.stream()
        c.get(DATA)
        c.send(c.message(S_ERROR, u16(status_, 0x000F), stream=1))
        m = c.get(BW_REQUEST)
        want(m.raw(bandwidth), [], "bandwidth of the question")
        c.send(c.message(BW_ALLOCATION, u16(bandwidth, 100), stream=1))
        c.get(DATA)
        # unknown stream: set up again, after a while
        c.send(c.message(S_ERROR, u16(status_, 0x0005), stream=1))
        c.stream()
        c.get(DATA)
        # unrecoverable: closed, then set up again
        c.send(c.message(S_ERROR, u16(status_, 0x7001), stream=1))
        c.check(c.get(S_CLOSE), stream_id)
        c.send(c.message(S_CLOSED, stream=1))
        c.stream()
        r.stop()
        c.goodbye()
        r.ended()
        for name in ("exceeded bandwidth", "unknown data_stream_id value", "unrecoverable error"):
            if name not in r.text():
                raise Wrong(f"the log has no {name}")


def set_ups(env):
    with Run(env, "--source", "SOURCE", "--loop") as r:
        c = r.accept()
        c.open()
        c.get(S_SETUP)  # in use: the stream of an earlier life is closed first
        c.send(c.message(S_ERROR, u16(status_, 0x0012), stream=1))
        c.get(S_CLOSE)
        c.send(c.message(S_CLOSED, stream=1))
        c.get(S_SETUP)  # another data_id than asked for: said, and closed
        c.send(c.message(S_STATUS, *c.names(0x21), stream=1))
        want(c.get(S_ERROR).int(status_), 0x0010, "answer to a stream_status of another data_id")
        c.get(S_CLOSE)
        c.send(c.message(S_CLOSED, stream=1))
        c.stream()
        c.get(DATA)
        r.stop()
        c.goodbye()
        r.ended()


def allocations(env):
    """Never more than allocated: counted in packets, from the first datagram on; and some of it at least."""
    with Run(env, "--source", "SOURCE", "--loop", "--bandwidth", "1Mbit/s", "--datagrams-per-message", "3") as r:
        c = r.accept()
        c.open()
        c.stream(asked=1000, kbps=40)
        for kbps in (40, 200, 10):
            first, bits = time.monotonic(), 0  # before it can be taken: what we read late has not come too fast
            c.send(c.message(BW_ALLOCATION, u16(bandwidth, kbps), stream=1), c.message(TEST))
            c.get(STATUS)  # taken by now
            c.get(DATA)
            while bits < kbps * 1200:  # 1.2 s of it
                m = c.get(DATA)
                bits += sum(bits_of(len(d)) for d in m.raw(datagram))
                # what lay in buffers, and 20 ms that may be caught up
                most = kbps * 1000 * (m.at - first + 0.2) + 3 * bits_of(60)
                if bits > most:
                    raise Wrong(f"{bits} bits in {m.at - first:.3f} s at {kbps} kbit/s")
        c.send(c.message(BW_ALLOCATION, u16(bandwidth, 0), stream=1), c.message(TEST))
        c.get(STATUS)
        c.data = []
        c.send(c.message(TEST))
        c.get(STATUS, data=False)
        m = c.read(0.5)
        if m is not None and m.type != TEST:  # we may have stood still
            raise Wrong(f"message {m.type:#06x} at 0 kbit/s")
        c.send(c.message(BW_ALLOCATION, stream=1))  # not known: the configured rate
        for _ in range(20):
            c.get(DATA)
        r.stop()
        c.goodbye()
        r.ended()


def case_bandwidth(env):
    yield "stream_errors: slower, set up again, closed, as each code asks", lambda: complaints(env)
    yield "a stream that cannot be set up is tried again, one that is set up wrongly is closed first", lambda: set_ups(env)
    yield "allocations are kept, asked for or not; 0 is silence", lambda: allocations(env)


def disconnects(env):
    with Run(env, "--source", "SOURCE", "--loop") as r:
        c = r.accept()
        c.sock.close()  # before anything
        c = r.accept()
        c.get(SETUP)
        c.sock.close()  # within the set-up
        c = r.accept()
        c.open()
        c.get(S_SETUP)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.sock.close()  # with a reset
        c = r.accept()
        c.open()
        c.stream()
        c.get(DATA)
        c.sock.close()  # amid data
        c = r.accept()
        c.open()
        c.stream()
        c.get(DATA)
        r.stop()
        c.goodbye()
        r.ended()


def refusals(env):
    with Run(env, "--source", "SOURCE", "--loop", version=5) as r:
        last = 0.0
        for code in (0x0011, 0x0014):
            c = r.accept()
            now = time.monotonic()
            if last and now - last < 0.7:
                raise Wrong(f"again after {now - last:.3f} s")
            last = now
            c.get(SETUP)
            c.send(c.message(ERROR, u16(status_, code)))
            try:
                if c.read(LONG) is not None:
                    raise Wrong("an answer to an error")
            except EOFError:
                c.sock.close()
        c = r.accept()
        want(c.get(SETUP).version, 5, "protocol_version")
        c.send(frame(2, ERROR, u32(client_id, 0), u16(channel_id, 1), u16(status_, 0x0002)))  # as TSDuck says it
        c = r.accept(2)
        c.open()
        c.stream()
        c.get(DATA)
        r.stop()
        c.goodbye()
        r.ended()


def frozen(env):
    """A mux that takes nothing for a while: data waits in bounded queues, then goes on, nothing is lost or doubled."""
    with Run(env, "--source", "SOURCE", "--bandwidth", "60Mbit/s", "--datagrams-per-message", "200", sections=60000) as r:
        c = r.accept()
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        c.open()
        c.stream(asked=60000)
        want(r.p.poll(), None, "exit status")
        time.sleep(0.6)  # 4.5 MB at this rate: far more than sockets and queue hold
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        got = []
        while True:
            m = c.read(LONG)
            if m is None or m.type != DATA:
                break
            got += m.raw(datagram)
        want(m and m.type, S_CLOSE, "what comes after the data")
        want(len(got), 60000, "datagrams")
        carousel(r, got)
        c.send(c.message(S_CLOSED, stream=1))
        c.goodbye(0)
        r.ended()


def case_connections(env):
    yield "a connection that is lost anywhere is made anew", lambda: disconnects(env)
    yield "a refused channel is tried again later, after 0x0002 with the mux's version", lambda: refusals(env)
    yield "a source without --loop is sent once, whole, past a mux that stalls, then stream, channel and program end", lambda: frozen(env)


def packets(env):
    ts = b"".join(bytes([0x47, 0x1F, 0xFF, 0x10]) + bytes([i]) * 184 for i in range(10))
    with Run(env, "--source", "SOURCE", "--format", "tspkt", "--data-type", "1", content=ts) as r:
        c = r.accept()
        c.open(1)
        c.stream(kind=1)
        got = [c.get(DATA), c.get(DATA)]
        c.goodbye()
        r.ended()
        want([len(d) for d in datagrams(got)], [1316, 564], "octets of the datagrams")
        want(b"".join(datagrams(got)), ts, "the packets")


def many(env):
    """Two streams on one channel, five hundred datagrams a message."""
    with Run(env, "--source", "SOURCE", "--data-id", "0x21", "--data-type", "1", "--bandwidth", "5Mbit/s", "--source", "SOURCE",
             "--datagrams-per-message", "500", "--bytes-per-message", "30000", sections=1200) as r:
        c = r.accept()
        c.open()
        for number, kind in ((0x20, 0), (0x21, 1)):
            m = c.get(S_SETUP)
            want((m.int(data_id), m.int(data_type)), (number, kind), "data_id, data_type")
        for stream, number, kind, kbps in ((1, 0x20, 0, 60000), (2, 0x21, 1, 5000)):
            c.send(c.message(S_STATUS, *c.names(number, kind), stream=stream))
            want(c.get(BW_REQUEST).int(bandwidth), {1: 100, 2: 5000}[stream], "bandwidth")
            c.send(c.message(BW_ALLOCATION, u16(bandwidth, kbps), stream=stream))
        closed = None
        while closed != 2:
            m = c.read(LONG)
            if m is None:
                raise Wrong("nothing more")
            if m.type == S_CLOSE:
                closed = m.int(stream_id)
                c.send(c.message(S_CLOSED, stream=closed))
            else:
                want(m.type, DATA, "message")
                c.data.append(m)
        second = [m for m in c.data if m.int(stream_id) == 2]
        want([len(m.raw(datagram)) for m in second], [468, 468, 264], "datagrams of the messages")  # 31 + 468 * 64 <= 30000
        carousel(r, datagrams(second))
        first = [m for m in c.data if m.int(stream_id) == 1]
        carousel(r, datagrams(first))
        r.stop()
        c.goodbye()
        r.ended()


def refused(env, fmt, content, where):
    for more in (), ("--check-config",):
        with Run(env, "--source", "SOURCE", "--format", fmt, *more, content=content, version=5) as r:
            r.ended(78)
            if f"sections.bin: offset {where}:" not in r.text():
                raise Wrong(f"no sentence with file and offset: {r.text()}")


def case_sources(env):
    yield "TS packets go seven a datagram, private data by data_type 1", lambda: packets(env)
    yield "several streams on one channel, up to 500 datagrams a message, within bytes_per_message", lambda: many(env)
    good = section(0)
    yield "no section: refused with file and offset", lambda: refused(env, "section", good + b"\x82\x70\xff" + good, 60)
    yield "half a section: refused with file and offset", lambda: refused(env, "section", good + good[:30], 60)
    packet = b"\x47" + bytes(187)
    yield "no TS packet: refused with file and offset", lambda: refused(env, "tspkt", packet * 3 + b"\x48" + bytes(187), 564)
    yield "half a TS packet: refused with file and offset", lambda: refused(env, "tspkt", packet + packet[:100], 188)
    yield "too long a message: refused with file and offset", lambda: refused(env, "bcast", bytes(65501), 0)


def listen(port, udp_port, version, seconds):
    """A polite mux for one session with one stream, data_id 0x20; UDP is read and forgotten."""
    listener = socket.create_server(("127.0.0.1", port))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", udp_port))
    print("listening", flush=True)
    listener.settimeout(LONG)
    c = Conn(listener.accept()[0], version)
    c.open()
    number = c.stream()
    c.send(c.message(TEST), c.message(S_TEST, stream=number))
    c.get(STATUS)
    c.get(S_STATUS)
    c.send(c.message(S_ERROR, u16(status_, 0x000F), stream=number))
    c.get(BW_REQUEST)
    c.send(c.message(BW_ALLOCATION, u16(bandwidth, 80), stream=number))
    while (m := c.read(seconds)) is not None and m.type == DATA:
        pass
    if m is None or m.type != S_CLOSE:
        raise Wrong(f"{m}")
    c.send(c.message(S_CLOSED, stream=number))
    c.goodbye(0)


def main(args):
    if args[0] == "listen":
        listen(*(int(a) for a in args[1:]))
        return
    cut = args.index("--")
    env = args[cut + 1:]
    for name in args[:cut]:
        for what, run in globals()["case_" + name](env):
            try:
                run()
                print("ok", what, flush=True)
            except (Wrong, EOFError, OSError, ValueError, subprocess.TimeoutExpired) as e:
                print("not ok", what, "|", repr(e).replace("\n", " ")[:1500], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
