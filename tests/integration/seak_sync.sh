#!/usr/bin/env bash
# tests/integration/seak_sync.sh: one SEAK for many BSMs, over HTTPS: a BSD/A and three BSMs of ours, two of which make SEAKs at once; a fourth BSM is curl
# with documents written by hand. A BSM behind a closed port returns, the BSD/A is killed in the middle.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=brlib.sh
. "$here/brlib.sh"
need curl xmllint openssl
plan 38

news=urn:test:news film=urn:test:film
authority ca
certificate ca hub DNS:hub.example IP:127.0.0.1
for n in 1 2 3; do certificate ca bsm$n DNS:bsm$n.example IP:127.0.0.1; done
certificate ca hand DNS:hand.example
certificate ca stranger DNS:stranger.example
ports hub bsm1 bsm2 bsm3 closed
conf=$dir/headend.yaml
{
	cat <<-EOF
	head_end: judge
	state: state
	playout: unix://$dir/run
	kms: { drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$closed } }
	services:
	  - { id: news, scrambling: none, cw_length: 16, global_service_id: "$news", media: [], stkm: [{ kms: drm, ecm_id: 1 }] }
	  - { id: film, scrambling: none, cw_length: 16, global_service_id: "$film", media: [], stkm: [{ kms: drm, ecm_id: 2 }] }
	bridge:
	$(bridge_entry hub hub.example bsda "$hub")
	    peers:
	EOF
	for n in 1 2 3; do
		p=bsm$n
		echo "      bsm$n: { id: bsm$n.example, roles: bsm, url: \"https://127.0.0.1:${!p}\" }"
	done
	cat <<-EOF
	      hand: { id: hand.example, roles: bsm }
	      stranger: { id: stranger.example, roles: bsm }
	      dead: { id: dead.example, roles: bsm, url: "https://127.0.0.1:$closed", timeout: 300ms }
	    seak:
	      - { service: news, others: [bsm1, bsm2, bsm3, hand], wait: 1s }
	      - { service: film, generator: dead, others: [hand] }
	EOF
	for n in 1 2 3; do
		p=bsm$n
		cat <<-EOF
		$(bridge_entry bsm$n bsm$n.example bsm "${!p}")
		    peers: { hub: { id: hub.example, roles: bsda, url: "https://127.0.0.1:$hub" } }
		    seak: [{ service: news, bsda: hub, generate: $([ $n -lt 3 ] && echo true || echo false), life: 30d, ahead: 1d }]
		EOF
	done
} >"$conf"

# bridge NAME
bridge() { bridge_on "$1" "$conf" --log-level debug; }
seak() { "$(program "")" seak "$@" --config "$conf" --schemas "$schemas"; }
# says REGEX COMMAND [ARG ...]
says() {
	local want=$1
	shift
	"$@" >"$dir/answer.txt" 2>&1
	grep -E -- "$want" "$dir/answer.txt" || { cat "$dir/answer.txt"; return 1; }
}
# item EXT: of the BSD/A's status
item() { echo "[i for i in s['seak']['bsda'][0]['instances'] if i['cid_extension'] == $1][0]"; }
# state EXT BSM STATE
state() { echo "[b for b in $(item "$1")['bsms'] if b['bsm'] == '$2.example'][0]['state'] in ('$3', 'generator')"; }
# has BSM EXT: in use there, with the BSD/A's fingerprint
has() {
	local fp
	fp=$(value "$dir/hub.sock" "$(item "$2")['fingerprint']") &&
		await_status 20 "$dir/$1.sock" "any(i['cid_extension'] == $2 and i['fingerprint'] == '$fp' and i['state'] == 'in use' for i in s['seak']['bsm'][0]['instances'])"
}
three_have() { has bsm1 "$1" && has bsm2 "$1" && has bsm3 "$1"; }

# -- two make one at once -------------------------------------------------------------------------------------------------
for n in bsm1 bsm2 bsm3; do bridge $n; done
for n in bsm1 bsm2 bsm3; do await_log 30 $n event=ready || bail "$n is ready"; done
bridge hub
await_log 30 hub event=ready || bail "the BSD/A is ready"
check "two BSMs that make a SEAK at once end with one" \
	await_status 40 "$dir/hub.sock" "len(s['seak']['bsda'][0]['instances']) == 1 and all(b['state'] in ('generator', 'delivered') for b in $(item 1)['bsms'] if b['bsm'] != 'hand.example')"
check "… which all three have, and use" three_have 1
check "the gate opens, though the fourth has not asked yet" await_status 20 "$dir/hub.sock" "$(item 1)['gate'] == 'open'"

