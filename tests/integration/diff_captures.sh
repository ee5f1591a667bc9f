#!/usr/bin/env bash
# tests/integration/diff_captures.sh: simulgate diff of other people's captures with copies of them: those that say the same, and those in
# which one thing was changed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=replay_lib.sh
. "$here/replay_lib.sh"
need tshark
"$PYTHON" -c 'import scapy.all' 2>/dev/null || missing python3-scapy
same_kinds=(ports reordered split doubled v6 fragments)
plan $((3 * ${#same_kinds[@]} + 3 * 2 + 15))
status() { "$diff" "$@" >"$dir/report" 2>>"$dir/log/diff"; echo $?; }
for capture in ecmg-scs emmg-mux-tcp emmg-mux-udp; do
	original=$captures/third-party-$capture.pcap
	"$PYTHON" "$here/capture_copies.py" "$original" "$dir/$capture" "${same_kinds[@]}" midway lost >"$dir/kinds" 2>>"$dir/log/scapy"
	for kind in "${same_kinds[@]}"; do
		check "$capture, $kind: the same, octet for octet" same "$(status --strict "$original" "$dir/$capture-$kind.pcap")" 0
	done
	check "$capture without its beginning: differs" same "$(status "$original" "$dir/$capture-midway.pcap")" 1
	check "$capture with a segment lost: differs" same "$(status "$original" "$dir/$capture-lost.pcap")" 1
done

# changed NAME N OLD NEW: the Nth place (from 0 on) of these octets of the ECMG capture, as hexadecimal text
changed() {
	"$PYTHON" - "$ecmg_capture" "$dir/$1.pcap" "$2" "$3" "$4" <<-'EOF2'
	import sys
	source, target, nth, old, new = sys.argv[1:]
	whole, old, new, at = open(source, "rb").read(), bytes.fromhex(old), bytes.fromhex(new), -1
	for _ in range(int(nth) + 1):
	    at = whole.index(old, at + 1)
	open(target, "wb").write(whole[:at] + new + whole[at + len(old):])
	EOF2
}
differences() { "$diff" --json "$ecmg_capture" "$dir/$1.pcap" "${@:3}" 2>>"$dir/log/diff" | "$PYTHON" -c "import json, sys
g = [json.loads(line) for line in sys.stdin]
d, s = g[:-1], g[-1]
assert $2, (d, s)"; }
changed delay 1 0003000200c8 00030002012c	# delay_start of the second session
check "one value: told with its session, message and name" differences delay \
	'[(x["session"], x["a"]["message"], x["kind"], x["name"], x["values"]) for x in d] == [(2, "channel_status", "field", "delay_start", ["200ms", "300ms"])]'
check "a line of the report says it" test -n "$("$diff" "$ecmg_capture" "$dir/delay.pcap" | grep -E '^    ~ delay_start +200ms -> 300ms$')"
check "and not when it is ignored" same "$(status --ignore delay_start "$ecmg_capture" "$dir/delay.pcap")" 0
changed stream 0 000f00020001 000f00020007	# ECM_stream_id of the first stream_setup alone
check "a name that means two things" differences stream 'd and all(x["session"] == 1 for x in d)'
changed error 0 70000002000b 700000020007
check "another error" differences error '[(x["a"]["message"], x["name"], x["values"]) for x in d] == [("stream_error", "error_status", ["0x000b", "0x0007"])]'
"$PYTHON" - "$ecmg_capture" "$dir/cw.pcap" <<'EOF2'
import sys
whole = bytearray(open(sys.argv[1], "rb").read())
at = whole.index(bytes.fromhex("0014000a0000"))	# CP_CW_combination of CP 0
whole[at + 6] ^= 0xff
open(sys.argv[2], "wb").write(whole)
EOF2
check "another control word is the same" same "$(status "$ecmg_capture" "$dir/cw.pcap")" 0
check "unless asked for every octet" same "$(status --strict "$ecmg_capture" "$dir/cw.pcap")" 1
check "and even then it is not shown" test -n "$(grep -E 'CP_CW_combination +0:\(8 bytes\) -> 0:\(8 bytes\)' "$dir/report")"
# All of them to one port in version 3, as a replay may have spoken it: which connection is whose does not hang on the version then.
"$PYTHON" - "$ecmg_capture" "$dir/version.pcap" 2>>"$dir/log/scapy" <<'EOF2'
import re, sys
from scapy.all import TCP, Raw, rdpcap, wrpcap
frames = rdpcap(sys.argv[1])
for p in frames:
    t = p[TCP]
    t.sport, t.dport = (22229 if 22220 <= port < 22226 else port for port in (t.sport, t.dport))
    if Raw in p:
        p[Raw].load = re.sub(rb"\x02([\x00-\x02][\x01-\x06]..\x00\x0e\x00\x02)", lambda m: b"\3" + m[1], bytes(p[Raw].load), flags=re.S)
wrpcap(sys.argv[2], frames)
EOF2
check "another version, which does not count" same "$(status --ignore protocol_version "$ecmg_capture" "$dir/version.pcap")" 0
tshark -r "$ecmg_capture" -Y '!(tcp.port == 22224)' -F pcap -w "$dir/fewer.pcap" 2>>"$dir/log/tshark"
check "a session less" differences fewer '[(x["session"], x["kind"], "a" in x) for x in d] == [(4, "missing", False)]'
check "with its lines within 80 columns" same "$("$diff" "$ecmg_capture" "$dir/delay.pcap" | awk 'length > 80')" ""

head -c 9000 "$ecmg_capture" >"$dir/short.pcap"
head -c 24 "$ecmg_capture" >"$dir/empty.pcap"
check "a capture that breaks off is not the same" same "$(status "$dir/short.pcap" "$dir/short.pcap")" 1
check "one without messages: status 78" same "$(status "$ecmg_capture" "$dir/empty.pcap")" 78
check "no capture: status 78" same "$(status "$ecmg_capture" "$top_srcdir/README")" 78
check "one file alone: status 64" same "$(status "$ecmg_capture")" 64
