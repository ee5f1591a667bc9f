#!/usr/bin/env bash
# tests/integration/bridge_demo.sh: the small head-end with the Smartcard KMS behind two bridges, mode C: SCS, SimulCrypt, bridge `front`, XML over HTTPS,
# bridge `back`, SimulCrypt, ECMG. Both terminals see every packet right over several key changes, also while a bridge is started anew.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
need openssl

plan 8
headend 3s
{ authority ca && certificate ca front DNS:bsda.test.example && certificate ca back DNS:bsm.test.example; } || bail "certificates"
ports face https nobody
mkdir "$dir/back"
cat >"$dir/back/kms.yaml" <<EOF
head_end: operator
state: state
playout: unix://$dir/back
kms:
$(grep '^  smartcard:' "$conf")
  elsewhere: { super_cas_id: 0x00020002, ecmg: tcp://127.0.0.1:$nobody }
services:
  - id: news
    global_service_id: "urn:test:news"
    scrambling: srtp
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
    peers: { bsda: { id: bsda.test.example, roles: bsda } }
    stkm: [ { kms: smartcard, peer: bsda, service: news, ecm_id: 2 } ]
EOF
mkdir "$dir/back/keys" && install -m 600 "$dir/keys/smartcard.yaml" "$dir/back/keys/"
# What is the file of the head-end knows of the KMS no more than its address.
sed -i "s|^  smartcard:.*|  smartcard: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$face, delay_start: -300, delay_stop: -300, max_comp_time: 600 }|
	s|^  - id: news|&\n    global_service_id: \"urn:test:news\"|" "$conf"
cat >>"$conf" <<EOF
bridge:
  front:
    id: bsda.test.example
    roles: bsda
    certificate: front.pem
    private_key: front.key
    ca: ca.pem
    peers: { bsm: { id: bsm.test.example, url: "https://127.0.0.1:$https", roles: bsm } }
    ecmg: [ { kms: smartcard, peer: bsm } ]
EOF
up drm
sg card ecmg --config "$dir/back/kms.yaml" --kms smartcard --status "unix://$dir/card.sock"
bridges() {	# NAME FILE
	sg "$1" bridge --config "$2" --bridge "$1" --schemas "$top_srcdir/bridge" --status "unix://$dir/$1.sock"
}
bridges back "$dir/back/kms.yaml"
bridges front "$conf"
await_port 15 "$face" || bail "the bridge is an ECMG"
await_port 15 "$https" || bail "the other one is a BSM"
up scs mux scrambler handset phone
source_on --rate 100
cp_of() { value "$dir/scs.sock" "u['cp']"; }
periods() { await_status "$1" "$dir/$2.sock" "u['crypto_periods'] >= $3 and u['lost'] == 0 and u['undecryptable'] == 0"; }
check "the DRM profile's terminal sees three crypto-periods" periods 40 handset 3
[ "$failed" -eq 0 ] || exit 1
check "the Smartcard profile's, behind the bridges, too" periods 40 phone 3
check "its STKMs came by XML" holds "$dir/front.sock" "s['sx']['ecmg']['stkms']['answered'] >= 3 and s['sx']['ecmg']['stkms']['refused'] == 0"
check "and were made by the ECMG behind them" holds "$dir/card.sock" "s['ecm_total'] >= 3"
check "a bridge ends in order" stop front 10
bridges front "$conf"
n=$(value "$dir/phone.sock" "u['crypto_periods']")
check "and after its return the phone goes on through key changes" periods 60 phone $((n + 3))
check "the handset has lost nothing, either" content handset 300
check "nor has the phone" content phone 300
