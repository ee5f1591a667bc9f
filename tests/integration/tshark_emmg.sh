#!/usr/bin/env bash
# tests/integration/tshark_emmg.sh: sessions of EMMGs of every version with simulgate-mux, by TCP and UDP, captured and read by tshark.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark dumpcap
plan 7
ports port air
capture=$dir/session.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" -f "tcp port $port or udp port $port"
await 20 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }
sg mux mux --listen "tcp://127.0.0.1:$port" --udp "udp://127.0.0.1:$port" --map "0x4AE60001/32=udp://127.0.0.1:$air" \
	--map "0x4AE60001/1=udp://127.0.0.1:$air"
await_port 20 "$port" || bail "simulgate-mux listens"
check "a session of each version" within 60 "$PYTHON" "$here/emmgwire.py" sessions "127.0.0.1:$port"
cp "$dir/said" "$dir/sent"
check "SIGTERM ends the mux" stop mux 15
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "$port"
await 20 "the end of the capture" grep -aq end-of-session "$capture"
stop dumpcap 15

# the message that ended the capture is none: it is left out
tshark -2 -r "$capture" -d "tcp.port==$port,simulcrypt" -d "udp.port==$port,simulcrypt" -Y 'simulcrypt && !(frame contains "end-of-session")' -T fields \
	-e simulcrypt.version -e simulcrypt.message.type -e _ws.malformed -e simulcrypt.parameter.type >"$dir/fields" 2>>"$dir/log/tshark"
column() { cut -f"$1" "$dir/fields" | tr , '\n' | grep -v '^$'; }
check "tshark finds every message" same "$(column 2 | sort | uniq -c | awk '{ print $2, $1 }')" "$(sort "$dir/sent")"
check "of every version" same "$(column 1 | sort -u | paste -sd' ')" "0x01 0x02 0x03 0x04 0x05"
check "nothing is malformed" same "$(column 3 | wc -l)" 0
tshark -2 -r "$capture" -d "tcp.port==$port,simulcrypt" -d "udp.port==$port,simulcrypt" -Y 'simulcrypt && !(frame contains "end-of-session")' -V >"$dir/text" 2>>"$dir/log/tshark"
check "no parameter is unknown to it" same "$(grep -ci 'type: .*unknown' "$dir/text")" 0
check "by UDP, too" grep -q "User Datagram Protocol, .*Dst Port: $port" "$dir/text"
