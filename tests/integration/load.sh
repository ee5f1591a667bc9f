#!/usr/bin/env bash
# tests/integration/load.sh: simulgate load against our ECMG and MUX, as the ECMG of our SCS, and against VideoLAN biTStream's example ECMG:
# its counts are those of the peers, a peer that stands still is seen by all requests that were due meanwhile, misdeeds earn their errors.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
example=/usr/share/doc/libbitstream-dev/examples/dvb_ecmg.c
need socat "$CC"
[ -r "$example" ] || missing "$example of libbitstream-dev"
plan 42
for tool in "$SIMULGATE_LIBEXEC/tools/simulgate-load" "$SIMULGATE_LIBEXEC/simulgate-load"; do [ ! -x "$tool" ] || break; done
status=0
load() { within 60 "$tool" "$@" --json >"$dir/out.json" 2>>"$dir/log/load"; status=$?; }
# says EXPRESSION: r, the report, is as it should be
says() { "$PYTHON" -c 'import json, sys
r = json.load(open(sys.argv[1])); q = r["requests"]
assert eval(sys.argv[2]), r' "$dir/out.json" "$1"; }
exits() { same "$status" "$1"; }
# Every request that was made was answered, and the exit status says so. What was due while the machine stood still at the very end is not sent, and told.
answered() { says "q['sent'] == q['answered'] and $status == (q['unsent'] > 0)"; }

ports ecmg mux mux_udp example_port scs refuses
sg ecmg ecmg --listen "tcp://127.0.0.1:$ecmg" --plugin lab --set CW_per_msg=2 --set lead_CW=1 --status "unix://$dir/ecmg.sock"
maps=()
for i in 1 2 3 4 5 6; do maps+=(--map "0x4ae60001/$i=udp://127.0.0.1:$mux"); done
sg mux mux --listen "tcp://127.0.0.1:$mux" --udp "udp://127.0.0.1:$mux_udp" "${maps[@]}" --status "unix://$dir/mux.sock"
await_port 15 "$ecmg" && await_port 15 "$mux" || bail "ECMG and MUX listen"

# -- an ECMG
load ecmg "tcp://127.0.0.1:$ecmg" --connections 10 --streams 5 --rate 300 --ramp 300ms --duration 1500ms --timeout 15s
check "a rate: all is answered" answered
check "on all channels, about as often as asked" says '200 < q["sent"] + q["unsent"] <= 450 and r["connections"]["up"] == 10 and r["set_up_ms"]["n"] == 10'
check "all are counted, none earlier when counted from when it was due" says \
	'r["from_due_ms"]["n"] == q["sent"] + q["unsent"] and r["from_sent_ms"]["n"] == q["sent"] and r["from_due_ms"]["p50"] >= r["from_sent_ms"]["p50"] > 0'
asked=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["requests"]["answered"])' "$dir/out.json")
check "the ECMG has counted as many" await_status 15 "$dir/ecmg.sock" "s['ecm_total'] == $asked"
load ecmg "tcp://127.0.0.1:$ecmg" --connections 4 --streams 8 --window 3 --duration 500ms --timeout 15s
check "a window: all is answered" answered
check "many" says '100 < q["sent"] == q["answered"]'

# -- one that stands still: of all that was due meanwhile, not just the one that was out, is told how long it took
(load ecmg "tcp://127.0.0.1:$ecmg" --rate 200 --duration 5s --timeout 30s --histogram; exit "$status") &
loading=$!
await_status 15 "$dir/ecmg.sock" 'len(s["channels"]) == 1' >/dev/null
freeze ecmg
sleep 2	# the fault itself
thaw ecmg
wait "$loading"
slow='lambda h: sum(b[2] for b in r[h]["buckets"] if b[0] > 500)'
check "a peer that stands still: few requests have waited, many were due" says \
	"(lambda slow: 4 * slow('from_sent_ms') < slow('from_due_ms') > 150 and r['from_due_ms']['p99'] > 1000)($slow)"

# -- misdeeds: each is answered as the standard has it, and nothing else suffers
misbehaves() { # SIDE KIND PORT
	load "$1" "tcp://127.0.0.1:$3" --connections 2 --streams 2 --rate 100 --duration 400ms --timeout 15s --misbehave "$2" --every 2
	[ "$status" = 0 ] && says 'r["misbehaviour"]["as_expected"] and r["misbehaviour"]["done"] > 1'
}
for kind in truncated oversized version unknown parameter missing window overlap flood dribble half mute deaf vanish storm; do
	check "an ECMG and $kind" misbehaves ecmg "$kind" "$ecmg"
done
load ecmg "tcp://127.0.0.1:$ecmg" --connections 2 --streams 2 --rate 100 --duration 400ms --timeout 5s --misbehave garbage --every 2
check "garbage costs the connection, no more" says 'r["misbehaviour"]["as_expected"] and q["answered"] > 0'

