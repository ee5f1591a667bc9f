#!/usr/bin/env bash
# tests/integration/seak_example.sh: examples/seak as its user has it, with ports of this test's own and a SEAK that lives for seconds: three BSMs and a BSD/A,
# each with STKMs of its own to one address, and a handset with rights of one of them that opens them all, over a change of SEAK.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
plan 8

examples_at "$dir/x" || bail "the example can be copied"
cd "$dir/x/seak" || exit 1
chmod 600 keys/*
sh certificates.sh >"$dir/log/openssl" 2>&1 || bail "its certificates can be made"
ports p7101 p7102 p7103 p7104 p7120 p7140 p7141 p7142 p7143 media out stkm ltkm
g=$(group)
rules=(-e "s/239\.255\.0\.31:5004/$g:$media/; s/239\.255\.1\.31:5004/$g:$out/; s/239\.255\.1\.31:5010/$g:$stkm/; s/239\.255\.1\.31:5020/$g:$ltkm/"
	-e 's/life: 60s, ahead: 20s/life: 14s, ahead: 5s/; s/crypto_period: 5s/crypto_period: 2s/')
for p in 7101 7102 7103 7104 7120 7140 7141 7142 7143; do v=p$p; rules+=(-e "s/127\.0\.0\.1:$p/127.0.0.1:${!v}/g"); done
sed -i "${rules[@]}" headend.yaml
export SIMULGATE_SCHEMAS=$top_srcdir/bridge
check "it is valid" "$(program "")" check-config headend.yaml
start run "$(program "")" run headend.yaml
handset=run/terminal-handset.status.sock hub=run/bridge-hub.status.sock
check "the handset gets its rights, and sees the programme" await_status 90 "$handset" "s['ltkm']['rights'] >= 1 and u['packets'] > 100"
refused=$(value "$handset" "sum(u['stkm']['refused'].values())")
last() { value "$hub" "max(i['cid_extension'] for i in s['seak']['bsda'][0]['instances'])"; }
first=$(last)
# in_use EXT: by all four, as their own bridges say
in_use() {
	local n
	for n in 1 2 3; do await_status 60 "run/bridge-bsm$n.status.sock" "any(i['cid_extension'] == $1 and i['state'] == 'in use' for i in s['seak']['bsm'][0]['instances'])" || return 1; done
	await_status 30 "$hub" "any(i['cid_extension'] == $1 and i['gate'] == 'open' for i in s['seak']['bsda'][0]['instances'])"
}
check "a new SEAK comes to all" in_use $((first + 1))
check "… and its right to the handset" await_status 60 "$handset" "s['ltkm']['bcro']['accepted'] >= 2"
# What is valid then is the new one alone: its predecessor ends 5 s after it begins.
from=$(value "$hub" "[i['valid_from'] for i in s['seak']['bsda'][0]['instances'] if i['cid_extension'] == $((first + 1))][0]")
await 60 "the new SEAK's time" eval "[ \$(date +%s) -gt $(($(date -d "$from" +%s) + 6)) ]"
periods=$(value "$handset" "u['crypto_periods']")
check "the programme goes on under it" await_status 60 "$handset" "u['crypto_periods'] >= $periods + 3"
check "every STKM of every BSM was opened" same "$(value "$handset" "sum(u['stkm']['refused'].values())")" "$refused"
ecms() { local n; for n in bsm1 bsm2 bsm3; do holds "$(echo run/ecmg-$n*.sock)" "s['ecm_total'] >= 3" || return 1; done; holds "$hub" "s['make_stkm']['ecm_total'] >= 3"; }
check "all four made some" ecms
stop run 60
summary=$(grep '^terminal handset' "$dir/log/run")
check "not a packet is lost, none cannot be opened" grep -E 'lost=0 undecryptable=0 ' <<<"$summary"
