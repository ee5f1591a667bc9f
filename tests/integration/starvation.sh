#!/usr/bin/env bash
# tests/integration/starvation.sh: the SCS dies and stays away: the scrambler does by itself what on_loss says, not before on_loss_after, and
# takes it back when the SCS returns. That a key is held, as it is by default, kill9.sh has. An eye on the air says what was really sent.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
plan 13
cp "$conf" "$dir/one.yaml"
policy() { sed "s/crypto_period: 2s/&\n    on_loss: $1\n    on_loss_after: 3s$2/" "$dir/one.yaml" >"$conf"; }
scs_is() { await_status "$1" "$dir/scs.sock" "$2"; }
scrambler_is() { await_status "$1" "$dir/scrambler.sock" "s['media'][0]['mode'] == '$2'"; }
air_is() { await_status "$1" "$dir/eyes.sock" "$2"; }
eye() { value "$dir/eyes.sock" "s['$1']"; }
u="s['services'][0]"

policy mute ''
eyes_on
up drm smartcard mux scrambler handset scs
scs_is 30 "${u}['cp'] >= 1" >/dev/null || bail "a first crypto-period"
source_on --rate 200
air_is 30 "s['packets'] > 200" >/dev/null || bail "media on the air"

died=$(date +%s%N)
kill9 scs
check "mute: the scrambler says so" await_log 30 scrambler 'level=err .*event=key_starvation service=news .*mode=muted'
check "not before its time" test $(($(date +%s%N) - died)) -ge 3000000000
check "it is muted" scrambler_is 15 muted
sleep 0.5
packets=$(eye packets)
sleep 1
check "nothing is on the air" same "$(eye packets)" "$packets"
check "and nothing was in clear" same "$(eye clear)" 0
up scs
check "the SCS is back: scrambled again" scrambler_is 30 scrambled
check "on the air, too" air_is 30 "s['packets'] > $packets + 200"
check "… and in step" scs_is 30 "${u}['mode'] == 'scrambled' and not ${u}['alarm']"

policy clear '\n    on_loss_clear: true'
sig HUP scrambler
check "clear, said twice, is taken up by a reload" await_log 20 scrambler 'event=reloaded'
kill9 scs
check "it is in clear by and by" scrambler_is 30 clear
check "the air shows it" air_is 20 "s['clear'] > 100"
up scs
check "until the SCS is back" scrambler_is 30 scrambled
clear=$(eye clear) packets=$(eye packets)
air_is 30 "s['packets'] > $packets + 400" >/dev/null
check "then no more" test "$(eye clear)" -le $((clear + 50))
