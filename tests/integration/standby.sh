#!/usr/bin/env bash
# tests/integration/standby.sh: two ECMGs of one KMS. The standby is kept open and tested, and is an alarm when it dies; kill -9 of the
# preferred one in the middle of a crypto-period: the standby takes over, nothing is lost at the terminals; the preferred one is gone
# back to. An ECMG with max_streams 1 gets a channel for each of three services.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 3s
plan 27
ports port_spare port_one
# a spare for the KMS drm; and an ordinary KMS that takes one stream a channel, announces what the operator corrects, and has fixed ids
sed -i -e "s|ecmg: tcp://127.0.0.1:$port_drm,|ecmg: [tcp://127.0.0.1:$port_drm, tcp://127.0.0.1:$port_spare], return_after: 3s, test_interval: 1s,|" \
	-e "/^services:/i\\  one: { super_cas_id: 0x4ae60001, ecmg: tcp://127.0.0.1:$port_one, profile: fixed.yaml, override: { max_comp_time: { replace: 700 }, delay_start: { max: -100 } } }" \
	-e "/^terminals:/i\\  - { id: first, scrambling: none, crypto_period: 2s, stkm: [{ kms: one, ecm_id: 7 }] }\n  - { id: second, scrambling: none, crypto_period: 2s, stkm: [{ kms: one, ecm_id: 8 }] }\n  - { id: third, scrambling: none, crypto_period: 2s, stkm: [{ kms: one, ecm_id: 9 }] }" "$conf"
cp "$top_srcdir/examples/profiles/fixed-channel-id.yaml" "$dir/fixed.yaml"

preferred() { sg "$1" ecmg --config "$conf" --kms drm --listen "tcp://127.0.0.1:$port_drm" --status "unix://$dir/$1.sock"; }
spare() { sg "$1" ecmg --log-level debug --config "$conf" --kms drm --listen "tcp://127.0.0.1:$port_spare" --status "unix://$dir/$1.sock"; }
kms() { echo "next(k for k in s['kms'] if k['kms'] == '$1')"; }
news() { echo "next(v for v in s['services'] if v['service'] == 'news')"; }
scs_is() { await_status "$1" "$dir/scs.sock" "$2"; }
on() {	# three crypto-periods on
	local cp
	cp=$(value "$dir/scs.sock" "$(news)['cp']")
	scs_is 30 "$(news)['cp'] >= $cp + 3"
}
never_asked() { ! logged second CW_provision; }
in_time() { holds "$dir/scs.sock" "$(news)['extensions'] <= s['stalls']['count']"; }	# when the machine stood still, that is not held against it

eyes_on
preferred first
spare second
sg one ecmg --listen "tcp://127.0.0.1:$port_one" --plugin lab --super-cas-id 0x4ae60001 --set max_streams=1 --status "unix://$dir/one.sock"
up smartcard mux scrambler handset phone scs
scs_is 20 "$(news)['cp'] >= 0" >/dev/null || bail "a first crypto-period"
source_on --rate 200
await_status 10 "$dir/eyes.sock" "s['packets'] > 100" >/dev/null || bail "media on the air"

# -- one stream a channel
check "three services get a channel each" scs_is 15 "$(kms one)['ecmg'][0]['channels_open'] == 3 and $(kms one)['ecmg'][0]['streams_up'] == 3"
check "with the vendor's numbers" holds "$dir/scs.sock" "sorted(c['ECM_channel_id'] for c in $(kms one)['ecmg'][0]['channels']) == [5, 6, 7]"
check "the streams are called by their ECM_id" logged scs 'event=stream_open kms=one .*service=first .*stream=7 ECM_id=7'
check "all three have crypto-periods" scs_is 15 "all(v['cp'] >= 1 for v in s['services'] if v['service'] in ('first', 'second', 'third'))"
check "announced values are overridden where the configuration says so" holds "$dir/scs.sock" \
	"$(kms one)['in_force']['max_comp_time'] == 700 and $(kms one)['overridden']['max_comp_time'] == {'announced': 500, 'in_force': 700}"
check "which is in the log once a channel" same "$(grep -c 'event=announced_overridden kms=one .*value=max_comp_time' "$dir/log/scs")" 3

# -- the standby
check "the standby's channel and stream are open" scs_is 10 "$(kms drm)['ecmg'][1]['state'] == 'WELL' and $(kms drm)['ecmg'][1]['streams_up'] == 1"
check "it is tested" await_log 10 second 'way=in .*(channel|stream)_test' 2
check "and not asked" never_asked
check "crypto-periods go on" on
kill9 second
check "a dead standby is an alarm" await_log 15 scs 'level=err .*event=ecmg_dead kms=drm ecmg=1 role=standby'
check "also in the status" holds "$dir/scs.sock" "$(kms drm)['dead'] == 1 and $(kms drm)['ecmg'][1]['alarm']"
spare second
check "it is over when the standby is back" await_log 20 scs 'event=ecmg_well kms=drm ecmg=1 role=standby'
check "no crypto-period was extended" in_time

# -- kill -9 of the preferred one that holds a question
freeze first
check "the preferred one holds a question" scs_is 15 "$(news)['phase'] == 'asking' and $(news)['streams'][0]['asked'] == 'asked'"
kill9 first
check "the standby answers it" await_log 10 scs 'event=takeover kms=drm asked=1 '
check "and is in use now" scs_is 5 "$(kms drm)['preferred'] == 1"
check "crypto-periods go on" on
check "none was extended" in_time
check "the lost one is an alarm" await_log 10 scs 'event=ecmg_dead kms=drm ecmg=0 role=standby'

# -- the preferred one comes back
preferred first
check "it is gone back to when it has been well" scs_is 40 "$(kms drm)['preferred'] == 0"
check "crypto-periods go on" on
check "none was extended" in_time
for t in handset phone; do check "$t lost nothing" content $t 1000; done
check "no packet was lost, clear, unannounced or stale" holds "$dir/eyes.sock" \
	's["lost"] == s["repeated"] == s["clear"] == s["not_rtp"] == s["unannounced"] == s["stale"] == 0'
check "SIGTERM ends it" stop scs
