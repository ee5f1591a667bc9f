#!/usr/bin/env bash
# tests/integration/bridge_demo.sh: the small head-end with the Smartcard KMS behind two bridges, mode C: SCS, SimulCrypt, bridge `front`, XML over HTTPS,
# bridge `back`, SimulCrypt, ECMG. Both terminals see every packet right over several key changes, also while a bridge is started anew.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=brlib.sh
. "$here/brlib.sh"
need openssl

plan 8
headend 3s
behind_bridges smartcard 2
up drm
bridges_on
up scs mux scrambler handset phone
source_on --rate 100
periods() { await_status "$1" "$dir/$2.sock" "u['crypto_periods'] >= $3 and u['lost'] == 0 and u['undecryptable'] == 0"; }
check "the DRM profile's terminal sees three crypto-periods" periods 40 handset 3
[ "$failed" -eq 0 ] || exit 1
check "the Smartcard profile's, behind the bridges, too" periods 40 phone 3
check "its STKMs came by XML" holds "$dir/front.sock" "s['sx']['ecmg']['stkms']['answered'] >= 3 and s['sx']['ecmg']['stkms']['refused'] == 0"
check "and were made by the ECMG behind them" holds "$dir/stkmg.sock" "s['ecm_total'] >= 3"
check "a bridge ends in order" stop front 15
bridge_on front "$conf"
n=$(value "$dir/phone.sock" "u['crypto_periods']")
check "and after its return the phone goes on through key changes" periods 60 phone $((n + 3))
check "the handset has lost nothing, either" content handset 300
check "nor has the phone" content phone 300
