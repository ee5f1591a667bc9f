#!/usr/bin/env bash
# tests/integration/bad_config.sh: a bad configuration is refused by every program with exit 78 and FILE:LINE:COLUMN, by
# --check-config and `simulgate check-config` as by a start; nothing is started or left behind.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
good=$dir/good.yaml
mv "$conf" "$good"

# WHAT | sed script that spoils the good file | a word of the line that is to blame | what the sentence must name
cases=(
	"an unknown key|s/crypto_period:/crypto_perod:/|crypto_perod|crypto_perod"
	"a wrong unit|s/crypto_period: 2s/crypto_period: 2kbit/|2kbit|2kbit"
	"10 parsecs|s/crypto_period: 2s/crypto_period: 10 parsecs/|parsecs|parsecs"
	"a dangling name|s/{ kms: drm,  /{ kms: drmm, /|kms: drmm|drmm"
	"a terminal of no service|s/profile: drm,       service: news/profile: drm, service: olds/|olds|olds"
	"two services with one ECM_id at one KMS|/^terminals:/i\\  - id: sport\\n    scrambling: srtp\\n    media: [ { name: tv, in: udp://127.0.0.1:5999, out: udp://127.0.0.1:5998 } ]\\n    stkm: [ { kms: drm, ecm_id: 1, out: udp://127.0.0.1:5997 } ]|5997|ecm_id"
	"no YAML|s/^services:/services: [/|.|"
)
programs=(ecmg scs mux scrambler terminal)
plan $((${#cases[@]} * 3 + 2 * ${#programs[@]} + 5))

# refused FILE LINES WORD COMMAND [ARG ...]: exit 78, FILE:LINE:COL with one of the lines, the sentence names WORD
refused() {
	local file=$1 lines=$2 word=$3 status said at
	shift 3
	said=$(within 30 "$@" 2>&1)
	status=$?
	[ $status -eq 78 ] || { echo "exit $status: $said"; return 1; }
	at=$(grep -oE "${file##*/}:[0-9]+:[0-9]+" <<<"$said" | cut -d: -f2 | head -n 1)
	[ -n "$at" ] && { [ -z "$lines" ] || grep -qx "$at" <<<"$lines"; } || { echo "line ${at:-?}, not ${lines//$'\n'/ or }: $said"; return 1; }
	grep -qF -- "$word" <<<"$said" || { echo "does not name $word: $said"; return 1; }
}
option() { case $1 in ecmg) echo "--kms drm" ;; terminal) echo "--terminal handset" ;; esac; }
untouched() { [ ! -e "$dir/state" ] && [ ! -e "$dir/run" ] || { ls -R "$dir/state" "$dir/run" 2>&1; return 1; }; }

check "the good file passes" within 30 "$(program "")" check-config "$good"
for row in "${cases[@]}"; do
	IFS='|' read -r what spoil where word <<<"$row"
	bad=$dir/bad.yaml
	sed "$spoil" "$good" >"$bad"
	cmp -s "$good" "$bad" && bail "$what: the good file is not spoilt"
	lines=$([ "$where" = . ] || grep -nF -- "$where" "$bad" | cut -d: -f1)
	check "$what: simulgate check-config" refused "$bad" "$lines" "$word" "$(program "")" check-config "$bad"
	check "$what: simulgate-scs --check-config" refused "$bad" "$lines" "$word" "$(program scs)" --config "$bad" --check-config
	check "$what: simulgate-scs does not start" refused "$bad" "$lines" "$word" "$(program scs)" --config "$bad"
done
for p in "${programs[@]}"; do
	# shellcheck disable=SC2046 # two words
	check "simulgate-$p takes the good file" within 30 "$(program "$p")" --config "$good" --check-config $(option "$p")
	sed 's/crypto_period: 2s/crypto_period: 10 parsecs/' "$good" >"$dir/bad.yaml"
	# shellcheck disable=SC2046
	check "simulgate-$p refuses the bad one" refused "$dir/bad.yaml" "" parsecs "$(program "$p")" --config "$dir/bad.yaml" $(option "$p")
done
sed 's/crypto_period: 2s/crypto_perod: 10 parsecs/; s/{ kms: smartcard,/{ kms: smartcrad,/' "$good" >"$dir/bad.yaml"
all() { [ "$("$(program "")" check-config "$dir/bad.yaml" 2>&1 | grep -cE 'bad.yaml:[0-9]+:[0-9]+')" -ge 2 ]; }
check "two errors are found in one go" all
chmod 644 "$dir/keys/drm.yaml"
check "a key file that others can read: check-config" refused "$good" "$(grep -nF keys/drm.yaml "$good" | cut -d: -f1)" drm.yaml "$(program "")" check-config "$good"
check "a key file that others can read: simulgate-ecmg" refused "$good" "" drm.yaml "$(program ecmg)" --config "$good" --kms drm
check "nothing was started: no state, no socket" untouched
