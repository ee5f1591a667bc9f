#!/usr/bin/env bash
# tests/integration/bsm_crash.sh: simulgate-bsm ends before and after commits, writes and sendings at random, while a registered, an unregistered
# and a never-bootstrapped subscriber buy; after its restart they have their LTKMs, each counter was used once, each purchase is whole.
# BSM_CRASH_SEED repeats a choice, BSM_CRASH_SECONDS goes on for longer.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
need "$CC" openssl "$PYTHON"
plan 8
bsm_headend 2s
check "the preload builds" "$CC" -shared -fPIC -o "$dir/crash.so" "$here/bsm_crash_preload.c" -ldl
check "three subscribers" eval "rise bsm && await_log 15 bsm event=ready && know && stop bsm 15"
mkdir -p "$dir/state"
lanes=()
for _ in 1 2 3; do
	ports a b c
	# shellcheck disable=SC2154
	lanes+=("$a" "$b" "$c")
done
seed=${BSM_CRASH_SEED:-$RANDOM}
verdicts "$PYTHON" "$here/bsm_crash.py" "$(program bsm)" "$dir/crash.so" "$conf" "$p_phone" "${BSM_CRASH_SECONDS:-20}" "$seed" "${lanes[@]}"
diag "$(grep '^# ' "$dir/log/judge")"
