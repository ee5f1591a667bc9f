#!/usr/bin/env bash
# tests/integration/bsm_update.sh: a key that phones have gets another interval, and they are told in new LTKMs, though the BSM dies in the middle
# of it (bcast-smartcard-profile 3.6); a subscription that is cancelled lasts until the next roll (7.2).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
bsm_headend 1s
plan 28
# upper NAME N: its card has one key, and that up to TEK ID N
upper() { await_status 15 "$dir/$1.sock" "[k['upper'] for k in s['phone']['keys']] == [$2]"; }
update() { kms key update --service news "$@" --json >"$dir/update"; }
refused() { ! update "$@" 2>"$dir/refused" && grep -q "$words" "$dir/refused"; }
refused_pull() { ! kms pull otto 2>"$dir/refused" && grep -q 'no subscriber otto' "$dir/refused"; }
# campaign N EXPRESSION: of the Nth one, as r, the expression is true
campaign() { "$PYTHON" -c 'import json, sys; r = json.load(open(sys.argv[1]))[int(sys.argv[2])]; sys.exit(not eval(sys.argv[3]))' "$dir/rolls" "$1" "$2"; }
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "the subscribers are provisioned" know
for name in alice bob; do check "$name buys" buy $name; done
source_on --rate 100
rise ecmg scs mux scrambler alice bob
for name in alice bob; do check "$name watches" watches $name 100 30; done
check "the key is good for all of its TEK IDs" upper alice 65535
key=$(value "$dir/alice.sock" "s['phone']['keys'][0]['fingerprint']")

check "the key gets another interval" update --upper 60000
for name in alice bob; do check "$name is told" upper $name 60000; done
check "another one, in the next seconds" update --upper 50000 --in 3s
kill9 bsm
rise bsm
for name in alice bob; do check "$name is told, though the BSM died" upper $name 50000; done
check "it is the same key" same "$(value "$dir/alice.sock" "s['phone']['keys'][0]['fingerprint']")" "$key"
words=spent check "TEK IDs that are spent stay in the interval" refused --upper 1
words="do not last" check "and those that are left have to last" refused --until +60d
over() { kms roll --status --all --json >"$dir/rolls" && campaign 0 "r['what'] == 'update' and r['state'] == 'done' and r['verified'] == 2 and r['to_come'] == 0" && campaign 1 "r['state'] == 'done' and r['verified'] == 2"; }
check "both campaigns went to both, who verified" await 15 "the end of the campaigns" over
check "alice still watches" watches alice 100

# -- an operator's pull for one Key Group: the phone requests the key (2.9)
asked=$(value "$dir/alice.sock" "s['phone']['requests']['msk-request']['done']")
had=$(value "$dir/alice.sock" "s['phone']['ltkm']['key']")
check "alice is asked to request the key" kms pull alice --service news
check "she does, and gets it" await_status 15 "$dir/alice.sock" "s['phone']['requests']['msk-request']['done'] > $asked and s['phone']['ltkm']['key'] > $had"
check "for nobody" refused_pull

# -- cancelled: until the next roll, and not beyond it
check "bob's subscription ends" subscribe end --subscriber bob --service news
check "he watches on" watches bob 100
check "the key is rolled" kms roll --service news --in 2s
check "alice goes over to the next one" await_status 20 "$dir/alice.sock" "any(k['tek_id'] > k['lower'] for k in s['phone']['keys'] if k['id'].endswith('0002'))"
check "bob is without a key, asks for it, and is refused" await_status 20 "$dir/bob.sock" "len(s['phone']['keys']) == 1 and s['phone']['requests']['msk-request']['done'] >= 1 and u['undecryptable'] > 0"
check "alice lost nothing" watches alice 100

# -- what a card has accepted it does not accept again, though its phone is killed
was=$(value "$dir/alice.sock" "max(k['tek_id'] for k in s['phone']['keys'])")
check "STKMs go off air" stop mux 15
kill9 alice
rise alice
check "alice's card remembers the last TEK ID that it accepted" await_status 15 "$dir/alice.sock" "max([k['tek_id'] for k in s['phone']['keys']] or [0]) >= $was"