# -- a BSM that is curl ---------------------------------------------------------------------------------------------------
check "it asks and gets the SEAK" gives 0 ask $news
check "… by tag 18" same "$(attribute tag)" 18
check "… of the extension that there is" same "$(attribute cidExtension)" 1
key=$(xmllint --xpath "string(//*[local-name()='Data'])" "$dir/answer")
check "… 32 octets" same ${#key} 64
check "… and counts as one who has it" await_status 15 "$dir/hub.sock" "$(state 1 hand delivered)"
check "the same SEAK from it is confirmed: status 0" gives 0 deliver $news 1 "$key"
check "another value under the same name is status 27" gives 27 deliver $news 1 "$(octets aa)"
check "… with the reason" grep -q 'another SEAK has this cidExtension' "$dir/answer"
check "a BSM that is not of the service: status 5 for a delivery" gives 5 deliver $news 9 "$(octets aa)" stranger
check "… and for a request" gives 5 ask $news stranger
check "a service that is not synchronised: status 15" gives 15 ask urn:test:other
check "a SEAK of 16 octets: status 21" gives 21 deliver $news 9 "$(octets aa | head -c 32)"
check "one whose validity is over: status 21" gives 21 deliver $news 9 "$(octets aa)" hand -1
document SEAKDelivery 19 $news hand "<Data>$(octets aa)</Data>" >"$dir/document"
check "one without its name: status 17" gives 17 post hand
check "one of a service whose generator is somebody else: status 11" gives 11 deliver $film 9 "$(octets aa)"
check "none known, and the generator cannot be reached: status 20" gives 20 ask $film
check "none of these was stored" same "$(value "$dir/hub.sock" "sum(len(v['instances']) for v in s['seak']['bsda'])")" 1

# -- behind a closed port -------------------------------------------------------------------------------------------------
stop bsm3 15
check "whoever is first is the generator: status 0" gives 0 deliver $news 100 "$(octets c3)"
check "those that are there have it" eval 'has bsm1 100 && has bsm2 100'
check "the one that is away is known to be" await_status 30 "$dir/hub.sock" "$(state 100 bsm3 failed)"
bridge bsm3
check "it returns, and has it" has bsm3 100

# -- killed in the middle -------------------------------------------------------------------------------------------------
freeze bsm2
check "a BSM that hangs hinders nobody: status 0" gives 0 deliver $news 101 "$(octets d4)"
has bsm1 101
kill9 hub
bridge hub
await_log 30 hub event=ready 2
check "after the BSD/A was killed the same SEAK is confirmed" gives 0 deliver $news 101 "$(octets d4)"
check "… and another is not" gives 27 deliver $news 101 "$(octets d5)"
thaw bsm2
check "all three have it in the end" three_have 101
kill9 bsm1
bridge bsm1
await_log 30 bsm1 event=ready 2
check "a BSM that was killed has what it had" eval 'has bsm1 1 && has bsm1 100 && has bsm1 101'

sig HUP hub
await_log 15 hub event=reload
check "another reading of the file changes nothing: the same SEAK is confirmed" gives 0 deliver $news 101 "$(octets d4)"
gives 0 deliver $news 103 "$(octets b7)" >"$dir/said" 2>&1
check "… and a new one reaches all" three_have 103

# -- operators ------------------------------------------------------------------------------------------------------------
check "simulgate seak status shows it" says "^news .*101.*bsm3.example=delivered" seak status --bridge hub --status "unix://$dir/hub.sock"
check "simulgate seak audit says who made it" says '101 +hand.example +generated it' seak audit --bridge hub
check "… and who has it" says '101 +bsm3.example +has confirmed it' seak audit --bridge hub
deliver $news 102 "$(octets e6)" stranger >"$dir/said" 2>&1
check "simulgate seak dry-run says what would happen to a document" says 'status 5' seak dry-run --bridge hub "$dir/document"
check "… and to a SEAK that is described" says 'status 0' seak dry-run --bridge hub --from hand.example --service news --cid-extension 200
check "… and who would get it" says 'bsm3.example' seak dry-run --bridge hub --from hand.example --service news --cid-extension 200

# -- secrets --------------------------------------------------------------------------------------------------------------
for name in hub bsm1 bsm2 bsm3; do stop $name 20; done
raw=$(printf 'd4%.0s' {1..16})
leaks() {
	! grep -liE "$raw|$key" "$dir"/log/{hub,bsm1,bsm2,bsm3} &&
		! LC_ALL=C grep -laP '\xd4{16}|\xc3{16}' "$dir"/state/*
}
check "no SEAK is in a log, none is in clear on the disk" leaks
