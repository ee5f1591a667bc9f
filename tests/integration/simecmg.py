#!/usr/bin/env python3
"""tests/integration/simecmg.py: a scripted ECMG that judges simulgate-scs: many KMSs at once, each with a port and a service of its
own, lenient and strict. It sends parameters backwards, cuts and joins messages, and says every message of the vectors.

simecmg.py SCS LOG DIRECTORY VECTORS    "ok …" and "not ok …" a line; the program's output goes to LOG
"""
import collections
import json
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from probe import status
from simwire import MESSAGES, PARAMS, Message, drained, frame, u16

SETUP, TEST, STATUS, CLOSE, ERROR = 1, 2, 3, 4, 5
S_SETUP, S_TEST, S_STATUS, S_CLOSE, S_CLOSED, S_ERROR = range(0x101, 0x107)
CW, ECM = 0x201, 0x202
super_cas_id, flag, min_cp, lead_cw, per_msg = 1, 2, 9, 10, 11
channel_id, stream_id, nominal_cp, mode, cp_number = 0xE, 0xF, 0x10, 0x11, 0x12
cp_cw, ecm_datagram, ecm_id, status_ = 0x14, 0x15, 0x19, 0x7000
ERRORS = (ERROR, S_ERROR)
LONG = 30.0  # for what comes at once on an idle machine


class Wrong(Exception):
    pass


def want(got, expected, what):
    if got != expected:
        raise Wrong(f"{what}: {got}, wanted {expected}")


