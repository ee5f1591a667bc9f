#!/usr/bin/env python3
"""tests/integration/ismacryp_judge.py: reads ISMACryp with no code of ours: AU headers by hand, key stream by the openssl command.

ismacryp_judge.py keys N OUT              N random keys, "INDICATOR TEK SALT TAK" a line
ismacryp_judge.py judge h264|aac DIR KEYS SOURCE [authenticated]
    DIR/air.pcap (raw IP) and DIR/clear (RTP packets behind their lengths) against SOURCE (Annex B or ADTS); says "ok …" and "not ok …";
    writes DIR/clear.h264 or DIR/clear.aac, for a decoder, and DIR/headers, a line for each packet as tshark is to see it
"""
import hashlib
import hmac
import re
import secrets
import struct
import subprocess
import sys


def verdict(good, what, why=''):
    print(('ok ' if good else 'not ok ') + what + ('' if good or not why else ': ' + str(why)), flush=True)


def read_pcap(path):
    data = open(path, 'rb').read()
    at, out = 24, []
    while at < len(data):
        n = struct.unpack_from('<I', data, at + 8)[0]
        out.append(data[at + 16 + 28:at + 16 + n])
        at += 16 + n
    return out


def read_lengths(path):
    data = open(path, 'rb').read()
    at, out = 0, []
    while at < len(data):
        n = struct.unpack_from('>H', data, at)[0]
        out.append(data[at + 2:at + 2 + n])
        at += 2 + n
    return out


class Rtp:
    def __init__(self, p):
        assert p[0] == 0x80, 'RTP without options'
        self.marker, self.pt = p[1] >> 7, p[1] & 127
        self.seq, self.ts, self.ssrc = struct.unpack('>HII', p[2:12])
        self.payload = p[12:]


def key_stream(tek, salt, n):
    iv = salt + bytes(8)
    return subprocess.run(['openssl', 'enc', '-aes-128-ctr', '-K', tek.hex(), '-iv', iv.hex()], input=bytes(n), stdout=subprocess.PIPE,
                          check=True).stdout


def bits(data, at, n):
    v = int.from_bytes(data, 'big')
    return v >> (8 * len(data) - at - n) & ((1 << n) - 1)


