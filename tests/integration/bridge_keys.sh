#!/usr/bin/env bash
# tests/integration/bridge_keys.sh: mode A: an XML BSM that is not ours (Python; its STKMs are made by an ECMG behind it) makes the keys of the demo head-end
# and its STKMs; the bridge brings both. The terminal loses nothing; without the BSM the key goes on; what it gets wrong is refused; xmllint reads every
# document; no key is seen where none belongs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
need openssl xmllint curl
plan 34
{ authority ca && certificate ca bridge DNS:bsa.test.example && certificate ca bsm DNS:bsm.test.example; } || bail "certificates"
headend 2s
ports p_bsm p_bridge p_ecmg
mkdir -p "$dir/xml" "$dir/run"
: >"$dir/mode"
# The STKM generator behind the BSM: the KMS of the head-end's file, with its keys, at an address that the head-end does not know.
sed "s/:$port_drm,/:$p_ecmg,/; /smartcard/d; /phone/d" "$conf" >"$dir/bsm.yaml"
# The head-end: its drm has no plugin, it is a bridge.
sed -i "/smartcard/d; /phone/d
	s|^  drm: .*|  drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$port_drm, delay_start: -300, delay_stop: -300, max_comp_time: 500 }|
	s|^    scrambling: srtp|&\n    keys: xml\n    extension_alarm: 2s\n    global_service_id: urn:test:service:news\n    global_content_id: urn:test:content:news|" "$conf"
cat >>"$conf" <<-EOF
	bridge:
	  xml:
	    id: bsa.test.example
	    roles: [bsda, bsa]
	    listen: tls://127.0.0.1:$p_bridge
	    certificate: bridge.pem
	    private_key: bridge.key
	    ca: ca.pem
	    peers:
	      bsm: { id: bsm.test.example, url: "https://127.0.0.1:$p_bsm", roles: bsm }
	    ecmg:
	      - { kms: drm, peer: bsm, mode: a }
EOF
check "the file is fine" "$(program scs)" --config "$conf" --check-config
bridge() { sg bridge bridge --config "$conf" --status "unix://$dir/bridge.sock" --schemas "$top_srcdir/bridge"; }
serve() { start bsm "$PYTHON" "$here/keys_bsm.py" serve "$p_bsm" "$dir/bsm.pem" "$dir/bsm.key" "$dir/ca.pem" "127.0.0.1:$p_ecmg" "$dir/xml" "$dir/keys.txt" "$dir/mode"; }
deliver() { within 20 "$PYTHON" "$here/keys_bsm.py" deliver "https://127.0.0.1:$p_bridge" "$dir/bsm.pem" "$dir/bsm.key" "$dir/ca.pem" "$dir/xml" "$@"; }
sg stkmg ecmg --config "$dir/bsm.yaml" --kms drm --status "unix://$dir/stkmg.sock"
await_port 15 "$p_ecmg" || bail "the STKM generator serves"
serve
await_log 15 bsm serving || bail "the BSM serves"
bridge
up mux scs scrambler handset
source_on
news='s["services"][0]'
cp() { value "$dir/scs.sock" "${news}['cp']"; }
past() { await_status 30 "$dir/scs.sock" "${news}['cp'] >= $1"; }
plays() { await_status 30 "$dir/handset.sock" "all(u['packets'] > $1 for u in s['services'])"; }
packets() { value "$dir/handset.sock" "s['services'][0]['packets']"; }
key_of() { sed -n "s/^$1 //p" "$dir/keys.txt" | head -n 1; }

# -- as it should be
check "crypto-periods follow one another with the BSM's keys and STKMs" past 3
check "the terminal plays" plays 100
check "and everything was right" content handset 100
check "the SCS says where its keys come from" holds "$dir/scs.sock" "${news}['keys']['bridge'] == 'xml' and ${news}['keys']['connected'] and ${news}['keys']['taken'] >= 4"
fingerprint() { "$PYTHON" -c 'import hmac, sys; print(hmac.digest(bytes.fromhex(sys.argv[1]), b"fp", "sha256")[:8].hex())' "$1"; }
check "the key on air is the BSM's" await 15 "a release" logged scs "event=cp_released .*cp=2 .*key=$(fingerprint "$(key_of 2)")"

