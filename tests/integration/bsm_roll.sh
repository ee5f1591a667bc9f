#!/usr/bin/env bash
# tests/integration/bsm_roll.sh: SEKs change under live media, again and again: a phone that verifies loses no packet, and the BSM may die in
# the middle of a roll.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
bsm_headend 1s "sek_life: 8s, roll_window: 4s, "
plan 13
number() { echo "max([int(k['id'][4:], 16) for k in s['phone']['keys']] or [0])"; }
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "the subscribers are provisioned" know
for name in alice bob; do check "$name buys" buy $name; done
source_on --rate 200
rise ecmg scs mux scrambler alice bob
for name in alice bob; do check "$name watches" watches $name 200 30; done
check "a roll is under way, and its messages are counted" await_status 15 "$dir/bsm.sock" "any(sum(r['messages'].values()) for r in s['rolls'])"
check "alice gets a second key" await_status 20 "$dir/alice.sock" "$(number) >= 2"
kill9 bsm
sleep 1
rise bsm
check "and a third and fourth, though the BSM died" await_status 40 "$dir/alice.sock" "$(number) >= 4"
check "bob, too" await_status 15 "$dir/bob.sock" "$(number) >= 4"
check "the STKMs went over to it" await_status 15 "$dir/alice.sock" "any(k['tek_id'] > k['lower'] for k in s['phone']['keys'] if int(k['id'][4:], 16) >= 4)"
for name in alice bob; do check "$name lost no packet" watches $name 400; done
check "SIGTERM ends the BSM" stop bsm 15
