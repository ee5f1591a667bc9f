#!/usr/bin/env bash
# tests/integration/headend_demo.sh: `simulgate run` of the shipped example, twice with the same state: every receiver sees every
# packet right, and the second life goes on counting crypto-periods where the first ended.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 10
examples_at "$dir/examples" || bail "the examples can be copied"
# Ports and groups of this test's own, so that tests can run side by side; periods of 2 s, so that a life of 14 s has enough of them.
ports a b c d e f h l m n o
g=$(group)
sed -i "s/crypto_period: 5s/crypto_period: 2s/; s/tcp:\/\/127.0.0.1:7001/tcp:\/\/127.0.0.1:$a/; s/tcp:\/\/127.0.0.1:7002/tcp:\/\/127.0.0.1:$b/
	s/127.0.0.1:7080/127.0.0.1:$m/; s/127.0.0.1:4359\"/127.0.0.1:$n\", ltkm_port: $o/; s/127.0.0.2:4359/127.0.0.2:$o/
	s/127.0.0.1:7020/127.0.0.1:$h/; s/239\.255\.1\.1:5020/$g:$l/
	s/239\.255\.0\.1:5004/$g:$c/; s/239\.255\.1\.1:5004/$g:$d/; s/239\.255\.1\.1:5010/$g:$e/; s/239\.255\.1\.1:5012/$g:$f/" "$dir/examples/headend.yaml"

buys() {
	"$(program "")" kms init --config "$dir/examples/headend.yaml" &&
		"$(program "")" subscribe subscriber add "$dir/examples/keys/subscribers.yaml" --config "$dir/examples/headend.yaml" &&
		"$(program "")" subscribe add --subscriber phone --service news --config "$dir/examples/headend.yaml"
}
check "the phone's subscriber buys the programme" buys
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
