#!/usr/bin/env python3
"""bsm_ua.py: a terminal of its own making, for what curl does not do: AKA, auth-int over a body, the same credentials sent twice.
MILENAGE by the openssl tool (AES) after TS 35.206, keys by hmac after TS 33.220 annex B, Digest by hashlib after RFC 2617 and 3310.

ub URL IMPI K OPC BSF NAF DOCUMENT    bootstraps; prints B-TID and password, the document goes into a file
unknown URL IMPI                      the challenge of Ub for somebody, and the answer to a wrong response: status and text
post URL USER PASSWORD TYPE BODY DOCUMENT [twice]   auth-int; prints status and "signed" when rspauth is right; twice: the same request again
"""
import base64, hashlib, hmac, http.client, re, subprocess, sys, urllib.parse


def aes(key, block):
    return subprocess.run(["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", key.hex()], input=block, capture_output=True, check=True).stdout


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def milenage(k, opc, rand, sqn, amf):
    temp = aes(k, xor(rand, opc))

    def out(r, c, start=temp):
        x = xor(start, opc)
        x = x[r:] + x[:r]
        return xor(aes(k, xor(x, bytes(15) + bytes([c]))), opc)

    two = out(0, 1)
    in1 = sqn + amf + sqn + amf
    rotated = xor(in1, opc)
    rotated = rotated[8:] + rotated[:8]
    mac = xor(aes(k, xor(temp, rotated)), opc)[:8]
    return mac, two[8:], out(4, 2), out(8, 4), two[:6]     # MAC-A, RES, CK, IK, AK


def ask(url, method, headers, body=b""):
    u = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(u.hostname, u.port, timeout=20)
    c.request(method, uri_of(url), body or None, headers)
    r = c.getresponse()
    return r.status, r, r.read()


def uri_of(url):
    u = urllib.parse.urlsplit(url)
    return (u.path or "/") + ("?" + u.query if u.query else "")


def fields(header):
    return {k: a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header or "")}


def md5(*parts):
    return hashlib.md5(b":".join(p.encode() if isinstance(p, str) else p for p in parts)).hexdigest()


def response(user, password, f, method, uri, body, nc="00000001", cnonce="0a4f113b"):
    return md5(md5(user, f["realm"], password), f["nonce"], nc, cnonce, "auth-int", md5(method, uri, md5(body)))


def credentials(user, password, f, method, uri, body):
    return (f'Digest username="{user}", realm="{f["realm"]}", nonce="{f["nonce"]}", uri="{uri}", algorithm={f["algorithm"]}, qop=auth-int, '
            f'nc=00000001, cnonce="0a4f113b", response="{response(user, password, f, method, uri, body)}"')


def signed(info, user, password, f, uri, body):
    return fields(info).get("rspauth") == response(user, password, f, "", uri, body)


AGENT = {"User-Agent": "judge 3gpp-gba"}


def challenge(url, impi):
    first = f'Digest username="{impi}", realm="", nonce="", uri="/", response=""'
    status, r, text = ask(url, "GET", {**AGENT, "Authorization": first})
    assert status == 401, (status, text)
    f = fields(r.getheader("WWW-Authenticate"))
    assert f["algorithm"] == "AKAv1-MD5" and "auth-int" in f["qop"], f
    return f


def ub(url, impi, k, opc, bsf, naf, document):
    k, opc = bytes.fromhex(k), bytes.fromhex(opc)
    f = challenge(url, impi)
    assert f["realm"] == bsf, f
    nonce = base64.b64decode(f["nonce"], validate=True)
    rand, autn = nonce[:16], nonce[16:]
    ak = milenage(k, opc, rand, bytes(6), bytes(2))[4]
    sqn = xor(autn[:6], ak)
    mac, res, ck, ik, _ = milenage(k, opc, rand, sqn, autn[6:8])
    assert mac == autn[8:] and len(autn) == 16, "AUTN is not authentic"
    status, r, text = ask(url, "GET", {**AGENT, "Authorization": credentials(impi, res, f, "GET", "/", b"")})
    assert status == 200, (status, text)
    assert signed(r.getheader("Authentication-Info"), impi, res, f, "/", text), "rspauth"
    open(document, "wb").write(text)
    btid = base64.b64encode(rand).decode() + "@" + bsf
    assert ">" + btid + "<" in text.decode(), text
    s = b"\x01"
    for p in (b"gba-me", rand, impi.encode(), naf.encode() + bytes([1, 0, 0, 0, 1])):
        s += p + len(p).to_bytes(2, "big")
    srk = hmac.new(ck + ik, s, hashlib.sha256).digest()
    print(btid, base64.b64encode(srk).decode())


def unknown(url, impi):
    f = challenge(url, impi)
    nonce = base64.b64decode(f["nonce"], validate=True)
    assert len(nonce) == 32
    status, r, text = ask(url, "GET", {**AGENT, "Authorization": credentials(impi, bytes(8), f, "GET", "/", b"")})
    g = fields(r.getheader("WWW-Authenticate"))
    g.pop("nonce")
    print(status, text, sorted(g.items()), sorted(h.lower() for h, _ in r.getheaders()))


def post(url, user, password, kind, body, document, twice=None):
    body, uri = open(body, "rb").read(), uri_of(url)
    h = {"Content-Type": kind}
    status, r, _ = ask(url, "POST", h, body)
    assert status == 401, status
    f = fields(r.getheader("WWW-Authenticate"))
    h["Authorization"] = credentials(user, password, f, "POST", uri, body)
    for _ in range(2 if twice else 1):
        status, r, text = ask(url, "POST", h, body)
        stale = fields(r.getheader("WWW-Authenticate")).get("stale")
        said = "signed" if signed(r.getheader("Authentication-Info"), user, password, f, uri, text) else "unsigned"
        print(status, said, *(["stale"] if stale else []))
    open(document, "wb").write(text)
    open(document + ".authorization", "w").write(h["Authorization"])


if __name__ == "__main__":
    {"ub": ub, "unknown": unknown, "post": post}[sys.argv[1]](*sys.argv[2:])
