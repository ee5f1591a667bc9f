#!/usr/bin/env bash
# tests/integration/startup_order.sh: the programs start in any order and find one another; nothing leaves the scrambler before the
# first commit; the handset gets its rights from the air, from simulgate-emmg by way of the mux. Orders come in pairs, one the reverse
# of the other: so of any two programs each has been there before the other. SIGTERM ends each within two seconds.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
mapfile -t orders < <("$PYTHON" -c 'import random
dice = random.Random(103197)
for _ in range(4):
    order = dice.sample("drm smartcard scs mux scrambler emmg handset phone".split(), 8)
    print(*order)
    print(*reversed(order))')
plan $((${#orders[@]} * 12))
# What cannot be done before a key is there; nobody waits for rights or terminals.
needed() { tr ' ' '\n' <<<"$1" | grep -vxE 'handset|phone|emmg' | tail -n 1; }
# The rights of the DRM profile come from the air.
broadcast() {
	ports p_ltkm p_emmg
	# shellcheck disable=SC2154 # ports sets them
	sed -i 's/keys: keys\/drm.yaml/keys: keys\/drm-broadcast.yaml/; s/keys: keys\/handset-drm.yaml/keys: keys\/handset-broadcast.yaml/' "$conf"
	cat >>"$conf" <<-EOF
	ltkm: [{ kms: drm, data_id: 1, out: "udp://${out%:*}:$p_ltkm?interface=lo" }]
	mux: { emmg: tcp://127.0.0.1:$p_emmg }
	EOF
}
for order in "${orders[@]}"; do
	headend 1s
	broadcast
	rm -rf "$dir/state" "$dir/run"
	eyes_on
	source_on
	last=$(needed "$order")
	# Between one start and the next there is an event: the program serves its status.
	for name in $order; do
		[ "$name" != "$last" ] || early=$(value "$dir/eyes.sock" 's["packets"]')
		case $name in
		emmg) sg emmg emmg --config "$conf" --kms drm --status "unix://$dir/emmg.sock" ;;
		*) up "$name" ;;
		esac
		await 20 "$name's status" value "$dir/$name.sock" 1
	done
	check "[$order] nothing was sent before $last" same "$early" 0
	for name in handset phone; do
		check "[$order] $name descrambles over a change of key" await_status 40 "$dir/$name.sock" \
			'all(u["packets"] > 300 and u["crypto_periods"] >= 2 and u["lost"] == u["undecryptable"] == 0 for u in s["services"])'
	done
	check "[$order] nothing was in clear" same "$(value "$dir/eyes.sock" '[s["clear"], s["not_rtp"], s["unannounced"]]')" "[0, 0, 0]"
	for name in $order; do check "[$order] SIGTERM ends $name" stop "$name"; done
	kill9 source && kill9 eyes
	rm -f "$dir"/*.sock
done
