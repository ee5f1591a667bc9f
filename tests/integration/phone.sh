#!/usr/bin/env bash
# tests/integration/phone.sh: simulgate-terminal as a phone with a card, beside a real BSM: registration, keys and their loss, restarts of either, each
# misbehaviour. No key file: what it opens came by LTKM.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
subscribers=(alice)
bsm_headend 2s
plan 34

# phone [OPTION ...]: alice
phone() { sg alice terminal --config "$conf" --terminal alice --status "unix://$dir/alice.sock" --log-level debug "$@"; }
holds_keys() { await_status "${2:-15}" "$dir/alice.sock" "len(s['phone']['keys']) == $1"; }
counted() { await_status "${2:-15}" "$dir/alice.sock" "$1"; }
# again WORDS ...: alice anew, with these options; her status until then is gone
again() { stop alice 15 && rm -f "$dir/alice.sock" && phone "$@"; }
state=$dir/state/terminal-alice.card

rise bsm
await_log 15 bsm 'event=ready' || bail "the BSM starts"
check "the BSM is told of the subscriber" know
check "who has bought the service" buy alice
rise ecmg mux scs scrambler
source_on --rate 100

# -- registration, keys, media
phone
check "it bootstraps and registers" registered alice
check "with the BSM's list of its services" counted 's["phone"]["services"] == 1'
check "its LTKM comes, and is verified" delivered 1
check "the card holds the key" holds_keys 1
check "and opens STKMs and media" watches alice 100
check "its state is for its owner alone" same "$(stat -c %a "$state")" 600
check "no key is in the log" same "$(grep -c 465b5ce8b199b49f "$dir/log/alice")" 0

# -- the card survives
kill9 alice
rm -f "$dir/alice.sock"
phone
check "after kill -9 it has its key before it has asked for anything" counted 'len(s["phone"]["keys"]) == 1'
check "it registers with the B-TID that it had" registered alice
check "without bootstrapping" holds "$dir/alice.sock" 's["phone"]["requests"]["bootstrap"]["sent"] == 0'
check "and watches" watches alice 100
printf 'x' | dd of="$state" bs=1 seek=20 conv=notrunc status=none
stop alice 15
printf 'x' | dd of="$state" bs=1 seek=20 conv=notrunc status=none
check "a damaged state is refused, with the reason" grep -q 'terminal-alice.card: it is damaged' <(within 30 "$(program terminal)" --config "$conf" --terminal alice 2>&1)
rm -f "$state"
phone
check "without its state it is a new card: it bootstraps" counted 's["phone"]["requests"]["bootstrap"]["done"] == 1'
check "and gets its key again" holds_keys 1

# -- the BSM dies and comes back
kill9 bsm
rm -f "$dir/bsm.sock"
watches alice 100 >/dev/null || diag "the phone does not watch without a BSM"
rise bsm
await_log 15 bsm 'event=ready' 2
check "a BSM that was killed knows its phone still" await_status 15 "$dir/bsm.sock" 's["registered"]["reachable"] == 1'

# -- what it does wrong on purpose
check "misbehaviour is for phones" same "$(within 30 "$(program terminal)" --config "$conf" --terminal alice --misbehave nonsense >"$dir/log/words" 2>&1; echo $?)" 64
check "and says which word it does not know" grep -q 'nonsense: no such misbehaviour' "$dir/log/words"
again --misbehave drop-verifications=1
check "a verification that is dropped" counted 's["phone"]["verifications"]["dropped"] == 1'
check "comes when the LTKM does again" counted 's["phone"]["verifications"]["repeated"] == 1'
again --misbehave wrong-mac=1
check "a wrong verification" counted 's["phone"]["verifications"]["spoilt"] == 1'
check "is none for the BSM" await_status 15 "$dir/bsm.sock" 's["delivery"]["bad_mac"] == 1'
again --misbehave forget-keys=2
check "keys are forgotten" await_log 15 alice 'event=misbehaved .*fault=forget-keys'
check "the STKM that cannot be opened makes it ask" counted 's["phone"]["requests"]["msk-request"]["done"] >= 1' 20
check "and it gets them" holds_keys 1
again --misbehave stale-counter
check "a card that is ahead takes nothing" counted 's["phone"]["ltkm"].get("stale", 0) >= 1'
check "and says why" await_log 15 alice 'event=ltkm_rejected .*reason=stale'
check "with the key that it had it watches on" watches alice 100

# -- the end
stop alice 15
rm -f "$state" "$dir/alice.sock"
phone --seconds 8
registered alice >/dev/null || diag "no registration"
check "at its end" await 30 "alice to end" gone alice
check "it deregisters" grep -q 'event=deregistered' "$dir/log/alice"
check "the BSM knows" await_status 15 "$dir/bsm.sock" 's["registered"]["reachable"] == 0'
check "the summary is as ever" grep -qE '^terminal alice: packets=[0-9]+ lost=0 undecryptable=0 ' "$dir/log/alice"
check "no message is malformed" same "$(grep -c 'reason=malformed' "$dir/log/alice")" 0
