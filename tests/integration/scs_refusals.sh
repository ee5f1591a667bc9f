#!/usr/bin/env bash
# tests/integration/scs_refusals.sh: a mux that has no place for an ECM, and a scrambler that cannot use a key: an optional KMS holds
# nothing up, a required one does; a refused key is in the alarm, and sent again until it is taken;
# and two scramblers of one service that do not hold the same key.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need curl
headend 2s
plan 20
sed -i 's/kms: smartcard, ecm_id: 2,/& required: false,/' "$conf"
u="s['services'][0]"
scs_is() { await_status "$1" "$dir/scs.sock" "$2"; }
script() { start "$1" "$PYTHON" "$here/follower.py" "${@:2}"; }

up drm smartcard scs
await 20 "the SCS's door" test -S "$dir/run/scs.sock"
script mux mux "$dir/run/scs.sock" --refuse smartcard --times 1000
check "an optional KMS whose ECM no mux takes does not hold the service" scs_is 60 "${u}['cp'] >= 2"
check "it was refused each time" logged mux '^refused cp=' 2
check "the log says which, and that it is left out" logged scs 'event=record_refused .*kms=smartcard .*left out'

script scrambler scrambler "$dir/run/scs.sock" --times 2
check "a refused key is in status, and an alarm" scs_is 20 "${u}['key_refused'].startswith('0x0006 of scripted') and ${u}['alarm']"
check "it is sent again until it is taken" await_log 30 scrambler '^taken cp='
check "… after two refusals" logged scrambler '^refused cp=' 2
check "which ends the alarm" scs_is 20 "${u}['key_refused'] == '' and not ${u}['alarm']"
check "and is said" logged scs 'event=record_taken'

script liar scrambler "$dir/run/scs.sock" --times 0 --lie 3
check "a scrambler with another key than the first is an alarm" scs_is 20 "${u}['key_differs'].startswith('scripted, cp') and ${u}['alarm']"
check "and an error" logged scs 'level=err .*event=fingerprint_differs .*service=news'
check "until it has the right one" scs_is 20 "${u}['key_differs'] == '' and not ${u}['alarm']"
check "which is said" logged scs 'event=fingerprint_agrees'
curl -s --unix-socket "$dir/scs.sock" http://localhost/metrics >"$dir/metrics"
check "it is counted; who had the right one all the time was not" grep -q 'simulgate_scs_fingerprint_differs_total{service="news"} 3' "$dir/metrics"
kill9 liar

kill9 mux
script mux mux "$dir/run/scs.sock" --refuse drm --times 3
check "a required KMS whose ECM is refused is sent again, and holds the service meanwhile" await_log 30 mux '^refused cp=' 3
cp=$(value "$dir/scs.sock" "${u}['cp']")
check "then it goes on" scs_is 30 "${u}['cp'] >= $cp + 2"

# -- the store is an old one: a scrambler knows better, and clear that it says was commanded is not believed
check "in clear by command" within 30 "$(program '')" service news --clear --config "$conf"
check "it is" scs_is 20 "${u}['mode'] == 'clear'"
kill9 scrambler
script scrambler scrambler "$dir/run/scs.sock" --times 0 --holds news:100000
check "a scrambler that is ahead of the store is an error" await_log 20 scs 'level=err .*event=store_behind service=news .*held=100000'
check "clear has to be commanded again" scs_is 20 "${u}['commanded'] == 'scrambled' and ${u}['mode'] == 'scrambled'"
kill9 scs
up scs
check "which is stored" scs_is 20 "${u}['commanded'] == 'scrambled'"
