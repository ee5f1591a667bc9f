#!/usr/bin/env bash
# tests/integration/bsm_https.sh: a phone that cannot hear the broadcast: it bootstraps, registers and fetches its STKMs from the BSM by HTTPS, and
# talks to nobody whose certificate it cannot check.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
need openssl
bsm_headend 5s
plan 12
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bsm -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$dir/keys/bsm.key" -out "$dir/keys/bsm.pem" 2>>"$dir/log/openssl" && chmod 600 "$dir/keys/bsm.key"
sed -i "s,listen: tcp://127.0.0.1:$p_http,listen: tls://127.0.0.1:$p_http\, certificate: keys/bsm.pem\, private_key: keys/bsm.key,
	s/delay_start: -300, delay_stop: -300/delay_start: -3500, delay_stop: -3500/; s/sms: sms }\$/sms: sms, stkm_poll: 500ms }/" "$conf"
echo "ca: bsm.pem" >>"$dir/keys/alice.yaml"
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "the subscribers are provisioned" know
source_on --rate 100
rise ecmg scs mux scrambler alice bob
check "the BSM hears the STKMs" await_status 30 "$dir/bsm.sock" "s['stkm']['kept'] >= 1"
check "alice bootstraps and registers, by HTTPS" registered alice
check "what she has not bought she does not get" await_status 15 "$dir/bsm.sock" "s['stkm']['denied'] >= 1"
check "though she asks" holds "$dir/alice.sock" "s['phone']['requests']['stkm']['failed'] >= 1 and s['phone']['requests']['stkm']['done'] == 0"
check "she buys" buy alice
check "her STKMs come by HTTPS" await_status 15 "$dir/alice.sock" "s['phone']['requests']['stkm']['done'] >= 1"
check "and she watches" watches alice 200 30
check "across crypto-periods, and loses nothing" await_status 30 "$dir/alice.sock" "u['crypto_periods'] >= 3 and u['lost'] == 0 and u['undecryptable'] == 0"
check "the BSM has given them" await_status 15 "$dir/bsm.sock" "s['stkm']['given'] >= 3"
check "bob, who does not know the certificate, does not talk to it" await_status 15 "$dir/bob.sock" "not s['phone']['registered'] and 'ertificate' in s['phone']['trouble']"
check "alice leaves" stop alice 15
