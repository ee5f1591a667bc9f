#!/usr/bin/env python3
"""tests/integration/sx_judge.py: both ends of a simulgate-bridge between SimulCrypt and XML: a BSM (or BSD/A) that answers as the service's name says,
and an SCS and an EMMG that know what must come of it. Shares no code with what it judges.

sx_judge.py bsm PORT DIR CA CERT KEY    HTTPS with mutual authentication; bodies as they came in DIR/in-N.xml, as they went in DIR/out-N.xml
sx_judge.py scs HOST:PORT HASTY DIR     says "ok …" or "not ok …" a line; DIR is the BSM's; HASTY: a face that waits half a second
sx_judge.py deaf HOST:PORT              the same of a BSM that is not there
sx_judge.py tell URL CA CERT KEY DIR HOST:PORT    tag 7, and what the SCS makes of it
sx_judge.py mode_a URL CA CERT KEY DIR HOST:PORT  an SCS whose BSM makes the keys itself
sx_judge.py emmg HOST:PORT UDP-PORT DIR the same for the MUX's face
sx_judge.py ask URL CA CERT KEY DIR TAG SERVICE STATUS N   a tag 9 or 13: the status and the number of objects that must be answered
"""
import hashlib
import http.client
import http.server
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET

from simwire import Peer, frame, u16
from emmgwire import Emmg, cid

NS = "{urn:oma:xml:bcast:spcp:backend:1.0}"
EXT = "{urn:bcast-headend:xml:sp4ext:1.0}"
CAS, HASTY, DEAF, OWN_CAS = 0x00020001, 0x00020003, 0x00020009, 0x0002000A
OK, STATUS, HTTP, LATE, NEVER, WRONG, OWN = 1, 2, 3, 4, 5, 6, 8
ROOT = {5: "STKMRequestResponse", 11: "LTKMorRegDeliveryConfirmation", 15: "LTKMorRegDeliveryConfirmation"}


def stkm(service, cp, key):
    return hashlib.sha256(f"{service} {cp} ".encode() + key).digest()


# ---- the BSM ----

