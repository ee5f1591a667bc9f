#!/usr/bin/env bash
# tests/integration/bridge_mode_a.sh: mode A with two bridges: SCS, bridge `front` (BSD/A and BSA), XML over HTTPS both ways, bridge `back` (BSM: it makes the
# keys), SimulCrypt, ECMG. The terminal sees every packet right over key changes, also while the BSM is killed and started anew; no key is on a disk in clear.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=brlib.sh
. "$here/brlib.sh"
need openssl

plan 10
headend 3s
sed -i "/smartcard/d; /phone/d" "$conf"
behind_bridges drm 1 a
bridges_on
up mux scs scrambler handset
source_on --rate 100
periods() { await_status "$1" "$dir/handset.sock" "u['crypto_periods'] >= $2 and u['lost'] == 0 and u['undecryptable'] == 0"; }
keys() { holds "$dir/$1.sock" "s['keys']$2"; }
check "the terminal sees three crypto-periods" periods 40 3
check "their keys were made by the BSM" keys back "['made'][0]['made'] >= 3"
check "which offered them, and had them taken" await_status 15 "$dir/back.sock" "s['keys']['made'][0]['confirmed'] >= 3 and s['keys']['made'][0]['refused'] == 0"
check "or was asked for them" keys back "['made'][0]['given'] >= 1"
check "the SCS stored what came" holds "$dir/scs.sock" "u['keys']['taken'] >= 3 and u['keys']['refused'] == 0"
kill9 back
check "without the BSM the crypto-period goes on" await_status 30 "$dir/scs.sock" "u['extended'] and u['alarm']"
bridge_on back "$dir/back/kms.yaml"
n=$(value "$dir/handset.sock" "u['crypto_periods']")
check "after its return the keys are those that it gave before" periods 60 $((n + 3))
check "nobody had another one" holds "$dir/scs.sock" "u['keys']['refused'] == 0"
check "nothing was lost, nothing was clear" content handset 300
check "the BSM's store of keys is wrapped, and for its owner's eyes" same "$(find "$dir/back/state" -name '*.keys*' -not -perm 600)" ""
