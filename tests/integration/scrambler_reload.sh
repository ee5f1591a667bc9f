#!/usr/bin/env bash
# tests/integration/scrambler_reload.sh: simulgate-scrambler on two threads between sources, receivers and an SCS that are not ours:
# 100 services come and go by SIGHUP, the others lose no packet
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 9
"$PYTHON" "$here/scrambler.py" conf "$dir" || bail "a configuration"
conf=$dir/headend.yaml
sg scrambler scrambler --config "$conf" --status "unix://$dir/scrambler.sock"
check "it is ready" await_log 20 scrambler event=ready
verdicts timeout 100 "$PYTHON" "$here/scrambler.py" reload "$dir" "${pid[scrambler]}"
check "SIGTERM ends it" stop scrambler 15
