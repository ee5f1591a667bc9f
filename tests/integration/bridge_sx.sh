#!/usr/bin/env bash
# tests/integration/bridge_sx.sh: XML BSMs and BSD/As in front of SimulCrypt clients: every row of the error table, BSMs that are late, silent and not there,
# STKMs that come unasked, LTKMs by TCP and UDP; the peers are a BSM, an SCS and an EMMG in Python, VideoLAN's SCS, and xmllint reads every document.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
example=/usr/share/doc/libbitstream-dev/examples/dvb_ecmg_test.c
need openssl xmllint socat "$CC"
[ -r "$example" ] || missing "$example of libbitstream-dev"

plan 41
# Its Super_CAS_id is a random one: no table has that.
sed 's/i_supercasid = rand()/i_supercasid = 0x4AE60001/' "$example" >"$dir/peer.c"
"$CC" -O1 -w -o "$dir/peer" "$dir/peer.c" >"$dir/log/cc" 2>&1 || bail "the example compiles"
{ authority ca && certificate ca bridge DNS:bsda.test.example && certificate ca bsm DNS:bsm.test.example; } || bail "certificates"
ports bsm listen face hasty_face deaf_face own_face old_face nobody emmg udp
mkdir "$dir/xml" "$dir/run"
judge() { "$PYTHON" "$here/sx_judge.py" "$@"; }
service() {	# NAME KMS ECM_ID
	printf '  - { id: %s, global_service_id: "urn:test:%s", scrambling: none, crypto_period: 10s, stkm: [ { kms: %s, ecm_id: %d } ] }\n' "$1" "$1" "$2" "$3"
}
cat >"$dir/sx.yaml" <<EOF
head_end: judge
state: $dir/state
playout: unix://$dir/run
kms:
  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$face, max_comp_time: 4000, delay_start: -300 }
  hasty: { super_cas_id: 0x00020003, ecmg: tcp://127.0.0.1:$hasty_face, max_comp_time: 500 }
  deaf: { super_cas_id: 0x00020009, ecmg: tcp://127.0.0.1:$deaf_face, max_comp_time: 500 }
  own: { super_cas_id: 0x0002000A, ecmg: tcp://127.0.0.1:$own_face, max_comp_time: 5000 }
  old: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$old_face, protocol_version: 1, max_streams: 50, max_comp_time: 5000 }
services:
$(service ok card 1; service status card 2; service http card 3; service wrong card 6; service late hasty 4; service never hasty 5
	service deaf deaf 7; service section old 1; service own own 8 | sed 's/crypto_period/keys: x, &/')
bridge:
  x:
    id: bsda.test.example
    roles: [bsda, bsa, bsm]
    listen: tls://127.0.0.1:$listen
    certificate: bridge.pem
    private_key: bridge.key
    ca: ca.pem
    peers:
      bsm: { id: bsm.test.example, url: "https://127.0.0.1:$bsm", roles: [bsm, bsda] }
      gone: { id: gone.test.example, url: "https://127.0.0.1:$nobody", roles: [bsm] }
    ecmg:
      - { kms: card, peer: bsm }
      - { kms: hasty, peer: bsm }
      - { kms: deaf, peer: gone }
      - { kms: own, peer: bsm, mode: a }
      - { kms: old, peer: bsm }
    emmg:
      - { listen: "tcp://127.0.0.1:$emmg", listen_udp: "udp://127.0.0.1:$udp", peer: bsm, service: ok, client_id: 0x00010042, data_id: 10 }
      - { listen: "tcp://127.0.0.1:$emmg", peer: bsm, service: ok, client_id: 0x00010042, data_id: 11, registration: true }
      - { listen: "tcp://127.0.0.1:$emmg", peer: bsm, service: status, client_id: 0x00010042, data_id: 12 }
EOF
start bsm "$PYTHON" "$here/sx_judge.py" bsm "$bsm" "$dir/xml" "$dir/ca.pem" "$dir/bsm.pem" "$dir/bsm.key"
await_log 15 bsm serving || bail "the BSM serves"
sg bridge bridge --config "$dir/sx.yaml" --status "unix://$dir/bridge.sock" --schemas "$top_srcdir/bridge"
await_port 15 "$face" || bail "the bridge is an ECMG"

verdicts judge scs "127.0.0.1:$face" "127.0.0.1:$hasty_face" "$dir/xml"
verdicts judge deaf "127.0.0.1:$deaf_face"
as_bsm=("https://127.0.0.1:$listen" "$dir/ca.pem" "$dir/bsm.pem" "$dir/bsm.key" "$dir/xml")
verdicts judge tell "${as_bsm[@]}" "127.0.0.1:$face"
verdicts judge mode_a "${as_bsm[@]}" "127.0.0.1:$own_face"

verdicts judge ask "${as_bsm[@]}" 9 ok 19 0
verdicts judge emmg "127.0.0.1:$emmg" "$udp" "$dir/xml"
verdicts judge ask "${as_bsm[@]}" 9 ok 0 1
verdicts judge ask "${as_bsm[@]}" 13 ok 0 1
verdicts judge ask "${as_bsm[@]}" 9 never 15 0

start peer socat "EXEC:$dir/peer 1 1" "TCP:127.0.0.1:$old_face"
its_ecms() { [ "$(grep -l 'STKMRequestResponse.*urn:test:section' "$dir"/xml/out-*.xml | wc -l)" -ge 3 ]; }
check "VideoLAN's SCS (protocol_version 1) gets ECMs of an XML BSM" await 30 "its ECMs" its_ecms
check "it is still there" alive peer
check "and has nothing to complain of" same "$(grep -v '^starting ' "$dir/log/peer")" ""

valid() { find "$dir/xml" -name '*.xml' -print0 | xargs -0 xmllint --nonet --noout --schema "$top_srcdir/bridge/sp4-backend.xsd" 2>&1 | grep -v ' validates$'; }
check "every document of the run is valid by the installed schemas" same "$(valid)" ""
check "there were many of them" test "$(find "$dir/xml" -name '*.xml' | wc -l)" -gt 200
check "no key is in the log or the status" test -z "$(grep -iE "$(printf %s "$(printf 'key 1 65500' | sha256sum | cut -c1-60)")" "$dir/log/bridge")"
check "the counts say who is silent" holds "$dir/bridge.sock" "any(x['peer'] == 'gone' for x in s['sx']['ecmg']['stkms']['silent'])"
check "it ends in order" stop bridge 15
