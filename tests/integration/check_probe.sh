#!/usr/bin/env bash
# tests/integration/check_probe.sh: check-config --probe against running ECMGs, a running mux, and UDP ports with and without an owner.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need python3
plan 16
ports served wrong dead bare tcp udp out web
# conf NAME TCP UDP VERSION: the two head-ends have the same ECMGs; the muxes at TCP and UDP differ
conf() {
	cat >"$dir/$1.yaml" <<-EOF
	head_end: judge
	state: state
	playout: unix://$dir/run
	kms:
	  good:  { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$served, protocol_version: $4 }
	  alien: { super_cas_id: 0x4AE60002, ecmg: [tcp://127.0.0.1:$wrong, tcp://127.0.0.1:$dead] }
	  card:  { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$dead }
	mux: { emmg: tcp://127.0.0.1:$2, emmg_udp: udp://127.0.0.1:$3 }
	${5-}
	EOF
}
probe() { within 60 "$(program "")" check-config "$dir/$1.yaml" --probe >"$dir/log/$1" 2>&1; }
sg good ecmg --listen "tcp://127.0.0.1:$served" --plugin lab --super-cas-id 0x4AE60001
sg alien ecmg --listen "tcp://127.0.0.1:$wrong" --plugin lab --super-cas-id 0x4AE60009
sg mux mux --listen "tcp://127.0.0.1:$tcp" --udp "udp://127.0.0.1:$udp" --map "0x4AE60001/1=udp://127.0.0.1:$out"
start bare "$PYTHON" -c "import socket, time; s = socket.create_server(('127.0.0.1', $bare)); time.sleep(600)"
start web "$PYTHON" -c "
import socket
s = socket.create_server(('127.0.0.1', $web))
while c := s.accept()[0]:
    c.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
    c.close()"
for port in "$served" "$wrong" "$tcp" "$bare" "$web"; do await_port 30 "$port"; done
udp_there() { grep -q ":$(printf %04X "$udp") " /proc/net/udp; }
await 30 "the UDP port" udp_there

conf all "$tcp" "$udp" 3 "ltkm: [{ kms: good, data_id: 1, out: udp://127.0.0.1:$out }, { kms: alien, data_id: 2, out: udp://127.0.0.1:$dead }]"
probe all
check "an ECMG that refuses and one that is not there: 69" same "$?" 69
check "the good one says its version and values" \
	grep -E "^kms good at tcp://127.0.0.1:$served, [0-9.]+ ms: open, version 3: channel_status .*section_TSpkt_flag=[0-9]+ .*max_streams=[0-9]+" "$dir/log/all"
check "the wrong one is named with number, meaning and next step" \
	grep -E "^kms alien at tcp://127.0.0.1:$wrong, [0-9.]+ ms: refuses: 0x0005 unknown Super_CAS_id value: .*; next: compare super_cas_id" "$dir/log/all"
check "the dead one is not reachable" grep -E "^kms alien at tcp://127.0.0.1:$dead, [0-9.]+ ms: not reachable: Connection refused" "$dir/log/all"
check "the mux takes the client that it knows" \
	grep -E "^mux, client_id 0x4ae60001, at tcp://127.0.0.1:$tcp, [0-9.]+ ms: open, version 3: channel_status client_id=0x4ae60001 " "$dir/log/all"
check "and refuses the other" \
	grep -E "^mux, client_id 0x4ae60002, at tcp://127.0.0.1:$tcp, [0-9.]+ ms: refuses: 0x000e unknown client_id value: .*; next: " "$dir/log/all"
check "its UDP port is somebody's" grep -E "^mux, data by UDP, at udp://127.0.0.1:$udp, [0-9.]+ ms: a datagram was not refused" "$dir/log/all"
check "nothing of it is left in the mux" await_log 15 mux 'event=channel_close'
check "the ECMG's log has the code in words" await_log 15 alien 'event=refused .*error=0x0005 .*name="unknown Super_CAS_id value" next="compare '
check "and so has the mux's" await_log 15 mux 'event=refused .*error=0x000e .*name="unknown client_id value" next="compare '
conf none "$bare" "$dead" 2 "ltkm: [{ kms: good, client_id: 7, data_id: 1, to: tcp://127.0.0.1:$web, out: udp://127.0.0.1:$out }]
bsm: { main: { kms: card, naf: bsm.example.net, key_domain: 0x00f110, listen: tcp://127.0.0.1:$web, ltkm: udp://127.0.0.1:$dead } }"
probe none
check "a mux without clients is reachable" grep -E "^mux at tcp://127.0.0.1:$bare, [0-9.]+ ms: reachable" "$dir/log/none"
check "a UDP port that nobody has is named" \
	grep -E "^mux, data by UDP, at udp://127.0.0.1:$dead, [0-9.]+ ms: nobody has the port: Connection refused" "$dir/log/none"
check "another version is mirrored" grep -E "^kms good at .*: open, version 2: " "$dir/log/none"
check "what is no SimulCrypt is shown" grep -E "^mux, client_id 0x00000007, at tcp://127.0.0.1:$web, .*what answers begins with 48 5454 502f, perhaps no SimulCrypt" "$dir/log/none"
check "where a BSM registers HTTP is answered" grep -E "^bsm main, registration, at tcp://127.0.0.1:$web, [0-9.]+ ms: answers: HTTP/1.1 400 Bad Request" "$dir/log/none"
check "where its LTKMs come from is nobody" grep -E "^bsm main, LTKMs, at udp://127.0.0.1:$dead, [0-9.]+ ms: nobody has the port" "$dir/log/none"
