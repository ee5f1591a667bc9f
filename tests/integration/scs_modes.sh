#!/usr/bin/env bash
# tests/integration/scs_modes.sh: a service in clear by command and scrambled again, with terminals that lose nothing; what it does when
# an ECMG is lost, by each policy; other access criteria and another period while it runs. An eye on the air says what was really sent.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
plan 34
cp "$conf" "$dir/one.yaml"
# with SED-EXPRESSION ...: the file with changes, and the SCS told of it
reloads=0
with() {
	local args=()
	for e; do args+=(-e "$e"); done
	sed "${args[@]}" "$dir/one.yaml" >"$dir/next.yaml" && mv "$dir/next.yaml" "$conf"
	reloads=$((reloads + 1))
	sig HUP scs && await_log 20 scs 'event=reloaded' "$reloads"
}
service() { within 30 "$(program '')" service news "$@" --config "$conf"; }
scs_is() { await_status "$1" "$dir/scs.sock" "$2"; }
air_is() { await_status "$1" "$dir/eyes.sock" "$2"; }
eye() { value "$dir/eyes.sock" "s['$1']"; }
says() { "$@" >"$dir/answer" 2>&1; local rc=$?; cat "$dir/answer"; return $rc; }
u="s['services'][0]" m="s['media'][0]"

eyes_on
up drm smartcard mux scrambler handset phone scs
scs_is 30 "${u}['cp'] >= 0" >/dev/null || bail "a first crypto-period"
source_on --rate 200
air_is 30 "s['packets'] > 200" >/dev/null || bail "media on the air"

# -- clear by command, and back
check "a service is commanded clear, and told when" says service --clear
check "… in so many words" grep -Eq '^service news: in clear from 20[0-9]{2}-' "$dir/answer"
check "it is in clear from the next boundary on" air_is 30 "s['clear'] > 200"
check "the SCS says so" holds "$dir/scs.sock" "${u}['mode'] == 'clear' and ${u}['commanded'] == 'clear' and not ${u}['alarm']"
check "its ECMs have left the air" await_status 20 "$dir/mux.sock" "s['on_air'] == 0"
check "once more changes nothing" says service --clear
check "… and says that" grep -q 'in clear already' "$dir/answer"
check "an unknown service is refused" same "$(within 30 "$(program '')" service sport --clear --config "$conf" >"$dir/answer" 2>&1; echo $?)" 69
check "scrambled again by command" says service --scramble
check "with the next crypto-period it is" scs_is 30 "${u}['mode'] == 'scrambled' and ${u}['cp'] >= 3"
before=$(eye clear) packets=$(eye packets)
air_is 30 "s['packets'] > $packets + 400" >/dev/null
check "nothing is in clear any more" same "$(($(eye clear) - before < 400))" 1
clear=$(eye clear) packets=$(eye packets)
air_is 30 "s['packets'] > $packets + 400" >/dev/null
check "… nor later" same "$(eye clear)" "$clear"
for t in handset phone; do
	check "$t saw it clear and scrambled, and lost nothing" holds "$dir/$t.sock" \
		"all(v['packets'] > 400 and v['clear'] > 200 and v['lost'] == 0 and v['undecryptable'] == 0 for v in s['services'])"
done
check "no packet was lost, unannounced or stale" holds "$dir/eyes.sock" 's["lost"] == s["repeated"] == s["unannounced"] == s["stale"] == 0'

# -- a command outlives the SCS; a scrambler that comes back without it sends nothing
service --clear >/dev/null
scs_is 30 "${u}['mode'] == 'clear'" >/dev/null
await_status 20 "$dir/scrambler.sock" "${m}['mode'] == 'clear'" >/dev/null
kill9 scs
kill9 scrambler
up scrambler
await_status 20 "$dir/scrambler.sock" "${m}['packets_in'] > 200" >/dev/null
check "a scrambler without the SCS's word sends nothing" holds "$dir/scrambler.sock" "${m}['packets_out'] == 0 and ${m}['mode'] == 'none'"
up scs
reloads=0
: >"$dir/log/scs"
check "the command was stored" await_status 30 "$dir/scrambler.sock" "${m}['mode'] == 'clear' and ${m}['packets_clear'] > 100"
kill9 scs
service --scramble >"$dir/answer" 2>&1 &
waiter=$!
up scs
check "a command waits for an SCS that restarts" wait $waiter
check "… and is obeyed" scs_is 30 "${u}['mode'] == 'scrambled' and ${u}['streams'][0]['up']"
await_status 30 "$dir/scrambler.sock" "${m}['mode'] == 'scrambled'" >/dev/null

