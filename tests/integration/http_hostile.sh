#!/usr/bin/env bash
# tests/integration/http_hostile.sh: our HTTP server under slowloris, floods, garbage, slow readers and crowds: bounded memory, others are served, and
# everything that it has refused was told.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 17
# what was freed is not kept back, so that memory says something
start server env ASAN_OPTIONS="$ASAN_OPTIONS:quarantine_size_mb=1" "$top_builddir/tests/integration/httpd_run" tcp://127.0.0.1:0
await 15 "a port" grep -q ^port "$dir/log/server" || bail "the server listens"
verdicts "$PYTHON" "$here/http_hostile.py" "$(awk '/^port/ { print $2 }' "$dir/log/server")" "${pid[server]}"
for status in 0 400 408 413 431 503; do
	grep -q "^refused $status " "$dir/log/server" || untold+=" $status"
done
check "refusals of each kind are told" same "${untold:-}" ""
check "clients that leave are told" grep -q '^gone' "$dir/log/server"
check "SIGTERM ends it" stop server
