#!/usr/bin/env bash
# tests/integration/bsm_program.sh: simulgate-bsm as a process: its options, a store that is busy, a reload, /status and /metrics, its end.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
need curl openssl
bsm_headend 2s
plan 27
bsm=$(program bsm)
status_of() { local status=0; within 30 "$@" >"$dir/out" 2>"$dir/log/refused" || status=$?; echo "$status"; }
check "--help" same "$(status_of "$bsm" --help)" 0
check "an unknown BSM is refused" same "$(status_of "$bsm" --config "$conf" --bsm other)" 78
check "with the file's name" grep -q "headend.yaml: no bsm of the name other" "$dir/log/refused"
check "--check-config says what would run" same "$(status_of "$bsm" --config "$conf" --bsm main --check-config)" 0
check "and starts nothing" test ! -e "$dir/state"
check "the services are listed with their names for subscribers" grep -qx "service news ecm_id=1 key=sek sold_as=urn:simulgate:judge:news" "$dir/out"

rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "the store is for its owner alone" same "$(stat -c %a "$dir/state/kms-card.db" "$dir/state/kms-card.db.master" | tr '\n' ' ')" "600 600 "
# code BODY-OR-NOTHING: the status of a registration without credentials
code() { curl -s -o "$dir/answer" -D "$dir/head" -w '%{http_code}' -H 'Content-Type: application/mbms-register+xml' --data-binary "${1:-<x/>}" "http://127.0.0.1:$p_http/keymanagement?requesttype=register"; }
check "who shows no credentials is challenged" same "$(code)" 401
check "with auth-int" grep -qi '^www-authenticate: Digest .*realm="3GPP-bootstrapping@bsm.example.net".*auth-int' "$dir/head"
check "the web shop's door wants its token" same "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$p_api/api/v1/subscriptions")" 401
check "and knows it" same "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" "http://127.0.0.1:$p_api/api/v1/subscribers")" 200

# A store that somebody else writes into without an end: nothing is promised that is not on disk.
start lock "$PYTHON" -c "
import sqlite3, sys, time
db = sqlite3.connect('$dir/state/kms-card.db', isolation_level=None)
db.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
time.sleep(120)"
await_log 15 lock locked
# The sequence number of a bootstrapping, even that of somebody unknown, is stored before the challenge leaves.
ub() {
	curl -s -o "$dir/answer" -D "$dir/head" -w '%{http_code}' -A 3gpp-gba -H 'Authorization: Digest username="nobody@example.net", realm="bsf.example.net", nonce="", uri="/", response=""' \
		"http://127.0.0.1:$p_http/"
}
check "a bootstrapping while the store is busy is told to come again" same "$(ub)" 503
check "after a while" grep -qi '^retry-after:' "$dir/head"
check "the log says why" await_log 15 bsm 'event=store_unavailable'
check "it is counted" await_status 15 "$dir/bsm.sock" 's["turns_lost"] >= 1'
kill9 lock
challenged() { same "$(ub)" 401; }
check "when the store is free again it gets its challenge" await 15 "a challenge" challenged
check "which is one of AKA" grep -qi '^www-authenticate: Digest .*algorithm=AKAv1-MD5' "$dir/head"
check "metrics" grep -q '^simulgate_bsm_requests_total{kms="card",what="challenges"} [1-9]' <("$PYTHON" "$here/probe.py" get "$dir/bsm.sock" /metrics)
mkdir -p "$dir/run" && ln -s "$dir/bsm.sock" "$dir/run/bsm.status.sock"
check "simulgate status shows it" grep -q '^bsm .*kms=card' <("$(program "")" status --config "$conf")
sed -i 's/sms: sms, api/registration: 10min, sms: sms, api/' "$conf"
sig HUP bsm
check "SIGHUP takes what may change" await_log 15 bsm 'event=reload .*services=1'
check "and the status has its name still" same "$(value "$dir/bsm.sock" 's["instance"]')" main
sed -i 's/naf: bsm.example.net, bsf/naf: bsm2.example.net, bsf/' "$conf"
sig HUP bsm
check "and refuses what may not, with the place" await_log 15 bsm 'event=reload_refused .*naf of BSM main has changed'
check "it serves on" same "$(code)" 401
check "SIGTERM ends it" stop bsm 15

# -- by TLS, with a certificate that is renewed
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" -addext subjectAltName=DNS:bsm.example.net \
		-keyout "$dir/keys/bsm.key" -out "$dir/keys/bsm.pem" 2>>"$dir/log/openssl" && chmod 600 "$dir/keys/bsm.key"
}
certificate first
sed -i "s/naf: bsm2.example.net, bsf/naf: bsm.example.net, bsf/; s,listen: tcp://127.0.0.1:$p_http,listen: tls://127.0.0.1:$p_http\, certificate: keys/bsm.pem\, private_key: keys/bsm.key," "$conf"
rise bsm
await_port 15 "$p_http"
secure() { curl -s -o /dev/null -w '%{http_code}' --cacert "$dir/keys/bsm.pem" --resolve "bsm.example.net:$p_http:127.0.0.1" "https://bsm.example.net:$p_http/keymanagement?requesttype=register" -H 'Content-Type: application/mbms-register+xml' -d '<x/>'; }
check "HTTPS, with its certificate" same "$(secure)" 401
certificate second
sig HUP bsm
renewed() { same "$(secure)" 401; }
check "SIGHUP renews the certificate" await 15 "the new certificate" renewed
check "SIGTERM ends that, too" stop bsm 15
