#!/usr/bin/env bash
# tests/integration/bsm_standby.sh: two STKMGs on one store, both asked for every crypto-period of a dozen services: one TEK under a TEK ID, the same
# STKM from both; either may die, and the phone loses nothing (bcast-smartcard-profile 2.5, 6.1).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
bsm_headend 1s
plan 16
ports p_spare
sed -i "s,ecmg: tcp://127.0.0.1:$p_ecmg\,,ecmg: [tcp://127.0.0.1:$p_ecmg\, tcp://127.0.0.1:$p_spare]\, hedge: 1ms\,," "$conf"
more() {
	local i
	for i in {2..12}; do
		ports p_more p_from p_to
		echo "  - { id: more$i, scrambling: srtp, crypto_period: 1s, media: [{ name: av, in: \"udp://${in%:*}:$p_from?interface=lo\", out: \"udp://${in%:*}:$p_to?interface=lo\" }],"
		echo "      stkm: [{ kms: card, ecm_id: $i, out: \"udp://${in%:*}:$p_more?interface=lo\" }] }"
	done
}
more >"$dir/more"
"$PYTHON" - "$conf" "$dir/more" <<'END'
import sys
text, more = open(sys.argv[1]).read(), open(sys.argv[2]).read()
open(sys.argv[1], "w").write(text.replace("bsm:\n", more + "bsm:\n", 1))
END
first() { sg first ecmg --config "$conf" --kms card --listen "tcp://127.0.0.1:$p_ecmg" --status "unix://$dir/first.sock"; }
second() { sg second ecmg --config "$conf" --kms card --listen "tcp://127.0.0.1:$p_spare" --status "unix://$dir/second.sock"; }
# works NAME: that one answers, from now on
works() {
	local from
	await_status 15 "$dir/$1.sock" 's["kms"] == "card"' >/dev/null || return 1
	from=$(value "$dir/$1.sock" "s['ecm_total']") || return 1
	await_status 15 "$dir/$1.sock" "s['ecm_total'] >= $from + 12"
}
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 12' >/dev/null || bail "the BSM makes its store"
check "the subscribers are provisioned" know
check "alice buys" buy alice
source_on --rate 100
first
second
rise scs mux scrambler alice
check "alice watches" watches alice 100 30
early=$(value "$dir/alice.sock" "u['stkm']['refused'].get('no_key', 0)")	# STKMs that came before its LTKM
check "both STKMGs answer" works first
check "the spare, too" works second
kill9 first
check "the first dies, and the spare goes on" works second
check "alice lost nothing" watches alice 200
first
check "the first is back, and answers" works first
kill9 second
check "the spare dies" works first
check "alice lost nothing of that" watches alice 200
second
check "both again" works second
# What it hears while the store is another's for long it cannot look up.
check "the STKMs that the BSM heard are of the keys of their services" holds "$dir/bsm.sock" "s['stkm']['kept'] >= 24 and s['stkm']['foreign'] * 4 < s['stkm']['kept']"
check "the phone refused none since then" holds "$dir/alice.sock" "sum(u['stkm']['refused'].values()) == $early"
# A store that was locked for long is a refusal, too; a second TEK would be another.
for name in first second; do
	check "the $name refused no crypto-period for its TEK: there was one for each" holds "$dir/$name.sock" \
		"all('store of keys is not available' in e['error'] for e in s['last_errors'])"
done
check "alice's packets are all right" await_status 15 "$dir/alice.sock" "u['lost'] == 0 and u['undecryptable'] == 0"
