#!/usr/bin/env bash
# tests/integration/startup_order.sh: the programs start in any order and find one another; nothing leaves the scrambler before the
# first commit; SIGTERM ends each within two seconds.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
orders=(
	"drm smartcard scs mux scrambler handset phone"
	"handset phone scrambler mux scs smartcard drm"
	"scrambler scs drm mux phone smartcard handset"
	"mux handset drm scrambler smartcard phone scs"
)
plan $((${#orders[@]} * 11))
for order in "${orders[@]}"; do
	headend 2s
	rm -rf "$dir/state" "$dir/run"
	eyes_on
	source_on
	last=$(tr ' ' '\n' <<<"$order" | grep -vxE 'handset|phone' | tail -n 1)
	# Between one start and the next there is an event: the program serves its status.
	for name in $order; do
		# Every one but the terminals is needed for a key.
		[ "$name" != "$last" ] || early=$(value "$dir/eyes.sock" 's["packets"]')
		up "$name"
		await 5 "$name's status" value "$dir/$name.sock" 1
	done
	check "[$order] nothing was sent before $last" same "$early" 0
	for name in handset phone; do
		check "[$order] $name descrambles over a change of key" await_status 30 "$dir/$name.sock" \
			'all(u["packets"] > 500 and u["crypto_periods"] >= 2 for u in s["services"])'
	done
	check "[$order] nothing was in clear" same "$(value "$dir/eyes.sock" '[s["clear"], s["not_rtp"], s["unannounced"]]')" "[0, 0, 0]"
	for name in $order; do check "[$order] SIGTERM ends $name" stop "$name"; done
	stop source && stop eyes
	rm -f "$dir"/*.sock
done
