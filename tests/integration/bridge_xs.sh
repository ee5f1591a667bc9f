#!/usr/bin/env bash
# tests/integration/bridge_xs.sh: simulgate-bridge as an XML BSM with SimulCrypt ECMGs behind it: curl is the BSD/A, its documents are the samples and some that
# were written by hand; the ECMGs are ours (drm, smartcard, lab) and biTStream's. What is wrong with an ECMG becomes the status of the table.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=xslib.sh
. "$here/xslib.sh"
example=/usr/share/doc/libbitstream-dev/examples/dvb_ecmg.c
need curl xmllint openssl socat "$CC"
[ -r "$example" ] || missing "$example of libbitstream-dev"

plan 33
"$CC" -O1 -w -o "$dir/peer" "$example" >"$dir/log/cc" 2>&1 || bail "biTStream's example compiles"
authority ca
certificate ca bsm1 DNS:bsm1.operator.example IP:127.0.0.1
certificate ca bsda DNS:bsda.operator.example
certificate ca other DNS:other.operator.example
for key in drm smartcard; do install -m 600 "$top_srcdir/examples/keys/$key.yaml" "$dir/$key.yaml"; done
ports port_bridge drm card lab slow deaf one two none bits
cat >"$dir/headend.yaml" <<EOF
head_end: judge
state: state
playout: unix://$dir/run
kms:
  drm:   { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$drm, plugin: drm, keys: drm.yaml }
  card:  { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$card, plugin: smartcard, keys: smartcard.yaml }
  lab:   { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$lab }
  slow:  { super_cas_id: 0x4AE60002, ecmg: tcp://127.0.0.1:$slow }
  deaf:  { super_cas_id: 0x4AE60003, ecmg: tcp://127.0.0.1:$deaf }
  two:   { super_cas_id: 0x4AE60004, ecmg: [tcp://127.0.0.1:$one, tcp://127.0.0.1:$two] }
  none:  { super_cas_id: 0x4AE60005, ecmg: tcp://127.0.0.1:$none }
  bits:  { super_cas_id: 0x4AE60006, ecmg: tcp://127.0.0.1:$bits, protocol_version: 3 }
services:
  - id: tv1
    scrambling: ipsec
    global_service_id: urn:oma:bcast:iauth:x-test:service:tv1
  - id: tv2
    scrambling: srtp
    global_service_id: urn:test:tv2
  - { id: plain, scrambling: none, cw_length: 8, global_service_id: "urn:test:plain" }
  - { id: made, scrambling: none, cw_length: 8, global_service_id: "urn:test:made" }
bridge:
  back:
    id: bsm1.operator.example
    roles: bsm
    listen: tls://127.0.0.1:$port_bridge
    certificate: bsm1.pem
    private_key: bsm1.key
    ca: ca.pem
    peers:
      bsda: { id: bsda.operator.example, roles: bsda }
      other: { id: other.operator.example, roles: bsda }
    stkm:
      - { kms: drm,  peer: bsda, service: tv1, ecm_id: 1 }
      - { kms: card, peer: bsda, service: tv2, ecm_id: 2 }
      - { kms: lab,  peer: bsda, service: plain, ecm_id: 3 }
      - { kms: drm,  peer: other, service: tv1, ecm_id: 1 }
      - { kms: slow, peer: bsda, service: plain, ecm_id: 4 }
      - { kms: deaf, peer: bsda, service: plain, ecm_id: 5 }
      - { kms: two,  peer: bsda, service: plain, ecm_id: 6 }
      - { kms: none, peer: bsda, service: plain, ecm_id: 7 }
      - { kms: bits, peer: bsda, service: plain, ecm_id: 8 }
      - { kms: lab,  peer: bsda, service: made, ecm_id: 10, mode: a }
EOF
conf=$dir/headend.yaml
sg drm ecmg --config "$conf" --kms drm --status "unix://$dir/drm.sock"
sg card ecmg --config "$conf" --kms card --status "unix://$dir/card.sock"
sg lab ecmg --listen "tcp://127.0.0.1:$lab" --plugin lab --set clear_cw=true --set lead_CW=0 --set CW_per_msg=1
sg slow ecmg --listen "tcp://127.0.0.1:$slow" --plugin lab --set lead_CW=0 --set CW_per_msg=1 --set ecm_delay=60000
sg deaf ecmg --listen "tcp://127.0.0.1:$deaf" --plugin lab --set lead_CW=0 --set CW_per_msg=1 --misbehave error=0x000B
for which in one two; do sg "$which" ecmg --listen "tcp://127.0.0.1:${!which}" --plugin lab --set lead_CW=0 --set CW_per_msg=1; done
start bits socat "TCP-LISTEN:$bits,bind=127.0.0.1,reuseaddr,fork" "EXEC:$dir/peer"
sg bridge bridge --config "$conf" --schemas "$schemas" --status "unix://$dir/bridge.sock"
# stream ECM_ID: is set up
up_now() { await_status 30 "$dir/bridge.sock" "[t for t in s['xs']['stkm'] if t['ecm_id'] == $1][0]['up']" >/dev/null; }
for id in 1 2 3 4 5 6 8 10; do up_now "$id" || bail "stream $id is set up"; done

# request SERVICE STREAM CP [CP=MATERIAL …]: tag 5; protection by $protection
id=0
protection='protection="csa2"'
request() {
	local service=$1 stream=$2 cp=$3 key
	shift 3
	id=$((id + 1))
	{
		printf '<?xml version="1.0" encoding="UTF-8"?>\n<STKMRequest xmlns="urn:oma:xml:bcast:spcp:backend:1.0" xmlns:e="urn:bcast-headend:xml:sp4ext:1.0"'
		printf ' tag="5" version="1" messageID="hand-%s" destination="bsm1.operator.example" source="%s.operator.example">\n' "$id" "${who:-bsda}"
		printf '<GlobalServiceID>%s</GlobalServiceID>\n<e:StkmContext cp="%s" stkmStream="%s"%s/>\n' "$service" "$cp" "$stream" "${profile:-}"
		for key; do printf '<e:KeyContext cp="%s" %s><e:KeyMaterial>%s</e:KeyMaterial></e:KeyContext>\n' "${key%%=*}" "$protection" "${key#*=}"; done
		printf '</STKMRequest>\n'
	} >"$dir/request.xml"
}
ask() { local status=$1 name=$2 reason=$3; shift 3; request "$@"; answers "$status" "${who:-bsda}" "$dir/request.xml" "$name" "$reason"; }
cw() { printf "$1%.0s" {1..8}; }

sample=$top_srcdir/tests/data/sp4/samples/tag05-stkm-request-with-keys.xml
check "the sample, to the DRM profile: its ECMG looks a key ahead, and there is none" answers 17 bsda "$sample" sample "CP_number 6"
protection='protection="ipsec" authenticated="true"'
check "current and next key: an STKM" ask 0 drm '' urn:oma:bcast:iauth:x-test:service:tv1 1 5 "5=$(printf '5A%.0s' {1..32})" "6=$(printf '6B%.0s' {1..32})"
check "of the crypto-period, the stream and the profile that were asked for" same \
	"$(of drm 'concat(//@cp, " ", //@stkmStream, " ", //@profile, " ", /*/@messageID)')" "5 1 drm hand-1"
check "and with Data" test "$(data_of drm | wc -c)" -gt 60
check "a key too short for the protection" ask 21 short 'length' urn:oma:bcast:iauth:x-test:service:tv1 1 6 "6=$(cw 01)" "7=$(cw 02)"
protection='protection="srtp" authenticated="true"'
profile=' profile="smartcard"'
check "the Smartcard profile" ask 0 card '' urn:test:tv2 2 7 "7=$(printf 'C5%.0s' {1..30})"
check "its next crypto-period" ask 0 card2 '' urn:test:tv2 2 8 "8=$(printf 'C6%.0s' {1..30})"
check "is another STKM" test "$(data_of card)" != "$(data_of card2)"
profile='' protection='protection="csa2"'
check "the lab's ECM" ask 0 lab '' urn:test:plain 3 9 "9=0102030405060708"
# "LAB1" Super_CAS_id ECM_id CP_number flags count, then CP, length, CW: kms/lab.c; behind the head of a section
check "has the key of the document in it, and its crypto-period" same "$(data_of lab | cut -c7-)" \
	4C4142314AE60001000300090101000908"0102030405060708"
ask 0 last '' urn:test:plain 3 65535 "65535=$(cw 01)" >/dev/null
check "after crypto-period 65535 comes 0" ask 0 wrapped '' urn:test:plain 3 0 "0=$(cw 02)"
check "no such service" ask 15 nowhere 'GlobalServiceID' urn:test:nowhere 1 1 "1=$(cw 01)"
check "no such stream of it" ask 15 nostream 'stkmStream' urn:test:plain 99 1 "1=$(cw 01)"
who=other
check "somebody else's service" ask 5 other 'not for this peer' urn:test:plain 3 1 "1=$(cw 01)"
who=bsda
check "no keys, where they have to come with the request" ask 17 nokeys 'KeyContext' urn:test:plain 3 10
check "no keys, in mode A: they are made here" ask 0 made '' urn:test:made 10 5
check "biTStream's ECMG, which wants two keys" ask 0 bits '' urn:test:plain 8 5 "5=$(cw 0A)" "6=$(cw 0B)"
check "an ECMG that is not there" ask 19 none 'no ECMG' urn:test:plain 7 1 "1=$(cw 01)"
check "one that refuses: its error_status, by the table" ask 17 deaf '0x000b' urn:test:plain 5 1 "1=$(cw 01)"
check "one that is late" ask 19 slow 'no ECM_response' urn:test:plain 4 1 "1=$(cw 01)"

# killed with the question
request urn:test:plain 4 2 "2=$(cw 02)"
cp "$dir/request.xml" "$dir/killed-request.xml"
answers 19 bsda "$dir/killed-request.xml" killed >"$dir/log/killed" 2>&1 &
asked=$!
await_status 15 "$dir/bridge.sock" "[t for t in s['xs']['stkm'] if t['ecm_id'] == 4][0]['waiting'] == 1" >/dev/null
kill9 slow
check "one that is killed with the question" wait "$asked"
check "the same document again has the same answer" same "$(post bsda "$dir/killed-request.xml" again; cat "$dir/again.xml")" "$(cat "$dir/killed.xml")"
sg slow ecmg --listen "tcp://127.0.0.1:$slow" --plugin lab --set lead_CW=0 --set CW_per_msg=1
up_now 4
check "it returns" ask 0 returned '' urn:test:plain 4 3 "3=$(cw 03)"

kill9 one
await_status 15 "$dir/bridge.sock" "[k for k in s['xs']['kms'] if k['name'] == 'two'][0]['switches'] >= 0 and [t for t in s['xs']['stkm'] if t['ecm_id'] == 6][0]['up']" >/dev/null
check "of two, one is enough" ask 0 two '' urn:test:plain 6 1 "1=$(cw 01)"

sed -i '/ecm_id: 7 }/d; s/^\( *- { kms: lab,  peer: bsda, service: plain, ecm_id: \)3 }/&\n\19 }/' "$conf"
sig HUP bridge
up_now 9
check "SIGHUP brings a stream" ask 0 ninth '' urn:test:plain 9 1 "1=$(cw 01)"
check "takes one away" ask 15 seventh 'stkmStream' urn:test:plain 7 2 "2=$(cw 01)"
check "and leaves the others alone" holds "$dir/bridge.sock" "[t for t in s['xs']['stkm'] if t['ecm_id'] == 3][0]['answered'] == 3"

kill9 bridge
sg bridge bridge --config "$conf" --schemas "$schemas" --status "unix://$dir/bridge.sock"
up_now 3 || bail "stream 3 is set up again"
check "after a restart of the bridge an old document has its old answer" same "$(post bsda "$dir/killed-request.xml" again; cat "$dir/again.xml")" "$(cat "$dir/killed.xml")"
check "and a new one is answered" ask 0 fresh '' urn:test:plain 3 11 "11=$(cw 0C)"
up_now 10
check "a key that was made is the same after the restart" same "$(ask 0 made2 '' urn:test:made 10 5; data_of made2)" "$(data_of made)"
check "metrics tell of it" test "$(curl -s --unix-socket "$dir/bridge.sock" http://localhost/metrics | grep -c 'stkm_answered_total{.*ecm_id="3".* 1$')" = 1
check "no key of any document is in a log" same "$(grep -aliE '0102030405060708|5A5A5A5A5A|C5C5C5C5C5' "$dir"/log/* | grep -v '/xmllint$')" ""
check "SIGTERM ends it in order" stop bridge 15
