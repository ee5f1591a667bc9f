#!/usr/bin/env python3
"""tests/integration/keys_bsm.py: an XML BSM of mode A that is not ours: it makes the traffic keys and has the STKMs made, over HTTPS with certificates.

keys_bsm.py serve PORT CERTIFICATE KEY CA ECMG XML-DIR KEYS MODE
    Answers tags 1 (keys) and 5 (an STKM of the ECMG at HOST:PORT, by SimulCrypt, with those keys). Every document is kept in XML-DIR, every key
    in KEYS ("CP HEX"). The file MODE, read anew each time, may hold: "" as it should be; "away" (503); "status N"; "short" (keys that are an octet
    short); "bare" (no KeyContext); "others" (keys of other crypto-periods).
keys_bsm.py deliver URL CERTIFICATE KEY CA XML-DIR CP KIND
    Tag 3 to the bridge, and "STATUS REASON" of its answer. KIND: good, another (key), short, bare, content (an unknown one), ids (a KeyId too long),
    protection; CP may be several, with commas.
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
import urllib.parse

from simwire import Peer, frame, u16

NS = 'xmlns="urn:oma:xml:bcast:spcp:backend:1.0" xmlns:ext="urn:bcast-headend:xml:sp4ext:1.0"'
CONTENT, SERVICE = "urn:test:content:news", "urn:test:service:news"
ME, BRIDGE = "bsm.test.example", "bsa.test.example"
lock = threading.Lock()
count = 0


def key(cp, what="good"):
    """SRTP: master key and salt, 30 octets."""
    return hashlib.sha256(b"a key of the BSM's own, %d%s" % (cp & 0xFFFF, b"" if what != "another" else b" or not")).digest()[:29 if what == "short" else 30]


def keep(xml_dir, document):
    global count
    with lock:
        count += 1
        name = "%d-%06d.xml" % (os.getpid(), count)
    with open(os.path.join(xml_dir, name), "wb") as f:
        f.write(document)


def attribute(text, name):
    found = re.search(r'\b%s="([^"]*)"' % name, text)
    return found.group(1) if found else ""


def contexts(cps, what="good"):
    protection = "ipsec" if what == "protection" else "srtp"
    key_id = lambda cp: "00112233445566778899" if what == "ids" else "%04X" % cp
    return "".join('<ext:KeyContext cp="%d" protection="%s" authenticated="true" durationDs="20"><ext:KeyId>%s</ext:KeyId></ext:KeyContext>'
                   % (cp, protection, key_id(cp)) for cp in cps)


class Stkmg:
    """The BSM's own STKM generator: an ECMG, spoken to by SimulCrypt."""

    def __init__(self, where):
        self.where, self.peer = where, None

    def stkm(self, ecm_id, cp):
        if self.peer is None:
            self.peer = Peer(self.where, 5)
            self.peer.channel(super_cas_id=0x00010001)
            self.peer.stream(ecm_id=ecm_id, nominal=20)
        cps = [cp, (cp + 1) & 0xFFFF]
        words = [(0x14, struct.pack(">H", c) + key(c)) for c in cps]
        names = [(0x8002, struct.pack(">HH", c, c)) for c in cps]
        m = self.peer.ask(frame(5, 0x201, u16(0x0E, 1), u16(0x0F, 7), u16(0x12, cp), *words, (0x8001, b"\1\1"), *names), 0x202)
        return m.raw(0x15)[0]


class Bsm(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def mode(self):
        with open(MODE, encoding="ascii") as f:
            words = f.read().split() + ["", ""]
        return words[0], words[1]

    def say(self, status, body):
        if body:
            keep(XML, body)
        self.send_response(status)
        self.send_header("Content-Type", "application/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, text, status, inside):
        tag = int(attribute(text, "tag"))
        root = {1: "TEKRequestResponse", 5: "STKMRequestResponse"}[tag]
        target = re.search(r"<Global(?:Service|Content)ID>.*?(?=<ext|<StkmContext|</(?:TEK|STKM)Request>|<[a-z]+:)", text, re.S).group(0).strip()
        return ('<?xml version="1.0" encoding="UTF-8"?><%s %s tag="%d" version="1" messageID="%s" destination="%s" source="%s" status="%s">%s%s</%s>' % (
            root, NS, tag + 1, attribute(text, "messageID"), attribute(text, "source"), ME, status, target, inside, root)).encode()

    def keys(self, text, how):
        cps = [int(c) for c in re.findall(r'KeyContext[^>]*\bcp="(\d+)"', text)]
        if how == "others":
            cps = [(c + 100) & 0xFFFF for c in cps]
        with lock, open(KEYS, "a", encoding="ascii") as f:
            for cp in cps:
                print(cp, key(cp).hex(), file=f)
        print("asked", *cps, flush=True)
        data = "".join("<Data>%s</Data>" % key(cp, how).hex().upper() for cp in cps)
        return data + ("" if how == "bare" else contexts(cps))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        keep(XML, body)
        text, (how, value) = body.decode(), self.mode()
        tag = attribute(text, "tag")
        if how == "away":
            print("away", tag, flush=True)
            self.say(503, b"")
        elif how == "status" and tag == "1":
            self.say(200, self.answer(text, value, "<ext:Reason>as it was told</ext:Reason>"))
        elif tag == "1":
            self.say(200, self.answer(text, 0, self.keys(text, how)))
        else:
            cp = int(re.search(r'StkmContext[^>]*\bcp="(\d+)"', text).group(1))
            with lock:
                stkm = STKMG.stkm(1, cp)
            self.say(200, self.answer(text, 0, "<Data>%s</Data>" % stkm.hex().upper()))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        print("failed", repr(sys.exc_info()[1]), flush=True)

    def finish_request(self, request, client_address):
        request.settimeout(60)
        with context.wrap_socket(request, server_side=True) as tls:
            tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().finish_request(tls, client_address)


def deliver(url, cps, kind, xml_dir):
    where = urllib.parse.urlsplit(url)
    inside = "".join("<Data>%s</Data>" % key(cp, kind).hex().upper() for cp in cps) + ("" if kind == "bare" else contexts(cps, kind))
    body = ('<?xml version="1.0" encoding="UTF-8"?><TEKDelivery %s tag="3" version="1" messageID="%s" destination="%s" source="%s">'
            "<GlobalContentID>%s</GlobalContentID>%s</TEKDelivery>" % (
                NS, "d-%s" % os.urandom(6).hex(), BRIDGE, ME, CONTENT + ("x" if kind == "content" else ""), inside)).encode()
    keep(xml_dir, body)
    tls = http.client.HTTPSConnection(where.hostname, where.port, context=context, timeout=15)
    tls.request("POST", "/bcast/cp3", body, {"Content-Type": "application/xml; charset=utf-8"})
    r = tls.getresponse()
    text = r.read()
    keep(xml_dir, text)
    reason = re.search(rb"Reason[^>]*>([^<]*)<", text)
    print(attribute(text.decode(), "status") if r.status == 200 else "http %d" % r.status, reason.group(1).decode() if reason else "")


certificate, private, ca = sys.argv[3:6]
if sys.argv[1] == "deliver":
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    context.load_cert_chain(certificate, private)
    deliver(sys.argv[2], [int(c) for c in sys.argv[7].split(",")], sys.argv[8], sys.argv[6])
else:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    STKMG, XML, KEYS, MODE = Stkmg(sys.argv[6]), *sys.argv[7:10]
    server = Server(("127.0.0.1", int(sys.argv[2])), Bsm)
    print("serving", flush=True)
    server.serve_forever()
