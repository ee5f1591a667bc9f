#!/usr/bin/env python3
"""tests/integration/scrambler.py: an SCS, sources and receivers around simulgate-scrambler, sharing no code with it.

scrambler.py conf DIR [MORE]   writes DIR/headend.yaml; MORE: so many further services
scrambler.py io DIR            every way in and out, sources that misbehave, malformed input; keys change every second
scrambler.py flood DIR         one service is flooded, its neighbour on the same socket and one elsewhere lose nothing
scrambler.py reload DIR PID    100 services come by SIGHUP while the others lose no packet
Each verdict is a line, "ok …" or "not ok …". DIR/plan.json says where things are.
"""
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from probe import reserve
from sockets import roomy

SETUP, STATUS, TEST, ALIVE, HELD = 0x9001, 0x9002, 0x9004, 0x9005, 0x9006
KEY, KEY_ACK = 0x9021, 0x9022
HEAD_END, SERVICE, CP, START, DURATION, MIN_DURATION, EPOCH = 3, 4, 5, 6, 7, 8, 9
PROTECTION, AUTHENTICATED, KEY_ID, MATERIAL = 0x0A, 0x0B, 0x0C, 0x0D
GROUPS, MKI, TAG = 30, 2, 10
SIX = "six" in (name for _, name in socket.if_nameindex())	# an interface for IPv6 groups, which the loopback has no route for
LO6 = socket.if_nametoindex("six" if SIX else "lo")


def verdict(good, what, why=""):
    print(("ok " if good else "not ok ") + what + ("" if good or not why else f" ({why})"), flush=True)


# -- configuration: GROUPS services on groups of one port, one source-specific, IPv6 both ways, unicast with RTCP ------------------

def free(port):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def free_ports(n):
    """Even ones, each with the one above for RTCP: this test's, whose process is our parent."""
    found, owner = [], str(os.getppid())
    for p in random.sample(range(20000, 32000, 2), 6000):
        if all(reserve(q, owner) and free(q) for q in (p, p + 1)):
            found.append(p)
        if len(found) == n:
            return sorted(found)
    sys.exit("no ports")


def conf(where, more):
    try:
        plan = json.load(open(f"{where}/plan.json"))
    except FileNotFoundError:
        net, ports = random.randrange(1, 254), free_ports(7)
        plan = {"services": {}, "net": net, "port": ports[0], "out": ports[1]}
        for i in range(GROUPS):
            plan["services"][f"g{i}"] = [f"udp://239.255.{net}.{i + 1}:{ports[0]}?interface=lo", f"udp://239.254.{net}.{i + 1}:{ports[1]}?interface=lo&dscp=34"]
        plan["services"]["ssm"] = [f"udp://239.255.{net}.100:{ports[0]}?interface=lo&source=127.0.0.2", f"udp://239.254.{net}.100:{ports[1]}?interface=lo&source=127.0.0.3"]
        plan["services"]["six"] = [f"udp://[ff15::{net:x}:{n}]:{ports[n - 1]}?interface=six" if SIX else f"udp://[::1]:{ports[n + 4]}" for n in (1, 2)]
        plan["services"]["six-unicast"] = [f"udp://[::1]:{ports[2]}", f"udp://[::1]:{ports[3]}"]
        plan["services"]["rtcp"] = [f"udp://127.0.0.1:{ports[2]}", f"udp://127.0.0.1:{ports[4]}"]
        json.dump(plan, open(f"{where}/plan.json", "w"))
    with open(f"{where}/headend.yaml.new", "w") as f:
        f.write(f"head_end: io\nstate: state\nplayout: unix://{where}/run\nscrambler: {{ threads: 2 }}\n"
                "kms: { lab: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:9 } }\nservices:\n")
        services = dict(plan["services"])
        for i in range(more):
            services[f"more{i}"] = [f"udp://239.253.{plan['net']}.{i + 1}:{plan['port']}?interface=lo", f"udp://239.252.{plan['net']}.{i + 1}:{plan['out']}?interface=lo"]
        for n, (name, (at, to)) in enumerate(services.items()):
            f.write(f"  - {{ id: {name}, scrambling: srtp, {'rcc: 50, ' if name == 'g3' else ''}crypto_period: 1s, media: [{{ name: av, in: \"{at}\", out: \"{to}\""
                    f"{', rtcp: true' if name == 'rtcp' else ''} }}], stkm: [{{ kms: lab, ecm_id: {n + 1} }}] }}\n")
    os.rename(f"{where}/headend.yaml.new", f"{where}/headend.yaml")
    return plan


def parse(url):
    body = url.removeprefix("udp://")
    body, _, query = body.partition("?")
    host, port = body.rsplit(":", 1)
    return host.strip("[]"), int(port), dict(q.split("=") for q in query.split("&") if q)