# -- a MUX
load mux "tcp://127.0.0.1:$mux" --connections 2 --streams 3 --rate 100 --duration 1s --timeout 15s
check "a MUX: all is answered" answered
check "on all streams" says '50 < q["sent"] + q["unsent"]'
load mux "tcp://127.0.0.1:$mux" --udp "udp://127.0.0.1:$mux_udp" --connections 2 --streams 3 --rate 100 --duration 1s --timeout 15s
check "data by UDP: all is answered" says "$status == (q['unsent'] > 0) and 50 < q['sent'] + q['unsent'] and q['sent'] == q['answered'] == q['datagrams'] and q['unsendable'] == 0"
sent=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["requests"]["datagrams"])' "$dir/out.json")
check "the MUX has had as many datagrams" await_status 15 "$dir/mux.sock" "s['emmg']['udp']['datagrams'] == $sent"
for kind in truncated version missing flood half storm; do
	check "a MUX and $kind" misbehaves mux "$kind" "$mux"
done
load mux "tcp://127.0.0.1:$mux" --connections 2 --streams 4 --rate 100 --duration 500ms
check "a stream that the MUX has no place for is an error" says \
	"$status == 1 and list(r['errors']) == ['0x0010'] and r['connections']['refused'] >= 1"

# -- somebody else's ECMG: one channel of one stream at a time, two control words of 8 octets, access criteria in each request
"$CC" -O1 -w -o "$dir/peer" "$example" >"$dir/log/cc" 2>&1 || bail "the example compiles"
start peer socat "TCP-LISTEN:$example_port,bind=127.0.0.1,reuseaddr,fork" "EXEC:$dir/peer"
await_port 15 "$example_port" || bail "socat listens"
load ecmg "tcp://127.0.0.1:$example_port" --connections 3 --rate 60 --duration 1500ms --timeout 15s --cw-length 8 --protocol-version 2 --access-criteria 0x01020304
check "biTStream's ECMG: all is answered" says "$status == (q['unsent'] > 0) and 30 < q['sent'] + q['unsent'] and q['sent'] == q['answered']"

load ecmg "tcp://127.0.0.1:$example_port" --rate 60 --duration 600ms --timeout 15s --cw-length 8 --protocol-version 2 --access-criteria 0x01020304 --misbehave missing --every 10
check "which takes a missing parameter for one of a wrong length: that is told" says "$status == 1 and not r['misbehaviour']['as_expected'] and list(r['errors']) == ['0x000f']"

# -- an ECMG that asks for the state of a channel and refuses it in one breath: what was to be said to the one connection is not said to the next
cat >"$dir/refuses.py" <<'EOF'
import socket, sys
def par(t, n, v): return t.to_bytes(2, "big") + n.to_bytes(2, "big") + v.to_bytes(n, "big")
def msg(t, body): return b"\3" + t.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
def caller():	# that says something: who only tries the port does not
	while True:
		c, _ = s.accept()
		head = c.recv(5, socket.MSG_WAITALL)
		if head:
			return c, head
channel = par(0x0e, 2, 0)
status = [(2, 1, 0), (3, 2, 0), (4, 2, 0), (7, 2, 100), (8, 2, 0), (9, 2, 10), (10, 1, 0), (11, 1, 1), (12, 2, 100)]
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
one, _ = caller()
one.sendall(msg(3, channel + b"".join(par(*p) for p in status)) + msg(2, channel) + msg(5, channel + par(0x7000, 2, 0x7000)))
two, head = caller()
print("the second connection begins with message", head.hex()[2:6])
EOF
start refuses "$PYTHON" -u "$dir/refuses.py" "$refuses"
await_port 15 "$refuses" || bail "it listens"
load ecmg "tcp://127.0.0.1:$refuses" --connections 2 --ramp 1s --duration 1500ms --timeout 1s
check "a connection that was refused leaves nothing for the next" await_log 15 refuses "begins with message 0001"

# -- an ECMG for an SCS
cat >"$dir/headend.yaml" <<EOF
state: state
playout: unix://$dir/run
kms:
  lab: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$scs }
services:
  - { id: news, scrambling: none, cw_length: 16, crypto_period: 1s, stkm: [{ kms: lab, ecm_id: 1 }, { kms: lab, ecm_id: 2 }] }
EOF
start serve "$tool" scs "tcp://127.0.0.1:$scs" --delay 20ms --lead-cw 1 --cw-per-msg 2 --json
await_port 15 "$scs" || bail "it listens"
sg scs scs --config "$dir/headend.yaml" --status "unix://$dir/scs.sock"
check "an ECMG for our SCS, which commits its crypto-periods" await_status 30 "$dir/scs.sock" 's["services"][0]["cp"] >= 4'
stop serve 15
check "SIGTERM ends it with its report" same "$?" 0
grep '^{' "$dir/log/serve" >"$dir/out.json"
check "of the requests of two streams, a second apart, answered after the delay" says \
	'q["answered"] >= 8 and q["wrong"] == 0 and 800 < r["interval_ms"]["p50"] < 2000 and r["from_sent_ms"]["min"] >= 20'
stop scs 15

load ecmg "tcp://127.0.0.1:$scs" --duration 500ms
check "nobody there: exit status 69" exits 69
load ecmg "tcp://127.0.0.1:$scs" --rate 10 --window 1
check "a rate and a window: 64" exits 64
