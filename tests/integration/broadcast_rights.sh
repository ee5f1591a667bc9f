#!/usr/bin/env bash
# tests/integration/broadcast_rights.sh: a DRM terminal without any service key gets everything from the air: registration, rights,
# STKMs, media; SEKs change while the programme runs and not a packet is lost. The openssl command line judges what is on air.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
plan 31
headend 2s
keys=$dir/keys/drm-broadcast.yaml
ports p_ltkm p_emmg
# shellcheck disable=SC2154 # ports sets them
ltkm=${out%:*}:$p_ltkm emmg=tcp://127.0.0.1:$p_emmg
sed -i 's/keys: keys\/drm.yaml/keys: keys\/drm-broadcast.yaml/; s/keys: keys\/handset-drm.yaml/keys: keys\/handset-broadcast.yaml/' "$conf"
cat >>"$conf" <<-EOF
ltkm:
  - { kms: drm, data_id: 1, out: "udp://$ltkm?interface=lo" }
mux: { emmg: $emmg }
EOF

utc() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
# seak EXTENSION FROM TO
seak() {
	printf '      - { service_CID_extension: %d, SEK: 0x7e5700000000000000000000000aa%03d, SAS: 0x7e5700000000000000000000000bb%03d, valid_from: %s, valid_to: %s }\n' \
		"$1" "$1" "$1" "$(utc "$2")" "$(utc "$3")"
}
# key_file LEAD: the SEAKs on stdin take the place of the example's. A reader sees the old file or the new one.
key_file() {
	awk -v lead="$1" 'FNR == NR { new = new $0 "\n"; next }
		/^    seak:/ { print; printf "%s", new; skip = 1; next }
		/^[a-z]/ { skip = 0 }
		!skip { sub(/lead: .*/, "lead: " lead); print }' - "$top_srcdir/examples/keys/drm-broadcast.yaml" >"$keys.new"
	chmod 600 "$keys.new" && mv "$keys.new" "$keys"
}
far=2145916800 from=$(date +%s)
seak 7 $((from - 60)) $far | key_file 20s
state=$dir/handset.sock

# Any order: the terminal first, which waits; then scrambled media and STKMs; its registration last.
up handset drm smartcard mux scrambler scs phone
source_on
check "without rights the terminal waits" await_status 30 "$state" 'u["waiting"] > 50 and u["stkm"]["refused"]["no_key"] >= 2'
check "and calls nothing undecryptable" holds "$state" 'u["packets"] == 0 and u["undecryptable"] == 0 and not s["ltkm"]["registered"]'
start record "$PYTHON" "$here/air.py" record "$ltkm" --to "$dir/record" --count 6
await_log 15 record watching
# the EMMG, and by way of the mux on air
sg emmg emmg --config "$conf" --kms drm --status "unix://$dir/emmg.sock" --log-level debug
await_status 20 "$state" 's["ltkm"]["registered"] and s["ltkm"]["rights"] == 1' >"$dir/said" 2>&1 || bail "it is registered from the air" "$(cat "$dir/said")"
ok "it is registered from the air"
check "and descrambles over a change of traffic key" await_status 30 "$state" 'u["packets"] > 200 and u["crypto_periods"] >= 3'
check "the record ends" await 20 "the record" gone record
verdicts "$PYTHON" "$here/ltkm_judge.py" "$dir/record" "$dir/keys"

# Three times a new SEK; the old one ends in the second in which the new one begins.
for k in 8 9 10; do
	at=$(($(date +%s) + 8))
	{ seak $((k - 1)) $((from - 60)) $at; seak $k $at $far; } | key_file 20s
	from=$((at + 60))
	check "SEK $k: on air before it is valid" await_status 20 "$state" "s['ltkm']['bcro']['accepted'] >= 2 * ($k - 7) and s['ltkm']['rights'] == 2"
	periods=$(value "$state" 'u["crypto_periods"]')
	check "and alone opens what is on air then" await_status 30 "$state" "s['ltkm']['rights'] == 1 and u['crypto_periods'] >= $periods + 5"
done
check "all that was sent since was seen" content handset 500
mkdir "$dir/seen"
for page in status metrics; do
	"$PYTHON" "$here/probe.py" get "$state" /$page >"$dir/seen/$page"
	"$PYTHON" "$here/probe.py" get "$dir/emmg.sock" /$page >"$dir/seen/emmg.$page"
done
check "its pages count registration and rights" grep -qE '^simulgate_terminal_ltkm_total\{.*object="bcro",result="accepted"\} [4-9]' "$dir/seen/metrics"
check "no key in a log or a page" "$PYTHON" "$here/leaks.py" "$keys" "$dir"/keys/*.yaml -- "$dir"/log/* "$dir"/seen/*
kill9 emmg
check "the programme outlives the carousel" await_status 20 "$state" "u['crypto_periods'] >= $(value "$state" 'u["crypto_periods"]') + 3"
stop handset 15
# One that was on its way when its validity ended may be refused, once for each of the three.
check "its summary tells it all" grep -E '^terminal handset: packets=[0-9]+ lost=0 undecryptable=0 .* registered=1 registration_accepted=[0-9]+ registration_refused=0 bcro_accepted=[0-9]+ bcro_refused=(0|expired:[1-3]) rights=1$' "$dir/log/handset"
