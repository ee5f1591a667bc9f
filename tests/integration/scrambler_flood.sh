#!/usr/bin/env bash
# tests/integration/scrambler_flood.sh: simulgate-scrambler on two threads between sources, receivers and an SCS that are not ours:
# one service is flooded, the others lose nothing
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 6
"$PYTHON" "$here/scrambler.py" conf "$dir" || bail "a configuration"
conf=$dir/headend.yaml
sg scrambler scrambler --config "$conf" --status "unix://$dir/scrambler.sock"
check "it is ready" await_log 20 scrambler event=ready
verdicts timeout 100 "$PYTHON" "$here/scrambler.py" flood "$dir" "${pid[scrambler]}"
check "SIGTERM ends it" stop scrambler 15
