#!/usr/bin/python3
"""tests/integration/xmlpeer.py PORT CERTIFICATE KEY CA [KEY=VALUE …]: an XML peer over HTTPS that is not ours, by the standard library alone.

Every request and delivery is answered with status 0 and Data of one octet, attributes taken from what came by regular expressions. A line a request:
"request TAG MESSAGE-ID SHA256 PATH". The file MODE (mode=FILE) may hold, read anew for each request: "http N" (that status), "late S" (seconds),
"message", "source", "tag" (a wrong one), "garbage", "html", "short", "status N", "close" (no answer at all), "" (none).
"""
import hashlib
import http.server
import re
import socket
import ssl
import sys
import time

ROOTS = {1: "TEKRequestResponse", 3: "TEKDeliveryConfirmation", 5: "STKMRequestResponse", 7: "STKMDeliveryConfirmation",
         9: "LTKMorRegRequestResponse", 11: "LTKMorRegDeliveryConfirmation", 13: "LTKMorRegRequestResponse", 15: "LTKMorRegDeliveryConfirmation",
         17: "SEAKRequestResponse", 19: "SEAKDeliveryConfirmation"}
port, certificate, key, ca = int(sys.argv[1]), *sys.argv[2:5]
options = dict(a.split("=", 1) for a in sys.argv[5:])


def mode():
    try:
        with open(options["mode"], encoding="ascii") as f:
            words = f.read().split()
    except (KeyError, OSError):
        words = []
    return words[0] if words else "", words[1] if len(words) > 1 else ""


def attribute(text, name):
    found = re.search(r'\b%s="([^"]*)"' % name, text)
    return found.group(1) if found else ""


def answer(text, how, value):
    tag = int(attribute(text, "tag"))
    target = re.search(r"<(Global(?:Service|Content)ID)>[^<]*</\1>", text).group(0)
    message = "other" if how == "message" else attribute(text, "messageID")
    source = "stranger.example" if how == "source" else attribute(text, "destination")
    wrong = tag + 3 if how == "tag" and tag + 3 <= 20 else tag + 1
    root = ROOTS[wrong - 1]
    status = value if how == "status" else "0"
    data = "<Data>A1</Data>" if (wrong - 1) % 4 == 1 and status == "0" else ""
    ends = 'version="1" destination="%s" source="%s"' % (attribute(text, "source"), source)
    if how == "short":
        ends = target = ""
    return ('<?xml version="1.0"?><%s xmlns="urn:oma:xml:bcast:spcp:backend:1.0" tag="%d" messageID="%s" %s status="%s">%s%s</%s>'
            % (root, wrong, message, ends, status, target, data, root)).encode()


class Peer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, kind, body):
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = body.decode()
        print("request", attribute(text, "tag"), attribute(text, "messageID"), hashlib.sha256(body).hexdigest(), self.path, flush=True)
        how, value = mode()
        if how == "late":
            time.sleep(float(value))
        if how == "http":
            self.say(int(value), "text/plain", b"no\n")
        elif how == "garbage":
            self.say(200, "application/xml", b"<a><b></a>")
        elif how == "html":
            self.say(200, "text/html", answer(text, how, value))
        elif how == "close":
            self.close_connection = True
        else:
            self.say(200, 'application/xml; charset="utf-8"', answer(text, how, value))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        print("failed", sys.exc_info()[1], flush=True)

    def finish_request(self, request, client_address):
        request.settimeout(60)
        with context.wrap_socket(request, server_side=True) as tls:
            tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            print("connected", flush=True)
            super().finish_request(tls, client_address)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.load_verify_locations(ca)
context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", port), Peer)
print("serving", flush=True)
server.serve_forever()
