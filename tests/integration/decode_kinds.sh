#!/usr/bin/env bash
# tests/integration/decode_kinds.sh: simulgate decode of link layers and IP packets that the other captures have not, of what is on air, and its JSON
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
"$PYTHON" -c 'import scapy.all' 2>/dev/null || missing python3-scapy
kinds=(vlan provider padded null null6 loop raw6 ipv4 ipv6 extended options)
plan $((${#kinds[@]} + 11))
for tool in "$SIMULGATE_LIBEXEC/tools/simulgate-decode" "$SIMULGATE_LIBEXEC/simulgate-decode"; do [ ! -x "$tool" ] || break; done
captures=$top_srcdir/tests/data/captures
ecmg=$captures/third-party-ecmg-scs.pcap
decode() { "$tool" "$@" 2>>"$dir/log/decode"; }
"$PYTHON" "$here/decode_kinds.py" "$top_srcdir/tests/data" "$dir" 2>>"$dir/log/scapy" || bail "scapy writes captures"
for kind in "${kinds[@]}"; do
	check "$kind: a request and its answer" same "$(decode --json "$dir/$kind.pcap" | grep -c -e '"message":"channel_setup".*"fault":null' \
		-e '"message":"channel_status".*"latency_us":1000000.000,"fault":null')" 2
done

decode --air --json "$dir/air.pcap" >"$dir/air.json"
check "what is on air of BCAST is told from other datagrams" same "$(grep -o '"kind":"[A-Z]*"' "$dir/air.json" | sort | uniq -c | tr -s ' \n' ' ')" \
	' 1 "kind":"LTKM" 5 "kind":"STKM" '
check "and counted" same "$(decode --air --summary "$dir/air.pcap" | tail -1)" "0 messages in 0 sessions, 6 datagrams on air"
check "one kind of it alone" same "$(decode --air --message LTKM "$dir/air.pcap" | grep -c 'on air 239')" 1
check "nothing of it unasked" same "$(decode "$dir/air.pcap" | grep -c 'on air')" 0

decode --json --secrets "$ecmg" >"$dir/ecmg.json"
decode --json "$captures/third-party-emmg-mux-tcp.pcap" >"$dir/emmg.json"
decode --json --as eis --port 22223 "$ecmg" >"$dir/wrong.json"
"$PYTHON" "$here/capture_copies.py" "$ecmg" "$dir/ecmg" midway lost >>"$dir/log/scapy" 2>&1 || bail "copies of a capture"
for copy in midway lost; do decode --json "$dir/ecmg-$copy.pcap" >"$dir/$copy.json"; done
head -c 9000 "$ecmg" >"$dir/short.pcap"
decode --json "$dir/short.pcap" >"$dir/short.json"
check "every object has the members that the manual names" "$PYTHON" "$here/decode_schema.py" "$dir"/*.json
# the first session as it was printed when the schema was laid down: a change is a change for those who read it
golden=$top_srcdir/tests/data/decode/session.json
decode --json --peer 127.0.0.1:42420 "$ecmg" >"$dir/session"
if [ -n "${GW_GOLDEN:-}" ]; then cp "$dir/session" "$golden"; fi
check "JSON is as it was" diff "$golden" "$dir/session"
all() { decode --json "$ecmg" | grep '"event":"message"'; }
check "filters together are what each leaves of the others" same "$(decode --json --message ECM_response --channel 1 --stream 1 --peer :22223 "$ecmg" | \
	grep -c '"event":"message"')" "$(all | grep ':22223"' | grep '"message":"ECM_response"' | grep '"name":"ECM_channel_id","length":2,"value":1[,}]' | \
	grep -c '"name":"ECM_stream_id","length":2,"value":1[,}]')"
check "errors of one stream alone" same "$(decode --json --errors --stream 1 "$ecmg" | grep -c '"message":"stream_error"')" "$(all | grep -c '"message":"stream_error"')"

# what there is no room for is told
tells() { decode --summary "$dir/$1.pcap" | grep -q "$2"; }
check "connections without end: those that were silent longest are given up" tells connections "^0 gaps (0 octets), 1808 connections given up"
check "fragments without end" tells fragments "5000 fragments, 5000 datagrams without all their fragments"
check "a gap that is never filled" tells gap "^1 gaps (10276 octets), 1398705 octets passed over"
