#!/usr/bin/python3
"""tests/integration/bridge_hostile.py PORT SAMPLES: documents and heads of requests that mean harm, at a bridge without TLS.

Every request gets an HTTP answer that fits, or the end of the connection; and a good one is served after each group.
"""
import glob
import http.client
import os
import random
import socket
import sys

port, samples = int(sys.argv[1]), sorted(glob.glob(os.path.join(sys.argv[2], "*.xml")))
random.seed(20261122)
good = open(os.path.join(sys.argv[2], "tag07-stkm-delivery.xml"), "rb").read().replace(b"bsda.operator.example", b"front")


def say(right, what, why=""):
    print("ok" if right else "not ok", what, "" if right else "(%s)" % why, flush=True)


def raw(octets, wait=15):
    """The status of the first answer; 0: the connection ended without one; -1: neither."""
    with socket.create_connection(("127.0.0.1", port), wait) as s:
        got = b""
        try:
            s.sendall(octets)
            s.shutdown(socket.SHUT_WR) if octets.endswith(b"!EOF!") else None
            while b"\r\n" not in got:
                piece = s.recv(65536)
                if not piece:
                    return 0
                got += piece
        except socket.timeout:
            return -1
        except OSError:
            return 0
    return int(got[9:12]) if got.startswith(b"HTTP/1.1 ") else -1


def post(body, kind="application/xml"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        c.request("POST", "/bcast/sp4", body, {"Content-Type": kind})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def serves():
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    c.request("GET", "/bcast/health")
    return c.getresponse().status == 200


def mutate(octets):
    b = bytearray(octets)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(b))
        how = random.randrange(5)
        if how == 0:
            b[at] = random.randrange(256)
        elif how == 1:
            del b[at:at + random.randint(1, 40)]
        elif how == 2:
            b[at:at] = bytes(random.randrange(256) for _ in range(random.randint(1, 9)))
        elif how == 3:
            b[at:at] = random.choice((b"<", b">", b"&#0;", b"<!--", b"]]>", b"\xff\xfe", b"<?x ?>", b'"', b"&lt;" * 50, b"0" * 300))
        else:
            b[at:at] = b[max(0, at - random.randint(1, 200)):at]
    return bytes(b)


# bodies
wrong = []
for n in range(400):
    body = mutate(open(random.choice(samples), "rb").read() if n % 2 else good)
    status, _ = post(body)
    if status not in (200, 400, 413):
        wrong.append((n, status))
say(not wrong and serves(), "documents with faults of all kinds", wrong[:5])
bombs = [b"<a>" * 100000, b"<a " + b"b='' " * 100000 + b"/>", good.replace(b"source=", b"x" * 200000 + b"="),
         b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 1000 + b'">' + b"".join(b'<!ENTITY b%d "&b;&b;&b;&b;">' % i for i in range(50)) + b"]><a>&b;</a>",
         good.replace(b"UTF-8", b"UTF-7"), good.decode().encode("utf-16"), b"\x00" * 1000, b"<!--" + b"-" * 900000 + b"-->",
         good.replace(b"<Data>", b"<Data>" + b"0" * 1000000), b'<?xml version="1.1"?>' + good]
wrong = [(i, post(b)[0]) for i, b in enumerate(bombs)]
say(all(s in (400, 413) for _, s in wrong) and serves(), "documents that would grow", wrong)

# heads
body = b"Content-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(good) + good
head = b"POST /bcast/sp4 HTTP/1.1\r\nHost: a\r\n"
ends = {
    "two lengths": (head + b"Content-Length: 3\r\n" + body, (400,)),
    "length and chunks": (head + b"Transfer-Encoding: chunked\r\n" + body, (400,)),
    "a length below nought": (head + b"Content-Length: -1\r\n\r\n", (400,)),
    "a length beyond all": (head + b"Content-Length: 99999999999999999999\r\n\r\n", (400, 413)),
    "chunks that do not end": (head + b"Content-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", (400,)),
    "a head that is too long": (head + b"X: " + b"x" * 70000 + b"\r\n\r\n", (431, 400, 0)),
    "a NUL": (head + b"X: \0\r\n" + body, (400,)),
    "a folded line": (head + b"X: a\r\n b\r\n" + body, (400,)),
    "no host": (b"POST /bcast/sp4 HTTP/1.1\r\n" + body, (400,)),
    "HTTP/3.7": (b"POST /bcast/sp4 HTTP/3.7\r\nHost: a\r\n" + body, (400, 505)),
    "a path that climbs": (b"POST /bcast/../bcast/sp4 HTTP/1.1\r\nHost: a\r\n" + body, (404,)),
    "a path with a NUL": (b"POST /bcast/sp4%00 HTTP/1.1\r\nHost: a\r\n" + body, (404, 400)),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", (400, 0)),
    "a method of its own": (b"DELIVER /bcast/sp4 HTTP/1.1\r\nHost: a\r\n" + body, (405, 501)),
    "an upgrade": (head + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + body, (200,)),
}
wrong = []
for what, (octets, fit) in ends.items():
    status = raw(octets)
    if status not in fit:
        wrong.append((what, status))
for n in range(200):
    status = raw(mutate(head + body) + b"\r\n\r\n!EOF!")
    if status not in (0, 200, 400, 404, 405, 408, 411, 413, 415, 417, 431, 501, 505):
        wrong.append((n, status))
say(not wrong and serves(), "heads of requests that mean harm", wrong)

# who does not wait for answers
for n in range(300):
    with socket.create_connection(("127.0.0.1", port), 15) as s:
        s.sendall(head + body.replace(b"bsm1-0101", b"left-%04d" % n))
say(serves(), "peers that leave before they are answered")
