#!/usr/bin/env python3
"""tests/integration/rtp_units.py VIDEO-PORT AUDIO-PORT SECONDS H264 ADTS [VIDEO-TYPE AUDIO-TYPE]: receives RTP of RFC 6184 and RFC 3640 on
127.0.0.1 and compares what it takes out of it with the NAL units and AAC frames of two files (Annex B, ADTS) that ffmpeg made of the source.
Shares no code with the sender."""
import re
import select
import socket
import struct
import sys
import time

from sockets import roomy

ports, seconds = [int(p) for p in sys.argv[1:3]], float(sys.argv[3])
types = [int(t) for t in sys.argv[6:8]] or [96, 97]
socks = []
for port in ports:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    roomy(s, 4 << 20)
    s.bind(("127.0.0.1", port))
    socks.append(s)
print("watching", flush=True)
packets, end = ([], []), time.monotonic() + seconds
halts, awake = [], time.monotonic()  # when this machine began to run again
while (now := time.monotonic()) < end:
    if now - awake > 0.3:
        halts.append(now)
    awake = now
    for s in select.select(socks, [], [], 0.1)[0]:
        packets[socks.index(s)].append((time.monotonic(), s.recv(65536)))


def check(what, good, *said):
    print("ok" if good else "not ok", what, *(() if good else said), flush=True)


def rtp(which):
    """(time, marker, timestamp, payload) of each packet; what the headers must be is checked."""
    out, heads = [], []
    for when, p in packets[which]:
        flags, kind, seq, stamp, ssrc = struct.unpack(">BBHII", p[:12])
        heads.append((flags, kind & 127, ssrc))
        out.append((when, kind >> 7, stamp, p[12:], seq))
    seqs = [o[4] for o in out]
    name = ("video", "audio")[which]
    check(f"{name}: one source, payload type {types[which]}", len(set(heads)) == 1 and heads[0][:2] == (0x80, types[which]), set(heads))
    check(f"{name}: no number is missing", seqs == [(seqs[0] + i) & 0xFFFF for i in range(len(seqs))])
    check(f"{name}: no packet is longer than 1412", max(len(p) for _, p in packets[which]) <= 1412)
    return out


video, audio = rtp(0), rtp(1)
nals, nal, fragments = [], None, 0
for _, marker, stamp, p, _ in video:
    kind = p[0] & 31
    if kind == 28:
        fragments += 1
        if p[1] & 0x80:
            nal = bytes([p[0] & 0xE0 | p[1] & 31])
        nal += p[2:]
        if p[1] & 0x40:
            nals.append((stamp, marker, nal))
    else:
        nals.append((stamp, marker, p))
frames = []
for _, marker, stamp, p, _ in audio:
    bits, head = struct.unpack(">HH", p[:4])
    if bits == 16 and head & 7 == 0 and head >> 3 == len(p) - 4 and marker:
        frames.append((stamp, p[4:]))
want = [n.rstrip(b"\0") for n in re.split(b"\0\0\1", open(sys.argv[4], "rb").read())[1:]]
adts, raw = open(sys.argv[5], "rb").read(), []
while adts:
    n = (adts[3] & 3) << 11 | adts[4] << 3 | adts[5] >> 5
    raw.append(adts[7 if adts[1] & 1 else 9:n])
    adts = adts[n:]
check(f"{len(nals)} NAL units, {fragments} fragments", len(nals) > 20 and fragments > 20)
check("all of them are the source's", [n[2] for n in nals] == want[:len(nals)])
check(f"{len(frames)} AAC frames", len(frames) == len(audio) > 20)
check("all of them are the source's", [f[1] for f in frames] == raw[:len(frames)])
check("samples are counted without a gap", {(b[0] - a[0]) & 0xFFFFFFFF for a, b in zip(frames, frames[1:])} == {1024})
pictures = sorted({n[0] for n in nals}, key=[n[0] for n in nals].index)
check("pictures are 40 ms apart", {(b - a) & 0xFFFFFFFF for a, b in zip(pictures, pictures[1:])} == {3600})
check("the marker stands at the last packet of each", [m for s, m, _ in nals] == [int(i + 1 == len(nals) or nals[i + 1][0] != n[0]) for i, n in enumerate(nals)][:-1] + [nals[-1][1]])
# From one halt of the machine to the next; with half a second after it for what had been due meanwhile.
late = []
for since, until in zip([0, *halts], [*halts, end]):
    off = [v[0] - ((v[2] - video[0][2]) & 0xFFFFFFFF) / 90000 for v in video if since + (0.5 if since else 0) <= v[0] < until]
    late += [abs(o - sorted(off)[len(off) // 2]) for o in off]
check("packets come when they are due", len(late) > 20 and sorted(late)[len(late) * 9 // 10] < 0.2, len(late), max(late, default=None), len(halts))
