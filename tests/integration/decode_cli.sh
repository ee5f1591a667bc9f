#!/usr/bin/env bash
# tests/integration/decode_cli.sh: simulgate decode as its user meets it: filters, masks, broken captures, pipes, signals, exit statuses.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 22
for tool in "$SIMULGATE_LIBEXEC/tools/simulgate-decode" "$SIMULGATE_LIBEXEC/simulgate-decode"; do [ ! -x "$tool" ] || break; done
captures=$top_srcdir/tests/data/captures
ecmg=$captures/third-party-ecmg-scs.pcap
tcp=$captures/third-party-emmg-mux-tcp.pcap
decode() { "$tool" "$@" 2>>"$dir/log/decode"; }
status() { decode "$@" >"$dir/out"; echo $?; }
count() { decode --json "${@:2}" | grep -c "$1"; }
message='"event":"message"'

check "a filter by message" same "$(count "$message" --message CW_provision "$ecmg")" 16
check "by stream and channel" same "$(count "$message" --stream 1 --channel 1 "$ecmg")" 60
check "by another channel" same "$(count "$message" --channel 2 "$ecmg")" 0
check "by peer" same "$(count "$message" --peer 127.0.0.1:22223 "$ecmg")" "$(grep -c " 22223," "$captures/ecmg-scs.txt")"
check "by a port of a peer" same "$(count "$message" --peer :22223 "$ecmg")" "$(grep -c " 22223," "$captures/ecmg-scs.txt")"
check "errors alone" same "$(count "$message" --errors "$ecmg")" 3
check "with the sessions that they are in, and how many more there are" same "$(decode --errors "$ecmg" | tail -n +2 | grep ' messages in ' | cut -d, -f1,2)" "3 messages in 2 sessions, 77 others not asked for"
check "one port alone" same "$(count "$message" --port 22223 "$ecmg")" "$(grep -c " 22223," "$captures/ecmg-scs.txt")"
check "JSON is JSON, a line each" "$PYTHON" -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert lines[-1]["event"] == "summary" and lines[-1]["messages"] == len(lines) - 1 == 80, lines[-1]
assert any("latency_us" in g for g in lines)' < <(decode --json "$ecmg")
# the control words of this capture, as the file has them
words=$(decode --json --secrets --message CW_provision "$ecmg" | grep -o '"cp":[0-9]*,"value":"[0-9a-f]*"' | sed 's/.*:"//; s/"//' | sort -u)
check "there are control words to be masked" test "$(wc -w <<<"$words")" -ge 4
none() { ! grep -F "$words" "$dir/masked"; }
for how in --json -v --ladder --errors; do
	decode $how --message CW_provision "$ecmg"
	for as in mux eis psig playout; do decode $how --as $as --port 22223 "$ecmg"; done	# the wrong names
done >"$dir/masked"
check "and none is shown unless asked for" none
check "every line of -v has 80 columns at most" same "$(decode -v "$ecmg" | awk 'length > 80' | head -3)" ""

# broken captures: what is there is told
head -c 9000 "$ecmg" >"$dir/short.pcap"
check "a capture that breaks off: status 1" same "$(status --summary "$dir/short.pcap")" 1
check "with what was before" grep -q '[1-9][0-9]* messages' "$dir/out"
head -c 24 "$ecmg" >"$dir/empty.pcap"
check "a capture without frames: status 0" same "$(status "$dir/empty.pcap")" 0
check "which says so" grep -q '^0 frames' "$dir/out"
echo "no capture, but longer than the header of one is" >"$dir/text.pcap"
check "no capture: status 78" same "$(status "$dir/text.pcap")" 78
check "no file: status 78" same "$(status "$dir/none.pcap")" 78
check "no file named: status 64" same "$(status)" 64
# the same frames again and again, by standard input: memory stays; sanitizers have their own
repeated() {
	"$PYTHON" - "$tcp" "$1" <<-'EOF'
	import sys
	whole = open(sys.argv[1], "rb").read()
	sys.stdout.buffer.write(whole[:24])
	frames = whole[24:] * 100
	try:
	    for _ in range(int(sys.argv[2])):
	        sys.stdout.buffer.write(frames)
	except BrokenPipeError:
	    pass
	EOF
}
check "a pipe of 100 MB" same "$(repeated 20 | decode --summary - | head -1)" "420000 frames: 420000 TCP, 0 UDP"
mkfifo "$dir/pipe"
repeated 4 >"$dir/pipe" 2>>"$dir/log/repeated" &
writer=$!
exec 7<>"$dir/pipe"	# keeps it open: the capture does not end
"$tool" --summary - <"$dir/pipe" >>"$dir/log/live" 2>&1 &
pid[live]=$!
grows() { kill -0 "${pid[live]}" && [ "$(awk '/^read_bytes|^rchar/ { n += $2 } END { print n }' "/proc/${pid[live]}/io")" -gt 15000000 ]; }
await 60 "the pipe to be read" grows
memory=$(awk '/^VmHWM/ { print $2 }' "/proc/${pid[live]}/status")
kill -INT "${pid[live]}"
wait "${pid[live]}"
status=$?
exec 7>&-
kill "$writer" 2>/dev/null	# what is left in it has no reader
wait "$writer" 2>/dev/null
check "SIGINT ends it with status 0 and a summary" test "$status" -eq 0 -a -n "$(grep -E '^[0-9]+ frames' "$dir/log/live")"
unset 'pid[live]'
if ldd "$tool" 2>/dev/null | grep -q asan; then most=400000; else most=65536; fi
check "and it held less than 64 MiB" test "$memory" -lt $most
