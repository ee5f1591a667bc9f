#!/usr/bin/env bash
# tests/integration/replay_ecmg.sh: simulgate replay of other people's ECMG<=>SCS sessions: as SCS against biTStream's ECMG and ours, as
# ECMG against biTStream's SCS and ours. What it keeps is judged by tshark and capinfos.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=replay_lib.sh
. "$here/replay_lib.sh"
examples=/usr/share/doc/libbitstream-dev/examples
need socat tshark capinfos "$CC"
[ -r "$examples/dvb_ecmg.c" ] || missing "$examples of libbitstream-dev"
plan 25
for example in dvb_ecmg dvb_ecmg_test; do
	"$CC" -O1 -w -o "$dir/$example" "$examples/$example.c" >>"$dir/log/cc" 2>&1 || bail "$example compiles"
done
ports their ours

# -- as SCS. Sessions 5 and 6 are what both ECMGs are made for: two control words a message
start their_ecmg socat "TCP-LISTEN:$their,bind=127.0.0.1,reuseaddr,fork" "EXEC:$dir/dvb_ecmg"
sg our_ecmg ecmg --listen "tcp://127.0.0.1:$ours" --plugin lab
await_port 15 "$their" || bail "socat listens"
await_port 15 "$ours" || bail "simulgate-ecmg listens"
for peer in their ours; do
	as_scs=("$ecmg_capture" --as scs --to "tcp://127.0.0.1:${!peer}" --session "5,6" --fast)
	check "as SCS, $peer: another ECMG announces other things" replayed 1 "${as_scs[@]}" --record "$dir/$peer.pcapng"
	check "which the report names" grep -Eq '^    ~ delay_stop +200ms -> 0ms$' "$dir/report"
	check "apart from that it answers as captured" replayed 0 "${as_scs[@]}" --ignore channel_status --ignore stream_status
	check "the recording is sound" sound "$dir/$peer.pcapng" "${!peer}"
	check "with all ECMs" same "$(count "$dir/$peer.pcapng" ECM_response)" 10
done
check "another version, channel and crypto-periods: ours answers so" replayed 0 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --session 5 --fast \
	--protocol-version 3 --map ECM_channel_id=77 --map ECM_stream_id=1:9 --map CP_number=+65534 --ignore channel_status --record "$dir/mapped.pcapng"
check "as they were told" same "$("$decode" --json --message ECM_response "$dir/mapped.pcapng" |
	"$PYTHON" -c 'import json, sys
for g in map(json.loads, sys.stdin):
    if g["event"] == "message":
        v = {f["name"]: f["value"] for f in g["fields"]}
        print(g["version"], v["ECM_channel_id"], v["ECM_stream_id"], v["CP_number"], end="; ")')" \
	"3 77 9 65534; 3 77 9 65535; 3 77 9 0; 3 77 9 1; 3 77 9 2; 3 77 9 3; "
check "from the third CW_provision to the fourth" replayed 0 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --session 5 --fast \
	--from 'CW_provision#3' --until 'CW_provision#4' --ignore channel_status --record "$dir/part.pcapng"
check "after a set-up, and with its answer" same "$("$decode" --json "$dir/part.pcapng" | sed -n 's/.*"message":"\([^"]*\)".*/\1/p' | paste -sd' ')" \
	"channel_setup channel_status stream_setup stream_status CW_provision ECM_response CW_provision ECM_response"
check "refused control words are told" replayed 1 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --session 4 --fast --json
check "as JSON" "$PYTHON" -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
[instead] = [g for g in lines if g.get("kind") == "instead"]
assert instead["captured"]["message"] == "ECM_response" and instead["live"]["message"] == "stream_error", instead
assert lines[-1]["event"] == "summary" and lines[-1]["found"]["instead"] == 1 and not lines[-1]["as_captured"], lines[-1]' "$dir/report"

# -- as ECMG
ports port
start as_ecmg "$replay" "$ecmg_capture" --as ecmg --listen "tcp://127.0.0.1:$port" --session 5 --loop 0 --map max_streams=50 --fast --record "$dir/as_ecmg.pcapng"
await_log 15 as_ecmg 'as ECMG at' || bail "the replay listens"
start their_scs socat "EXEC:$dir/dvb_ecmg_test 10 1" "TCP:127.0.0.1:$port"
await_log 15 their_scs 'starting new stream' 10
# ten streams, each asks once in a second; the capture has one stream and six CPs
asked() { [ "$(stat -c %s "$dir/as_ecmg.pcapng")" -gt 14000 ]; }
check "as ECMG: biTStream's SCS is served" await 30 "its ECMs" asked
check "and has nothing to complain of" same "$(grep -v '^starting ' "$dir/log/their_scs")" ""
stop their_scs 15
cat >"$dir/headend.yaml" <<EOF
state: state
playout: unix://$dir/run
kms:
  captured: { super_cas_id: 0x4ADC0001, ecmg: tcp://127.0.0.1:$port, protocol_version: 2 }
services:
  - { id: news, scrambling: none, cw_length: 8, crypto_period: 2s, stkm: [ { kms: captured, ecm_id: 1, access_criteria: 0x0102030405 } ] }
EOF
sg scs scs --config "$dir/headend.yaml" --status "unix://$dir/scs.sock"
check "and our SCS commits crypto-periods" await_status 40 "$dir/scs.sock" 's["services"][0]["cp"] >= 3'
stop scs 15
stop as_ecmg 15
check "more ECMs than it ever had" at_least "$(count "$dir/as_ecmg.pcapng" ECM_response)" 10
check "it says what was beyond the capture" logged as_ecmg 'messages of the peer were not in the capture'
check "the recording is sound" sound "$dir/as_ecmg.pcapng" "$port"

# -- what cannot be played
head -c 9000 "$ecmg_capture" >"$dir/short.pcap"
head -c 24 "$ecmg_capture" >"$dir/empty.pcap"
bad() {
	replayed 78 "$dir/empty.pcap" --as scs --to "tcp://127.0.0.1:$ours" && replayed 78 "$top_srcdir/README" --as scs --to "tcp://127.0.0.1:$ours" &&
		replayed 78 "$tcp_capture" --as scs --to "tcp://127.0.0.1:$ours" && replayed 78 "$dir/none" --as scs --to "tcp://127.0.0.1:$ours" &&
		replayed 64 "$ecmg_capture" --as scs && replayed 64 "$ecmg_capture" --as ecmg --to "tcp://127.0.0.1:$ours" &&
		replayed 64 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --map ECM_datagram=1 &&
		replayed 69 "$ecmg_capture" --as ecmg --listen "tcp://127.0.0.1:$ours" && replayed 69 "$ecmg_capture" --as scs --to tcp://127.0.0.1:1 --wait 0.2
}
check "each has its exit status" bad
told() {
	replayed 64 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --from CW_provison && logged replay 'CW_provison: ECMG<=>SCS has no message of that name' &&
		replayed 64 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --ignore delay_strat && logged replay 'delay_strat: ECMG<=>SCS has no message and no parameter of that name' &&
		replayed 64 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --map ECM_channel_id=65536 && logged replay 'ECM_channel_id=65536: ' &&
		replayed 78 "$ecmg_capture" --as scs --to "tcp://127.0.0.1:$ours" --session 5 --until CW_provision#99 && logged replay 'no session has CW_provision#99'
}
check "what is misspelt, or not in the capture, is named" told
check "of a capture that breaks off, what there is" replayed 0 "$dir/short.pcap" --as scs --to "tcp://127.0.0.1:$ours" --session 1 --fast --ignore channel_status