class Conn:
    """One connection of the SCS, one channel and one stream, whose CW_provisions are answered as long as nothing else is said."""

    def __init__(self, kms, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kms, self.sock, self.version, self.rest = kms, sock, kms.version, b""
        self.channel = self.stream = self.cp = None
        self.served, self.words = [], {}
        self.datagram = b"\x80\x70\x02\xAA\xBB"
        self.answering = True
        self.dice = random.Random(kms.name)

    def send(self, *messages):
        out = b"".join(messages)
        chunks = [out]
        if self.kms.way == "octets":
            chunks = [bytes([b]) for b in out]
        elif self.kms.way == "cut":
            at = sorted(self.dice.sample(range(1, len(out)), min(3, len(out) - 1)))
            chunks = [out[a:b] for a, b in zip([0] + at, at + [len(out)])]
        for chunk in chunks:
            self.sock.sendall(chunk)
            if len(chunks) > 1:
                drained(self.sock)

    def message(self, kind, *params, stream=False, version=None, channel=None):
        """Parameters backwards, identifiers last."""
        names = [u16(channel_id, self.channel if channel is None else channel)] + ([u16(stream_id, self.stream)] if stream else [])
        return frame(version or self.version, kind, *reversed(names + list(params)))

    def adapted(self, vector, more=()):
        """The vector with the identifiers and the version of this connection, and its parameters backwards but on octets."""
        m = Message(self.kms.vectors[vector])
        live = {channel_id: self.channel, stream_id: self.stream, ecm_id: self.kms.id, cp_number: self.cp, **dict(more)}
        params = [u16(t, live[t] & 0xFFFF) if live.get(t) is not None else (t, v) for t, v in m.params]
        return frame(self.version, m.type, *(params if self.kms.way == "octets" else reversed(params)))

    def read(self, seconds):
        until = time.monotonic() + seconds
        while True:
            if len(self.rest) >= 5 and len(self.rest) >= 5 + int.from_bytes(self.rest[3:5], "big"):
                n = 5 + int.from_bytes(self.rest[3:5], "big")
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
            except ConnectionResetError as e:
                raise EOFError from e
            if not more:
                raise EOFError
            self.rest += more

    def next(self, *wanted, seconds=LONG):
        """The next message; what belongs to the service and its tests is answered, if it is not what is wanted."""
        until = time.monotonic() + seconds
        while True:
            m = self.read(max(until - time.monotonic(), 0))
            if m is None:
                raise Wrong(f"none of {[MESSAGES[w] for w in wanted]} came")
            if m.type in (CW, S_SETUP):
                self.note(m)
            if m.type in wanted:
                return m
            if m.type == CW:
                if self.answering:
                    self.answer(m)
            elif m.type == TEST:
                self.send(self.status())
            elif m.type == S_TEST:
                self.send(self.stream_status())
            else:
                return m

    def get(self, kind, seconds=LONG):
        m = self.next(kind, seconds=seconds)
        if m.type != kind:
            raise Wrong(f"{m}, wanted {MESSAGES[kind]}")
        want((m.version, m.int(channel_id)), (self.version, self.channel), f"version and channel of {m.name}")
        return m

    def note(self, m):
        """Every CW of the window, and for a CP the same CW as ever."""
        if m.type == S_SETUP:
            return
        n, lead, per = m.int(cp_number), self.terms.int(lead_cw), self.terms.int(per_msg)
        pairs = [(int.from_bytes(v[:2], "big"), v[2:]) for v in m.raw(cp_cw)]
        want([k for k, _ in pairs], [(n + 1 + lead - per + i) & 0xFFFF for i in range(per)], f"window of CP {n}")
        want(m.int(stream_id), self.stream, "stream of CW_provision")
        for k, word in pairs:
            want(word, self.words.setdefault(k, word), f"the word of CP {k}")
        self.cp = n

    def answer(self, m, datagram=None):
        d = self.datagram if datagram is None else datagram
        self.send(self.message(ECM, u16(cp_number, m.int(cp_number)), (ecm_datagram, d), stream=True))
        self.served.append(m.int(cp_number))

    def status(self):
        return self.adapted(self.kms.status)

    def stream_status(self):
        return self.adapted("ecmg_stream_status") if self.version > 1 else self.message(S_STATUS, (mode, b"\0"), stream=True)

    def open(self, upto=S_STATUS):
        m = self.read(LONG)
        if m is None or m.type != SETUP:
            raise Wrong(f"{m}, wanted channel_setup")
        want((m.version, m.int(super_cas_id)), (self.version, self.kms.cas), "version and Super_CAS_id")
        want(sorted(t for t, _ in m.params), [super_cas_id, channel_id], "parameters of channel_setup")
        self.channel = m.int(channel_id)
        if upto == SETUP:
            return self
        self.terms = Message(self.status())
        self.send(self.status())
        m = self.get(S_SETUP)
        self.stream = m.int(stream_id)
        want(m.int(ecm_id), self.kms.id if self.version > 1 else None, "ECM_id")
        want(m.int(nominal_cp), max(10, self.terms.int(min_cp)), "nominal_CP_duration")
        if upto == S_STATUS:
            self.send(self.stream_status())
        return self

    def serve(self, n=2):
        """The service goes on: n more crypto-periods."""
        first = self.cp
        while self.cp is None or first is None or (self.cp - first) & 0xFFFF < n or (self.cp - first) & 0xFFFF > 0x7FFF:
            self.answer(self.get(CW))
            first = self.cp if first is None else first

    def hear(self, sent, *errors):
        """What is said to this is these errors and nothing else, and the connection lives: what is asked next is answered next."""
        self.send(sent, self.adapted("ecmg_channel_test"))
        got = []
        while (m := self.next(STATUS)).type != STATUS:
            want((m.version, m.int(channel_id)), (self.version, self.channel), f"version and channel of {m}")
            got.append((m.type, m.int(status_)))
        want(got, list(errors), f"answers to {sent.hex()}")
        for t in (flag, 3, 4, 7, 8, min_cp, lead_cw, per_msg, 12):
            want(m.int(t), self.terms.int(t), f"{PARAMS[t]} of channel_status")

    def ended(self, seconds=LONG):
        """It closes the connection, and says nothing before it but what belongs to the service."""
        try:
            while True:
                m = self.next(SETUP, seconds=seconds)
                raise Wrong(f"{m}, wanted an end")
        except (EOFError, ConnectionError):
            self.sock.close()

    def goodbye(self):
        m = self.get(S_CLOSE, 600)
        want(m.int(stream_id), self.stream, "ECM_stream_id")
        self.send(self.adapted("ecmg_stream_close_response"))
        self.get(CLOSE)
        self.ended()


class Kms(threading.Thread):
    """A KMS of the head-end, and its script. Verdicts are kept for the end: many run at once."""
    vectors, count, all = {}, 0, []

    def __init__(self, name, script, strict, version=3, status="fast", way="whole", options=""):
        super().__init__(daemon=True)
        Kms.count += 1
        Kms.all.append(self)
        self.name, self.script, self.strict = f"{name}-{'strict' if strict else 'lenient'}", script, strict
        self.version, self.status, self.way = version, status, way
        self.id, self.cas, self.options = Kms.count, 0x4AE60000 + Kms.count, options
        self.verdicts, self.done = [], threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LONG)

    def lines(self):
        port = self.listener.getsockname()[1]
        return (f"  {self.name}: {{ super_cas_id: {self.cas:#x}, ecmg: tcp://127.0.0.1:{port}, protocol_version: {self.version}, "
                f"peer: {'strict' if self.strict else 'lenient'}{self.options} }}",
                f"  - {{ id: {self.name}, scrambling: none, crypto_period: 1s, "
                f"stkm: [{{ kms: {self.name}, ecm_id: {self.id} }}] }}")

    def accept(self):
        return Conn(self, self.listener.accept()[0])

    def opened(self):
        """A channel and its stream; once more, if we stood still for so long that the SCS gave us up meanwhile."""
        try:
            return self.accept().open()
        except (EOFError, ConnectionError):
            return self.accept().open()

    def ok(self, what):
        self.verdicts.append(f"ok {self.name}: {what}")

    def log_is_right(self):
        """A deviation is named once a connection, to the strict a user-defined message_type is the only one."""
        with open(Kms.log, encoding="utf-8", errors="replace") as f:
            named = [re.sub(r"^.*? event=", "", line) for line in f
                     if "event=tolerated" in line and f"kms={self.name} " in line]
        twice = [line for line, n in collections.Counter(re.sub(r" offset=\d+", "", line) for line in named).items() if n > 1]
        want(twice, [], "deviations named twice")
        want([line for line in named if self.strict and "type=0x8" not in line], [], "tolerated by the strict")
        want(len(named) > 0, True, "a deviation was named")
        self.ok("each deviation is named once")

    def run(self):
        try:
            conn = self.script(self)
            self.done.set()
            conn.goodbye()
            self.ok("stream and channel end in order")
        except (Wrong, EOFError, OSError, ValueError, LookupError, TypeError) as e:
            self.verdicts.append(f"not ok {self.name}: after {self.verdicts[-1:]} | {e!r}".replace("\n", " ")[:1500])
        self.done.set()