def au_headers(payload, kind):
    """[(size or None, index)], IV, key indicator, RAP, octets of the section, bits stated"""
    stated = struct.unpack_from('>H', payload)[0]
    head = payload[2:2 + (stated + 7) // 8]
    iv, key, at, sizes, rap = struct.unpack_from('>I', head)[0], head[4], 40, [], None
    if kind == 'h264':
        assert bits(head, 40, 1) == 0, 'no DTS'
        rap = bits(head, 41, 1)
        at = 42
    else:
        while at < stated:
            sizes.append((bits(head, at, 13), bits(head, at + 13, 3)))
            at += 16
    assert at == stated, 'headers fill the section'
    return sizes, iv, key, rap, 2 + len(head), stated


def annex_b(data):
    """NAL units; trailing zeros are the stream's, not theirs"""
    return [n.rstrip(b'\0') for n in re.split(b'\0\0\1', data)[1:]]


def adts(data):
    at, out = 0, []
    while at < len(data):
        assert data[at] == 0xff and data[at + 1] & 0xf0 == 0xf0
        n = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        skip = 7 if data[at + 1] & 1 else 9
        out.append((data[at:at + skip], data[at + skip:at + n]))
        at += n
    return out


def nals_of_sample(s):
    at, out = 0, []
    while at < len(s):
        n = struct.unpack_from('>I', s, at)[0]
        out.append(s[at + 4:at + 4 + n])
        at += 4 + n
    assert at == len(s)
    return out


def rfc6184(packets):
    out = []
    for r in packets:
        p = r.payload
        if p[0] & 31 == 28:
            if p[1] & 0x80:
                out.append(bytes([p[0] & 0xe0 | p[1] & 31]))
            out[-1] += p[2:]
        else:
            assert 1 <= p[0] & 31 <= 23
            out.append(p)
    return out


def rfc3640(packets):
    out = []
    for r in packets:
        p = r.payload
        n = struct.unpack_from('>H', p)[0] // 16
        at = 2 + 2 * n
        for i in range(n):
            size = struct.unpack_from('>H', p, 2 + 2 * i)[0] >> 3
            out.append(p[at:at + size])
            at += size
        assert at == len(p)
    return out


def opened(packets, kind, keys, headers):
    """Access units, decrypted; what the air shows of order, keys and byte stream offsets is checked on the way."""
    seen, units, unit, spent = [], [], b'', {}
    reads, most = [], {}
    for r in packets:
        sizes, iv, key, rap, start, stated = au_headers(r.payload, kind)
        data = r.payload[start:]
        reads.append((r, sizes, iv, key, rap, data))
        most[key] = max(most.get(key, 0), iv + len(data))
        headers.write('%d\t%d\t%08x\t%02x\t%s\n' % (r.seq, stated, iv, key, ','.join(str(s) for s, _ in sizes)))
    streams = {k: key_stream(keys[k][0], keys[k][1], n) for k, n in most.items()}
    for r, sizes, iv, key, rap, data in reads:
        if not seen or seen[-1] != key:
            verdict_bso = iv == 0 and key not in spent
            assert verdict_bso, 'the byte stream begins at 0 with a new key'
            assert not unit, 'no access unit has two keys'
            seen.append(key)
        assert spent.get(key, 0) == iv, 'offsets go on without gap or overlap'
        spent[key] = iv + len(data)
        clear = bytes(a ^ b for a, b in zip(data, streams[key][iv:]))
        if kind == 'aac':
            assert sum(s for s, _ in sizes) == len(clear)
            for s, _ in sizes:
                units.append(clear[:s])
                clear = clear[s:]
        else:
            unit += clear
            if r.marker:
                assert rap == any(n[0] & 31 == 5 for n in nals_of_sample(unit)), 'the RAP flag is on IDR pictures'
                units.append(unit)
                unit = b''
    assert not unit
    return units, seen


def check_tags(raw, keys, kind):
    bad, roc, last = 0, 0, None
    for p in raw:
        seq = struct.unpack_from('>H', p, 2)[0]
        if last is not None and seq < last and last - seq > 32768:
            roc += 1
        last = seq
        key = au_headers(p[12:-10], kind)[2]
        want = hmac.new(keys[key][2], p[:-10] + struct.pack('>I', roc), hashlib.sha1).digest()[:10]
        bad += want != p[-10:]
    return bad


def judge(kind, where, key_file, source, authenticated):
    keys = {}
    for line in open(key_file):
        i, tek, salt, tak = (bytes.fromhex(w) for w in line.split())
        keys[i[0]] = (tek, salt, tak)
    raw = read_pcap(where + '/air.pcap')
    if authenticated:
        verdict(check_tags(raw, keys, kind) == 0, f'every packet of {len(raw)} ends with the tag that hashlib reckons')
        raw = [p[:-10] for p in raw]
    air = [Rtp(p) for p in raw]
    verdict(all((b.seq - a.seq) & 0xffff == 1 for a, b in zip(air, air[1:])), 'the sequence numbers have no gap')
    want = annex_b(open(source, 'rb').read()) if kind == 'h264' else [f for _, f in adts(open(source, 'rb').read())]
    with open(where + '/headers', 'w') as headers:
        try:
            units, seen = opened(air, kind, keys, headers)
        except AssertionError as e:
            verdict(False, 'the packets read', e)
            return
    got = [n for u in units for n in nals_of_sample(u)] if kind == 'h264' else units
    if kind == 'aac' and len(want) - 8 < len(got):     # the frames of its last packet ffmpeg's RTP keeps to itself
        want = want[:len(got)]
    what = 'NAL units' if kind == 'h264' else 'AAC frames'
    verdict(got == want, f'{len(want)} {what}, decrypted with openssl, are the source\'s', f'{len(got)}')
    verdict(len(seen) >= 4, f'over {len(seen) - 1} changes of the key')
    clear = [Rtp(p) for p in read_lengths(where + '/clear')]
    got = rfc6184(clear) if kind == 'h264' else rfc3640(clear)
    verdict(got == want and {c.pt for c in clear} == {98 if kind == 'h264' else 99}, 'what the receiver gave is the source\'s', f'{len(got)} of {len(want)}')
    with open(f'{where}/clear.{kind}', 'wb') as f:
        if kind == 'h264':
            f.write(b''.join(b'\0\0\0\1' + n for n in got))
        else:
            h = adts(open(source, 'rb').read())[0][0][:7]
            for u in got:
                n = len(u) + 7
                f.write(bytes([h[0], h[1] | 1, h[2], h[3] & 0xfc | n >> 11, n >> 3 & 255, (n & 7) << 5 | h[5] & 31, h[6]]) + u)


def main():
    if sys.argv[1] == 'keys':
        with open(sys.argv[3], 'w') as f:
            for i in range(int(sys.argv[2])):
                f.write(f'{(250 + i) % 256:02x} {secrets.token_hex(16)} {secrets.token_hex(8)} {secrets.token_hex(20)}\n')
    else:
        judge(*sys.argv[2:6], len(sys.argv) > 6)


main()
