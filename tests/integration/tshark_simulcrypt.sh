#!/usr/bin/env bash
# tests/integration/tshark_simulcrypt.sh: live sessions, captured on the wire and read by tshark: both KMSs of OMA BCAST, then an
# ECMG for each protocol_version.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark dumpcap
headend 2s
plan 32
capture=$dir/session.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" \
	-f "tcp port $port_drm or tcp port $port_smartcard or udp port ${stkm_drm##*:} or udp port ${stkm_smartcard##*:}"
await 15 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }

for kms in drm smartcard; do
	sg $kms ecmg --config "$conf" --kms $kms --status "unix://$dir/$kms.sock" --log-level debug
done
up mux scrambler scs
check "the session lasts four crypto-periods" await_status 20 "$dir/scs.sock" 's["services"][0]["cp"] >= 3'
for p in scs drm smartcard mux scrambler; do check "SIGTERM ends $p" stop $p; done
# What dumpcap has written is complete once it holds what was sent last.
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "${stkm_drm##*:}"
await 15 "the end of the capture" grep -aq end-of-session "$capture"
stop dumpcap 15

as=(-d "tcp.port==$port_drm,simulcrypt" -d "tcp.port==$port_smartcard,simulcrypt" -d "udp.port==${stkm_smartcard##*:},mikey")
read_as() { tshark -2 -r "$capture" "${as[@]}" -T pdml "$@" 2>>"$dir/log/tshark"; }
read_as -Y "tcp && simulcrypt" >"$dir/simulcrypt.pdml"
verdicts "$PYTHON" "$here/tshark_judge.py" simulcrypt "$dir/simulcrypt.pdml" 5+ "$dir/log/drm" "$dir/log/smartcard"
read_as -o simulcrypt.ca_system_id_mikey:0x0002 -Y mikey >"$dir/mikey.pdml"
verdicts "$PYTHON" "$here/tshark_judge.py" mikey "$dir/mikey.pdml"

# -- versions 1 to 5, beside one another in one service whose control words are 8 octets: those of version 1 are
ports p1 p2 p3 p4 p5
{
	printf '%s\n' 'head_end: versions' "state: state-versions" "playout: unix://$dir/run-versions" 'kms:'
	for v in 1 2 3 4 5; do
		port=p$v
		echo "  v$v: { super_cas_id: 0x4AE6000$v, ecmg: tcp://127.0.0.1:${!port}, plugin: lab, protocol_version: $v, max_comp_time: 300, delay_start: -300, delay_stop: -300 }"
	done
	printf '%s\n' 'services:' '  - id: plain' '    scrambling: none' '    crypto_period: 2s' '    stkm:'
	for v in 1 2 3 4 5; do
		echo "      - { kms: v$v, ecm_id: $v }"
	done
} >"$dir/versions.yaml"
start dumpcap dumpcap -q -P -i lo -w "$dir/versions.pcap" -f "tcp port $p1 or tcp port $p2 or tcp port $p3 or tcp port $p4 or tcp port $p5 or udp port ${stkm_drm##*:}"
await 20 "the capture" test -s "$dir/versions.pcap" || bail "dumpcap captures"
conf=$dir/versions.yaml
for v in 1 2 3 4 5; do sg v$v ecmg --config "$conf" --kms v$v --silence 1 --log-level debug; done
up scs
check "versions 1 to 5: the session lasts four crypto-periods" await_status 30 "$dir/scs.sock" 's["services"][0]["cp"] >= 3'
for p in scs v1 v2 v3 v4 v5; do check "SIGTERM ends $p" stop $p; done
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "${stkm_drm##*:}"
await 15 "the end of the capture" grep -aq end-of-session "$dir/versions.pcap"
stop dumpcap 15
as=()
for port in $p1 $p2 $p3 $p4 $p5; do as+=(-d "tcp.port==$port,simulcrypt"); done
tshark -2 -r "$dir/versions.pcap" "${as[@]}" -T pdml -Y "tcp && simulcrypt" >"$dir/versions.pdml" 2>>"$dir/log/tshark"
verdicts "$PYTHON" "$here/tshark_judge.py" simulcrypt "$dir/versions.pdml" 12345 "$dir"/log/v[1-5]