# -- scripts: what each KMS does; at the end its service is in order --------------------------------------------------------

FAST = frame(3, STATUS, u16(channel_id, 0), (flag, b"\0"), u16(3, 0xFF38), u16(4, 0xFF38), u16(7, 100), u16(8, 0), u16(min_cp, 10),
             (lead_cw, b"\1"), (per_msg, b"\2"), u16(12, 200))
PRIMED = FAST.replace(b"\0\x0b\0\1\2", b"\0\x0b\0\1\1")  # CW_per_msg 1: the CW of a CP goes with the message before its own


def life(*datagrams):
    """A life with every vector in it that has a place in one."""
    def script(kms):
        c = kms.opened()
        for name in datagrams:
            c.datagram = Message(kms.vectors[name]).raw(ecm_datagram)[0]
            c.serve(1)  # it was taken: the next crypto-period is asked for
            kms.ok(f"{name}, after {kms.status}")
        c.send(c.message(S_TEST, stream=True))
        m = c.get(S_STATUS)
        want((m.int(stream_id), m.int(ecm_id), m.int(mode)), (c.stream, kms.id if c.version > 1 else None, 1), "stream_status")
        kms.ok("it answers channel_test and stream_test with what is in force")
        c.hear(c.adapted("ecmg_channel_error_missing_param", {channel_id: 0}))
        c.hear(c.adapted(datagrams[0], {cp_number: c.cp + 9}))
        for name in (kms.status, "ecmg_stream_status", "ecmg_stream_close_response", "ecmg_stream_error", "bcast_stream_error"):
            c.hear(c.adapted(name))
        c.hear(b"".join(c.adapted(n) for n in (kms.status, "ecmg_stream_status", "ecmg_channel_error_missing_param")))
        kms.ok("vectors that it did not ask for get no answer and do no harm, one by one and together")
        return c
    return script


