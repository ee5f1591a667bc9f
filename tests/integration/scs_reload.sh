#!/usr/bin/env bash
# tests/integration/scs_reload.sh: SIGHUP of the SCS adds, changes and ends services; a bad file changes nothing; the service that the
# file leaves alone never notices: no packet is lost, none is under a key whose STKM is not on air.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
plan 30
cp "$conf" "$dir/one.yaml"
echo '  - { ecm_id: 11, service: news }' >>"$dir/keys/drm.yaml"
# sport PERIOD [AUTHENTICATION]: the file with a second service beside the first, one KMS of which is optional, and does not run
ports p_sport p_nobody p_air p_first p_second
sport() {
	{
		sed "/^services:/i\\  nobody:    { super_cas_id: 0x4ae60001, ecmg: tcp://127.0.0.1:$p_nobody, protocol_version: 2 }" "$dir/one.yaml" | sed '/^terminals:/,$d'
		cat <<-END
		  - id: sport
		    scrambling: srtp
	    authentication: ${2:-true}
		    crypto_period: $1
		    media:
		      - { name: av, in: "udp://127.0.0.1:$p_sport", out: "udp://127.0.0.1:$p_air" }
		    stkm:
		      - { kms: drm, ecm_id: 11, out: "udp://127.0.0.1:$p_first" }
		      - { kms: nobody, ecm_id: 12, out: "udp://127.0.0.1:$p_second", required: false }
		END
		sed -n '/^terminals:/,$p' "$dir/one.yaml"
	} >"$dir/next.yaml"
	mv "$dir/next.yaml" "$conf"
}
reload() { sig HUP scs && await_log 5 scs "$1" "${2:-1}"; }
svc() { echo "next(v for v in s['services'] if v['service'] == '$1')"; }
scs_is() { await_status "$1" "$dir/scs.sock" "$2"; }
# News has gone on: never extended (unless the machine stood still meanwhile), one crypto-period after the other.
calm() { holds "$dir/scs.sock" "$(svc news)['extensions'] <= s['stalls']['count'] and $(svc news)['epoch'] == 1"; }
goes_on() {
	local cp
	cp=$(value "$dir/scs.sock" "$(svc news)['cp']")
	scs_is 10 "$(svc news)['cp'] >= $cp + 2" && calm
}

eyes_on
up drm smartcard mux scrambler handset phone scs
await_status 15 "$dir/scs.sock" "u['cp'] >= 0" >/dev/null || bail "a first crypto-period"
source_on --rate 200
await_status 10 "$dir/eyes.sock" "s['packets'] > 100" >/dev/null || bail "media on the air"

# -- a service is added; one of its KMSs is optional and away
sport 3s
check "a service is added" reload 'event=reloaded .*services=2'
check "its keys come, without the optional KMS" scs_is 15 "$(svc sport)['cp'] >= 1 and not $(svc sport)['streams'][1]['up']"
check "its STKMs are with the mux" await_status 5 "$dir/mux.sock" "any(v['service'] == 'sport' for v in s['streams'])"
check "the other service goes on" goes_on

# -- its crypto-period changes: the unit stays, the running one ends as it was promised
cp=$(value "$dir/scs.sock" "$(svc sport)['cp']")
sport 4s
check "a crypto_period changes" reload 'event=reloaded' 2
check "the unit is not replaced" holds "$dir/scs.sock" "$(svc sport)['epoch'] == 1"
check "rotation goes on with the new period" scs_is 20 "$(svc sport)['cp'] >= $cp + 2 and $(svc sport)['period_ms'] == 4000"
check "and was not held up" holds "$dir/scs.sock" "$(svc sport)['extensions'] <= s['stalls']['count']"
check "the other service goes on" goes_on

# -- the same file again, and files that are refused
check "an equal file changes nothing" reload 'event=reloaded' 3
check "and nobody is taken over again" same "$(value "$dir/scs.sock" "[v['epoch'] for v in s['services']]")" "[1, 1]"
sport 5s false
check "scrambling does not change under the same name" reload 'event=reload_refused .*scrambling cannot change'
sport "5 parsecs"
check "a bad file is refused with its place" reload 'event=reload_refused .*headend.yaml:[0-9]+:[0-9]+' 2
rm "$conf"
check "and so is none at all" reload 'event=reload_refused' 3
check "nothing changed" same "$(value "$dir/scs.sock" "[(v['service'], v['epoch']) for v in s['services']]")" '[["news", 1], ["sport", 1]]'
check "the other service goes on" goes_on

# -- a command ends with its service
sport 4s
check "a service is commanded clear" within 30 "$(program '')" service sport --clear --config "$conf"
check "and is" scs_is 20 "$(svc sport)['mode'] == 'clear'"
cp "$dir/one.yaml" "$conf"
check "it is removed" reload 'event=reloaded .*services=1'
sport 4s
reload 'event=reloaded .*services=2' 4
check "it comes back scrambled" scs_is 20 "$(svc sport)['mode'] == 'scrambled' and $(svc sport)['commanded'] == 'scrambled'"
check "the other service goes on" goes_on

# -- a KMS moves to another address and back: its streams go along, an ECMG says goodbye to each
sed "s/tcp:..127.0.0.1:$port_drm/[tcp:\/\/127.0.0.1:$port_drm, tcp:\/\/127.0.0.1:1]/" "$dir/one.yaml" >"$conf"
check "a service is removed, and a KMS changes" reload 'event=reloaded .*services=1' 2
check "the mux has forgotten the service" await_status 5 "$dir/mux.sock" "all(v['service'] != 'sport' for v in s['streams'])"
cp=$(value "$dir/scs.sock" "u['cp']")
check "the service of the changed KMS rotates on" scs_is 15 "u['service'] == 'news' and u['cp'] >= $cp + 3"
check "its running crypto-period was not put off" holds "$dir/scs.sock" "u['extensions'] <= 1 + s['stalls']['count']"

# -- who watched news all the time
for t in handset phone; do check "$t lost nothing" content $t 1000; done
check "no packet was lost, clear, unannounced or stale" holds "$dir/eyes.sock" \
	's["lost"] == s["repeated"] == s["clear"] == s["not_rtp"] == s["unannounced"] == s["stale"] == 0'
check "the SCS's log has no complaint of its own" same "$(grep -cE 'event=(store_unavailable|record_refused|message_out_of_state|ecm_unexpected)' "$dir/log/scs")" 0
check "SIGTERM ends it" stop scs
