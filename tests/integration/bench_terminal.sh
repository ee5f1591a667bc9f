#!/usr/bin/env bash
# tests/integration/bench_terminal.sh: the lab bench on a terminal: nothing is wider than it, nothing is cut within a number, colour when it is wanted.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 13
tools=$SIMULGATE_LIBEXEC/tools
[ -x "$tools/simulgate-decode" ] || tools=$SIMULGATE_LIBEXEC
here=$(dirname "$0")
ecmg=$top_srcdir/tests/data/captures/third-party-ecmg-scs.pcap
mux=$top_srcdir/tests/data/captures/third-party-emmg-mux-tcp.pcap
unset NO_COLOR COLUMNS
export TERM=xterm-256color
on() { "$PYTHON" "$here/terminal.py" "$@" 2>>"$dir/log/terminal"; }
# no line has more columns than that, escape sequences having none; and there are lines
fits() {
	on "$1" "${@:2}" >"$dir/screen"
	"$PYTHON" -c 'import re, sys
lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in open(sys.argv[2], encoding="utf-8").read().splitlines()]
wide = [line for line in lines if len(line) > int(sys.argv[1])]
assert len(lines) > 2 and not wide, wide' "$1" "$dir/screen"
}
decode=$tools/simulgate-decode

for width in 80 60; do
	check "lines, $width columns" fits $width "$decode" "$ecmg"
	check "the ladder, $width columns" fits $width "$decode" --ladder "$ecmg"
	check "every field, $width columns" fits $width "$decode" -v "$mux"
done
cut() { on 60 "$decode" "$ecmg" | grep -o '[^ ]*…'; }
check "what is cut is cut between words" same "$(cut | sort -u)" "…"
check "the counts" fits 80 "$decode" --summary "$ecmg"
check "the ladder says why something was refused" grep -q 'stream_error.*!! not enough' <(on 80 "$decode" --ladder "$ecmg")
check "differences" fits 80 "$tools/simulgate-diff" "$ecmg" "$mux"
check "findings" fits 80 "$tools/simulgate-lint" "$ecmg"
coloured() { on 80 "$@" "$decode" "$ecmg" | grep -q $'\033'; }
plain() { ! coloured "$@"; }
check "colour" coloured /usr/bin/env
check "none for NO_COLOR, a dumb terminal" eval 'plain /usr/bin/env NO_COLOR=1 && plain /usr/bin/env TERM=dumb'