def errors(kms):
    """A CW_provision that is refused, or not answered, or wrongly: the crypto-period is extended, then the service goes on."""
    c = kms.opened()
    c.serve(2)
    for name, words in (("ecmg_stream_error", "0x000B"), ("bcast_stream_error", "0x8000")):
        c.get(CW)
        c.send(c.adapted(name))
        c.serve(2)
        kms.ok(f"{name}, {words}: asked again, then it goes on")
    m = c.get(CW)
    again = c.get(CW)  # not answered
    want(again.int(cp_number), m.int(cp_number), "CP of what is asked again")
    c.answer(again)
    c.answer(m)  # an answer too many
    c.serve(1)
    kms.ok("no answer, then two: asked again, then it goes on")
    m = c.get(CW)
    c.send(c.message(ECM, u16(cp_number, m.int(cp_number) + 5 & 0xFFFF), (ecm_datagram, c.datagram), stream=True))
    c.answer(m)
    c.serve(1)
    kms.ok("an answer for another CP is dropped, the right one is taken after it")
    m = c.get(CW)
    c.answer(m, b"\x80\x70\x09\1")  # half a section
    c.serve(2)
    kms.ok("an ECM_datagram that is no section: asked again, then it goes on")
    end = time.monotonic() + LONG
    while (u := kms.service())["extended"] or u["alarm"]:  # it is again for a moment, if we have stood still
        if time.monotonic() > end:
            raise Wrong(f"extended {u['extended']}, alarm {u['alarm']}")
        c.serve(1)
    want(u["extensions"] >= 4, True, f"{u['extensions']} extensions")
    kms.ok("its crypto-periods were extended, and are no more")
    return c


def remedies(kms):
    """What a stream_error says about the stream is done about it."""
    c = kms.opened()
    c.serve(1)
    c.get(CW)
    c.send(c.message(S_ERROR, u16(status_, 0x0007), stream=True))
    c.get(S_SETUP)
    c.send(c.stream_status())
    c.serve(2)
    kms.ok("unknown ECM_stream_id: set up again")
    c.get(CW)
    c.send(c.message(S_ERROR, u16(status_, 0x7001), stream=True))
    c.get(S_CLOSE)
    c.send(c.adapted("ecmg_stream_close_response"))
    c.get(S_SETUP)
    c.send(c.adapted("ecmg_stream_error"))  # not now
    c.get(S_SETUP)
    c.send(c.stream_status())
    c.serve(2)
    kms.ok("unrecoverable error: closed, then set up again, until it succeeds")
    return c


def changed(message, t, value):
    """The message with another value of its parameter t; None: without it."""
    m = Message(message)
    return frame(m.version, m.type, *((k, value if k == t else v) for k, v in m.params if k != t or value is not None))


