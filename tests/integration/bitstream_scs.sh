#!/usr/bin/env bash
# tests/integration/bitstream_scs.sh: VideoLAN biTStream's example SCS (protocol_version 1) against simulgate-ecmg with the lab plugin.
# It speaks on stdin and stdout, complains on stderr and ends at the first thing that it takes for an error. It never raises its
# CP_number, so that each CW_provision brings other words for the same CP; and it wants max_streams to be stated.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
example=/usr/share/doc/libbitstream-dev/examples/dvb_ecmg_test.c
need socat "$CC"
[ -r "$example" ] || missing "$example of libbitstream-dev"

plan 6
"$CC" -O1 -w -o "$dir/peer" "$example" >"$dir/log/cc" 2>&1 || bail "the example compiles"
ports port
sg ecmg ecmg --listen "tcp://127.0.0.1:$port" --plugin lab --set max_streams=50 --status "unix://$dir/ecmg.sock" --log-level debug
await_port 15 "$port" || bail "simulgate-ecmg listens"
start peer socat "EXEC:$dir/peer 10 1" "TCP:127.0.0.1:$port"
check "10 streams open" await_status 15 "$dir/ecmg.sock" 'any(c.get("streams") == 10 for c in s["channels"])'
check "in protocol_version 1" await_status 15 "$dir/ecmg.sock" 'any(c.get("protocol_version") == 1 for c in s["channels"])'
check "50 ECMs come" await_status 20 "$dir/ecmg.sock" 's["ecm_total"] >= 50'
check "the peer is still there" alive peer
check "and has nothing to complain of" same "$(grep -v '^starting ' "$dir/log/peer")" ""
check "we have refused nothing" holds "$dir/ecmg.sock" 's["refused"] == {}'
