#!/usr/bin/env python3
"""tests/integration/sap_watch.py GROUP:PORT CAPTURE DIRECTORY: receives session announcements (RFC 2974) on the loopback interface, says
each in a line, puts each into a capture for other judges, and the latest description of each title into DIRECTORY. Until SIGTERM."""
import os
import signal
import socket
import struct
import sys

host, port = sys.argv[1].rsplit(":", 1)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((host, int(port)))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(host) + socket.inet_aton("127.0.0.1"))
capture = open(sys.argv[2], "wb")
capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))	# bare IP
titles = {}	# by origin line without version
print("watching", flush=True)
while True:
    data, peer = s.recvfrom(65536)
    udp = struct.pack(">HHHH", peer[1], int(port), 8 + len(data), 0) + data
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 1, 17, 0, socket.inet_aton(peer[0]), socket.inet_aton(host)) + udp
    capture.write(struct.pack("<IIII", 0, 0, len(ip), len(ip)) + ip)
    capture.flush()
    flags, auth, number = struct.unpack(">BBH", data[:4])
    kind, _, text = data[8 + 4 * auth:].partition(b"\0")
    if flags & 0xFB != 0x20 or kind != b"application/sdp" or number == 0:
        print("bad", data.hex(), flush=True)
        continue
    lines = text.decode().split("\r\n")
    field = {line[0]: line[2:] for line in reversed(lines) if line}
    session = " ".join(field["o"].split(" ")[:2])
    if flags & 4:
        print(f"delete title={titles.get(session)} hash={number} octets={len(text)}", flush=True)
        continue
    titles[session] = field["s"]
    with open(os.path.join(sys.argv[3], field["s"] + ".new"), "wb") as f:
        f.write(text)
    os.rename(f.name, os.path.join(sys.argv[3], field["s"]))
    print(f"announce title={field['s']} hash={number}", flush=True)
