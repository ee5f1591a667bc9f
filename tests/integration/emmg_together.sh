#!/usr/bin/env bash
# tests/integration/emmg_together.sh: simulgate-emmg and simulgate-mux from one file: a source by TCP and a plugin's carousel by UDP, in
# any start order; SIGHUP with changed sources, streams and bandwidth, or with what cannot be; a mux that is killed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need curl
plan 22
ports port air1 air2 air3
conf=$dir/headend.yaml
plugin=$top_builddir/tests/unit/.libs/plug_ltkm.so
# file BANDWIDTH [MORE]: stream 1 has that bandwidth; further lines
file() {
	cat >"$conf" <<-EOF
	head_end: judge
	state: state
	playout: unix://$dir/run
	kms: { cas: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:1, plugin: $plugin, set: { count: 3 } } }
	mux: { emmg: tcp://127.0.0.1:$port, emmg_udp: udp://127.0.0.1:$port }
	ltkm:
	  - { kms: cas, data_id: 1, format: bcast, bandwidth: $1, source: emm, out: "udp://127.0.0.1:$air1" }
	$2
	EOF
}
carousel="  - { kms: cas, data_id: 2, format: bcast, udp: true, out: \"udp://127.0.0.1:$air2\" }"
# heard PORT N: the next N datagrams at this port, sorted, a line each
heard() {
	timeout 30 "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
print("\n".join(sorted({s.recv(65536).decode(errors="replace") for _ in range(int(sys.argv[2]))})))' "$@"
}
mkdir "$dir/emm" "$dir/run"
echo -n first >"$dir/emm/1"
echo -n second >"$dir/emm/2"
file 50kbit/s "$carousel"
check "the file is right" within 20 "$(program '')" check-config "$conf"
sg emmg emmg --config "$conf" --kms cas --status "unix://$dir/emmg.sock"
check "it is ready before there is a mux" await_status 20 "$dir/emmg.sock" 'len(s["channels"]) == 2'
sg mux mux --config "$conf" --status "unix://$dir/mux.sock"
check "channels and streams are set up when it comes" await_status 60 "$dir/emmg.sock" 'all(t["state"] == "READY" for c in s["channels"] for t in c["streams"])'
check "each channel has its data_channel_id" holds "$dir/emmg.sock" '[c["data_channel_id"] for c in s["channels"]] == [1, 2]'
check "the mux knows both" await_status 20 "$dir/mux.sock" 'sum(len(c.get("streams", [])) for c in s["emmg"]["channels"]) == 2'
check "the source is on air" same "$(heard "$air1" 6)" "first"$'\n'"second"
check "the plugin's carousel is, by UDP, all of a round" same "$(heard "$air2" 9 | grep -ao 'LTKM 2 [0-9]' | sort -u | paste -sd' ')" "LTKM 2 0 LTKM 2 1 LTKM 2 2"
check "and is asked anew" await_status 20 "$dir/emmg.sock" 's["channels"][1]["streams"][0]["rounds"] >= 3'
check "nothing went by TCP that should go by UDP" holds "$dir/emmg.sock" 's["channels"][1]["streams"][0]["messages"] == s["channels"][1]["streams"][0]["messages_udp"]'

echo -n third >"$dir/emm/2"
sig HUP emmg
await_log 20 emmg 'event=reload '
check "a changed source is on air after SIGHUP" same "$(heard "$air1" 8 >/dev/null; heard "$air1" 6)" "first"$'\n'"third"
check "the streams were not interrupted" holds "$dir/emmg.sock" 'all(t["setups"] == 1 for c in s["channels"] for t in c["streams"])'
: >"$dir/emm/3"
sig HUP emmg
check "a message of no octets is refused with its file" await_log 20 emmg 'event=reload_refused.*emm/3: offset 0'
check "and everything goes on" same "$(heard "$air1" 6)" "first"$'\n'"third"
rm "$dir/emm/3"
file 80kbit/s "  - { kms: cas, data_id: 3, format: bcast, bandwidth: 10kbit/s, source: emm/1, out: \"udp://127.0.0.1:$air3\" }"
sig HUP mux
await_log 20 mux 'event=reload '
sig HUP emmg
check "bandwidth changes, a stream comes, a channel goes" await_status 30 "$dir/emmg.sock" \
	'[(t["data_id"], t["state"], t["allocated"]) for c in s["channels"] for t in c["streams"]] == [(1, "READY", 80000), (3, "READY", 10000)]'
check "the first stream was not interrupted" holds "$dir/emmg.sock" 's["channels"][0]["streams"][0]["setups"] == 1'
check "the new one is on air" same "$(heard "$air3" 2)" first

kill9 mux
await_status 20 "$dir/emmg.sock" 's["channels"][0]["losses"] == 1' >/dev/null
sg mux mux --config "$conf" --status "unix://$dir/mux.sock"
check "a mux that was killed gets everything again" await_status 60 "$dir/emmg.sock" '[t["setups"] for t in s["channels"][0]["streams"]] == [2, 2]'
check "and airs it" same "$(heard "$air3" 2)" first
curl -s --unix-socket "$dir/emmg.sock" http://localhost/metrics >"$dir/metrics"
check "metrics name stream and channel" grep -q 'simulgate_emmg_stream_up{kms="cas",client_id="0x4ae60001",channel="1",data_id="3"} 1' "$dir/metrics"
check "SIGTERM ends it" stop emmg 15
check "and leaves no channel at the mux" await_status 20 "$dir/mux.sock" 's["emmg"]["channels"] == []'

plugin=$top_builddir/tests/unit/.libs/plug_inline.so
file 50kbit/s "$carousel"
sg none emmg --config "$conf" --kms cas --status "unix://$dir/none.sock"
check "a plugin without ltkm is refused with a sentence" await_log 20 none 'makes no EMMs or LTKMs'
