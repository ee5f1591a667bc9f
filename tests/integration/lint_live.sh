#!/usr/bin/env bash
# tests/integration/lint_live.sh: simulgate lint listens while the demo head-end runs: our SCS, ECMGs, mux and EMMG have no finding, and the ECMs
# are seen on air in their windows.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 6
for lint in "$SIMULGATE_LIBEXEC/tools/simulgate-lint" "$SIMULGATE_LIBEXEC/simulgate-lint"; do [ ! -x "$lint" ] || break; done
demo_at "$dir/examples"
demo_buys "$dir/examples" >>"$dir/log/buys" 2>&1 || bail "the phone's subscriber buys the programme"
within 20 "$lint" --live no-such-interface >"$dir/said" 2>&1
check "an interface that is not there: status 69" same $? 69
start listens "$lint" --live lo --json
# it has a socket for packets, or has ended
socket() { readlink "/proc/${pid[listens]}/fd/"* 2>/dev/null | grep -q socket; }
listens() { alive listens && socket; }
await 20 "lint to listen" listens || { grep -qiE 'permi|CAP_NET_RAW' "$dir/log/listens" && missing "permission to capture"; bail "lint listens"; }
within 60 "$(program "")" run "$dir/examples/headend.yaml" --seconds 14 >"$dir/log/out" 2>"$dir/log/run"
check "the head-end ran" same $? 0
sig INT listens
await 20 "lint to end" gone listens
wait "${pid[listens]}"
status=$?
unset 'pid[listens]'
check "SIGINT ends it with its report" test "$status" -le 1 -a -s "$dir/log/listens"
# of the sessions on this interface those of the demo alone: tests run side by side
judged() {
	"$PYTHON" - "$dir/log/listens" "$a" "$b" "$h" "$@" <<-'EOF'
	import json, sys
	report = json.load(open(sys.argv[1]))
	ports, what = sys.argv[2:5], sys.argv[5]
	ours = {s["session"]: s for s in report["sessions"] if s["server"].rsplit(":")[-1] in ports}
	if what == "clean":
	    # what came late may be the machine's fault, which stands still now and then: that most of it was in time is the next two's
	    clock = ("ecm-late", "air-repetition")
	    wrong = [f for f in report["findings"] if f["session"] in ours and f["severity"] != "notice" and f["rule"] not in clock]
	    assert not wrong, "\n".join(f"{f['rule']}: {f['text']}" for f in wrong)
	    kinds = {s["interface"] for s in ours.values()}
	    assert kinds == {"ECMG<=>SCS", "EMMG<=>MUX"}, kinds
	periods = [p for s in ours.values() for t in s["streams"] for p in t["crypto_periods"]]
	if what == "periods":
	    assert sum(1 for p in periods if p["latency_ms"] is not None and not p["late"]) >= 6, periods
	if what == "air":
	    assert sum(1 for p in periods if p.get("on_air_times", 0) >= 2) >= 4, periods
	EOF
}
check "ours have no finding" judged clean
check "their crypto-periods are told" judged periods
check "and when their ECMs were on air" judged air
