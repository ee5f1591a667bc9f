#!/usr/bin/python3
"""tests/integration/bridge_full.py PORT LOG SAMPLE: requests without an answer, up to what a bridge takes of one peer, at one without TLS.

A client that leaves does not take its request back. LOG has a line for each that was handed over.
"""
import http.client
import re
import sys
import time

port, log, sample = int(sys.argv[1]), sys.argv[2], open(sys.argv[3]).read()
MOST, ROUND, PATIENCE = 1024, 64, 30


def document(source, number, service="tv1"):
    text = re.sub(r'messageID="[^"]*"', 'messageID="%s"' % number, sample)
    text = re.sub(r'source="[^"]*"', 'source="%s"' % source, text)
    return re.sub(r'destination="[^"]*"', 'destination="back"', text).replace(":tv1", ":" + service).encode()


def begin(body):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    c.request("POST", "/bcast/sp4", body, {"Content-Type": "application/xml"})
    return c


def post(body):
    c = begin(body)
    try:
        r = c.getresponse()
        return r.status, r.getheader("Retry-After"), r.read()
    finally:
        c.close()


def handled(number):
    return len(re.findall(r"^handled 5 %s" % number, open(log).read(), re.M))


def flood():
    end = time.monotonic() + PATIENCE
    for first in range(0, MOST, ROUND):
        open_ones = [begin(document("eager", "flood-%d" % n, "never")) for n in range(first, first + ROUND)]
        while handled("flood-") < first + ROUND:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        for c in open_ones:
            c.close()
    return True


def say(right, what, why=""):
    print("ok" if right else "not ok", what, "" if right else "(%s)" % (why,), flush=True)


before = post(document("eager", "before"))
say(before[0] == 200 and b'status="0"' in before[2] and flood(), "requests are taken on, though their clients leave", (before, handled("flood-")))
full = post(document("eager", "more"))
say(full[:2] == (503, "1") and handled("more") == 0, "one more is told 503, and when to come again", full)
again = post(document("eager", "before"))
say(again == before, "a repeat of what was answered gets the answer", again)
other = post(document("other", "before"))
say(other[0] == 200 and b'status="0"' in other[2], "another peer notices nothing", other)
full = post(document("eager", "more"))
say(full[0] == 503, "no place has become free", full)
