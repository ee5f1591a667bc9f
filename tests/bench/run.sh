#!/usr/bin/env bash
# tests/bench/run.sh PROGRAM ...: runs the bench programs and ends with a table. Ratios are within one run; nothing here is a pass or a failure.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
: "${SIMULGATE_LIBEXEC:=$PWD}" "${SIMULGATE_PLUGIN_DIR:=$PWD/kms/.libs}"
export SIMULGATE_LIBEXEC SIMULGATE_PLUGIN_DIR
# With one service and no list of streams the key file serves every ECM_id.
(umask 077 && sed '/^streams:/,$d' "$root/examples/keys/drm.yaml" >"$dir/drm.yaml")
for ECMG in "$SIMULGATE_LIBEXEC"/ecmg/simulgate-ecmg "$SIMULGATE_LIBEXEC"/simulgate-ecmg; do [ ! -x "$ECMG" ] || break; done
export ECMG KEYS=$dir/drm.yaml LOG=$dir/ecmg.log

for program; do
	"$program" ${BENCH_SECONDS:+--seconds "$BENCH_SECONDS"} | tee -a "$dir/results" || { cat "$LOG" >&2; exit 1; }
done
[ -s "$dir/results" ] || { cat "$LOG" >&2; exit 1; }
printf '\n%-28s %14s %-8s  %s\n' result value unit 'of its ceiling'
while read -r name value unit ratio _ ceiling; do
	[ "$name" != '#' ] || continue	# a remark
	printf '%-28s %14s %-8s  %s\n' "$name" "$value" "$unit" "${ratio:+$ratio of $ceiling}"
done <"$dir/results"
