#!/usr/bin/env python3
"""tests/integration/bsm_crash.py: the purchase flows of three subscribers against a simulgate-bsm that ends at a point of its life chosen at random
(bsm_crash_preload.c), and is started again, sometimes to end once more.

bsm_crash.py BSM PRELOAD CONF PHONE-PORT SECONDS SEED PORT ...    CONF: a head-end whose store knows alice, bob and carol; three ports a lane

alice registers and then buys; bob, bootstrapped before, buys and then registers, as one does whom an SMS has called; carol has never bootstrapped.
Every request is repeated until it is answered, as terminals and shops do. The phones are of this file: MIKEY after RFC 3830 by hmac. Says "ok …" or
"not ok …" a line.
"""
import base64, contextlib, hashlib, hmac, http.client, json, os, random, re, shutil, signal, socket, sqlite3, struct, subprocess, sys, threading, time


sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bsm_ua as ua

BSM, PRELOAD, CONF, PHONE, SECONDS, SEED = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])
PORTS = [int(p) for p in sys.argv[7:]]
LANES = len(PORTS) // 3
HERE = os.path.dirname(CONF)
NAF, BSF, TYPE = "bsm.example.net", "bsf.example.net", "application/mbms-register+xml"
URI = "/keymanagement?requesttype=register"
BODY = (b'<mbmsSecurityRegister xmlns="urn:3GPP:metadata:2005:MBMS:userServiceRegister"><serviceID>urn:allServices</serviceID></mbmsSecurityRegister>')
TOKEN = open(os.path.join(HERE, "keys/token")).read().strip()
CRASHED, DEADLINE, KINDS = 86, 40, 3
lock, complaints, ends, runs, crashes = threading.Lock(), [], {}, 0, 0


def complain(what):
    with lock:
        complaints.append(what)


class Over(Exception):
    pass


def kdf(ks, p0, rand, impi):
    s = b"\x01"
    for p in (p0, rand, impi.encode(), NAF.encode() + bytes([1, 0, 0, 0, 1])):
        s += p + len(p).to_bytes(2, "big")
    return hmac.new(ks, s, hashlib.sha256).digest()


def auth_key(smk, csb, rand):
    """RFC 3830 4.1.3: one block of 256 bits, 160 bits out."""
    label = bytes.fromhex("2d22ac75ff") + csb + rand
    sha1 = lambda m: hmac.new(smk, m, hashlib.sha1).digest()
    return sha1(sha1(label) + label)


def payloads(m):
    kind, at, out = m[2], 10, {}
    while kind and at < len(m):
        n = {21: lambda: 4 + int.from_bytes(m[at + 2:at + 4], "big"), 5: lambda: 6, 11: lambda: 2 + m[at + 1], 6: lambda: 4 + int.from_bytes(m[at + 2:at + 4], "big"),
             1: lambda: 4 + int.from_bytes(m[at + 2:at + 4], "big") + 21}[kind]()
        out.setdefault(kind, []).append(m[at:at + n])
        kind, at = m[at], at + n
    assert at == len(m)
    return out


