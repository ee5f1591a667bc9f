#!/usr/bin/env bash
# tests/integration/bridge_store.sh: what a bridge keeps of its answers is bounded: Python plays a peer that sends one message after the other, each with a
# messageID of its own, until it is told 503; repeats are answered as they were, other peers notice nothing, and a restart changes nothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 14
export SIMULGATE_SCHEMAS=$top_srcdir/bridge
ports p_front
write() {	# LIMIT
	cat >"$dir/b.yaml" <<-EOT
	state: $dir/state
	playout: unix://$dir/run
	services:
	  - { id: tv1, scrambling: none, global_service_id: "urn:oma:bcast:iauth:x-test:service:tv1" }
	bridge:
	  front:
	    roles: bsda
	    plain: true
	    listen: tcp://127.0.0.1:$p_front
	    store_limit: $1
	    peers: { bsm1: { roles: bsm }, bsm2: { roles: bsm } }
	EOT
}
cat >"$dir/flood.py" <<'EOF'
# flood.py PORT SAMPLE BASE COMMAND [SOURCE N]: `fill` sends messages 0, 1 … of SOURCE on eight connections until each was told 503, N in all at most, and
# says how many were answered and the Retry-After; `one` sends message N and says the HTTP status. Answers are kept in BASE/SOURCE-N; the same one again has
# to have the same octets.
import http.client, os, re, sys, threading
port, sample, base, command, source, last = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5], int(sys.argv[6])
document = open(sample).read()
for name, value in ("source", source), ("destination", "front"):
    document = re.sub(' %s="[^"]*"' % name, ' %s="%s"' % (name, value), document)
def send(c, n):
    c.request("POST", "/bcast/sp4", re.sub(' messageID="[^"]*"', ' messageID="%0120d"' % n, document), {"Content-Type": "application/xml"})
    r = c.getresponse()
    said = r.read()
    if r.status == 200:
        path = "%s/%s-%d" % (base, source, n)
        if os.path.exists(path) and open(path, "rb").read() != said:
            sys.exit("message %d has another answer now" % n)
        open(path, "wb").write(said)
    return r.status, r.getheader("Retry-After")
def connection():
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)
if command == "one":
    print(send(connection(), last)[0])
    sys.exit()
lock, at, answered, later = threading.Lock(), 0, 0, set()
def fill():
    global at, answered
    c = connection()
    while True:
        with lock:
            n, at = at, at + 1
        if n >= last:
            return
        status, after = send(c, n)
        with lock:
            if status != 200:
                later.add((status, after))
                return
            answered += 1
threads = [threading.Thread(target=fill) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(answered, *sorted("%s after %s" % x for x in later))
EOF
flood() { "$PYTHON" "$dir/flood.py" "$p_front" "$top_srcdir/tests/data/sp4/samples/tag07-stkm-delivery.xml" "$dir" "$@"; }
up() { sg "$1" bridge --config "$dir/b.yaml" --status "unix://$dir/b.sock" && await_log 30 "$1" event=ready; }
peer() { value "$dir/b.sock" "[p for p in s['exchanges']['peers'] if p['name'] == '$1'][0]['$2']"; }
metric() { grep -q "^$1\$" <("$PYTHON" "$here/probe.py" get "$dir/b.sock" /metrics); }

write 1MiB
up first || bail "the bridge serves"
flood fill bsm1 20000 >"$dir/filled"
cat "$dir/filled"
n=$(cut -d' ' -f1 "$dir/filled")
check "a peer that does not stop is told 503, and when to come again" same "$(cut -d' ' -f2- "$dir/filled")" "503 after 1"
# Two peers: a quarter of the limit is its own, another is for who needs more.
octets=$(peer bsm1 kept_octets)
check "its answers take half of the limit" test "$octets" -ge 524288 -a "$octets" -lt 540000
check "… all of them" same "$(peer bsm1 kept_answers)" "$n"
check "… and the refused are counted" test "$(peer bsm1 no_room)" -ge 8
check "a repeat is answered with what it was answered" same "$(flood one bsm1 0)" 200
check "… a new message is not" same "$(flood one bsm1 99999)" 503
check "another peer notices nothing" same "$(flood fill bsm2 100)" 100
check "… nor what is kept for it" same "$(peer bsm2 kept_answers) $(peer bsm2 no_room)" "100 0"
check "/metrics" metric "simulgate_bridge_kept_answers{peer=\"bsm1\"} $n"
on_disk() { stat -c '%s' "$dir/state/bridge-front.db"; }
kill9 first
up second || bail "the bridge serves"
check "after a crash it is full" same "$(flood one bsm1 99998)" 503
check "… and knows what it has answered" same "$(flood one bsm1 $((n / 2))) $(peer bsm1 kept_octets)" "200 $octets"
stop second
check "the file has about what was counted" test "$(on_disk)" -gt 524288 -a "$(on_disk)" -lt 1048576
write 2MiB
up third || bail "the bridge serves"
check "another limit leaves room" same "$(flood one bsm1 99997)" 200
check "SIGTERM ends it" stop third
