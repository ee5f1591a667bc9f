#!/usr/bin/env bash
# tests/integration/ecmg_vectors.sh: every other ECMG message of the vectors (malformed.sh has the negative ones), and the
# segmentation cases, to running simulgate-ecmgs of the lead_CW and CW_per_msg they are made for, lenient and strict.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vectors=$top_srcdir/tests/data/sim/simulcrypt-vectors.json
plan $((2 * (34 + 3)))
for mode in lenient strict; do
	places=()
	for window in 1/2 1/1 0/1; do
		ports port
		name=$mode-${window/\//-}
		options=(--listen "tcp://127.0.0.1:$port" --plugin lab --set "lead_CW=${window%/*}" --set "CW_per_msg=${window#*/}")
		[ $mode = lenient ] || options+=(--strict)
		sg "$name" ecmg "${options[@]}"
		await_port 20 "$port" || bail "simulgate-ecmg listens"
		places+=("$window=127.0.0.1:$port=$dir/log/$name")
	done
	verdicts "$PYTHON" "$here/simwire.py" positives "$vectors" $mode "${places[@]}"
	for window in 1-2 1-1 0-1; do check "$mode, $window: SIGTERM ends it" stop "$mode-$window"; done
done
