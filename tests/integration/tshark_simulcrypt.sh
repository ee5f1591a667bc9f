#!/usr/bin/env bash
# tests/integration/tshark_simulcrypt.sh: a live session of both KMSs, captured on the wire and read by tshark.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark dumpcap
headend 2s
plan 17
capture=$dir/session.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" \
	-f "tcp port $port_drm or tcp port $port_smartcard or udp port ${stkm_drm##*:} or udp port ${stkm_smartcard##*:}"
await 10 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }

for kms in drm smartcard; do
	sg $kms ecmg --config "$conf" --kms $kms --status "unix://$dir/$kms.sock" --log-level debug
done
up mux scrambler scs
check "the session lasts four crypto-periods" await_status 20 "$dir/scs.sock" 's["services"][0]["cp"] >= 3'
for p in scs drm smartcard mux scrambler; do check "SIGTERM ends $p" stop $p; done
# What dumpcap has written is complete once it holds what was sent last.
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "${stkm_drm##*:}"
await 10 "the end of the capture" grep -aq end-of-session "$capture"
stop dumpcap 5

as=(-d "tcp.port==$port_drm,simulcrypt" -d "tcp.port==$port_smartcard,simulcrypt" -d "udp.port==${stkm_smartcard##*:},mikey")
read_as() { tshark -2 -r "$capture" "${as[@]}" -T pdml "$@" 2>>"$dir/log/tshark"; }
read_as -Y "tcp && simulcrypt" >"$dir/simulcrypt.pdml"
verdicts "$PYTHON" "$here/tshark_judge.py" simulcrypt "$dir/simulcrypt.pdml" "$dir/log/drm" "$dir/log/smartcard"
read_as -o simulcrypt.ca_system_id_mikey:0x0002 -Y mikey >"$dir/mikey.pdml"
verdicts "$PYTHON" "$here/tshark_judge.py" mikey "$dir/mikey.pdml"
