#!/usr/bin/env bash
# tests/integration/standby.sh: two ECMGs of one KMS. The standby is kept open and tested, and is an alarm when it dies; kill -9 of the
# preferred one in the middle of a crypto-period: the standby takes over, nothing is lost at the terminals; the preferred one is gone
# back to. An ECMG with max_streams 1 gets a channel for each of three services.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
plan 27
ports port_spare port_one port_two port_three p_fixed
# a spare for the KMS drm; and an ordinary KMS that takes one stream a channel, announces what the operator corrects, and has fixed ids
sed -i -e "s|ecmg: tcp://127.0.0.1:$port_drm,|ecmg: [tcp://127.0.0.1:$port_drm, tcp://127.0.0.1:$port_spare], return_after: 3s, test_interval: 1s,|" \
	-e "/^services:/i\\  one: { super_cas_id: 0x4ae60001, ecmg: tcp://127.0.0.1:$port_one, profile: fixed.yaml, override: { max_comp_time: { replace: 700 }, delay_start: { max: -100 } } }" \
	-e "/^terminals:/i\\  - { id: first, scrambling: none, crypto_period: 2s, stkm: [{ kms: one, ecm_id: 7 }] }\n  - { id: second, scrambling: none, crypto_period: 2s, stkm: [{ kms: one, ecm_id: 8 }] }\n  - { id: third, scrambling: none, crypto_period: 2s, stkm: [{ kms: one, ecm_id: 9 }] }" "$conf"
cp "$top_srcdir/examples/profiles/fixed-channel-id.yaml" "$dir/fixed.yaml"

preferred() { sg "$1" ecmg --listen "tcp://127.0.0.1:$port_drm" --config "$conf" --kms drm --status "unix://$dir/$1.sock"; }
# The configuration of the KMS with another address: what a second machine has.
spare() {
	sed "s|ecmg: \[tcp://127.0.0.1:$port_drm, tcp://127.0.0.1:$port_spare\]|ecmg: tcp://127.0.0.1:$port_spare|" "$conf" >"$dir/spare.yaml"
	sg "$1" ecmg --config "$dir/spare.yaml" --kms drm --status "unix://$dir/$1.sock"
}
kms() { echo "next(k for k in s['kms'] if k['kms'] == '$1')"; }
news() { echo "next(v for v in s['services'] if v['service'] == 'news')"; }
scs_is() { await_status "$1" "$dir/scs.sock" "$2"; }
on() {	# three crypto-periods on
	local cp
	cp=$(value "$dir/scs.sock" "$(news)['cp']")
	scs_is 30 "$(news)['cp'] >= $cp + 3"
}
in_time() { holds "$dir/scs.sock" "$(news)['extensions'] == 0"; }
