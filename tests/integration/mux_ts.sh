#!/usr/bin/env bash
# tests/integration/mux_ts.sh: the transport stream of sections and packets of two EMMGs, one of which comes and goes, read by tshark:
# counters without a gap, sections whole. With a file: data by UDP alone, a changed map under open streams, repetition, and /metrics.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark dumpcap curl
plan 18
ports port air other alone
conf=$dir/headend.yaml
# file WHERE: stream 32 goes to that address
file() {
	cat >"$conf" <<-EOF
	head_end: judge
	state: state
	playout: unix://$dir/run
	kms: { cas: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:1 } }
	ltkm:
	  - { kms: cas, data_id: 32, bandwidth: 8Mbit/s, out: "udp://$1" }
	  - { kms: cas, data_id: 34, bandwidth: 8Mbit/s, repeat: 2, repeat_every: 100ms, out: "udp://127.0.0.1:$air?pid=0x1f1" }
	  - { kms: cas, data_id: 35, udp_without_control: true, out: "udp://127.0.0.1:$alone" }
	mux: { emmg: tcp://127.0.0.1:$port, emmg_udp: udp://127.0.0.1:$port, total_bandwidth: 20Mbit/s }
	EOF
}
file "127.0.0.1:$air?pid=0x1f0"
capture=$dir/air.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" -f "udp port $air"
await 20 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }
start sink "$PYTHON" -c "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', $air)); time.sleep(600)"
sg mux mux --config "$conf" --status "unix://$dir/mux.sock"
await_port 20 "$port" || bail "simulgate-mux listens"
check "two EMMGs feed it" within 60 "$PYTHON" "$here/emmgwire.py" feed "127.0.0.1:$port" 3
grep -q sections "$dir/said" && sections=$(cut -d' ' -f1 "$dir/said") || sections=0
await_status 20 "$dir/mux.sock" 's["emmg"]["allocated_bps"] == 0' >/dev/null
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "$air"
await 20 "the end of the capture" grep -aq end-of-session "$capture"
stop dumpcap 15

tshark -2 -r "$capture" -d "udp.port==$air,mp2t" -T fields -e frame.len -e mp2t.pid -e mp2t.cc -e mp2t.cc.drop -e _ws.malformed -e mpeg_sect.len \
	-Y mp2t >"$dir/fields" 2>>"$dir/log/tshark"
column() { cut -f"$1" "$dir/fields" | tr , '\n' | grep -v '^$'; }
check "tshark reads packets" test "$(column 2 | wc -l)" -gt 300
check "of the two PIDs, no null packets" same "$(column 2 | sort -u | paste -sd' ')" "0x000001f0 0x000001f1"
check "no counter has a gap" same "$(column 4 | wc -l)" 0
check "nothing is malformed" same "$(column 5 | wc -l)" 0
check "seven packets a datagram at most" test "$(cut -f1 "$dir/fields" | sort -n | tail -1)" -le $((42 + 7 * 188))
check "a packet of the second stream is on air twice" "$PYTHON" "$here/mux_ts.py" packets "$capture" 0x1f1 2
check "every section is on air once, whole and in order" "$PYTHON" "$here/mux_ts.py" sections "$capture" 0x1f0 "$sections"

# data by UDP without a stream over TCP: where the file allows it, and nowhere else
"$PYTHON" "$here/emmgwire.py" datagrams "127.0.0.1:$port" 35 34
check "a stream is fed by UDP alone" await_status 20 "$dir/mux.sock" '[(x["data_id"], x["sent"]) for x in s["emmg"]["udp_streams"]] == [(35, 1)]'
check "another one is not" await_status 20 "$dir/mux.sock" 's["emmg"]["udp"]["dropped"]["unknown_stream"] == 1'

# the map changes under open streams
start emmg "$PYTHON" "$here/emmgwire.py" feed "127.0.0.1:$port" 60
check "both streams are open" await_status 20 "$dir/mux.sock" 'sum(len(c.get("streams", [])) for c in s["emmg"]["channels"]) == 2'
file "127.0.0.1:$other"
sig HUP mux
check "the one goes elsewhere, without being set up anew" await_status 20 "$dir/mux.sock" \
	'[x["out"] for c in s["emmg"]["channels"] for x in c["streams"]][0] == "udp://127.0.0.1:'"$other"'"'
check "the other goes on" await_status 20 "$dir/mux.sock" \
	'[x["sent"] for c in s["emmg"]["channels"] for x in c["streams"] if x["data_id"] == 34 and x["out"].endswith("0x01f1")][0] > 10'
echo "mux: { emmg: nowhere }" >>"$conf"
sig HUP mux
check "a file that fails changes nothing" await_log 20 mux 'event=reload_refused'
check "its streams are there" holds "$dir/mux.sock" 'sum(len(c.get("streams", [])) for c in s["emmg"]["channels"]) == 2'
curl -s --unix-socket "$dir/mux.sock" http://localhost/metrics >"$dir/metrics"
check "metrics name streams, allocation and rate" grep -q 'simulgate_mux_emmg_stream_allocation_bps{client_id="0x4ae60001",data_id="32",data_type="0"} 8000000' "$dir/metrics"
check "and what was sent" grep -Eq 'simulgate_mux_emmg_stream_sent_total\{client_id="0x4ae60001",data_id="34",data_type="0"\} [0-9]{2,}' "$dir/metrics"
check "SIGTERM ends it" stop mux 15
