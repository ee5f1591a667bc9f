#!/usr/bin/env python3
"""tests/integration/cissa_judge.py CLEAR SCRAMBLED OUT: DVB-CISSA by openssl's AES, sharing no code with ours.

Keys as in cissa.c. Every packet is compared; the descrambled stream goes to OUT. "ok …" or "not ok …" a line.
"""
import subprocess
import sys

IV = b"DVBTMCPTAESCISSA"
PSI = {0, 0x11, 0x1000, 0x1FFF}
MEDIA = {0x100, 0x101}


def openssl(cipher, key, data, *more):
    return subprocess.run(["openssl", "enc", "-d", cipher, "-nopad", "-K", key.hex(), *more], input=data, capture_output=True, check=True).stdout


def key_of(packet):
    return bytes((17 * (packet // 700) + i) & 255 for i in range(16))


def payload_at(p):
    return 4 + (p[4] + 1 if p[3] & 0x20 else 0) if p[3] & 0x10 else 188


def say(good, what):
    print("ok" if good else "not ok", what, flush=True)


def xor(a, b):
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def main():
    clear, scrambled = (open(name, "rb").read() for name in sys.argv[1:3])
    before = [clear[i:i + 188] for i in range(0, len(clear), 188)]
    after = [scrambled[i:i + 188] for i in range(0, len(scrambled), 188)]
    pid = [(p[1] & 31) << 8 | p[2] for p in before]
    media = [i for i, p in enumerate(before) if pid[i] in MEDIA and payload_at(p) < 188]
    say(len(before) == len(after) and all(p[:3] == q[:3] and p[3] & 0x3F == q[3] & 0x3F and p[4:payload_at(p)] == q[4:payload_at(p)]
        for p, q in zip(before, after)), "headers and adaptation fields are as they were, but for scrambling control")
    say(all(before[i] == after[i] for i in range(len(before)) if pid[i] in PSI) and PSI | MEDIA == set(pid), "PSI, SI and stuffing are unchanged")
    say(all(after[i][3] >> 6 == 2 + (i // 700 & 1) for i in media), "every media packet is marked with the parity of its key")
    say(all(before[i] == after[i] for i in range(len(before)) if i not in set(media)), "packets without payload are unchanged")

    # All blocks of a key at once by ECB; the chaining is done here.
    blocks = {}
    for i in media:
        at = payload_at(after[i])
        blocks.setdefault(key_of(i), []).append((i, at, after[i][at:at + (188 - at) // 16 * 16]))
    opened = list(before)
    for i in media:
        opened[i] = after[i][:3] + bytes([after[i][3] & 0x3F]) + after[i][4:]
    for key, parts in blocks.items():
        plain, done = openssl("-aes-128-ecb", key, b"".join(c for _, _, c in parts)), 0
        for i, at, c in parts:
            if c:
                opened[i] = opened[i][:at] + xor(plain[done:done + len(c)], (IV + c)[:len(c)]) + opened[i][at + len(c):]
            done += len(c)
    say(opened == before, f"openssl descrambles {len(media)} packets under {len(blocks)} keys to the clip")
    say(len(blocks) >= 8, "with as many key changes")

    some = [parts[n] for parts in blocks.values() for n in (0, len(parts) // 2) if parts[n][2]]
    say(all(openssl("-aes-128-cbc", key_of(i), c, "-iv", IV.hex()) == before[i][at:at + len(c)] for i, at, c in some) and len(some) > 8,
        "enc -aes-128-cbc with the IV of TS 103 127 agrees, packet by packet")
    with open(sys.argv[3], "wb") as f:
        f.write(b"".join(opened))


main()
