"""tests/integration/http_hostile.py PORT PID: clients that mean harm, and one that does not, at tests/integration/httpd_run."""
import os
import random
import socket
import sys
import threading
import time

port, pid = int(sys.argv[1]), int(sys.argv[2])
REQUEST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


def dial(timeout=15):
    s = socket.create_connection(("127.0.0.1", port), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_all(s):
    got = b""
    try:
        while chunk := s.recv(65536):
            got += chunk
    except OSError:
        pass
    return got


def status(got):
    return int(got[9:12]) if got.startswith(b"HTTP/1.1 ") else 0


def memory_kib():
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def say(good, what, why=""):
    print("ok" if good else "not ok", what, "" if good else f"({why})", flush=True)


class Halts(threading.Thread):
    """For how many seconds this machine has stood still."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds = 0.0
        self.start()

    def run(self):
        while True:
            began = time.monotonic()
            time.sleep(0.02)
            gap = time.monotonic() - began
            self.seconds += gap if gap > 0.1 else 0


def well_served(what):
    before, began = halts.seconds, time.monotonic()
    try:
        with dial() as s:
            s.sendall(REQUEST)
            got = s.recv(4096)
    except OSError as e:
        got = repr(e).encode()
    took = time.monotonic() - began
    time.sleep(0.05)  # for a halt to be seen
    took -= halts.seconds - before
    say(status(got) == 200 and took < 1, f"{what}: others are served", f"{got[:80]!r} after {took:.1f} s")


def slowloris():
    crowd = [dial() for _ in range(80)]
    for s in crowd:
        s.sendall(b"GET / HTTP/1.1\r\nX: ")
    well_served("slowloris")
    until = time.monotonic() + 15
    while time.monotonic() < until and crowd:
        for s in crowd[:]:
            try:
                s.send(b"x")
            except OSError:
                crowd.remove(s)
        time.sleep(0.05)
    say(not crowd, "slowloris: an octet now and then is no excuse", f"{len(crowd)} are still there")


def slow_bodies():
    crowd = [dial() for _ in range(80)]
    for s in crowd:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx")
    well_served("slow bodies")
    answers = [status(read_all(s)) for s in crowd]
    say(answers == [408] * 80, "slow bodies: 408", str(answers))


def sent_until_refused(head, piece, pieces):
    """What a client that does not look up from its sending has got rid of, and what it was told."""
    s, sent = dial(), 0
    try:
        s.sendall(head)
        for _ in range(pieces):
            s.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent, status(read_all(s))


def big_bodies():
    said = {sent_until_refused(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n", b"x" * 65536, 160)[1] for _ in range(5)}
    say(said <= {413, 0} and 413 in said, "10 MiB of body: 413", str(said))
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    said = {sent_until_refused(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, 160)[1] for _ in range(5)}
    say(said <= {413, 0} and 413 in said, "10 MiB of chunks: 413", str(said))
    said = {sent_until_refused(b"GET / HTTP/1.1\r\n", b"X-A: " + b"y" * 1000 + b"\r\n", 10000)[1] for _ in range(5)}
    say(said <= {431, 0} and 431 in said, "10 MiB of header fields: 431", str(said))
    well_served("big bodies")


def garbage():
    rng = random.Random(1)
    seed = REQUEST + b"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for i in range(300):
        data = bytearray(seed if i % 3 else os.urandom(400))
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with dial() as s:
            try:
                s.sendall(bytes(data))
                s.shutdown(socket.SHUT_WR)
                read_all(s)
            except OSError:
                pass
    well_served("garbage")


def left_alone():
    for text in (b"", b"GET", REQUEST[:-2], REQUEST, b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"):
        for end in ("half", "reset", "close"):
            s = dial()
            s.sendall(text)
            if end == "half":
                s.shutdown(socket.SHUT_WR)
            elif end == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
    well_served("half-closed, reset and closed connections")


def slow_readers():
    crowd = []
    for _ in range(5):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        crowd.append(s)
    well_served("slow readers")
    time.sleep(2.5)
    ended = []
    for s in crowd:
        s.settimeout(15)
        ended.append(len(read_all(s)) < 8 << 20)
    say(all(ended), "slow readers: they are left", str(ended))


def crowd():
    many = [dial() for _ in range(300)]
    time.sleep(0.2)
    many[-1].close()
    for s in many:
        s.close()
    time.sleep(0.2)
    well_served("300 at once")


halts = Halts()
before = memory_kib()
for attack in (slowloris, slow_bodies, big_bodies, garbage, left_alone, slow_readers, crowd):
    attack()
grown = memory_kib() - before
# 100 heads and bodies, and five answers of 8 MiB in libwebsockets' hands, beside what allocators keep
say(grown < 96 * 1024, "memory is bounded", f"{grown} KiB more than before")
