#!/usr/bin/env bash
# tests/integration/lint_cli.sh: simulgate lint as its user meets it: reports of other people's sessions as goldens, captures that each break one rule,
# late, lossy, reordered and hostile ones, exit statuses, options, pipes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
"$PYTHON" -c 'import scapy' 2>/dev/null || missing "scapy"
for lint in "$SIMULGATE_LIBEXEC/tools/simulgate-lint" "$SIMULGATE_LIBEXEC/simulgate-lint"; do [ ! -x "$lint" ] || break; done
captures=$top_srcdir/tests/data/captures goldens=$top_srcdir/tests/data/lint
lint() { "$lint" "$@" 2>>"$dir/log/lint"; }
status() { lint "$@" >"$dir/out"; echo $?; }
rules() { lint --json "$1" | "$PYTHON" -c 'import json, sys; print(*sorted({f["rule"] for f in json.load(sys.stdin)["findings"]}))'; }
plan 26

golden() {
	lint "$captures/$1.pcap" >"$dir/report"
	[ "${GW_GOLDEN:-}" != write ] || cp "$dir/report" "$goldens/$1.txt"
	diff -u "$goldens/$1.txt" "$dir/report"
}
for name in third-party-ecmg-scs third-party-emmg-mux-tcp third-party-emmg-mux-udp; do
	check "$name: what its equipment does wrong, by clause" golden $name
	# a capture that begins late, or lacks something, or has it in another order, has no other finding
	"$PYTHON" "$here/capture_copies.py" "$captures/$name.pcap" "$dir/$name" midway lost reordered doubled split v6 ports >/dev/null 2>"$dir/log/copies"
	more() {
		local copy known
		known=" $(rules "$captures/$name.pcap") "
		for copy in "$dir/$name"-*.pcap; do
			for rule in $(rules "$copy"); do
				[[ $known == *" $rule "* ]] || { echo "$copy: $rule"; return 1; }
			done
		done
	}
	check "$name: its copies have nothing else" more
done

mkdir "$dir/made" "$dir/hostile"
made=$("$PYTHON" "$here/lint_captures.py" "$dir/made")
check "a conforming session: status 0" same "$(status --fail-on notice "$dir/made/conforming.pcap")" 0
check "which is said" grep -q '^0 errors, 0 warnings, 0 notices' "$dir/out"
each() {
	local rule found
	for rule in $made; do
		found=$(rules "$dir/made/$rule.pcap")
		[ "$found" = "$rule" ] || { echo "$rule: found $found"; lint "$dir/made/$rule.pcap"; return 1; }
	done
}
check "captures that break one rule: that one is found" each
check "there are 22 of them" same "$(wc -w <<<"$made")" 22
"$PYTHON" "$here/lint_captures.py" --hostile "$captures/third-party-ecmg-scs.pcap" "$dir/hostile" 8
"$PYTHON" "$here/lint_captures.py" --hostile "$captures/third-party-emmg-mux-udp.pcap" "$dir/hostile" 8
survives() {
	lint --json "$dir"/hostile/*.pcap >"$dir/out"
	[ $? -le 1 ] && "$PYTHON" -c 'import json, sys
for line in sys.stdin: assert json.loads(line)["schema"] == "simulgate-lint-1"' <"$dir/out"
}
check "captures with octets changed" survives

check "an error: status 1" same "$(status "$dir/made/cw-count.pcap")" 1
check "a warning: status 0" same "$(status "$dir/made/ecm-late.pcap")" 0
check "unless one asks for more" same "$(status --fail-on warning "$dir/made/ecm-late.pcap")" 1
check "a rule that is ignored: status 0" same "$(status --ignore cw-count "$dir/made/cw-count.pcap")" 0
check "one that is none: status 64" same "$(status --ignore no-such-rule "$dir/made/cw-count.pcap")" 64
check "no capture: status 78" same "$(status "$here/lint_cli.sh")" 78
check "nothing to read: status 64" same "$(status)" 64
size=$(wc -c <"$dir/made/conforming.pcap")
head -c $((size - 30)) "$dir/made/conforming.pcap" >"$dir/short.pcap"
check "a capture that breaks off: status 78" same "$(status "$dir/short.pcap")" 78
check "and what was before is judged" grep -q 'not read to its end' "$dir/out"
check "the table of rules" same "$(lint --rules | grep -c '^[a-z]')" "$(lint --rules | grep -c '^ ')"
check "every line of the report has 80 columns at most" same "$(lint "$captures"/*.pcap | awk 'length > 80' | head -3)" ""
words=$(lint --json "$dir/made/cw-changed.pcap" | grep -ciE 'a1a2a3a4|7777777777')
check "no control word is shown" same "$words" 0
odd=$dir/$(printf 'odd \377.pcap')
cp "$dir/made/conforming.pcap" "$odd"
check "a name that is no UTF-8" same "$(lint --json "$odd" | grep -o '"capture":"[^"]*"')" "\"capture\":\"$dir/odd ?.pcap\""

# Without an end: a pipe; memory stays.
repeated() {
	"$PYTHON" - "$captures/third-party-ecmg-scs.pcap" <<-'EOF'
	import sys
	whole = open(sys.argv[1], "rb").read()
	sys.stdout.buffer.write(whole[:24])
	try:
	    while True:
	        sys.stdout.buffer.write(whole[24:] * 100)
	except BrokenPipeError:
	    pass
	EOF
}
mkfifo "$dir/pipe"
repeated >"$dir/pipe" 2>>"$dir/log/repeated" &
writer=$!
"$lint" - <"$dir/pipe" >>"$dir/log/live" 2>&1 &
pid[live]=$!
grows() { alive live && [ "$(awk '/^rchar/ { print $2 }' "/proc/${pid[live]}/io")" -gt 15000000 ]; }
await 60 "the pipe to be read" grows
memory=$(awk '/^VmHWM/ { print $2 }' "/proc/${pid[live]}/status")
sig INT live
await 30 "lint to end" gone live
wait "${pid[live]}"
status=$?
unset 'pid[live]'
kill "$writer" 2>/dev/null
wait "$writer" 2>/dev/null
check "SIGINT ends it with the report so far" test "$status" -eq 1 -a -n "$(grep -E '^[0-9]+ errors' "$dir/log/live")"
if ldd "$lint" 2>/dev/null | grep -q asan; then most=600000; else most=131072; fi
check "and it held less than 128 MiB" test "$memory" -lt $most
