#!/usr/bin/env bash
# tests/integration/bitstream_ecmg.sh: simulgate-scs against VideoLAN biTStream's example ECMG, protocol_version 1 and 3. It wants
# exactly two control words of 8 octets (lead_CW 1, CW_per_msg 2), announces a delay_start of +200 ms, access criteria in every
# CW_provision, and sends channel_test after ten silent seconds.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
example=/usr/share/doc/libbitstream-dev/examples/dvb_ecmg.c
need socat "$CC"
[ -r "$example" ] || missing "$example of libbitstream-dev"

plan 6
"$CC" -O1 -w -o "$dir/peer" "$example" >"$dir/log/cc" 2>&1 || bail "the example compiles"
ports port
cat >"$dir/headend.yaml" <<EOF
state: state
playout: unix://$dir/run
kms:
  old:   { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$port, protocol_version: 1 }
  later: { super_cas_id: 0x4AE60002, ecmg: tcp://127.0.0.1:$port, protocol_version: 3 }
services:
  - id: news
    scrambling: none
    cw_length: 8
    crypto_period: 1s
    stkm:
      - { kms: old,   ecm_id: 1, access_criteria: 0x01020304 }
      - { kms: later, ecm_id: 2 }
EOF
start peer socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" "EXEC:$dir/peer"
await_port 15 "$port" || bail "socat listens"
sg scs scs --config "$dir/headend.yaml" --status "unix://$dir/scs.sock"
check "six crypto-periods are committed" await_status 25 "$dir/scs.sock" 'all(u["cp"] >= 5 for u in s["services"])'
check "with ECMs of both streams" holds "$dir/scs.sock" 'all(t["up"] for u in s["services"] for t in u["streams"])'
check "the example was asked in version 1" logged peer 'starting channel .*version=1 '
check "and in version 3" logged peer 'starting channel .*version=3 '
check "it has nothing to complain of" same "$(grep -aE 'error|abort' "$dir/log/peer" | grep -v end-of-file)" ""
check "SIGTERM ends the SCS" stop scs