def negatives(kms):
    """What is wrong gets the code of this interface; what is strange that of the strict, and goes unpunished by the lenient."""
    c = kms.opened()
    c.serve(1)
    s, ecm = c.status(), c.adapted("ecmg_ecm_response_section", {cp_number: c.cp + 9})
    body = s[5:]
    two = b"\2" + s[1:]
    at, c.stream = c.stream, 999
    of_999 = [c.message(S_TEST, stream=True), c.message(ECM, u16(cp_number, 1), (ecm_datagram, b""), stream=True),
              c.message(S_ERROR, u16(status_, 1), stream=True)]
    c.stream = at

    def strange(code):
        return [code] if kms.strict else []

    cases = (
        ("channel_status without max_comp_time", changed(s, 12, None), [(ERROR, 0x10)]),
        ("channel_status without ECM_channel_id", changed(s, channel_id, None), [(ERROR, 0x10)]),
        ("channel_status with a delay_start of one octet", changed(s, 3, b"\0"), [(ERROR, 0x0F)]),
        ("channel_status with section_TSpkt_flag 7", changed(s, flag, b"\7"), [(ERROR, 0x11)]),
        ("channel_status with a parameter twice", frame(3, STATUS, *Message(s).params, (flag, b"\0")), [(ERROR, 1)]),
        ("a parameter that overruns", s[:-4] + b"\0\x09" + s[-2:], [(ERROR, 1)]),
        ("three octets too many", s[:3] + struct.pack(">H", len(body) + 3) + body + b"\0\0\0", [(ERROR, 1)]),
        ("protocol_version 0", b"\0" + s[1:], [(ERROR, 2)]),
        ("protocol_version 6", b"\6" + s[1:], [(ERROR, 2)]),
        ("another protocol_version than before", two, strange((ERROR, 2))),
        ("an unknown message_type", frame(3, 0x0107, u16(channel_id, c.channel)), strange((ERROR, 3))),
        ("a user-defined message_type", frame(3, 0x8123, u16(channel_id, c.channel), (0x8001, b"x")), []),
        ("an unknown parameter", frame(3, STATUS, *Message(s).params, (0x0999, b"x")), strange((ERROR, 0x0E))),
        ("a user-defined parameter", frame(3, STATUS, *Message(s).params, (0x9001, b"x")), strange((ERROR, 0x0E))),
        ("a parameter of another message", frame(3, STATUS, *Message(s).params, u16(ecm_id, 1)), strange((ERROR, 0x0E))),
        ("another ECM_channel_id", c.message(TEST, channel=c.channel + 1), [(ERROR, 6)]),
        ("another ECM_stream_id", of_999[0] + of_999[1], [(S_ERROR, 7)] * 2),
        ("stream_status without ECM_id", changed(c.adapted("ecmg_stream_status"), ecm_id, None), strange((S_ERROR, 0x10))),
        ("ECM_response without ECM_datagram", changed(ecm, ecm_datagram, None), [(S_ERROR, 0x10)]),
        ("ECM_response without ECM_stream_id", changed(ecm, stream_id, None), [(ERROR, 0x10)]),
        ("ECM_response nobody asked for", ecm, []),
        ("messages that only an SCS sends", b"".join(c.adapted(n) for n in (
            "ecmg_channel_setup", "ecmg_stream_setup", "ecmg_cw_provision_2cw", "ecmg_stream_close_request", "ecmg_channel_close")),
         [(ERROR, 1), (S_ERROR, 1), (S_ERROR, 1), (S_ERROR, 1), (ERROR, 1)]),
        ("error messages that are wrong in every way", b"".join((
            frame(3, ERROR), frame(3, S_ERROR), c.message(ERROR), c.message(S_ERROR, stream=True), of_999[2],
            frame(9, ERROR, u16(status_, 1)), c.message(ERROR, (status_, b"\1")), c.message(S_ERROR, (status_, b""), stream=True),
            c.message(ERROR, u16(status_, 1), (0x0999, b"")), c.message(S_ERROR, u16(status_, 1), stream=True, version=2),
            c.message(S_ERROR, u16(status_, 1), channel=c.channel + 1), frame(3, ERROR)[:3] + b"\0\2\0\1")), []),
    )
    for what, sent, answers in cases:
        c.hear(sent, *answers)
        kms.ok(what)
    c.serve(1)
    kms.log_is_right()
    return c


def frames(raw):
    while raw:
        n = 5 + int.from_bytes(raw[3:5], "big")
        yield raw[:n]
        raw = raw[n:]


def everything(kms):
    """Every vector of the file, whatever interface and direction, as it is and for this channel: an error or none, never two."""
    c = kms.opened()
    c.serve(1)
    sent, whole = [], [n for n in kms.vectors if not n.startswith(("neg_", "stream_"))]
    for name in kms.vectors:
        m = kms.vectors[name]
        if len(list(frames(m))[-1]) != 5 + int.from_bytes(list(frames(m))[-1][3:5], "big"):
            continue  # cut off: by TCP it would go on with the next message
        if m[1:3] == b"\0\5" and Message(m).int(status_) in (0x0005, 0x7001):
            continue  # the end of the channel, whichever it names
        sent.append((name, m))
        if name in whole and m[1:3] not in (b"\0\2", b"\0\3", b"\1\2"):  # these have an answer, or change the channel
            sent.append((name, c.adapted(name)))
    for name, raw in sent:
        c.send(raw, c.message(TEST))
        got = []
        while (m := c.next(STATUS)).type != STATUS:
            got.append((m.type, m.int(status_)))
        most = sum(f[1:3] not in (b"\0\5", b"\1\6") for f in frames(raw))
        if len(got) > most or any(t not in ERRORS or code not in range(1, 0x16) for t, code in got):
            raise Wrong(f"{name}: {got}")
    c.serve(1)
    kms.ok(f"{len(sent)} vectors of every interface and direction: one error for each at most, the service goes on")
    kms.log_is_right()
    return c


def refusals(kms):
    c = kms.accept().open(SETUP)
    c.send(c.adapted("ecmg_channel_error"))
    c.ended()
    c = kms.accept().open(SETUP)
    c.send(c.adapted("ecmg_channel_error_text"))
    c.ended()
    kms.ok("ecmg_channel_error, ecmg_channel_error_text in answer to channel_setup: it closes, and tries again")
    return kms.opened()