class Phone:
    """Bootstrapping, registration and a card."""
    def __init__(self, lane, name, number):
        self.lane, self.name, self.ip = lane, name, f"127.0.{10 + lane.number}.{number}"
        key = open(os.path.join(HERE, f"keys/{name}.yaml")).read()
        self.impi, self.k, self.opc = (re.search(f"^{f}: (?:0x)?(\\S+)", key, re.M)[1] for f in ("impi", "k", "opc"))
        self.smk, self.btid, self.srk, self.last, self.have = {}, None, None, {}, set()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((self.ip, PHONE))
        threading.Thread(target=self.listen, daemon=True).start()

    def forget(self, kept):
        self.smk, self.btid, self.srk = kept if kept else ({}, None, None)
        self.smk, self.last, self.have = dict(self.smk), {}, set()

    def listen(self):
        while True:
            m, at = self.udp.recvfrom(2048)
            try:
                self.hear(m, at)
            except Exception as e:
                complain(f"{self.name} cannot read {m.hex()}: {e!r}")

    def hear(self, m, at):
        p = payloads(m)
        counter, btid = p[5][0][2:], p[6][1][4:].decode()
        self.lane.seen(btid, int.from_bytes(counter, "big"), m)
        smk = self.smk.get(btid)
        if not smk:
            return
        key = auth_key(smk, m[4:8], p[11][0][2:])
        if hmac.new(key, m[:-20], hashlib.sha1).digest() != m[-20:]:
            complain(f"{self.name}: a message with a wrong MAC")
            return
        if int.from_bytes(counter, "big") <= self.last.get(btid, 0):
            return
        self.last[btid] = int.from_bytes(counter, "big")
        ids = [e for e in p[21] if e[1] == 3][0][4:]
        if not m[3] & 0x80 or ids[7:9] == b"\0\0":
            return
        idr = btid.encode()
        v = bytes([1, 1, 5, 0]) + m[4:8] + b"\0\1" + bytes([6, 2]) + counter + bytes([9, 0]) + len(idr).to_bytes(2, "big") + idr + b"\0\1"
        self.udp.sendto(v + hmac.new(key, v + NAF.encode() + idr + counter, hashlib.sha1).digest(), at)
        self.have.add(ids[7:11])

    def ask(self, method, uri, headers, body=b"", port=None):
        """Until there is an answer; 503 is none."""
        while True:
            self.lane.check()
            c = http.client.HTTPConnection("127.0.0.1", port or self.lane.http, timeout=15, source_address=(self.ip, 0))
            try:
                c.request(method, uri, body or None, headers)
                r = c.getresponse()
                text = r.read()
                if r.status != 503:
                    return r, text
            except (OSError, http.client.HTTPException):
                pass
            finally:
                c.close()
            time.sleep(0.05)

    def bootstrap(self):
        k, opc = bytes.fromhex(self.k), bytes.fromhex(self.opc)
        while True:
            first = f'Digest username="{self.impi}", realm="", nonce="", uri="/", response=""'
            r, text = self.ask("GET", "/", {**ua.AGENT, "Authorization": first})
            f = ua.fields(r.getheader("WWW-Authenticate"))
            nonce = base64.b64decode(f["nonce"])
            rand, autn = nonce[:16], nonce[16:]
            ak = ua.milenage(k, opc, rand, bytes(6), bytes(2))[4]
            _, res, ck, ik, _ = ua.milenage(k, opc, rand, ua.xor(autn[:6], ak), autn[6:8])
            btid, ks = base64.b64encode(rand).decode() + "@" + BSF, ck + ik
            self.smk[btid] = kdf(ks, b"gba-u", rand, self.impi)
            r, text = self.ask("GET", "/", {**ua.AGENT, "Authorization": ua.credentials(self.impi, res, f, "GET", "/", b"")})
            if r.status == 200:     # else: the challenge was spent, and its answer got lost
                self.btid, self.srk = btid, base64.b64encode(kdf(ks, b"gba-me", rand, self.impi)).decode()
                return

    def register(self):
        while True:
            r, _ = self.ask("POST", URI, {"Content-Type": TYPE}, BODY)
            f = ua.fields(r.getheader("WWW-Authenticate"))
            r, _ = self.ask("POST", URI, {"Content-Type": TYPE, "Authorization": ua.credentials(self.btid, self.srk, f, "POST", URI, BODY)}, BODY)
            if r.status == 200:     # else: the nonce was spent, and its answer got lost
                return

    def buy(self):
        order = json.dumps({"subscriber": self.name, "service": "news"}).encode()
        r, text = self.ask("POST", "/api/v1/subscriptions", {"Content-Type": "application/json", "Authorization": "Bearer " + TOKEN,
                           "Idempotency-Key": "order-" + self.name}, order, self.lane.api)
        if r.status not in (200, 201):
            complain(f"{self.name} buys: {r.status} {text[:200]}")

    def called(self):
        """The SMS that asks it to register; when the end came in between it is repeated after a minute, and the subscriber looks by himself."""
        until = time.monotonic() + 1.5
        while time.monotonic() < until and not self.lane.short_messages():
            self.lane.check()
            time.sleep(0.02)

    def wait(self):
        while not self.have:
            self.lane.check()
            time.sleep(0.02)


