#!/usr/bin/env bash
# tests/integration/headend_demo.sh: `simulgate run` of the shipped example, twice with the same state: every receiver sees every
# packet right, and the second life goes on counting crypto-periods where the first ended.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 10
demo_at "$dir/examples"
check "the phone's subscriber buys the programme" demo_buys "$dir/examples"
run() {
	within 60 "$(program "")" run "$dir/examples/headend.yaml" --seconds 14 >"$dir/log/out$1" 2>"$dir/log/run$1"
}
# sums RUN NAME: "lost=0 undecryptable=0", with packets and at least three crypto-periods
sums() {
	local line
	line=$(grep "^terminal $2: " "$dir/log/out$1" | tail -n 1)
	[[ $line =~ packets=([0-9]+)\ lost=0\ undecryptable=0\ crypto_periods=([0-9]+) ]] &&
		[ "${BASH_REMATCH[1]}" -gt 200 ] && [ "${BASH_REMATCH[2]}" -ge 3 ] || { echo "got: $line"; return 1; }
}
switches() { sed -n 's/.*event=key_switch .*cp=\([0-9]*\).*/\1/p' "$dir/log/run$1"; }
for n in 1 2; do
	check "run $n: simulgate run ends with 0" run $n
	check "run $n: handset (DRM profile)" sums $n handset
	check "run $n: phone (Smartcard profile)" sums $n phone
done
check "crypto-periods follow one another in the first life" same "$(switches 1 | head -n 3 | tr '\n' ' ')" "0 1 2 "
last=$(switches 1 | tail -n 1) first=$(switches 2 | head -n 1)
check "the second life goes on where the first ended ($last, then $first)" test "${first:--1}" -ge "${last:-0}"
check "and leaves none out" test "${first:-9999}" -le $((${last:-0} + 1))