# -- a required ECMG is lost: hold, mute, clear
clear=$(eye clear)
kill9 drm
check "hold: the crypto-period is extended" scs_is 30 "${u}['extended']"
packets=$(eye packets)
check "… its key and media go on" air_is 30 "s['packets'] > $packets + 400 and s['clear'] == $clear"
check "a policy comes by SIGHUP" with 's/crypto_period: 2s/&\n    on_loss: mute\n    on_loss_after: 2s/'
check "mute: it is, with an alarm" scs_is 30 "${u}['mode'] == 'muted' and ${u}['alarm']"
await_status 20 "$dir/scrambler.sock" "${m}['mode'] == 'muted'" >/dev/null
sent=$(value "$dir/scrambler.sock" "${m}['packets_out']") got=$(value "$dir/scrambler.sock" "${m}['packets_in']")
await_status 20 "$dir/scrambler.sock" "${m}['packets_in'] > $got + 200" >/dev/null
check "… nothing is sent, and nothing in clear" same "$(value "$dir/scrambler.sock" "${m}['packets_out']") $(eye clear)" "$sent $clear"
cp "$conf" "$dir/muted.yaml"
with 's/crypto_period: 2s/&\n    on_loss: clear/' >/dev/null 2>&1 &	# asked for once is not enough
await_log 20 scs 'event=reload_refused .*headend.yaml:[0-9]+:[0-9]+: on_loss: clear has to be said twice'
kill $! 2>/dev/null
check "clear said once is refused with its place" logged scs 'event=reload_refused .*said twice'
check "clear, said twice" with 's/crypto_period: 2s/&\n    on_loss: clear\n    on_loss_clear: true\n    on_loss_after: 2s/'
check "… it is, with an alarm" scs_is 30 "${u}['mode'] == 'exposed' and ${u}['alarm']"
check "… on the air" air_is 30 "s['clear'] > $clear + 200"
up drm
check "with its ECMs it is scrambled again by itself" scs_is 60 "${u}['mode'] == 'scrambled' and not ${u}['alarm']"
check "each change was said" logged scs 'event=service_(muted|exposed|scrambled) service=news' 3

# -- other criteria, another period, without a new unit
epoch=$(value "$dir/scs.sock" "${u}['epoch']") cp=$(value "$dir/scs.sock" "${u}['cp']") ext=$(value "$dir/scs.sock" "${u}['extensions'] - s['stalls']['count']")
check "another period and other criteria by SIGHUP" with 's/crypto_period: 2s/crypto_period: 3s/' '/kms: smartcard, ecm_id: 2/s/ecm_id: 2,/& access_criteria: 0x0102000f,/'
check "they are for a crypto-period to come" logged scs 'event=access_criteria service=news kms=smartcard from_cp='
check "rotation goes on, under the same epoch, unextended" scs_is 30 "${u}['cp'] >= $cp + 4 and ${u}['period_ms'] == 3000 and ${u}['epoch'] == $epoch and ${u}['extensions'] <= $ext + s['stalls']['count']"
for p in scs mux handset phone; do ln -s "$dir/$p.sock" "$dir/run/$p.status.sock"; done
within 30 "$(program '')" status --config "$conf" >"$dir/status" 2>&1
check "status follows each ECM from its KMS to the terminal" grep -Eq \
	'^ecm: service=news kms=drm ECM_id=1 generated=[1-9][0-9]* .*committed=[1-9][0-9]* on_air=[1-9][0-9]* seen=[1-9][0-9]*$' "$dir/status"
