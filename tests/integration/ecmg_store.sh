#!/usr/bin/env bash
# tests/integration/ecmg_store.sh: simulgate-ecmg on a store, killed in mid-run: after the restart, and at a stand-by on the same store, the same
# TEK gives the same STKM and another one is refused. No BSM is needed for STKMs. A store that is held answers later.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
plan 23
bsm_headend 10s
store=$dir/state/kms-card.db
scs() { "$PYTHON" "$here/card_scs.py" "$@"; }

rise ecmg
check "without a store an ECMG does not start" await 15 "its end" gone ecmg
check "it says which" grep -q "$store" "$dir/log/ecmg"
kms init >"$dir/log/init" 2>&1 || bail "simulgate kms init" "$(cat "$dir/log/init")"
rise ecmg
await_port 15 "$p_ecmg" || bail "an ECMG on the store"
ports p_spare
sg spare ecmg --config "$conf" --kms card --listen "tcp://127.0.0.1:$p_spare" --status "unix://$dir/spare.sock"
await_port 15 "$p_spare" || bail "another one"

cp=65000
for turn in 1 2 3; do
	start scs "$PYTHON" "$here/card_scs.py" run "127.0.0.1:$p_ecmg" 1 $cp "$dir/asked.$turn"
	enough() { [ "$(grep -c ' .* ' "$dir/asked.$turn" 2>/dev/null)" -ge 50 ]; }
	check "it answers ($turn)" await 20 "fifty answers" enough
	kill9 ecmg
	await 15 "the SCS to see it" gone scs
	verdicts scs again "127.0.0.1:$p_spare" 1 "$dir/asked.$turn"
	rise ecmg
	await_port 15 "$p_ecmg" || bail "an ECMG after kill -9"
	[ $turn -eq 3 ] || verdicts scs again "127.0.0.1:$p_ecmg" 1 "$dir/asked.$turn"
	cp=$(($(tail -n 1 "$dir/asked.$turn" | cut -d' ' -f1) + 1))
done

# held: somebody writes into the store without an end
start lock "$PYTHON" -c "
import sqlite3, time
db = sqlite3.connect('$store', isolation_level=None)
db.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
time.sleep(120)"
await_log 15 lock locked
check "while the store is held a request is refused with 0x000d" grep -q 0x000d <(scs run "127.0.0.1:$p_ecmg" 1 $cp "$dir/asked.4")
kill9 lock
check "and answered when it is free" test "$(scs time "127.0.0.1:$p_ecmg" 1 $cp 20)" -gt 0
cut -d' ' -f2 "$dir"/asked.? | sort -u >"$dir/teks"
check "no TEK is in a log" same "$(cat "$dir"/log/* | grep -Fic -f "$dir/teks")" 0
