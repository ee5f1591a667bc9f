#!/usr/bin/env bash
# tests/integration/neighbours.sh: SCSs with the same identifiers at one simulgate-ecmg: scripted ones that vanish, with a word and
# without, and two real ones that share all their numbers, one of which is stopped dead, left, and comes back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 13
ports port
sg ecmg ecmg --listen "tcp://127.0.0.1:$port" --plugin lab --silence 1 --status "unix://$dir/ecmg.sock"
await_port 20 "$port" || bail "simulgate-ecmg listens"
await_status 20 "$dir/ecmg.sock" 's["channels"] == []' >/dev/null	# await_port's is gone
verdicts "$PYTHON" "$here/simwire.py" neighbours "127.0.0.1:$port" "$dir/ecmg.sock"

for scs in one two; do
	cat >"$dir/$scs.yaml" <<-EOF
	head_end: $scs
	state: state-$scs
	playout: unix://$dir/run-$scs
	kms:
	  lab: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$port, ECM_channel_id: 7, test_interval: 1s }
	services:
	  - { id: $scs, scrambling: none, crypto_period: 1s, stkm: [{ kms: lab, ecm_id: 1 }] }
	EOF
	sg $scs scs --config "$dir/$scs.yaml" --status "unix://$dir/$scs.sock"
done
# goes_on NAME: three crypto-periods, not extended
goes_on() {
	local cp
	cp=$(value "$dir/$1.sock" 'u["cp"]')
	await_status 30 "$dir/$1.sock" "u['cp'] >= $cp + 3 and u['streams'][0]['up'] and not u['extended']"
}
for scs in one two; do check "$scs has crypto-periods" await_status 30 "$dir/$scs.sock" 'u["cp"] >= 1'; done
both='[c["ECM_channel_id"] for c in s["channels"]] == [7, 7]'
check "both on channel 7" await_status 15 "$dir/ecmg.sock" "$both"
freeze one
check "one that stands still is left" await_status 30 "$dir/ecmg.sock" 'len(s["channels"]) == 1'
check "the other has not noticed" goes_on two
thaw one
check "it comes back by itself with the same numbers" await_status 30 "$dir/ecmg.sock" "$both"
check "and goes on" goes_on one
for scs in one two; do check "SIGTERM ends $scs" stop $scs; done
