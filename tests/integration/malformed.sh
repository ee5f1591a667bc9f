#!/usr/bin/env bash
# tests/integration/malformed.sh: every negative ECMG message of the vectors, to a running simulgate-ecmg, lenient and strict: the
# standard's error with the right code, one log line that says peer, message, parameter and offset; a neighbour's ECMs go on.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vectors=$top_srcdir/tests/data/sim/simulcrypt-vectors.json
cases=$("$PYTHON" -c 'import json, sys; print(sum(v["interface"] == "ECMG-SCS" for v in json.load(open(sys.argv[1]))["negative"]))' "$vectors") || cases=0

plan $((2 * (cases + 2)))
for mode in lenient strict; do
	ports port
	options=(--listen "tcp://127.0.0.1:$port" --plugin lab --set min_CP_duration=50)
	[ $mode = lenient ] || options+=(--strict)
	sg "$mode" ecmg "${options[@]}"
	await_port 15 "$port" || bail "simulgate-ecmg listens"
	verdicts "$PYTHON" "$here/simwire.py" negatives "127.0.0.1:$port" "$dir/log/$mode" "$vectors" $mode
	check "$mode: SIGTERM ends it" stop "$mode"
done
