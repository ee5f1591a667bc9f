#!/usr/bin/env bash
# tests/integration/replay_peers.sh: simulgate replay with peers that are right but slow, go away, or are asked much at once.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=replay_lib.sh
. "$here/replay_lib.sh"
plan 11
# peer KIND: on $port, listening; its log is $name
peer() {
	ports port
	name=$1$port
	start "$name" "$PYTHON" "$here/replay_peer.py" "$1" "$port"
	await_log 15 "$name" ready || bail "the peer listens"
}
for kind in bulk pair many gap; do "$PYTHON" "$here/replay_peer.py" capture $kind "$dir/$kind.pcap"; done

peer mux
check "a MUX that reads late" replayed 0 "$dir/bulk.pcap" --as emmg --to "tcp://127.0.0.1:$port" --fast
check "gets all" await_log 15 "$name" '^19811550 octets'

peer ecmg
check "a session that is not let in is not waited for without end" replayed 69 "$dir/pair.pcap" --as scs --to "tcp://127.0.0.1:$port" --wait 4
check "why, is said" logged replay "127.0.0.1:$port: nobody answers there"
check "what the other said is reported" grep -q '2 sessions: 2 messages sent, 1 received, 1 compared' "$dir/report"
peer ecmg
check "nor while the other goes on" replayed 1 "$dir/pair.pcap" --as scs --to "tcp://127.0.0.1:$port" --wait 0.5 --json
check "it is told as lost" "$PYTHON" -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert [(g["kind"], g["left"]) for g in lines[:-1]] == [("lost", 3)], lines
assert lines[-1]["sent"] == 2 and lines[-1]["compared"] == 1, lines[-1]' "$dir/report"

# one side to the other
played() {
	ports port
	start "played_$1" "$replay" "$dir/$1.pcap" --as ecmg --listen "tcp://127.0.0.1:$port" --fast
	await_log 15 "played_$1" 'as ECMG at' || bail "the replay listens"
}
played many
check "thousands of requests at a time find their answers" replayed 0 "$dir/many.pcap" --as scs --to "tcp://127.0.0.1:$port" --fast --map ECM_channel_id=7
await 15 "the replay to end" gone played_many
check "and the answers their requests" logged played_many '^as captured'
played gap
check "a capture that lacks a segment" replayed 0 "$dir/gap.pcap" --as scs --to "tcp://127.0.0.1:$port" --fast --timeout 2
check "has all the same answers" grep -q '^1 session: .* 5 compared$' "$dir/report"