# -- the SCS ---------------------------------------------------------------------------------------------------------------------

def message(kind, *params):
    body = b"".join(struct.pack(">HH", t, len(v)) + v for t, v in params)
    return struct.pack(">BHH", 1, kind, len(body)) + body


class Scs(threading.Thread):
    """Key n of every service begins n seconds after its start; keys are sent three seconds ahead."""

    def __init__(self, where):
        super().__init__(daemon=True)
        os.makedirs(f"{where}/run", exist_ok=True)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(f"{where}/run/scs.sock")
        self.door.listen()
        self.begin, self.acks, self.lock = time.time() - 1, 0, threading.Lock()

    def run(self):
        while True:
            link, _ = self.door.accept()
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def key(self, service, cp):
        return message(KEY, (SERVICE, service), (CP, struct.pack(">Q", cp)), (START, struct.pack(">q", int((self.begin + cp) * 1e6))),
                       (DURATION, struct.pack(">I", 1000)), (MIN_DURATION, struct.pack(">I", 0)), (EPOCH, struct.pack(">Q", 1)),
                       (PROTECTION, b"\1"), (AUTHENTICATED, b"\1"), (KEY_ID, struct.pack(">H", cp)), (MATERIAL, struct.pack(">Q", cp) + service.ljust(22, b"-")[:22]))

    def serve(self, link):
        have, services, sent = b"", [], 0
        link.settimeout(0.1)
        while True:
            try:
                got = link.recv(65536)
                if not got:
                    return
                have += got
            except TimeoutError:
                pass
            except OSError:
                return
            while len(have) >= 5 and len(have) >= 5 + struct.unpack(">H", have[3:5])[0]:
                n = 5 + struct.unpack(">H", have[3:5])[0]
                kind, body, have = struct.unpack(">H", have[1:3])[0], have[5:n], have[n:]
                if kind == SETUP:
                    while body:
                        t, size = struct.unpack(">HH", body[:4])
                        if t == SERVICE:
                            services.append(body[4:4 + size])
                        body = body[4 + size:]
                    link.sendall(message(STATUS, (HEAD_END, b"io")))
                    sent = int(time.time() - self.begin) - 1
                elif kind == TEST:
                    link.sendall(message(ALIVE))
                elif kind == KEY_ACK:
                    with self.lock:
                        self.acks += 1
            while services and sent < time.time() - self.begin + 3:
                sent += 1
                link.sendall(b"".join(self.key(s, sent) for s in services))


# -- sources and receivers -------------------------------------------------------------------------------------------------------

class Sink(threading.Thread):
    """What comes out at an address; packets as they come."""

    def __init__(self, url, above=0):
        super().__init__(daemon=True)
        host, port, query = parse(url)
        six = ":" in host
        s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        roomy(s, 8 << 20)
        if six:
            s.bind((host, port + above, 0, LO6 if host.startswith("ff") else 0))
            if host.startswith("ff"):
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, host) + struct.pack("@I", LO6))
        else:
            s.bind((host, port + above))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            if host.startswith("239"):
                s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(host) + socket.inet_aton("127.0.0.1"))
        self.s, self.six, self.got, self.tos, self.source = s, six, [], set(), set()
        self.start()

    def run(self):
        while True:
            data, extra, _, sender = self.s.recvmsg(65536, 256)
            self.got.append(data)
            self.tos.update(v[0] for level, kind, v in extra if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS))
            self.source.add(sender[0])

    def wait(self, n, seconds=20):
        end = time.monotonic() + seconds
        while len(self.got) < n and time.monotonic() < end:
            time.sleep(0.02)
        return len(self.got)

    def last(self, seq, seconds=20):
        end = time.monotonic() + seconds
        while (not self.got or rtp_of(self.got[-1])[0] != seq & 0xFFFF) and time.monotonic() < end:
            time.sleep(0.02)


class Source:
    def __init__(self, url, ssrc, frm=None, above=0):
        host, port, _ = parse(url)
        six = ":" in host
        self.s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        if frm:
            self.s.bind((frm, 0))
        if six:
            self.s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, LO6)
        else:
            self.s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        self.to, self.ssrc, self.seq = (host, port + above), ssrc, random.randrange(1 << 14)

    def raw(self, data):
        self.s.sendto(data, self.to)

    def rtp(self, size=600, n=1):
        for _ in range(n):
            self.raw(struct.pack(">BBHII", 0x80, 33, self.seq & 0xFFFF, 0, self.ssrc) + b"\x47" * size)
            self.seq += 1


def rtp_of(packet):
    return struct.unpack(">HII", packet[2:12])


def mki_of(packet):
    return int.from_bytes(packet[-MKI - TAG:-TAG], "big")


