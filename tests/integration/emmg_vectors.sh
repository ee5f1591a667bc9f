#!/usr/bin/env bash
# tests/integration/emmg_vectors.sh: every EMMG<=>MUX message of the vectors, negatives and segmentation cases among them, by TCP and UDP
# to a running simulgate-mux, lenient and strict; and the habits of other people's EMMGs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vectors=$top_srcdir/tests/data/sim/simulcrypt-vectors.json
plan $((2 * (1 + 34 + 1) + 1 + 8 + 1))
maps() { local id; for id in 0/0x4AE60001/32 1/0x4AE60001/33 0x4AE60001/3 0x00010007/21; do options+=(--map "$id=udp://127.0.0.1:$1"); done; }
for mode in lenient strict; do
	ports port air
	options=(--listen "tcp://127.0.0.1:$port" --udp "udp://127.0.0.1:$port" --total 200kbit/s)
	maps "$air"
	[ $mode = lenient ] || options+=(--strict)
	sg "$mode" mux "${options[@]}"
	await_port 20 "$port" || bail "simulgate-mux listens"
	verdicts "$PYTHON" "$here/emmgwire.py" vectors "$vectors" $mode "127.0.0.1:$port" "$dir/log/$mode" "$air"
	check "$mode: SIGTERM ends it" stop "$mode" 15
done
ports port air
options=(--listen "tcp://127.0.0.1:$port" --udp "udp://127.0.0.1:$port" --total 100Mbit/s --silence 1)
maps "$air"
sg habits mux "${options[@]}"
await_port 20 "$port" || bail "simulgate-mux listens"
verdicts "$PYTHON" "$here/emmgwire.py" habits "127.0.0.1:$port" "$air"
check "SIGTERM ends it" stop habits 15
