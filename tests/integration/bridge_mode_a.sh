#!/usr/bin/env bash
# tests/integration/bridge_mode_a.sh: mode A with two bridges: SCS, bridge `front` (BSD/A and BSA), XML over HTTPS both ways, bridge `back` (BSM: it makes the
# keys), SimulCrypt, ECMG. The terminal sees every packet right over key changes, also while the BSM is killed and started anew; no key is on a disk in clear.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
need openssl

plan 10
headend 3s
{ authority ca && certificate ca front DNS:bsda.test.example && certificate ca back DNS:bsm.test.example; } || bail "certificates"
ports face https https_front nobody
mkdir -p "$dir/back/keys" && install -m 600 "$dir/keys/drm.yaml" "$dir/back/keys/"
cat >"$dir/back/kms.yaml" <<EOF
head_end: operator
state: state
playout: unix://$dir/back
kms:
$(grep '^  drm:' "$conf")
  elsewhere: { super_cas_id: 0x00020002, ecmg: tcp://127.0.0.1:$nobody }
services:
  - id: news
    global_service_id: "urn:test:news"
    scrambling: srtp
    crypto_period: 3s
    media: [ { name: av, in: "udp://$in", out: "udp://$out" } ]
    stkm: [ { kms: elsewhere, ecm_id: 9, out: "udp://$stkm_drm" } ]
bridge:
  back:
    id: bsm.test.example
    roles: bsm
    listen: tls://127.0.0.1:$https
    certificate: ../back.pem
    private_key: ../back.key
    ca: ../ca.pem
    peers: { bsda: { id: bsda.test.example, url: "https://127.0.0.1:$https_front", roles: [bsda, bsa] } }
    stkm: [ { kms: drm, peer: bsda, service: news, ecm_id: 1, mode: a } ]
EOF
sed -i "/smartcard/d; /phone/d
	s|^  drm:.*|  drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$face, delay_start: -300, delay_stop: -300, max_comp_time: 600 }|
	s|^  - id: news|&\n    keys: front\n    extension_alarm: 2s\n    global_service_id: \"urn:test:news\"|" "$conf"
cat >>"$conf" <<EOF
bridge:
  front:
    id: bsda.test.example
    roles: [bsda, bsa]
    listen: tls://127.0.0.1:$https_front
    certificate: front.pem
    private_key: front.key
    ca: ca.pem
    peers: { bsm: { id: bsm.test.example, url: "https://127.0.0.1:$https", roles: bsm } }
    ecmg: [ { kms: drm, peer: bsm, mode: a } ]
EOF
bridges() {	# NAME FILE
	sg "$1" bridge --config "$2" --bridge "$1" --schemas "$top_srcdir/bridge" --status "unix://$dir/$1.sock"
}
sg stkmg ecmg --config "$dir/back/kms.yaml" --kms drm --status "unix://$dir/stkmg.sock"
bridges back "$dir/back/kms.yaml"
bridges front "$conf"
await_port 15 "$face" || bail "the bridge is an ECMG"
await_port 15 "$https" || bail "the other one is a BSM"
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
bridges back "$dir/back/kms.yaml"
n=$(value "$dir/handset.sock" "u['crypto_periods']")
check "after its return the keys are those that it gave before" periods 60 $((n + 3))
check "nobody had another one" holds "$dir/scs.sock" "u['keys']['refused'] == 0"
check "nothing was lost, nothing was clear" content handset 300
check "the BSM's store of keys is wrapped, and for its owner's eyes" same "$(find "$dir/back/state" -name '*.keys*' -not -perm 600)" ""