def status(where):
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{where}/scrambler.sock")
    s.sendall(b"GET /status HTTP/1.0\r\n\r\n")
    got = b""
    while chunk := s.recv(65536):
        got += chunk
    return json.loads(got.split(b"\r\n\r\n", 1)[1])


def await_keys(where, n, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if sum(m.get("key", "") != "" for m in status(where)["media"]) >= n:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def dropped(where, service):
    return next(m["dropped"] for m in status(where)["media"] if m["service"] == service)


# -- scenarios -------------------------------------------------------------------------------------------------------------------

def io(where):
    plan = json.load(open(f"{where}/plan.json"))
    Scs(where).start()
    services = plan["services"]
    sinks = {name: Sink(to) for name, (_, to) in services.items()}
    reports = Sink(services["rtcp"][1], above=1)
    verdict(await_keys(where, len(services)), f"{len(services)} services have keys")
    sources = {name: Source(at, 1000 + i, frm="127.0.0.2" if name == "ssm" else None) for i, (name, (at, _)) in enumerate(services.items())}
    stranger = Source(services["ssm"][0], 666, frm="127.0.0.4")
    report = Source(services["rtcp"][0], 0, above=1)
    rounds = 60
    for n in range(rounds):
        for s in sources.values():
            s.rtp(n=2)
        stranger.rtp()
        report.raw(struct.pack(">BBHI", 0x80, 200, 6, 4711) + bytes(20))
        time.sleep(0.05)
    bad = []
    for name, sink in sinks.items():
        sink.wait(2 * rounds)
        seqs = [rtp_of(p)[0] for p in sink.got]
        if len(seqs) != 2 * rounds or seqs != [(seqs[0] + i) & 0xFFFF for i in range(len(seqs))] or {rtp_of(p)[2] for p in sink.got} != {sources[name].ssrc}:
            bad.append(f"{name}: {len(seqs)}")
    verdict(not bad, "every service's packets come out at its own address, all, in order, no others'", ", ".join(bad))
    keys = {mki_of(p) for p in sinks["g0"].got}
    verdict(len(keys) >= 3 and all(len(p) == 612 + MKI + TAG for s in sinks.values() for p in s.got), "over changes of the key, with MKI and tag", str(keys))
    verdict(all(b"\x47" * 16 not in p for s in sinks.values() for p in s.got), "none in clear")
    verdict(sinks["g0"].tos == {34 << 2} and sinks["ssm"].tos == {0}, "with the DSCP of the file", str(sinks["g0"].tos))
    verdict(sinks["ssm"].source == {"127.0.0.3"}, "from the source address of the file", str(sinks["ssm"].source))
    reports.wait(rounds)
    verdict(len(reports.got) == rounds and all(len(p) == 28 + 4 + MKI + TAG for p in reports.got), "RTCP is SRTCP on the port above", f"{len(reports.got)}")
    s = status(where)
    sockets = sum(w["sockets"] for w in s["workers"])
    verdict(sockets < 12 and len({m["worker"] for m in s["media"]}) == 2, "few sockets serve them, on two threads", f"{sockets}")

    # a source that restarts, jumps, or is another one
    g, sink = sources["g1"], sinks["g1"]
    sink.got.clear()
    g.seq -= 20000		# restart: the first of two is lost
    g.rtp(n=10)
    sink.last(g.seq - 1)
    verdict(len(sink.got) >= 9, "a source that starts again is followed", str(len(sink.got)))
    sink.got.clear()
    g.seq += 30000
    g.rtp(n=10)
    sink.last(g.seq - 1)
    verdict(len(sink.got) >= 9, "one that jumps is followed", str(len(sink.got)))
    sink.got.clear()
    g.ssrc += 5000
    g.rtp(n=10)
    verdict(sink.wait(10) == 10, "a new one is followed", str(len(sink.got)))

    # who joins late: the roll-over counter is on air (RFC 4771, RCCm2), in every 50th packet
    late, heard = sources["g3"], sinks["g3"]
    for _ in range(5):
        late.seq = late.seq // 50 * 50 + 30000
        late.rtp(n=2)
    late.seq = late.seq // 50 * 50 + 50
    late.rtp(n=51)
    heard.last(late.seq - 1)
    got = heard.got[-51:]
    told = [int.from_bytes(p[-TAG:-TAG + 4], "big") for p in got if rtp_of(p)[0] % 50 == 0]
    roc = next(m["roc"] for m in status(where)["media"] if m["service"] == "g3")
    verdict(roc >= 2 and told and all(r == roc for r in told), "after 65,536 packets the roll-over counter is on air", f"{told}, {roc}")

    # malformed
    sink.got.clear()
    junk = [b"", b"\x80", b"\x47" * 188, bytes(12), b"\x8f\x21" + bytes(12), b"\x90\x21" + bytes(10) + b"\xff\xff\xff\xff", bytes(1400),
            b"\x80\xc8" + bytes(26), b"\x80\x21" + bytes(9500)]
    for j in junk:
        g.raw(j)
    g.rtp()
    verdict(sink.wait(1) == 1 and len(sink.got) == 1, "malformed packets are never sent", str(len(sink.got)))
    d = dropped(where, "g1")
    verdict(d.get("not_rtp", 0) >= len(junk) - 1 and d.get("too_long", 0) == 1, "but counted", str(d))
    sink.got.clear()
    g.rtp(size=9000)
    verdict(sink.wait(1) == 1 and len(sink.got[0]) == 9012 + MKI + TAG, "jumbo frames pass")


FLOOD = """
import socket,struct,sys,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP,socket.IP_MULTICAST_IF,socket.inet_aton("127.0.0.1"))
s.setsockopt(socket.IPPROTO_UDP,103,100)
s.connect((sys.argv[1],int(sys.argv[2])))
n,start=0,time.monotonic()
end,tail=start+float(sys.argv[3]),bytes(88)
while time.monotonic()<end:
    wait=start+n/150000-time.monotonic()
    if wait<-.05: start-=wait
    time.sleep(max(0,wait))
    s.send(b"".join(struct.pack(">BBHII",0x80,33,(n+i)&0xffff,0,99)+tail for i in range(60)))
    n+=60
print(n)
"""


def flood(where):
    plan = json.load(open(f"{where}/plan.json"))
    services = plan["services"]
    Scs(where).start()
    names = ["g0", "g2", "rtcp", "six"]
    sinks = {name: Sink(services[name][1]) for name in names}
    verdict(await_keys(where, len(services)), "services have keys")
    sources = {name: Source(services[name][0], 50 + i) for i, name in enumerate(names)}
    host, port, _ = parse(services["g4"][0])
    # what fills the socket's buffer in two fifths of a second: more than this machine's other work keeps the scrambler away from it
    floods = [subprocess.Popen([sys.executable, "-c", FLOOD, host, str(port), "3"], stdout=subprocess.PIPE)]
    sent, end = 0, time.monotonic() + 3
    while time.monotonic() < end:
        for s in sources.values():
            s.rtp()
        sent += 1
        time.sleep(0.005)
    flooded = sum(int(f.communicate()[0]) for f in floods)
    counts = {name: sink.wait(sent) for name, sink in sinks.items()}
    verdict(all(n == sent for n in counts.values()), "a flood of one service takes nothing from others, on its socket or elsewhere", f"{counts} of {sent}, beside {flooded}")
    m = next(m for m in status(where)["media"] if m["service"] == "g4")
    lost = sum(m["dropped"].values())
    verdict(m["packets_in"] > 10 * sent, "it was one", f"{m['packets_in']} came in")
    verdict(m["packets_in"] - m["packets_out"] <= lost, "what of it did not go out is counted with it", str(m))


def reload(where, pid):
    plan = json.load(open(f"{where}/plan.json"))
    services = plan["services"]
    Scs(where).start()
    names = ["g0", "g1", "rtcp", "six", "ssm"]
    sinks = {name: Sink(services[name][1]) for name in names}
    verdict(await_keys(where, len(services)), "services have keys")
    sources = {name: Source(services[name][0], 50 + i, frm="127.0.0.2" if name == "ssm" else None) for i, name in enumerate(names)}
    sent = 0
    for phase, more in enumerate((100, 0, 100)):
        conf(where, more)
        for n in range(200):
            if n == 20:
                os.kill(pid, signal.SIGHUP)
            for s in sources.values():
                s.rtp()
            sent += 1
            time.sleep(0.005)
        end = time.monotonic() + 20
        while len(status(where)["media"]) != len(services) + more and time.monotonic() < end:
            for s in sources.values():
                s.rtp()
            sent += 1
            time.sleep(0.005)
        verdict(len(status(where)["media"]) == len(services) + more, f"{more} services beside them")
    counts = {name: sink.wait(sent) for name, sink in sinks.items()}
    verdict(all(n == sent for n in counts.values()), "no packet is lost meanwhile", f"{counts} of {sent}")
    sink, source = Sink(f"udp://239.252.{plan['net']}.7:{plan['out']}"), Source(f"udp://239.253.{plan['net']}.7:{plan['port']}", 7)
    verdict(await_keys(where, len(services) + 100), "the new ones have keys")
    source.rtp(n=5)
    verdict(sink.wait(5) == 5, "and their packets come out")


def main():
    what, where = sys.argv[1:3]
    if what == "conf":
        conf(where, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    elif what == "reload":
        reload(where, int(sys.argv[3]))
    else:
        {"io": io, "flood": flood}[what](where)


main()
