#!/usr/bin/env bash
# tests/integration/bridge_mode_a.sh: mode A with two bridges: SCS, bridge `front` (BSD/A and BSA), XML over HTTPS both ways, bridge `back` (BSM: it makes the
# keys), SimulCrypt, ECMG. The terminal sees every packet right over key changes, also while the BSM is killed and started anew; no key is on a disk in clear.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=brlib.sh
. "$here/brlib.sh"
need openssl curl xmllint

plan 13
headend 3s
sed -i "/smartcard/d; /phone/d" "$conf"
behind_bridges drm 1 a
certificate ca lone DNS:lone.test.example || bail "a certificate"
sed -i 's/peers: { bsda:/peers: { lone: { roles: bsa, id: lone.test.example }, bsda:/' "$dir/back/kms.yaml"
bridges_on
up mux scs scrambler handset
source_on --rate 100
periods() { await_status "$1" "$dir/handset.sock" "u['crypto_periods'] >= $2 and u['lost'] == 0 and u['undecryptable'] == 0"; }
keys() { holds "$dir/$1.sock" "s['keys']$2"; }
check "the terminal sees three crypto-periods" periods 40 3
check "their keys were made by the BSM" keys back "['made'][0]['made'] >= 3"
check "which offered them, and had them taken" await_status 15 "$dir/back.sock" "s['keys']['made'][0]['confirmed'] >= 3 and s['keys']['made'][0]['refused'] == 0"
check "or was asked for them" keys back "['made'][0]['given'] >= 1"
check "the SCS stored what came" holds "$dir/scs.sock" "u['keys']['taken'] >= 3 and u['keys']['refused'] == 0"

# a BSA that is no BSD/A, of which no entry says that it serves the service
teks() {	# prints the status of a TEKRequest, and how many keys came
	printf '<TEKRequest xmlns="urn:oma:xml:bcast:spcp:backend:1.0" tag="1" version="1" messageID="lone-%s" destination="bsm.test.example" source="lone.test.example">%s</TEKRequest>' \
		"$(date +%s%N)" '<GlobalContentID>urn:test:news</GlobalContentID>' >"$dir/asked"
	curl -sS --noproxy '*' --max-time 15 --cacert "$dir/ca.pem" --cert "$dir/lone.pem" --key "$dir/lone.key" -H 'Content-Type: application/xml' \
		--data-binary @"$dir/asked" -o "$dir/given" --resolve "bsm.test.example:$https:127.0.0.1" "https://bsm.test.example:$https/bcast/cp3" &&
		xmllint --xpath "concat(string(//@status), ' ', count(//*[local-name() = 'Data']))" "$dir/given"
}
listed() {
	sed -i 's/lone: { roles: bsa,/& services: news,/' "$dir/back/kms.yaml" && sig HUP back && await_log 15 back 'event=reload '
}
check "a BSA that is named for no service gets no key of it: status 5" same "$(teks)" "5 0"
check "the file may name it" listed
check "then it gets those that there are" same "$(teks)" "0 2"
kill9 back
check "without the BSM the crypto-period goes on" await_status 30 "$dir/scs.sock" "u['extended'] and u['alarm']"
bridge_on back "$dir/back/kms.yaml"
n=$(value "$dir/handset.sock" "u['crypto_periods']")
check "after its return the keys are those that it gave before" periods 60 $((n + 3))
check "nobody had another one" holds "$dir/scs.sock" "u['keys']['refused'] == 0"
check "nothing was lost, nothing was clear" content handset 300
check "the BSM's store of keys is wrapped, and for its owner's eyes" same "$(find "$dir/back/state" -name '*.keys*' -not -perm 600)" ""
