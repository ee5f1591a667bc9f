#!/usr/bin/env bash
# tests/integration/emmg_tshark.sh: what simulgate-emmg says, read by tshark: a session by TCP of versions 1, 2, 3 and 5, by UDP of 2, 3
# and 5. The mux is simmux.py, whose own messages, parameters backwards, are judged along with ours.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark dumpcap
plan 18
declare -A tcp udp
for session in tcp1 tcp2 tcp3 tcp5 udp2 udp3 udp5; do
	ports a b
	tcp[$session]=$a udp[$session]=$b
done
capture=$dir/session.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" -f "port $(printf '%s\n' "${tcp[@]}" "${udp[@]}" | paste -sd ' ' | sed 's/ / or port /g')"
await 20 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }
printf '\x82\x70\x05\x01\x02\x03\x04\x05\x83\x70\x02\x0a\x0b' >"$dir/emm"
for session in "${!tcp[@]}"; do
	start "mux_$session" "$PYTHON" "$here/simmux.py" listen "${tcp[$session]}" "${udp[$session]}" "${session#???}" 30
	await_log 20 "mux_$session" listening || bail "$session: the mux listens"
	data=()
	[ "${session%?}" = tcp ] || data=(--udp "udp://127.0.0.1:${udp[$session]}")
	sg "$session" emmg --to "tcp://127.0.0.1:${tcp[$session]}" "${data[@]}" --client-id 0x4AE60001 --data-id 0x20 --source "$dir/emm" \
		--loop --protocol-version "${session#???}" --datagrams-per-message 2 --status "unix://$dir/$session.sock"
	await_status 30 "$dir/$session.sock" 's["channels"][0]["streams"][0]["messages"] >= 20' >/dev/null || bail "$session: data flows"
	check "$session ends in order" stop "$session" 15
	await 20 "the mux to end" gone "mux_$session"
	check "$session: the mux has nothing to complain of" wait "${pid[mux_$session]}"
	unset "pid[mux_$session]"
done
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "${udp[udp2]}"
await 20 "the end of the capture" grep -aq end-of-session "$capture"
stop dumpcap 15

as=()
for p in "${tcp[@]}"; do as+=(-d "tcp.port==$p,simulcrypt"); done
for p in "${udp[@]}"; do as+=(-d "udp.port==$p,simulcrypt"); done
fields() { tshark -2 -r "$capture" "${as[@]}" "$@" 2>>"$dir/log/tshark"; }
fields -T fields -e simulcrypt.message.type -Y 'simulcrypt && !(udp contains "end-of-session")' | tr , '\n' | sort | uniq -c >"$dir/types"
check "every message of the interface is there" same "$(awk '{ print $2 }' "$dir/types" | sort | paste -sd' ')" \
	"0x0011 0x0012 0x0013 0x0014 0x0111 0x0112 0x0113 0x0114 0x0115 0x0116 0x0117 0x0118 0x0211"
check "none is malformed" same "$(fields -Y '_ws.malformed && !(udp contains "end-of-session")')" ""
check "none has a parameter that tshark does not know" same "$(fields -Y 'simulcrypt && !(udp contains "end-of-session")' -V | grep -ci unknown)" 0
check "by UDP goes data and nothing else" same "$(fields -T fields -e simulcrypt.message.type -Y 'udp && simulcrypt && !(udp contains "end-of-session")' | tr , '\n' | sort -u)" 0x0211