# -- the BSM is away
echo away >"$dir/mode"
await_log 15 bsm '^away' || bail "the bridge asks the BSM that is away"
held=$(cp)
check "without the BSM the crypto-period goes on, in alarm" await_status 30 "$dir/scs.sock" "${news}['alarm'] and ${news}['extended']"
before=$(packets)
check "the terminal plays on" plays $((before + 100))
check "nothing was lost, nothing was clear" content handset 100
check "the key is the same" test "$(cp)" -le $((held + 2))
now=$(cp)
: >"$dir/mode"
check "the BSM returns, and so do the crypto-periods" past $((now + 2))
check "the alarm is over" await_status 15 "$dir/scs.sock" "not ${news}['alarm']"

# -- there are STKMs, but no keys
echo status 19 >"$dir/mode"
check "a key that is missing prolongs, too" await_status 30 "$dir/scs.sock" "${news}['extended'] and ${news}['keys']['missing'].startswith('no key of crypto-period') and ${news}['keys']['missing'].endswith('as it was told')"
check "which the log says of the key, not of the ECM" await_log 15 scs 'event=cp_extended .*no key of crypto-period'
now=$(cp)
: >"$dir/mode"
check "it comes, and is used" past $((now + 2))

# -- what a BSM may get wrong
wrong() {	# MODE REASON: keys do not come, and the bridge's status says why
	echo "$1" >"$dir/mode"
	await_status 30 "$dir/bridge.sock" "'$2' in s['keys']['taken'][0]['reason']"
}
check "keys of a wrong length" wrong short "not the length"
check "keys without a KeyContext" wrong bare "no KeyContext"
check "keys of other crypto-periods" wrong others "other crypto-periods"
check "a refusal, with its reason" wrong "status 15" "as it was told"
now=$(cp)
: >"$dir/mode"
check "then keys come again" past $((now + 2))

# -- deliveries (tag 3)
ahead() { value "$dir/scs.sock" "(${news}['cp'] + $1) & 0xFFFF"; }
a=$(ahead 20)
check "a key that is not wanted yet is confirmed" same "$(deliver "$a" good)" "0 "
check "the same once more, too" same "$(deliver "$a" good)" "0 "
check "another one for that crypto-period is not (24)" same "$(deliver "$a" another)" "24 another key was there before for this crypto-period"
check "a wrong length (21)" same "$(deliver "$(ahead 21)" short | cut -d' ' -f1)" 21
check "another protection (21)" same "$(deliver "$(ahead 21)" protection | cut -d' ' -f1)" 21
check "a KeyId that no packet carries (21)" same "$(deliver "$(ahead 21)" ids | cut -d' ' -f1)" 21
check "no KeyContext (17)" same "$(deliver "$(ahead 21)" bare | cut -d' ' -f1)" 17
check "an unknown content (15)" same "$(deliver "$(ahead 21)" content | cut -d' ' -f1)" 15
asks=$(grep -c '^asked' "$dir/log/bsm")

# -- processes come and go
kill9 bridge
bridge
at=$(cp)
check "the bridge is killed and comes back" past $((at + 3))
kill9 scs
up scs
check "the SCS is killed and comes back: stored keys are used" past $((at + 6))
check "the BSM was asked meanwhile" test "$(grep -c '^asked' "$dir/log/bsm")" -gt "$asks"
check "after all of it the terminal has lost nothing" content handset 200

# -- what everybody says
valid() { find "$dir/xml" -name '*.xml' -print0 | xargs -0 xmllint --nonet --noout --schema "$top_srcdir/bridge/sp4-backend.xsd" 2>&1 | grep -v ' validates$'; }
check "every document is valid by the schemas" same "$(valid)" ""
curl -s --unix-socket "$dir/bridge.sock" http://x/status >"$dir/said.bridge"
curl -s --unix-socket "$dir/scs.sock" http://x/status >"$dir/said.scs"
# In text, in upper and lower case, and as octets; where the BSM keeps what is its own it may be.
secrets() {
	"$PYTHON" - "$dir" <<'EOF'
import os, sys
top = sys.argv[1]
keys = {bytes.fromhex(line.split()[1]) for line in open(top + "/keys.txt")}
for where, dirs, files in os.walk(top):
    dirs[:] = [d for d in dirs if os.path.join(where, d) != top + "/xml"]
    for name in files:
        path = os.path.join(where, name)
        if name in ("keys.txt", "said") or not os.path.isfile(path):
            continue
        text = open(path, "rb").read()
        low = text.lower()
        for k in keys:
            if k in text or k.hex().encode() in low or k[:16].hex().encode() in low or k[:16] in text:
                print(path)
                break
EOF
}
check "no key is in a log, a status or a file" same "$(secrets)" ""
