#!/usr/bin/env python3
"""tests/integration/follower.py: a follower of the SCS that refuses (proto/playout.h), sharing no code with ours.

follower.py mux SOCKET --refuse KMS --times N   acknowledges every ecm_record but those of one KMS
follower.py scrambler SOCKET --times N          refuses the first N records, then acknowledges
             --holds SERVICE:CP                 says first that it holds this one
             --lie N                            acknowledges N keys with the fingerprint of another; then with theirs
Each refusal and acknowledgement is a line on stdout.
"""
import argparse
import hmac
import socket
import struct

SETUP, STATUS, TEST, ALIVE, HELD = 0x9001, 0x9002, 0x9004, 0x9005, 0x9006
ECM, ECM_ACK, KEY, KEY_ACK, ERROR = 0x9011, 0x9012, 0x9021, 0x9022, 0x9032
ROLE, NAME, SERVICE, CP, MATERIAL, KMS, CAS, ECM_ID, FINGERPRINT, STATUS_OF = 1, 2, 4, 5, 0x0D, 0x0E, 0x0F, 0x10, 0x18, 0x7000


def message(kind, *params):
    body = b"".join(struct.pack(">HH", t, len(v)) + v for t, v in params)
    return struct.pack(">BHH", 1, kind, len(body)) + body


def messages(s):
    have = b""
    while True:
        while len(have) >= 5 and len(have) >= 5 + struct.unpack(">H", have[3:5])[0]:
            n = 5 + struct.unpack(">H", have[3:5])[0]
            yield struct.unpack(">H", have[1:3])[0], have[5:n]
            have = have[n:]
        got = s.recv(65536)
        if not got:
            return
        have += got


def parameters(body):
    found = {}
    while body:
        t, n = struct.unpack(">HH", body[:4])
        found[t], body = body[4:4 + n], body[4 + n:]
    return found


def main():
    a = argparse.ArgumentParser()
    a.add_argument("role", choices=["mux", "scrambler"])
    a.add_argument("socket")
    a.add_argument("--refuse", default="")
    a.add_argument("--times", type=int, default=1)
    a.add_argument("--holds", default="")
    a.add_argument("--lie", type=int, default=0)
    a = a.parse_args()
    s = socket.socket(socket.AF_UNIX)
    s.connect(a.socket)
    if a.holds:
        service, cp = a.holds.split(":")
        s.sendall(message(HELD, (SERVICE, service.encode()), (CP, struct.pack(">Q", int(cp)))))
    s.sendall(message(SETUP, (ROLE, bytes([1 if a.role == "mux" else 2])), (NAME, b"scripted")))
    left = a.times
    for kind, body in messages(s):
        p = parameters(body)
        if kind == TEST:
            s.sendall(message(ALIVE))
        if kind not in (ECM, KEY):
            continue
        names = [(t, p[t]) for t in (SERVICE, CP, CAS, ECM_ID) if t in p]
        cp = int.from_bytes(p[CP], "big")
        if left and (kind == KEY or p[KMS].decode() == a.refuse):
            left -= 1
            s.sendall(message(ERROR, *names, (STATUS_OF, struct.pack(">H", 6 if kind == KEY else 7))))
            print(f"refused cp={cp}", flush=True)
        else:
            if kind == KEY:
                names.append((FINGERPRINT, hmac.digest(p[MATERIAL] + b"?" * (a.lie > 0), b"fp", "sha256")[:8]))
                a.lie -= 1
            s.sendall(message(ECM_ACK if kind == ECM else KEY_ACK, *names))
            print(f"taken cp={cp} kms={p.get(KMS, b'-').decode()}", flush=True)


main()
