#!/usr/bin/env bash
# tests/integration/secrets.sh: known keys go through every program at debug level; none of them, whole or in part, in hexadecimal,
# Base64 or raw, is in a log, a /status, a /metrics or a command line.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
programs=(drm smartcard mux scrambler scs handset phone)
plan $((${#programs[@]} + 6))
"$top_builddir/tests/integration/keys" marked news 0 16 >"$dir/teks" 2>"$dir/log/keys" || bail "the keys can be foretold"
source_on
for name in "${programs[@]}"; do
	case $name in
	drm | smartcard) sg "$name" ecmg --config "$conf" --kms "$name" --status "unix://$dir/$name.sock" --log-level debug ;;
	handset | phone) sg "$name" terminal --config "$conf" --terminal "$name" --status "unix://$dir/$name.sock" --log-level debug ;;
	scs) sg scs scs --config "$conf" --status "unix://$dir/scs.sock" --log-level debug --test-seed marked ;;
	*) sg "$name" "$name" --config "$conf" --status "unix://$dir/$name.sock" --log-level debug ;;
	esac
done
# The keys were really there: both terminals descramble, so TEKs, SEK and SAS have passed.
for name in handset phone; do
	check "$name descrambles over a change of key" await_status 25 "$dir/$name.sock" 'all(u["packets"] > 300 and u["crypto_periods"] >= 2 for u in s["services"])'
done
mkdir "$dir/seen"
for name in "${programs[@]}"; do
	for path in /status /metrics; do "$PYTHON" "$here/probe.py" get "$dir/$name.sock" $path >"$dir/seen/$name${path/\//.}"; done
	tr '\0' ' ' <"/proc/${pid[$name]}/cmdline" >"$dir/seen/$name.cmdline"
	cat "/proc/${pid[$name]}/environ" >"$dir/seen/$name.environ"
done
# A page that is not there would hide nothing.
check "every program has shown its pages" same "$(find "$dir/seen" -size +0 -name '*.status' -o -size +0 -name '*.metrics' -o -size +0 -name '*.cmdline' | wc -l)" $((3 * ${#programs[@]}))
check "messages were logged, too" same "$(grep -lE "level=debug .*event=message" "$dir"/log/{drm,smartcard} | wc -l)" 2
for name in "${programs[@]}"; do check "SIGTERM ends $name" stop "$name"; done
check "no key in anything that was seen" "$PYTHON" "$here/leaks.py" "$dir/teks" "$dir"/keys/*.yaml -- "$dir"/log/* "$dir"/seen/*
check "the search finds what is there" "$PYTHON" "$here/leaks.py" --expect "$dir/teks" "$dir"/keys/*.yaml -- "$dir/teks" "$dir"/keys/*.yaml
