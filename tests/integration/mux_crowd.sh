#!/usr/bin/env bash
# tests/integration/mux_crowd.sh: a mux that runs out of descriptors tells the newcomer 0x0007 and keeps everybody else.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 3
ports port air
start mux bash -c "ulimit -n 60 && exec '$(program mux)' --listen tcp://127.0.0.1:$port --map 0x4AE60001/32=udp://127.0.0.1:$air"
await_port 20 "$port" || bail "simulgate-mux listens"
check "the one too many is told, the others are answered" within 120 "$PYTHON" "$here/emmgwire.py" crowd "127.0.0.1:$port"
check "the log says so once" await_log 20 mux 'event=refused .*error=0x0007'
check "SIGTERM ends it" stop mux 15
