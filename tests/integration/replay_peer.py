"""tests/integration/replay_peer.py: captures for simulgate replay, and peers that are right but not quick.

replay_peer.py capture bulk|pair|many|gap OUT.pcap   an EMMG that sends 20 MB; two sessions of an SCS, one while the other lasts; 4500 streams at a time;
                                            a session without one segment
replay_peer.py mux PORT                     a MUX that begins to read data after a while; says how much it was
replay_peer.py ecmg PORT                    an ECMG that serves one connection, and then is not there any more
"""
import socket
import struct
import sys
import time

import lint_captures as made
from lint_captures import message, u

E_CLIENT, E_CHANNEL, E_STREAM, E_DATA = (1, b"\x4a\xdc\0\1"), (3, u(1)), (4, u(1)), (8, u(5))
DATA, TIMES = 60000, 330
STATUS = made.status()


def bulk():
    c = made.Capture()
    for kind in 0x11, 0x13:
        c.say(kind == 0x13, 2, kind, E_CLIENT, E_CHANNEL, (2, b"\0"))
    for kind in 0x111, 0x113:
        c.say(kind == 0x113, 2, kind, E_CLIENT, E_CHANNEL, E_STREAM, E_DATA, (7, b"\0"))
    for _ in range(TIMES):
        c.say(0, 2, 0x211, E_CLIENT, E_CHANNEL, E_STREAM, E_DATA, (5, bytes(DATA)))
    c.say(0, 2, 0x15, E_CLIENT, E_CHANNEL)
    c.end()
    return c


def pair():
    whole = []
    for port, begins, lasts in (5000, 0, 6000), (5001, 3000, 1000):
        made.CLIENT = (made.CLIENT[0], port)
        c = made.Capture()
        c.frames = [(at + begins * 1000, frame) for at, frame in c.frames]
        c.wait(begins)
        c.say(0, 2, 1, made.CHANNEL, (1, b"\x4a\xdc\0\1"))
        c.say(1, 2, 3, *STATUS)
        c.wait(lasts)
        c.say(0, 2, 4, made.CHANNEL)
        c.end()
        whole += c.frames
    c.frames = sorted(whole, key=lambda frame: frame[0])
    return c


def many():
    c = made.Capture()
    c.say(0, 2, 1, made.CHANNEL, (1, b"\x4a\xdc\0\1"))
    c.say(1, 2, 3, *STATUS)
    for side, kind, *rest in (0, 0x101, (0x19, u(1)), (0x10, u(100))), (1, 0x103, (0x19, u(1)), (0x11, b"\0")), (0, 0x201, (0x12, u(0)), made.word(0)), (1, 0x202, (0x12, u(0)), (0x15, b"\x80")):
        for first in range(1, 4501, 500):
            c.tcp(side, b"".join(message(2, kind, made.CHANNEL, (0xF, u(k)), *rest) for k in range(first, first + 500)))
    c.say(0, 2, 4, made.CHANNEL)
    c.end()
    return c


def gap():
    c = made.Capture()
    c.say(0, 2, 1, made.CHANNEL, (1, b"\x4a\xdc\0\1"))
    c.say(1, 2, 3, *STATUS)
    c.say(0, 2, 0x101, made.CHANNEL, made.STREAM, (0x19, u(1)), (0x10, u(100)))
    c.say(1, 2, 0x103, made.CHANNEL, made.STREAM, (0x19, u(1)), (0x11, b"\0"))
    c.say(0, 2, 2, made.CHANNEL)
    del c.frames[-1]
    c.say(1, 2, 3, *STATUS)
    for cp in range(3):
        c.wait(1000)
        c.say(0, 2, 0x201, made.CHANNEL, made.STREAM, (0x12, u(cp)), made.word(cp))
        c.say(1, 2, 0x202, made.CHANNEL, made.STREAM, (0x12, u(cp)), (0x15, b"\x80"))
    c.say(0, 2, 4, made.CHANNEL)
    c.end()
    return c


def messages(sock):
    held = b""
    while True:
        while len(held) < 5 or len(held) < 5 + struct.unpack(">H", held[3:5])[0]:
            more = sock.recv(1 << 16)
            if not more:
                return
            held += more
        n = 5 + struct.unpack(">H", held[3:5])[0]
        yield struct.unpack(">H", held[1:3])[0], held[:n]
        held = held[n:]


def serve(port, answers, begins):
    listener = socket.create_server(("127.0.0.1", port))
    print("ready", flush=True)
    sock, _ = listener.accept()
    listener.close()
    octets = 0
    for kind, m in messages(sock):
        octets += len(m) if kind == 0x211 else 0
        if kind in answers:
            sock.sendall(m[:1] + struct.pack(">H", answers[kind]) + m[3:])
        elif kind in begins:
            sock.sendall(begins[kind])
        if kind == 0x111:
            time.sleep(1)
    print(octets, "octets", flush=True)


if sys.argv[1] == "capture":
    {"bulk": bulk, "pair": pair, "many": many, "gap": gap}[sys.argv[2]]().write(sys.argv[3])
elif sys.argv[1] == "mux":
    serve(int(sys.argv[2]), {0x11: 0x13, 0x111: 0x113}, {})
else:
    serve(int(sys.argv[2]), {}, {1: message(2, 3, *STATUS)})