class Lane:
    def __init__(self, number):
        self.number, self.dir = number, os.path.join(HERE, f"lane{number}")
        self.http, self.ltkm, self.api = PORTS[3 * number:3 * number + 3]
        self.sms, self.pulls = os.path.join(self.dir, "sms"), 0
        os.makedirs(self.sms)
        shutil.copytree(os.path.join(HERE, "keys"), os.path.join(self.dir, "keys"))
        conf = open(CONF).read()
        for key, port in (("listen: tcp", self.http), ("ltkm: udp", self.ltkm), ("api: tcp", self.api)):
            conf = re.sub(rf"\b{key}://127.0.0.1:\d+", f"{key}://127.0.0.1:{port}", conf)
        self.conf, self.count = os.path.join(self.dir, "headend.yaml"), os.path.join(self.dir, "points")
        open(self.conf, "w").write(conf)
        self.random = random.Random(SEED * 100 + number)
        self.process, self.stop, self.octets, self.points = None, False, {}, ()
        self.phones = [Phone(self, n, 2 + i) for i, n in enumerate(("alice", "bob", "carol"))]
        self.kept, self.log = {}, open(os.path.join(HERE, f"log/bsm{number}"), "a")

    def say(self, what):
        complain(f"lane {self.number}, {self.plan}: {what}")

    def seen(self, btid, counter, octets):
        if self.octets.setdefault((btid, counter), octets) != octets:
            self.say(f"counter {counter} has two octet strings")

    def start(self, at, when, kind=0):
        open(self.count, "wb").write(bytes(64))
        env = dict(os.environ, LD_PRELOAD=PRELOAD, CRASH_FILE=self.count, CRASH_AT=str(at), CRASH_WHEN=when, CRASH_KIND=str(kind))
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.process = subprocess.Popen([BSM, "--config", self.conf, "--status", f"unix://{self.dir}/bsm.sock", "--log-level", "info"], env=env,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def check(self):
        if time.monotonic() > self.until or self.stop:
            raise Over

    def supervise(self, left):
        """Starts it again when it has ended."""
        global crashes
        while not self.stop:
            rc = self.process.poll()
            if rc is None:
                time.sleep(0.005)
                continue
            if rc != CRASHED:
                self.say(f"it ended with {rc}")
                self.stop = True
                return
            at = open(self.count, "rb").read()[8 * KINDS:].split(b"\0")[0].decode()
            with lock:
                ends[at] = ends.get(at, 0) + 1
                crashes += 1
            again = left and self.random.random() < 0.4
            left -= 1
            self.start(self.random.randint(1, 12) if again else 0, self.random.choice(("before", "after")), self.random.randrange(KINDS))

    def flow(self, phone, steps):
        try:
            for step in steps:
                getattr(phone, step)()
        except Over:
            self.say(f"{phone.name} does not get through {step}")
        except Exception as e:
            self.say(f"{phone.name}: {e!r} at {step}")

    def short_messages(self):
        """Pulls that left as files: parts joined behind their user data headers."""
        whole = {}
        for f in sorted(os.listdir(self.sms)):
            if f.endswith(".sms"):
                part = open(os.path.join(self.sms, f), "rb").read()
                whole.setdefault(f.rsplit("-", 1)[0], []).append(part[1 + part[0]:])
        return {name: b"".join(parts) for name, parts in whole.items()}

    def read_short_messages(self):
        for name, text in self.short_messages().items():
            m = text[text.find(bytes([1, 0, 21])):]
            try:
                p = payloads(m)
            except (AssertionError, KeyError, IndexError):
                continue    # its second part was not written any more
            self.seen(p[6][1][4:].decode(), int.from_bytes(p[5][0][2:], "big"), m)
            self.pulls += 1

    def query(self, sql):
        db = sqlite3.connect(f"file:{self.dir}/state/kms-card.db?mode=ro", uri=True, timeout=15)
        with contextlib.closing(db):
            return db.execute(sql).fetchall()

    def settled(self):
        return not self.query("SELECT 1 FROM out WHERE pull = 0 AND state < 2")

    def run(self, at, when, flows, kind=0, keep=False):
        self.plan, self.stop, self.octets = f"{when} point {at} of kind {kind}", False, {}
        self.until = time.monotonic() + DEADLINE
        shutil.rmtree(os.path.join(self.dir, "state"), ignore_errors=True)
        shutil.copytree(os.path.join(HERE, "state") if keep else os.path.join(self.dir, "kept"), os.path.join(self.dir, "state"))
        for f in os.listdir(self.sms):
            os.unlink(os.path.join(self.sms, f))
        for p in self.phones:
            p.forget(self.kept.get(p.name))
        self.start(at, when, kind)
        watch = threading.Thread(target=self.supervise, args=(2,))
        watch.start()
        threads = [threading.Thread(target=self.flow, args=(p, flows[p.name])) for p in self.phones if p.name in flows]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        try:
            while not keep and not self.settled():
                self.check()
                time.sleep(0.05)
        except Over:
            self.say("an LTKM is not verified")
        self.stop = True
        watch.join()
        points = struct.unpack(f"<{KINDS}Q", open(self.count, "rb").read(8 * KINDS))
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) not in (0, CRASHED, -signal.SIGTERM):  # the last: it had just been started again, and was not up
            self.say(f"SIGTERM: {self.process.returncode}")
        return points

    def judge(self):
        if self.query("PRAGMA integrity_check") != [("ok",)] or self.query("PRAGMA foreign_key_check"):
            self.say("the store is damaged")
        sales = self.query("SELECT b.name, s.ord, s.state FROM subscription s JOIN subscriber b ON b.id = s.sub ORDER BY b.name")
        if sales != [(n, "order-" + n, 1) for n in ("alice", "bob", "carol")]:
            self.say(f"subscriptions: {sales}")
        said = self.query("SELECT count(*), count(DISTINCT what) FROM audit WHERE what LIKE 'subscription %: % gets %'")
        if said != [(3, 3)]:
            self.say(f"the audit tells of {said} purchases")
        for btid, counter, octets in self.query("SELECT btid, counter, octets FROM out WHERE btid IS NOT NULL AND length(octets) > 0"):
            self.seen(btid, counter, octets)
        self.read_short_messages()
        spent = dict(self.query("SELECT btid, counter FROM gba"))
        for (btid, counter), _ in self.octets.items():
            if spent.get(btid, 0) < counter:
                self.say(f"counter {counter} left, and is not spent")
        for name, n in self.query("SELECT b.name, (SELECT count(*) FROM out o WHERE o.sub = b.id AND o.pull = 0 AND o.state = 2) FROM subscriber b WHERE b.name <> 'dora'"):
            if n == 0:
                self.say(f"no LTKM of {name} was verified")

    def prepare(self):
        """alice and bob have bootstrapped; what a run without an end counts says where ends may be."""
        self.run(0, "never", {"alice": ["bootstrap"], "bob": ["bootstrap"]}, keep=True)
        for p in self.phones[:2]:
            self.kept[p.name] = (dict(p.smk), p.btid, p.srk)
        os.rename(os.path.join(self.dir, "state"), os.path.join(self.dir, "kept"))

    def work(self, until):
        global runs
        flows = {"alice": ["register", "buy", "wait"], "bob": ["buy", "called", "register", "wait"], "carol": ["buy", "bootstrap", "register", "wait"]}
        try:
            self.prepare()
            if complaints:
                return
            self.points = self.run(0, "never", flows)
            self.judge()
            while time.monotonic() < until and not complaints:
                kind = self.random.randrange(KINDS)
                self.run(self.random.randint(1, self.points[kind]), self.random.choice(("before", "after")), flows, kind)
                self.judge()
                with lock:
                    runs += 1
        except Exception as e:
            complain(f"lane {self.number}: {e!r}")
        finally:
            self.stop = True
            if self.process and self.process.poll() is None:
                self.process.kill()


lanes = [Lane(i) for i in range(LANES)]
until = time.monotonic() + SECONDS
workers = [threading.Thread(target=l.work, args=(until,)) for l in lanes]
for w in workers:
    w.start()
for w in workers:
    w.join()
print(f"# seed {SEED}: {runs} runs, {crashes} ends; commits, writes and sendings of a run: {lanes[0].points}, {sum(l.pulls for l in lanes)} SMS: "
      + ", ".join(f"{k} {n}" for k, n in sorted(ends.items())), file=sys.stderr)
for c in complaints[:20]:
    print("# " + c, file=sys.stderr)
kinds = {"two octet strings": "no counter has two octet strings", "LTKM": "no LTKM is lost", "subscriptions|audit": "no subscription is half-written, or bought twice",
         "damaged|not spent": "the store is whole"}
rest = list(complaints)
for pattern, good in kinds.items():
    bad = [c for c in rest if re.search(pattern, c)]
    rest = [c for c in rest if c not in bad]
    print(("not ok " if bad else "ok ") + good)
print(("not ok " if rest else "ok ") + "all get through, and it ends in no other way")
print(("ok " if crashes else "not ok ") + "it did end")
sys.stdout.flush()
os._exit(0)
