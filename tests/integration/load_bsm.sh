#!/usr/bin/env bash
# tests/integration/load_bsm.sh: simulgate load bsm: terminals of subscribers of its own making, and of those of a file, bootstrap, register, ask for
# keys and fetch STKMs at our BSM; what it counts is what the BSM has counted. A BSM that stands still is seen by all that was due meanwhile. What some of
# them do wrong earns what the standards have for it, and the others do not suffer.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
for tool in "$SIMULGATE_LIBEXEC/tools/simulgate-load" "$SIMULGATE_LIBEXEC/simulgate-load"; do [ ! -x "$tool" ] || break; done
plan 36
status=0
report=$dir/out.json
load() { within 60 "$tool" bsm "$@" --json >"$report" 2>>"$dir/log/load"; status=$?; }
at=(--naf bsm.example.net --bsf bsf.example.net)
# says EXPRESSION: r, the report, is as it should be
says() { "$PYTHON" -c 'import json, sys
r = json.load(open(sys.argv[1])); q = r["requests"]; b = r["bsm"]; k = b["kinds"]
assert eval(sys.argv[2]), r' "$report" "$1"; }
exits() { same "$status" "$1"; }
make_subscribers() { (umask 077 && "$tool" bsm --range 1-30 --print-subscribers >"$dir/made.csv"); }
ends() { load "${@:2}"; exits "$1"; }

bsm_headend 2s "requests: 100, "
url=http://127.0.0.1:$p_http
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "subscribers that are made, as a file for the BSM" make_subscribers
check "which it takes" subscribe subscriber import "$dir/made.csv"
know >/dev/null || bail "it knows alice and dora"
for i in 1 2 3; do buy "load$i" >/dev/null || bail "load$i buys"; done
buy dora >/dev/null || bail "dora buys"

# -- made ones: three of thirty have bought something, and get an LTKM for each registration
load "$url" "${at[@]}" --range 1-30 --rate 60 --ramp 300ms --duration 2s --timeout 20s --ltkm "udp://127.0.0.2:$p_phone"
# What was due while the machine stood still at the very end is not sent, and told.
check "a rate: all of it is answered" says "$status == (q['unsent'] > 0)"
check "all terminals bootstrapped, and registered about as often as asked" says \
	'r["connections"]["up"] == 30 == k["bootstrap"]["done"] and 60 < q["sent"] + q["unsent"] <= 125 and q["sent"] == k["register"]["done"] and not b["failures"]'
check "all times are there, and those from when due are the longer ones" says \
	'r["from_due_ms"]["n"] == q["sent"] + q["unsent"] and r["from_sent_ms"]["n"] == q["sent"] and r["from_due_ms"]["p50"] >= r["from_sent_ms"]["p50"] >= k["register"]["ms"]["min"] > 0 and b["http_ms"]["n"] >= q["sent"] + 60'
check "LTKMs came, and no card refused one" says 'b["ltkm"]["keys"] >= 3 and b["ltkm"]["refused"] == 0 == b["ltkm"]["strangers"] and b["ltkm_ms"]["n"] >= 3'
check "they are verified: the BSM has heard it" delivered 3
done=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["bsm"]["kinds"]["register"]["done"])' "$dir/out.json")
check "the BSM has counted as many registrations" await_status 15 "$dir/bsm.sock" "s['requests']['registrations'] == $done and s['registered']['reachable'] == 30"

# -- a file; a key is there from the registration, and then asked for
load "$url" "${at[@]}" --subscribers "$dir/keys/subscribers.yaml" --window 2 --ask register,ltkm --duration 700ms --timeout 20s --ltkm "udp://127.0.0.2:$p_phone"
check "those of a file, one of whom was given its keys" says 'r["connections"]["up"] == 4 and k["bootstrap"]["done"] == 3 and k["register"]["done"] > 8'
check "LTKM Requests are answered" says 'k["ltkm"]["done"] >= 1'
load "$url" "${at[@]}" --range 1-3 --rate 20 --ask stkm --service nothing --duration 500ms --timeout 20s
check "what the BSM refuses is told by kind and status" says "$status == 1 and list(b['failures']) == ['stkm 404'] and q['errors'] == k['stkm']['failed'] == q['sent']"
load "$url" "${at[@]}" --range 31-32 --rate 20 --duration 500ms --timeout 20s
check "a subscriber that the BSM does not know: nobody is up" says "$status == 69 and r['connections']['refused'] == 2 and 'bootstrap 401' in b['failures']"

# -- misdeeds: each earns what it should, the others are answered, and none is counted among the requests
wrong() { # KIND RANGE ANSWER
	load "$url" "${at[@]}" --range "$2" --rate 60 --duration 800ms --timeout 25s --misbehave "$1" --every 3
	exits 0 && says "r['misbehaviour']['as_expected'] and r['misbehaviour']['answers'] == {'$3': r['misbehaviour']['done']} and 1 < r['misbehaviour']['done'] <= q['sent'] / 3" &&
		says 'q["sent"] == q["answered"] == k["register"]["done"] == r["from_sent_ms"]["n"] and not b["failures"]'
}
stalls() { report=$dir/stall.json wrong stall 4-6 408 >"$dir/log/stall" 2>&1; }
stalls &	# it takes the BSM's patience
stalling=$!
for row in "anonymous 401" "key 401" "stranger 401" "tampered 401" "elsewhere 401" "nonsense 400" "entities 400" "oversized 413" "garbage 400" \
	"lengths 400" "header 431" "leave left" "vanish 200"; do
	check "a BSM and ${row% *}" wrong "${row% *}" 1-3 "${row#* }"
done
replayed() { value "$dir/bsm.sock" 's["requests"]["replayed"]'; }
before=$(replayed)
check "a BSM and replay" wrong replay 1-3 401
check "which it calls that, too" says "r['misbehaviour']['done'] == $(replayed) - $before"
wait "$stalling"
check "a BSM and stall" same "$?" 0
load "$url" "${at[@]}" --range 1-3 --rate 60 --duration 800ms --timeout 3s --misbehave stall --every 3
check "one that waits for longer than is waited for it is not as expected" says \
	"$status == 1 and list(r['misbehaviour']['answers']) == ['no answer in time'] and not r['misbehaviour']['as_expected'] and q['answered'] > 0"

# -- one that stands still
(load "$url" "${at[@]}" --range 1-5 --rate 100 --duration 4s --timeout 30s --histogram; exit "$status") &
loading=$!
await_status 15 "$dir/bsm.sock" "s['requests']['registrations'] >= $(value "$dir/bsm.sock" 's["requests"]["registrations"]') + 20" >/dev/null
freeze bsm
sleep 2	# the fault itself
thaw bsm
wait "$loading"
slow='lambda h: sum(n[2] for n in r[h]["buckets"] if n[0] > 500)'
check "a BSM that stands still: few have waited, many were due" says \
	"(lambda slow: 4 * slow('from_sent_ms') < slow('from_due_ms') > 100 and r['from_due_ms']['p99'] > 1000)($slow)"

check "nobody there: 69" ends 69 "http://127.0.0.1:1" "${at[@]}" --range 1-2 --duration 500ms
check "no subscribers: 64" ends 64 "$url" "${at[@]}"
check "an unknown question: 64" ends 64 "$url" "${at[@]}" --range 1-2 --ask coffee
check "a misdeed of an EMMG: 64" ends 64 "$url" "${at[@]}" --range 1-2 --misbehave truncated
check "one that needs a bare connection, over TLS: 64" ends 64 "https${url#http}" "${at[@]}" --range 1-2 --misbehave garbage
check "SIGTERM ends the BSM" stop bsm 15
