#!/usr/bin/env bash
# tests/integration/scrub_copies.sh: simulgate scrub of other people's captures, and of copies that are harder to read: tshark and simulgate-decode see
# the same before and after, frame for frame and message for message.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark capinfos
"$PYTHON" -c 'import scapy.all' 2>/dev/null || missing python3-scapy
captures=(ecmg-scs emmg-mux-tcp emmg-mux-udp)
kinds=(same ports midway reordered split doubled v6 fragments lost)
links=(vlan cooked cookedv2 raw)	# of one capture: what is in the frames does not matter
plan $((6 * (${#captures[@]} * ${#kinds[@]} + ${#links[@]})))
scrub=$(program scrub) decode=$(program decode)
[ -x "$scrub" ] || { scrub=$SIMULGATE_LIBEXEC/tools/simulgate-scrub decode=$SIMULGATE_LIBEXEC/tools/simulgate-decode; }
(umask 077; echo "the key of this test, and of no other" >"$dir/key")
# What tshark sees but ids, addresses and octets; $2: its names of what is in messages, too
view() {
	local port as=() fields=() f
	for port in $3; do as+=(-d "tcp.port==$port,simulcrypt" -d "udp.port==$port,simulcrypt"); done
	for f in frame.time_epoch frame.len frame.cap_len eth.type ip.len ip.id ip.flags ip.frag_offset ip.ttl ip.checksum.status ipv6.plen tcp.srcport tcp.dstport tcp.seq_raw \
		tcp.ack_raw tcp.len tcp.flags tcp.checksum.status udp.length udp.checksum.status $2; do
		fields+=(-e "$f")
	done
	tshark -2 -r "$1" "${as[@]}" -o tcp.reassemble_out_of_order:TRUE -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -T fields \
		"${fields[@]}" 2>>"$dir/log/tshark"
}
inner="simulcrypt.version simulcrypt.message.type simulcrypt.message.len simulcrypt.parameter.type simulcrypt.parameter.len simulcrypt.cp_number simulcrypt.delay_start
	simulcrypt.lead_cw simulcrypt.cp_duration simulcrypt.section_tspkt_flag simulcrypt.bandwidth simulcrypt.data_type simulcrypt.error_status"
counts() { capinfos -TmrQ -c -a -e -l -t -E -y -i -d "$1" 2>&1 | cut -d, -f2-; }
for capture in "${captures[@]}"; do
	[ "$capture" != emmg-mux-udp ] || kinds+=("${links[@]}")
	while read -r kind ports; do
		copy=$dir/$capture-$kind what=$inner
		# behind a gap tshark takes whatever comes for messages
		[ "$kind" != lost ] || what=
		"$scrub" --key "$dir/key" "$copy.pcap" "$copy-scrubbed.pcap" >>"$dir/log/scrub" 2>&1 || diag "simulgate-scrub ends with $?"
		check "$capture, $kind: tshark sees the same" same "$(view "$copy-scrubbed.pcap" "$what" "$ports" | cksum)" "$(view "$copy.pcap" "$what" "$ports" | cksum)"
		check "$capture, $kind: capinfos counts the same" same "$(counts "$copy-scrubbed.pcap")" "$(counts "$copy.pcap")"
		"$decode" --json --secrets "$copy.pcap" >"$copy.json"
		"$decode" --json --secrets "$copy-scrubbed.pcap" >"$copy-scrubbed.json"
		verdicts "$PYTHON" "$here/scrub_judge.py" "$capture, $kind" "$copy.pcap" "$copy.json" "$copy-scrubbed.pcap" "$copy-scrubbed.json"
	done < <("$PYTHON" "$here/capture_copies.py" "$top_srcdir/tests/data/captures/third-party-$capture.pcap" "$dir/$capture" "${kinds[@]}" \
		2>>"$dir/log/scapy")
done
