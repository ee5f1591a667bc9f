# shellcheck shell=bash
# tests/integration/replay_lib.sh: sourced by the tests of simulgate replay and diff, after lib.sh: captures, and judges of what is recorded
captures=$top_srcdir/tests/data/captures
export ecmg_capture=$captures/third-party-ecmg-scs.pcap tcp_capture=$captures/third-party-emmg-mux-tcp.pcap udp_capture=$captures/third-party-emmg-mux-udp.pcap
replay=$(program replay) decode=$(program decode)
for tool in replay decode diff; do
	at=$(program "$tool")
	[ -x "$at" ] || at=$SIMULGATE_LIBEXEC/tools/simulgate-$tool
	printf -v "$tool" %s "$at"
done
# replayed WANT FILE [ARG ...]: the exit status of a replay, its report in $dir/report
replayed() {
	local want=$1 status
	shift
	within 60 "$replay" "$@" >"$dir/report" 2>>"$dir/log/replay"
	status=$?
	[ "$status" -eq "$want" ] || { cat "$dir/report"; echo "status $status, not $want"; return 1; }
}
# A recording: tshark finds nothing malformed and nothing to warn of, and as many messages as we do; capinfos as many packets, in order.
# sound FILE PORT ...
sound() {
	local file=$1 port as=() ours theirs
	shift
	for port; do as+=(-d "tcp.port==$port,simulcrypt" -d "udp.port==$port,simulcrypt"); done
	# 0x600000: warnings and worse; a handshake is a remark to tshark, too
	same "$(tshark -2 -r "$file" "${as[@]}" -Y '_ws.malformed || _ws.expert.severity >= 6291456' 2>>"$dir/log/tshark")" "" || return 1
	same "$(tshark -2 -r "$file" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0' 2>>"$dir/log/tshark")" "" || return 1
	theirs=$(tshark -2 -r "$file" "${as[@]}" -Y simulcrypt -T fields -e simulcrypt.message.type 2>>"$dir/log/tshark" | tr , '\n' | grep -c .)
	ours=$("$decode" --json "$file" | grep -c '"event":"message"')
	same "$ours messages" "$theirs messages" || return 1
	same "$("$decode" --summary "$file" | sed -n '1s/ frames.*//p')" "$(capinfos -Mc "$file" 2>/dev/null | awk '/^Number of packets/ { print $NF }')" || return 1
	capinfos -o "$file" 2>/dev/null | grep -q 'Strict time order: *True'
}
# The number of messages of a name in a capture.
count() { "$decode" --json --message "$2" "$1" 2>/dev/null | grep -c '"event":"message"'; }
at_least() { [ "$1" -ge "$2" ] || { echo "$1 is less than $2"; return 1; }; }
