#!/usr/bin/env bash
# tests/integration/decode_live.sh: simulgate decode of a network interface: what a replay and simulgate-ecmg say to one another at that moment.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=replay_lib.sh
. "$here/replay_lib.sh"
plan 7
ports port
within 20 "$decode" -i no-such-interface >"$dir/said" 2>&1
check "an interface that is not there: status 69" same $? 69
sg ecmg ecmg --listen "tcp://127.0.0.1:$port" --plugin lab
await_port 15 "$port" || bail "simulgate-ecmg listens"
for how in json ladder; do
	start "$how" "$decode" -i lo --port "$port" "--$how"
done
# until both listen: a session more at each attempt
heard() {
	"$replay" "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$port" --session 5 --fast --ignore channel_status >>"$dir/log/replay" 2>&1
	logged json '"message":"channel_close"' && logged ladder channel_close
}
await 60 "both to listen" heard || { grep -qiE 'permi|CAP_NET_RAW' "$dir/log/json" && missing "permission to capture"; bail "decode listens"; }
for how in json ladder; do
	sig INT "$how"
	await 15 "$how to end" gone "$how"
	wait "${pid[$how]}"
	check "$how: SIGINT ends it with status 0" same $? 0
	unset "pid[$how]"
done
check "each request has its answer, with the time it took" "$PYTHON" -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
ecms = [g for g in lines if g.get("message") == "ECM_response"]
assert len(ecms) >= 6 and all(0 < g["latency_us"] < 60e6 for g in ecms[-6:]), ecms
assert lines[-1]["event"] == "summary" and lines[-1]["faults"] == 0, lines[-1]' "$dir/log/json"
check "the ladder has arrows both ways" grep -Eq 'CW_provision.*>' "$dir/log/ladder"
check "and ends with the counts" grep -Eq '^[0-9]+ messages in [0-9]+ sessions?' "$dir/log/ladder"
check "no control word is shown" same "$(grep -c '"masked":true' "$dir/log/json")" "$(grep -c '"message":"CW_provision"' "$dir/log/json")"
