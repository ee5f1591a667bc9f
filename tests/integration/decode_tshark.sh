#!/usr/bin/env bash
# tests/integration/decode_tshark.sh: simulgate decode of other people's captures, and of copies of them that are harder to read, against tshark.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark
"$PYTHON" -c 'import scapy.all' 2>/dev/null || missing python3-scapy
captures=(ecmg-scs emmg-mux-tcp emmg-mux-udp)
kinds=(same ports midway reordered split doubled v6 fragments lost)
links=(vlan cooked cookedv2 raw)	# of one capture: what is in the frames does not matter
plan $((${#captures[@]} * ${#kinds[@]} + ${#links[@]}))
for tool in "$SIMULGATE_LIBEXEC/tools/simulgate-decode" "$SIMULGATE_LIBEXEC/simulgate-decode"; do [ ! -x "$tool" ] || break; done
judge=$here/decode_judge.py
# tshark is told the ports; it puts segments in order only when asked to, and the times of a copy are those of the original
pdml() {
	local port as=()
	for port in $2; do as+=(-d "tcp.port==$port,simulcrypt" -d "udp.port==$port,simulcrypt"); done
	tshark -2 -r "$1" "${as[@]}" -o tcp.reassemble_out_of_order:TRUE -Y simulcrypt -T pdml 2>>"$dir/log/tshark"
}
for capture in "${captures[@]}"; do
	[ "$capture" != emmg-mux-udp ] || kinds+=("${links[@]}")
	while read -r kind ports; do
		copy=$dir/$capture-$kind
		pdml "$copy.pcap" "$ports" >"$copy.pdml"
		"$tool" --json --secrets "$copy.pcap" >"$copy.json" 2>>"$dir/log/decode" || diag "simulgate-decode ends with $?"
		if [ "$kind" = lost ]; then
			verdicts "$PYTHON" "$judge" "$capture, $kind" "$copy.pdml" "$copy.json" "$dir/$capture-same.pdml"
		else
			verdicts "$PYTHON" "$judge" "$capture, $kind" "$copy.pdml" "$copy.json"
		fi
	done < <("$PYTHON" "$here/capture_copies.py" "$top_srcdir/tests/data/captures/third-party-$capture.pcap" "$dir/$capture" "${kinds[@]}" \
		2>>"$dir/log/scapy")
done