def losses(kms):
    """Connections that end at every step; each time it comes back, and asks for the same."""
    kms.accept().sock.close()
    c = kms.accept().open(SETUP)
    c.sock.close()
    c = kms.accept().open(S_SETUP)
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.sock.close()
    c = kms.opened()
    c.serve(2)
    c.get(CW)
    c.sock.close()  # with a question unanswered
    c = kms.opened()
    c.serve(2)
    kms.ok("connections that end while they are set up, and after: made anew")
    return c


def changes(kms):
    """What a channel does not outlive."""
    c = kms.opened()
    for name in ("ecmg_channel_error", "ecmg_channel_error_text"):
        c.send(c.adapted(name))
        c.ended()
        c = kms.opened()
        c.serve(2)
    kms.ok("the same errors of an open channel: it closes, and the service goes on with the next connection")
    c.send(changed(c.status(), min_cp, b"\0\x14"))
    c.ended()
    c = kms.opened()
    c.serve(2)
    kms.ok("a channel_status of other values: a new channel")
    return c


def vanished(kms):
    """A peer that is there no more, though its connection is: it is asked, then given up."""
    c = kms.opened()
    c.serve(2)
    c.answering = False
    m = c.next(TEST)
    while m.type == CW:
        m = c.next(TEST)
    want(m.type, TEST, "what a silent ECMG is asked")
    for _ in range(1000):  # nothing is answered any more
        try:
            if c.read(LONG) is None:
                raise Wrong("it clings to the silent connection")
        except EOFError:
            break
    kms.ok("a silent ECMG is asked with channel_test, then given up")
    c = kms.accept().open(SETUP)
    try:
        raise Wrong(f"{c.read(LONG)} instead of an end")  # no answer to channel_setup
    except EOFError:
        pass
    c = kms.opened()
    c.serve(2)
    kms.ok("so is one that does not answer channel_setup; the service goes on with the next connection")
    return c


def script(kms_vectors):
    with open(kms_vectors, encoding="utf-8") as f:
        all_ = json.load(f)
    Kms.vectors = {v["name"]: bytes.fromhex(v["hex"]) for k in ("vectors", "negative", "streams") for v in all_[k]}
    Kms.vectors.update(fast=FAST, primed=PRIMED)
    for strict in (False, True):
        Kms("full", life("ecmg_ecm_response_section", "ecmg_ecm_response_empty"), strict, status="ecmg_channel_status_full")
        Kms("octets", life("ecmg_ecm_response_tspkt", "ecmg_ecm_response_empty"), strict, 2, "ecmg_channel_status_min", "octets")
        Kms("cut", life("bcast_ecm_response_stkm"), strict, 5, "bcast_channel_status", "cut")
        Kms("errors", errors, strict)
        Kms("negatives", negatives, strict)
        Kms("everything", everything, strict, status="primed", options=", ECM_channel_id: 500")  # no vector's
        Kms("remedies", remedies, strict)
        Kms("refusals", refusals, strict, way="cut")
        Kms("losses", losses, strict)
        Kms("changes", changes, strict, way="octets")
        Kms("vanished", vanished, strict, options=", test_interval: 1s")


def main(scs, log, directory, vectors):
    script(vectors)
    Kms.log = log
    conf, where = directory + "/scs.yaml", directory + "/scs.sock"
    kms, services = zip(*(k.lines() for k in Kms.all))
    with open(conf, "w", encoding="utf-8") as f:
        head = ["head_end: judged", f"state: {directory}/state", f"playout: unix://{directory}/run"]
        f.write("\n".join(head + ["kms:", *kms, "services:", *services, ""]))
    with open(log, "ab") as out:
        p = subprocess.Popen([scs, "--config", conf, "--status", "unix://" + where], stdout=out, stderr=out)
    Kms.service = lambda self: next(u for u in status(where)["services"] if u["service"] == self.name)
    try:
        for k in Kms.all:
            k.start()
        for k in Kms.all:
            k.done.wait(150)
        p.send_signal(signal.SIGTERM)
        for k in Kms.all:
            k.join(LONG)
            print(*k.verdicts, sep="\n", flush=True)
        print("ok" if p.wait(LONG) == 0 else f"not ok exit status {p.returncode},", "SIGTERM ends it in order", flush=True)
    finally:
        p.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
