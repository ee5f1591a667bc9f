#!/usr/bin/env python3
"""tests/integration/ltkm_judge.py: opens recorded long-term key messages with the openssl command line, by the layout of the text.

ltkm_judge.py RECORD KEYS-DIRECTORY
RECORD holds datagrams, each behind its length (2 octets); the directory has drm-broadcast.yaml and the PEM files it names. Says
"ok …" or "not ok …" a line: for a registration signature, session key and key set, for a BCRO its MAC and its wrapped keys.
"""
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile

KEYSET = {1: "UGK", 2: "UDK", 3: "UDF", 4: "address", 5: "position_in_group", 6: "RIAK"}


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def ecb(key, block):
    return openssl("enc", "-aes-128-ecb", "-nopad", "-K", key.hex(), data=block)


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def prf(key, msg):
    """AES-XCBC-PRF-128 (RFC 4434) of whole blocks."""
    k1, k2 = ecb(key, b"\x01" * 16), ecb(key, b"\x02" * 16)
    mac = bytes(16)
    for at in range(0, len(msg), 16):
        block = msg[at:at + 16]
        if at + 16 == len(msg):
            block = xor(block, k2)
        mac = ecb(k1, xor(mac, block))
    return mac


def fauth(seed, label):
    return b"".join(prf(seed, bytes([label]) * 15 + bytes([n])) for n in (1, 2))[:20]


def mjdutc(t):
    """Seconds since 1970; BCD by hand."""
    h, m, s = ((x >> 4) * 10 + (x & 15) for x in t[2:])
    return (struct.unpack(">H", t[:2])[0] - 40587) * 86400 + h * 3600 + m * 60 + s


class Judge:
    def __init__(self, keys):
        self.dir = keys
        with open(os.path.join(keys, "drm-broadcast.yaml"), encoding="utf-8") as f:
            text = re.sub(r"#.*", "", f.read())
        self.one = {k: bytes.fromhex(v) for k, v in re.findall(r"(\w+): *0x([0-9a-f]+)", text)}  # of the last entry of that name
        self.base = re.search(r"base_cid: *(\S+)", text)[1]
        self.seaks = {int(e, 0): bytes.fromhex(k + s) for e, k, s in
                      re.findall(r"service_CID_extension: *(\w+).*?SEK: *0x(\w+).*?SAS: *0x(\w+)", text, re.S)}
        self.number = re.search(r'unique_device_number: *"(\d+)"', text)[1]
        self.verdicts = {}

    def pem(self, name):
        return os.path.join(self.dir, name)

    def say(self, good, what):
        self.verdicts[what] = self.verdicts.get(what, True) and bool(good)

    def issuer_id(self):
        der = openssl("pkey", "-pubin", "-in", self.pem("rights-issuer-public.pem"), "-pubout", "-outform", "DER")
        return hashlib.sha1(der).digest()

    def registration(self, m):
        length, = struct.unpack(">H", m[2:4])
        blocks, at = [], 40
        for _ in range(3):
            n, = struct.unpack(">H", m[at:at + 2])
            blocks.append(m[at + 2:at + 2 + n])
            signed, at = at, at + 2 + n
        self.say(len(m) == 4 + length == at and m[1] == 0, "registration: lengths")
        self.say(m[4:14].hex() == self.number and m[14] == 0 and m[15:35] == self.issuer_id(), "registration: device and rights issuer")
        with tempfile.NamedTemporaryFile() as sig:
            sig.write(blocks[2])
            sig.flush()
            said = openssl("dgst", "-sha1", "-verify", self.pem("rights-issuer-public.pem"), "-signature", sig.name, "-sigopt",
                           "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20", "-sigopt", "rsa_mgf1_md:sha1", data=m[:signed])
        self.say(b"Verified OK" in said, "registration: RSASSA-PSS signature")
        key = openssl("pkeyutl", "-decrypt", "-inkey", self.pem("handset-private.pem"), "-pkeyopt", "rsa_padding_mode:oaep", data=blocks[0])
        self.say(len(key) == 16, "registration: RSAES-OAEP session key")
        self.keyset(openssl("enc", "-d", "-aes-128-cbc", "-nopad", "-K", key.hex(), "-iv", "0" * 32, data=blocks[1]))

    def keyset(self, clear):
        at, got = 0, {}
        while clear[at]:
            got[clear[at]] = clear[at + 2:at + 2 + clear[at + 1]]
            at += 2 + clear[at + 1]
        want = {t: self.one[n] for t, n in KEYSET.items() if n in self.one}
        want[5] = bytes([42])
        self.say(got == want, "registration: the key set is that of the key file")
        self.say(not any(clear[at:]) and len(clear) - at <= 16, "registration: one octet 0, then zeros to a whole block")

    def bcro(self, m):
        flags, at = m[3], 9
        self.say(len(m) == 3 + (struct.unpack(">H", m[1:3])[0] & 0xfff), "BCRO: length")
        group = flags >> 5 == 0
        self.say(m[4:9] == self.one["address" if group else "UDF"], "BCRO: address")
        if flags & 0x10:
            self.say(m[at:at + 20] == self.issuer_id(), "BCRO: rights_issuer_id")
            at += 20
        for bit in (8, 4):
            if flags & bit:
                self.say(mjdutc(m[at:at + 5]) > 0, "BCRO: times")
                at += 5
        at += 8
        count, at = m[at], at + 1
        for _ in range(count):
            self.asset(m[at:at + 64], self.one["UGK" if group else "UDK"])
            at += 64
        at += 1 + 2 * m[at]
        bak = fauth(self.one["RIAK"], 4)
        mac = openssl("dgst", "-sha1", "-mac", "HMAC", "-macopt", "hexkey:" + bak.hex(), "-binary", data=m[:at])[:12]
        self.say(m[at:] == mac, "BCRO: HMAC-SHA1-96 under fauth(RIAK)")

    def asset(self, a, iek):
        bci = hashlib.sha1(f"cid:{self.base}#S".encode()).digest()[:8]
        ext, = struct.unpack(">I", a[9:13])
        self.say(a[0] == 0 and a[1:9] == bci and ext in self.seaks, "BCRO: BCI of a SEAK of the key file")
        self.say(mjdutc(a[13:18]) < mjdutc(a[18:23]), "BCRO: valid_from before valid_to")
        pair = openssl("enc", "-d", "-id-aes128-wrap", "-K", iek.hex(), "-iv", "A6" * 8, data=a[24:64])
        self.say(a[23] == 40 and pair == self.seaks.get(ext), "BCRO: AES key wrap of SEK and SAS")


def main(record, keys):
    judge, kinds = Judge(keys), set()
    with open(record, "rb") as f:
        while head := f.read(2):
            m = f.read(struct.unpack(">H", head)[0])
            kinds.add(m[0])
            if m[0] in (1, 2):
                (judge.registration if m[0] == 1 else judge.bcro)(m)
    judge.say(kinds == {1, 2}, "the record has registrations and BCROs only, and both")
    for what, good in sorted(judge.verdicts.items()):
        print("ok" if good else "not ok", what)


if __name__ == "__main__":
    main(*sys.argv[1:])
