#!/usr/bin/env bash
# tests/integration/misbehave.sh: each misbehaviour of simulgate-ecmg, beside a KMS that behaves, against our SCS. Whatever an ECMG
# does, nothing is in clear and no key is used whose STKM was not on air; once the fault is over keys change again by themselves.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
faults=(
	"late=800ms,times=2"
	"drop,times=2"
	"drop=0.5,duplicate=0.5,late=400ms@0.5,seed=7,times=4"
	"wrong-cp,times=2"
	"wrong-channel,times=2"
	"truncate,times=2"
	"garbage,times=2,seed=7"
	"error=0x000D,times=2"
	"error=0x7001,times=1"
	"error=0x0007,times=1"
	"duplicate,times=2"
	"reorder,times=2"
	"close,times=2"
	"half-open,times=1"
	"version=2,times=3"
	"no-stream-status,times=1"
	"slow-status=700ms,times=2"
	"split=1,times=6"
	"unasked-test,times=2"
	"unknown,times=2"
)
lasting=(close half-open drop truncate error=0x000C)	# with a standby, keys change while the fault lasts
# Each fault waits for time-outs, mostly: three head-ends, each with every third fault, and one with a standby, at the same time.
parts=3
if [ $# -eq 0 ]; then
	plan $((4 * parts + 3 * ${#faults[@]} + 5 + 2 * ${#lasting[@]}))
	for ((part = 0; part <= parts; part++)); do start "part$part" "$BASH" "$0" $part; done
	for ((part = 0; part <= parts; part++)); do
		wait "${pid[part$part]}"
		unset "pid[part$part]"
		verdicts sed -nE 's/^(ok|not ok) [0-9]+ - /\1 /p' "$dir/log/part$part"
	done
	exit
fi
mine=()
for ((i = $1; i < ${#faults[@]} && $1 < parts; i += parts)); do mine+=("${faults[i]}"); done
if [ "$1" -lt $parts ]; then plan $((4 + 3 * ${#mine[@]})); else plan $((5 + 2 * ${#lasting[@]})); fi
headend 2s
mki() { value "$dir/eyes.sock" 's["mki"]'; }
rotates() { await_status "$2" "$dir/eyes.sock" "((s['mki'] - $1) & 0xffff) in range(2, 100)"; }
clean() { holds "$dir/eyes.sock" 's["clear"] == s["not_rtp"] == s["unannounced"] == s["stale"] == 0 and all(v["malformed"] == 0 for v in s["stkm"].values())'; }

eyes_on
up drm smartcard mux scrambler handset phone scs
await_status 15 "$dir/scs.sock" "u['cp'] >= 0" || bail "a first crypto-period"
source_on --rate 200
check "the head-end runs" await_status 15 "$dir/eyes.sock" 's["mki"] is not None and s["packets"] > 100'
for fault in "${mine[@]}"; do
	kill9 drm
	times=${fault##*times=} times=${times%%,*}
	# Struck as often as told, and then one that behaves.
	sg drm ecmg --config "$conf" --kms drm --status "unix://$dir/drm.sock" --misbehave "$fault"
	check "$fault: it strikes $times times" await_status 60 "$dir/drm.sock" "s['misbehaved'] >= $times"
	key=$(mki)
	check "$fault: and then keys change again" rotates "${key:-0}" 60
	check "$fault: nothing was in clear, unannounced or stale" clean
done
if [ "$1" -lt $parts ]; then
	check "it is said loudly" logged drm "level=err .*event=misbehaving .*faults=\"$fault\""
else
	# beside a standby that behaves
	ports port_spare
	sed -i "s|ecmg: tcp://127.0.0.1:$port_drm,|ecmg: [tcp://127.0.0.1:$port_drm, tcp://127.0.0.1:$port_spare], return_after: 2s,|" "$conf"
	sed "s|ecmg: \[tcp://127.0.0.1:$port_drm, tcp://127.0.0.1:$port_spare\]|ecmg: tcp://127.0.0.1:$port_spare|" "$conf" >"$dir/spare.yaml"
	check "SIGTERM ends the SCS" stop scs
	kill9 drm
	sg spare ecmg --config "$dir/spare.yaml" --kms drm --status "unix://$dir/spare.sock"
	up scs
	for fault in "${lasting[@]}"; do
		sg drm ecmg --listen "tcp://127.0.0.1:$port_drm" --config "$conf" --kms drm --status "unix://$dir/drm.sock" --misbehave "$fault"
		check "a standby: $fault strikes" await_status 60 "$dir/drm.sock" "s['misbehaved'] >= 1"
		key=$(mki)
		check "a standby: keys change all the same" rotates "${key:-0}" 60
		kill9 drm
	done
	check "nothing was in clear, unannounced or stale" clean
fi
for t in handset phone; do check "$t could read every packet" content $t 1000; done
