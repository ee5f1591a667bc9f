#!/usr/bin/env python3
"""tests/integration/leaks.py: looks for keys where they must not be.

leaks.py [--expect] SECRETS ... -- SEEN ...
Every run of 32 hexadecimal digits and more in SECRETS is a secret, and so is each half of it. None may occur in SEEN in
hexadecimal (any case, parted by spaces or colons), Base64 or raw. --expect: each must (a check of the search itself).
"""
import base64
import re
import sys


def secrets(files):
    found = set()
    for name in files:
        with open(name, encoding="utf-8") as f:
            text = re.sub(r"(?m)#.*$", "", f.read())
        for digits in re.findall(r"(?<![0-9A-Fa-f])(?:0x)?((?:[0-9A-Fa-f]{2}){16,})(?![0-9A-Fa-f])", text):
            key = bytes.fromhex(digits)
            for at in range(0, len(key) - 7, 8):
                found.add(key[at:at + 8])  # any eight octets in a row are too much
    return found


def leaks(key, raw, joined):
    return key in raw or key.hex().encode() in joined or base64.b64encode(key).rstrip(b"=")[:-1] in raw


def main(args):
    expect = args[0] == "--expect"
    args = args[expect:]
    cut = args.index("--")
    keys, hits, where = secrets(args[:cut]), set(), []
    if len(keys) < 10:
        raise SystemExit(f"only {len(keys)} secrets known: the search would prove nothing")
    for name in args[cut + 1:]:
        with open(name, "rb") as f:
            raw = f.read()
        joined = re.sub(rb"(?<=[0-9a-f]{2})[ :](?=[0-9a-f]{2})", b"", raw.lower())
        for key in keys:
            if leaks(key, raw, joined):
                hits.add(key)
                where.append(name)
    if expect:
        return 0 if hits == keys else f"{len(keys - hits)} of {len(keys)} secrets were not found"
    return f"{len(hits)} secrets in {sorted(set(where))}" if hits else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
