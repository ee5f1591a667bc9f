#!/usr/bin/env bash
# tests/integration/ecmg_crowd.sh: an ECMG that runs out of descriptors tells the newcomer 0x0008 and keeps everybody else.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 3
ports port
start ecmg bash -c "ulimit -n 60 && exec '$(program ecmg)' --listen tcp://127.0.0.1:$port --plugin lab"
await_port 20 "$port" || bail "simulgate-ecmg listens"
check "the one too many is told, the others are answered" within 120 "$PYTHON" "$here/simwire.py" crowd "127.0.0.1:$port"
check "the log says so" await_log 20 ecmg 'event=refused .*message=channel_setup error=0x0008'
check "SIGTERM ends it" stop ecmg 15
