#!/usr/bin/env bash
# tests/integration/emmg_mux.sh: simulgate-emmg against a MUX of other people's making (simmux.py): every version, TCP and UDP, parameters
# in any order, messages cut and joined, every vector, errors, allocations, lost connections, stalls.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 31
judge() { "$PYTHON" "$here/simmux.py" "${@:2}" -- "$(program emmg)" "$dir/log/$1" "$dir/$1"; }
mkdir "$dir/aside" "$dir/emmg"
# Most of either is waiting for time-outs: at the same time.
judge aside vectors >"$dir/vectors" 2>>"$dir/log/judge" &
aside=$!
verdicts judge emmg sessions udp messages bandwidth connections sources
wait $aside
verdicts cat "$dir/vectors"
check "it is clear which stream lacks what" same "$(within 20 "$(program emmg)" --to tcp://127.0.0.1:1 --client-id 1 --data-id 7 2>&1 | grep -o 'msg=.*')" \
	'msg="data_id 7 has neither --source nor --plugin"'
