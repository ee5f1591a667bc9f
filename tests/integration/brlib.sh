# shellcheck shell=bash disable=SC2154
# tests/integration/brlib.sh: sourced after lib.sh and calib.sh: bridges of ours in files of a test, and a BSM that is curl with SEAKs

schemas=$top_srcdir/bridge
# bridge_entry NAME ID ROLES [PORT]: the beginning of an entry of `bridge`, with the certificates $dir/NAME.pem and $dir/ca.pem; PORT: where it listens
bridge_entry() {
	printf '  %s:\n    id: %s\n    roles: %s\n' "$1" "$2" "$3"
	[ -z "${4:-}" ] || printf '    listen: tls://127.0.0.1:%s\n' "$4"
	printf '    certificate: %s\n    private_key: %s\n    ca: %s\n' "$dir/$1.pem" "$dir/$1.key" "$dir/ca.pem"
}
# bridge_on NAME FILE [ARG ...]: the bridge of the file that has this name; its /status at $dir/NAME.sock
bridge_on() { sg "$1" bridge --config "$2" --bridge "$1" --schemas "$schemas" --status "unix://$dir/$1.sock" "${@:3}"; }

# behind_bridges KMS ECM_ID [MODE]: the KMS of the head-end that headend() has made goes behind two bridges: `front` in the head-end's file, a BSD/A (in mode a
# a BSA, too), and `back`, a BSM, in $dir/back/kms.yaml, with the KMS; of this the head-end's file has no more than an address. bridges_on starts them and its ECMG.
behind_bridges() {
	local kms=$1 ecm_id=$2 mode=${3:-c} id roles=bsda more='' peer
	{ authority ca && certificate ca front DNS:bsda.test.example && certificate ca back DNS:bsm.test.example; } || bail "certificates"
	ports face https https_front nobody
	behind_kms=$kms
	id=$(sed -n "s/^  $kms: .*super_cas_id: \([0-9a-fx]*\).*/\1/p" "$conf")
	peer='{ id: bsda.test.example, roles: bsda }'
	if [ "$mode" = a ]; then
		roles='[bsda, bsa]' more='\n    keys: front\n    extension_alarm: 2s'
		peer="{ id: bsda.test.example, roles: [bsda, bsa], url: \"https://127.0.0.1:$https_front\" }"
	fi
	mkdir -p "$dir/back/keys" && install -m 600 "$dir/keys/$kms.yaml" "$dir/back/keys/"
	cat >"$dir/back/kms.yaml" <<-EOT
	head_end: operator
	state: state
	playout: unix://$dir/back
	kms:
	$(grep "^  $kms:" "$conf")
	  elsewhere: { super_cas_id: 0x00020002, ecmg: tcp://127.0.0.1:$nobody }
	services:
	  - id: news
	    global_service_id: "urn:test:news"
	    scrambling: srtp
	$(grep '^    crypto_period:' "$conf")
	    media: [ { name: av, in: "udp://$in", out: "udp://$out" } ]
	    stkm: [ { kms: elsewhere, ecm_id: 9, out: "udp://$stkm_drm" } ]
	bridge:
	$(bridge_entry back bsm.test.example bsm "$https")
	    peers: { bsda: $peer }
	    stkm: [ { kms: $kms, peer: bsda, service: news, ecm_id: $ecm_id, mode: $mode } ]
	EOT
	sed -i "s|^  $kms: .*|  $kms: { super_cas_id: $id, ecmg: tcp://127.0.0.1:$face, delay_start: -300, delay_stop: -300, max_comp_time: 600 }|
		s|^  - id: news|&$more\n    global_service_id: \"urn:test:news\"|" "$conf"
	cat >>"$conf" <<-EOT
	bridge:
	$(bridge_entry front bsda.test.example "$roles" "$([ "$mode" = c ] || echo "$https_front")")
	    peers: { bsm: { id: bsm.test.example, url: "https://127.0.0.1:$https", roles: bsm } }
	    ecmg: [ { kms: $kms, peer: bsm, mode: $mode } ]
	EOT
}
bridges_on() {
	sg stkmg ecmg --config "$dir/back/kms.yaml" --kms "$behind_kms" --status "unix://$dir/stkmg.sock"
	bridge_on back "$dir/back/kms.yaml"
	bridge_on front "$conf"
	await_port 15 "$face" || bail "the bridge is an ECMG"
	await_port 15 "$https" || bail "the other one is a BSM"
}

# deliver SERVICE EXT OCTETS [WHO [SECONDS]]: tag 19 to the BSD/A hub.example at $hub, from the BSM WHO (hand), of a SEAK that is good for SECONDS (a day); ask
# SERVICE [WHO]: tag 17. What is said is $dir/document, of this script and not of our encoder; the answer is $dir/answer, and both are by the schemas.
id=0
ntp() { echo $(($(date +%s) + 2208988800 + $1)); }
document() {
	local root=$1 tag=$2 service=$3 who=$4
	id=$((id + 1))
	printf '<?xml version="1.0" encoding="UTF-8"?>\n<%s xmlns="urn:oma:xml:bcast:spcp:backend:1.0" xmlns:x="urn:bcast-headend:xml:sp4ext:1.0"' "$root"
	printf ' tag="%s" version="1" messageID="hand-%s" destination="hub.example" source="%s.example">\n' "$tag" "$id" "$who"
	printf '<GlobalServiceID>%s</GlobalServiceID>%s</%s>\n' "$service" "$5" "$root"
}
context() { printf '<x:SeakContext kind="service" cidExtension="%s" validFrom="%s" validTo="%s"/>' "$1" "$(ntp -3600)" "$(ntp "${2:-86400}")"; }
post() {
	curl -sS --max-time 30 --cacert "$dir/ca.pem" --cert "$dir/$1.pem" --key "$dir/$1.key" -H 'Content-Type: application/xml' --data-binary @"$dir/document" \
		-o "$dir/answer" "https://127.0.0.1:$hub/bcast/sp4" && xmllint --noout --schema "$schemas/sp4-backend.xsd" "$dir/answer" "$dir/document"
}
deliver() { document SEAKDelivery 19 "$1" "${4:-hand}" "<Data>$3</Data>$(context "$2" "${5:-}")" >"$dir/document" && post "${4:-hand}"; }
ask() { document SEAKRequest 17 "$1" "${2:-hand}" '' >"$dir/document" && post "${2:-hand}"; }
attribute() { xmllint --xpath "string(//@$1)" "$dir/answer"; }
# gives STATUS COMMAND [ARG ...]: the answer to what the command says has this status
gives() {
	local want=$1
	shift
	"$@" && same "$(attribute status)" "$want"
}
octets() { printf "$1%.0s" {1..32}; }