class Bsm(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    count = 0
    first = {}      # messageID: when it came first
    times = {}      # of each messageID, how often
    dir = None

    def log_message(self, *args):
        pass

    def keep(self, way, body):
        with Bsm.lock:
            Bsm.count += 1
            n = Bsm.count
        path = f"{Bsm.dir}/{way}-{n:05}"
        with open(path, "wb") as f:
            f.write(body)
        os.rename(path, path + ".xml")

    def reply(self, code, body=b"", keep=True):
        if body and keep and code == 200:
            self.keep("out", body)
        self.send_response(code)
        self.send_header("Content-Type", "application/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, m, tag, status=0, data=None, reason=None, message_id=None, more=""):
        root = ROOT[tag]
        ends = f'destination="{m.get("source")}" source="{m.get("destination")}"'
        body = (f'<{root} xmlns="{NS[1:-1]}" xmlns:e="{EXT[1:-1]}" tag="{tag + 1}" version="1" messageID="{message_id or m.get("messageID")}" '
                f'{ends} status="{status}"><GlobalServiceID>{m.findtext(NS + "GlobalServiceID")}</GlobalServiceID>')
        if data is not None:
            body += f"<Data>{data.hex().upper()}</Data>"
        body += more
        if reason:
            body += f"<e:Reason>{reason}</e:Reason>"
        self.reply(200, (body + f"</{root}>").encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.keep("in", body)
        m = ET.fromstring(body)
        tag, mid = int(m.get("tag")), m.get("messageID")
        with Bsm.lock:
            since = Bsm.first.setdefault(mid, time.monotonic())
            Bsm.times[mid] = Bsm.times.get(mid, 0) + 1
        service = m.findtext(NS + "GlobalServiceID").rsplit(":", 1)[1]
        if tag in (11, 15):
            self.take_objects(m, tag, service)
            return
        cp = int(m.find(EXT + "StkmContext").get("cp"))
        key = m.find(EXT + "KeyContext")
        good = stkm(service, cp, bytes.fromhex(key.findtext(EXT + "KeyMaterial")) if key is not None else b"")
        if service == "section":        # a CA system's ECM
            good = b"\x80\x70" + bytes([len(good)]) + good
        if service == "status" and cp:
            self.answer(m, tag, status=cp, reason=f"reason {cp}")
        elif service == "http" and cp:
            self.reply(cp, b"no")
        elif service == "never":
            time.sleep(3)
            self.close_connection = True
        elif service == "wrong" and cp % 4:
            self.talk_nonsense(m, tag, cp % 4)
        else:
            if service == "late":
                time.sleep(max(0, since + 1.5 - time.monotonic()))
            self.answer(m, tag, data=good, more=f'<e:StkmContext cp="{cp}"/>')

    def talk_nonsense(self, m, tag, kind):
        if kind == 1:
            self.answer(m, tag, data=b"x", message_id="somebody-elses")
        elif kind == 2:
            self.reply(200, b"<a><b></a>", keep=False)
        else:
            self.answer(m, tag)

    def take_objects(self, m, tag, service):
        self.answer(m, tag, *((5, None, "not yours") if service == "status" else ()))


def bsm(port, where, ca, cert, key):
    Bsm.dir = where
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Bsm)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("serving", flush=True)
    server.serve_forever()


# ---- verdicts ----

def verdict(what, wrong):
    print("not ok" if wrong else "ok", what, wrong or "", flush=True)


def documents(where, way, root):
    for name in sorted(os.listdir(where)):
        if name.startswith(way) and name.endswith(".xml"):
            with open(f"{where}/{name}", "rb") as f:
                try:
                    m = ET.fromstring(f.read())
                except ET.ParseError:
                    continue
            if m.tag == NS + root:
                yield m


# ---- the SCS ----

class Scs(Peer):
    def __init__(self, where, cas=CAS):
        super().__init__(where, 5)
        self.status = self.channel(super_cas_id=cas)

    def open(self, *streams, nominal=100):
        for s in streams:
            self.stream(stream=s, ecm_id=s, nominal=nominal)

    def key(self, stream, cp):
        return hashlib.sha256(f"key {stream} {cp}".encode()).digest()[:30]

    def message(self, stream, cp, *more):
        key = self.key(stream, cp)
        return frame(5, 0x201, u16(0x0E, 1), u16(0x0F, stream), u16(0x12, cp), (0x14, struct.pack(">H", cp) + key), *more)

    def say(self, stream, cp, *more):
        """The octets of the ECM_response, or error_status with its information."""
        self.send(self.message(stream, cp, *more))
        return self.hear(stream, cp)

    def hear(self, stream, cp=None):
        m = self.get(20)
        if m is None:
            return "no answer"
        if m.int(0x0F) != stream:
            return f"an answer of stream {m.int(0x0F)}: {m}"
        if m.type == 0x202:
            return m.raw(0x15)[0] if cp is None or m.int(0x12) == cp else f"CP {m.int(0x12)} in place of {cp}"
        words = m.raw(0x7001)
        return m.int(0x7000), words[0].decode() if words else ""


def scs(where, hasty, bodies):
    s = Scs(where)
    st = s.status
    verdict("channel_status is of the file, with section_TSpkt_flag 2", [] if (st.int(2), st.int(0xA), st.int(0xB), st.int(0xC), st.int(3)) ==
            (2, 0, 1, 4000, -300) else st)
    s.open(OK, STATUS, HTTP, WRONG)
    h = Scs(hasty, HASTY)
    h.open(LATE)
    h.open(NEVER, nominal=10)
    n, wrong = 60, []
    for cp in range(65500, 65500 + n, 2):   # two at once, over the wrap of CP_number
        a, b = cp & 0xFFFF, (cp + 1) & 0xFFFF
        s.send(s.message(OK, a) + s.message(OK, b))
        for x in a, b:
            got = s.hear(OK, x)
            if got != stkm("ok", x, s.key(OK, x)):
                wrong.append((x, got))
    verdict(f"{n} CW_provisions, two at a time: each gets its own STKM, in order", wrong)
    wrong = []
    for code in [*range(1, 28), 127, 128, 255]:
        got = s.say(STATUS, code)
        if got != (0x8000 + code, f"reason {code}"):
            wrong.append((code, got))
    verdict("every @status becomes 0x8000 + it, with its Reason", wrong)
    want = {400: 0x0001, 401: 0x8005, 403: 0x8005, 404: 0x7000, 413: 0x7000, 415: 0x7000, 500: 0x000D, 501: 0x000D}
    got = {code: s.say(HTTP, code)[0] for code in want}
    verdict("every HTTP status becomes the error_status of the table", [] if got == want else (got, want))
    got = s.say(HTTP, 0)
    verdict("and then it is well again", [] if got == stkm("http", 0, s.key(HTTP, 0)) else got)
    got = s.say(HTTP, 503)
    verdict("503 is asked again, and is 0x000D when max_comp_time is over", [] if got[0] == 0x000D else got)
    got = [s.say(WRONG, cp)[0] for cp in (1, 2, 3)]
    verdict("another messageID, what is no XML, and success without an STKM are errors", [] if got == [0x7000, 0x7000, 0x8018] else got)
    late(h, bodies)
    never(h, s)
    verdict("an unknown ECM_id is 0x0012", unknown_stream(s))
    verdict("an unknown Super_CAS_id is 0x0005", unknown_cas(where))
    encrypted(s, bodies)
    contents(s, bodies)


def late(s, bodies):
    first = s.say(LATE, 7)
    tries = 0
    got = None
    while tries < 40 and not isinstance(got, bytes):
        got = s.say(LATE, 7)
        tries += 1
    asked = {m.get("messageID") for m in documents(bodies, "in", "STKMRequest")
             if m.findtext(NS + "GlobalServiceID").endswith(":late") and m.find(EXT + "StkmContext").get("cp") == "7"}
    verdict("a late BSM: 0x000D, and the STKM when the SCS asks again", [] if first[0] == 0x000D and got == stkm("late", 7, s.key(LATE, 7)) else (first, got))
    verdict("all that time it was one exchange, of one messageID", [] if len(asked) == 1 else asked)


def never(h, s):
    """0x000D for three periods of one second, then 0x7001; the other streams notice nothing."""
    began = time.monotonic()
    seen, wrong, cp = [], [], 1
    while time.monotonic() < began + 20:
        h.send(h.message(NEVER, cp))
        got = s.say(OK, cp + 300)
        if got != stkm("ok", cp + 300, s.key(OK, cp + 300)):
            wrong.append(got)
        got = h.hear(NEVER)
        seen.append((got[0], time.monotonic() - began))
        if got[0] == 0x7001:
            break
        cp += 1
    early = [x for x in seen[:-1] if x[0] != 0x000D]
    verdict("a BSM that never answers: 0x000D, after three periods 0x7001", [] if seen[-1][0] == 0x7001 and seen[-1][1] >= 3 and not early else seen)
    verdict("while the streams that are answered are served", wrong)


def unknown_stream(s):
    s.send(frame(5, 0x101, u16(0x0E, 1), u16(0x0F, 99), u16(0x19, 99), u16(0x10, 100)))
    m = s.get(20)
    return [] if m and m.type == 0x106 and m.int(0x7000) == 0x12 else m


def unknown_cas(where):
    p = Peer(where, 5)
    p.send(frame(5, 1, u16(0x0E, 1), (1, struct.pack(">I", 0x00020077))))
    m = p.get(20)
    return [] if m and m.type == 5 and m.int(0x7000) == 5 else m


def encrypted(s, bodies):
    got = s.say(OK, 900, (0x18, b"\x01\x02\x03"))
    seen = [m.find(EXT + "KeyContext").findtext(EXT + "CWEncryption") for m in documents(bodies, "in", "STKMRequest")
            if m.find(EXT + "StkmContext").get("cp") == "900"]
    verdict("CW_encryption is passed on", [] if seen == ["010203"] and isinstance(got, bytes) else (seen, got))


def contents(s, bodies):
    got = s.say(OK, 901, (0x8001, b"\x01\x00"), (0x8002, struct.pack(">H", 901) + b"\xaa\xbb"), u16(0x13, 77), (0x0D, b"\xac\x0d"))
    m = [m for m in documents(bodies, "in", "STKMRequest") if m.find(EXT + "StkmContext").get("cp") == "901"]
    wrong = []
    if len(m) != 1 or not isinstance(got, bytes):
        wrong = [len(m), got]
    else:
        c, k = m[0].find(EXT + "StkmContext"), m[0].find(EXT + "KeyContext")
        have = (c.get("stkmStream"), c.get("profile"), c.get("repetitionMs"), c.findtext(EXT + "AccessCriteria"), k.get("cp"), k.get("protection"),
                k.get("authenticated") in ("true", "1"), k.get("durationDs"), k.findtext(EXT + "KeyId"), k.findtext(EXT + "KeyMaterial"),
                m[0].get("destination"), m[0].get("source"))
        want = ("1", "smartcard", "500", "AC0D", "901", "srtp", False, "77", "AABB", s.key(OK, 901).hex().upper(), "bsm.test.example", "bsda.test.example")
        wrong = [] if have == want else (have, want)
    verdict("tag 5 holds all that CW_provision said", wrong)


def deaf(where):
    s = Scs(where, DEAF)
    s.open(7)
    began = time.monotonic()
    got = s.say(7, 1)
    verdict("a BSM that is not there: 0x000D", [] if got[0] == 0x000D and time.monotonic() - began < 15 else got)


# ---- what XML peers begin ----

def post(url, ca, cert, key, body):
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    context.check_hostname = False      # the bridge's certificate has its name, not its address; who it is is another test's
    context.load_cert_chain(cert, key)
    where = urllib.parse.urlsplit(url)
    c = http.client.HTTPSConnection(where.hostname, where.port, timeout=20, context=context)
    c.request("POST", "/bcast/sp4", body.encode(), {"Content-Type": "application/xml; charset=utf-8"})
    r = c.getresponse()
    return r.status, r.read()


def kept(where, name, body):
    with open(f"{where}/{name}.xml", "wb") as f:
        f.write(body if isinstance(body, bytes) else body.encode())


def stkm_delivery(to, where, service, stream, cp, mid, data):
    """Tag 7: the HTTP status, and that of its answer."""
    body = (f'<STKMDelivery xmlns="{NS[1:-1]}" xmlns:e="{EXT[1:-1]}" tag="7" version="1" messageID="{mid}" destination="bsda.test.example" '
            f'source="bsm.test.example"><GlobalServiceID>urn:test:{service}</GlobalServiceID><Data>{data.hex().upper()}</Data>'
            f'<e:StkmContext cp="{cp}" stkmStream="{stream}"/></STKMDelivery>')
    kept(where, f"in-{mid}", body)
    code, answer = post(*to, body)
    kept(where, f"out-{mid}", answer)
    return code, int(ET.fromstring(answer).get("status"))


def tell(url, ca, cert, key, where, face):
    s = Scs(face)
    s.open(OK, STATUS)
    first = s.say(STATUS, 19)

    def deliver(cp, mid, data, stream=STATUS):
        return stkm_delivery((url, ca, cert, key), where, "status", stream, cp, mid, data)
    told = deliver(19, "tell-1", b"made later")
    got = s.say(STATUS, 19)
    verdict("an STKM that was not ready (19) comes by tag 7, and is there when the SCS asks again",
            [] if (first[0], told, got) == (0x8013, (200, 0), b"made later") else (first, told, got))
    told = deliver(20, "tell-2", b"for an unknown key")
    got = s.say(STATUS, 20)
    verdict("one for a key that the BSM cannot know is not used in mode C", [] if told == (200, 0) and got[0] == 0x8014 else (told, got))
    told = deliver(21, "tell-3", b"x", 55)
    verdict("one for an unknown stream is refused with 15", [] if told == (200, 15) else told)


def mode_a(url, ca, cert, key, where, face):
    s = Scs(face, OWN_CAS)
    s.open(OWN)
    asked = lambda cp: [m for m in documents(where, "in", "STKMRequest") if m.findtext(NS + "GlobalServiceID").endswith(":own")
                        and m.find(EXT + "StkmContext").get("cp") == str(cp)]
    cps = [65534, 65535, 0, 1]
    wrong = [(cp, got) for cp in cps for got in [s.say(OWN, cp)] if got != stkm("own", cp, b"")]
    verdict("mode A: each CW_provision gets the STKM of its crypto-period", wrong)
    held = [m for cp in cps for m in asked(cp)]
    wrong = [ET.tostring(m) for m in held if m.find(EXT + "KeyContext") is not None]
    leaks = [cp for cp in cps if any(s.key(OWN, cp).hex().encode() in ET.tostring(m).lower() for m in held)]
    verdict("no request holds a key", [] if len(held) == len(cps) and not wrong and not leaks else (len(held), wrong, leaks))
    told = stkm_delivery((url, ca, cert, key), where, "own", OWN, 2, "own-1", b"made before")
    got = s.say(OWN, 2)
    verdict("what the BSM delivers by tag 7 is what the SCS gets, and the BSM is not asked", [] if (told, got, asked(2)) == ((200, 0), b"made before", [])
            else (told, got, asked(2)))
    told = stkm_delivery((url, ca, cert, key), where, "deaf", 7, 2, "own-2", b"x")
    verdict("an STKM of another BSM's service is refused with 5", [] if told == (200, 5) else told)


def ask(url, ca, cert, key, where, tag, service, status, n):
    mid = f"ask-{tag}-{service}-{n}"
    body = (f'<LTKMorRegRequest xmlns="{NS[1:-1]}" tag="{tag}" version="1" messageID="{mid}" destination="bsda.test.example" source="bsm.test.example">'
            f'<GlobalServiceID>urn:test:{service}</GlobalServiceID><DistributionStart>4004245800</DistributionStart>'
            f'<DistributionEnd>4004249400</DistributionEnd></LTKMorRegRequest>')
    kept(where, "in-" + mid, body)
    code, answer = post(url, ca, cert, key, body)
    kept(where, "out-" + mid, answer)
    m = ET.fromstring(answer)
    have = (code, m.get("status"), len(m.findall(NS + "Data")))
    verdict(f"tag {tag} for {service}: status {status}, {n} objects", [] if have == (200, status, int(n)) else have)


# ---- the EMMG ----

def delivered(where, tag, service, least, seconds=15):
    until = time.monotonic() + seconds
    while True:
        have = [[d.text for d in m.findall(NS + "Data")] for m in documents(where, "in", "LTKMorRegDelivery")
                if m.get("tag") == str(tag) and m.findtext(NS + "GlobalServiceID").endswith(":" + service)]
        if len(have) >= least or time.monotonic() > until:
            return have
        time.sleep(0.05)


def emmg(where, udp, bodies):
    e = Emmg(where, 5, 0x00010042, flag=2)
    e.channel()
    e.stream(3, 10)
    e.stream(4, 11)
    e.stream(5, 12)
    got = e.ask(frame(5, 0x117, *e.ids(3), u16(6, 500)), 0x118)
    verdict("stream_BW_request is answered with what the file allows", [] if got.int(6) == 64 else got)
    one, two, three = b"first object", b"second object" * 90, b"third"
    e.send(e.data(one, two, stream=3, data_id=10))
    for _ in range(5):
        e.send(e.data(one, two, stream=3, data_id=10))
    e.send(e.data(three, stream=3, data_id=10))
    have = delivered(bodies, 11, "ok", 2)
    want = [[one.hex().upper(), two.hex().upper()], [three.hex().upper()]]
    verdict("each data_provision is one tag 11; what is the same within the repetition is not sent again", [] if have == want else have)
    e.send(e.data(b"device_registration_response", stream=4, data_id=11))
    have = delivered(bodies, 15, "ok", 1)
    verdict("registration objects are tag 15", [] if have == [[b"device_registration_response".hex().upper()]] else have)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.sendto(frame(5, 0x211, cid(0x00010042), u16(8, 10), (5, b"by UDP")), ("127.0.0.1", int(udp)))
    have = delivered(bodies, 11, "ok", 3)
    verdict("and what comes by UDP goes the same way", [] if have[2:] == [[b"by UDP".hex().upper()]] else have)
    m = next(documents(bodies, "in", "LTKMorRegDelivery"))
    c = m.find(EXT + "DistributionContext")
    span = int(m.findtext(NS + "DistributionEnd")) - int(m.findtext(NS + "DistributionStart"))
    have = (c.get("dataId"), c.get("repetitionMs"), c.get("bandwidthKbps"))
    verdict("with its DistributionContext and window", [] if have == ("10", "10000", "64") and span >= 30 else (have, span))
    for k in range(10):     # another object each time: every one of them fails
        e.send(e.data(b"refused %d" % k, stream=5, data_id=12))
    m = e.get(60)
    verdict("after ten failures the EMMG gets a stream_error", [] if m and m.type == 0x116 and m.int(4) == 5 and m.int(0x7000) == 0x8005 else m)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
