#!/usr/bin/env bash
# tests/integration/plugin_test.sh: simulgate plugin-test: our own plugins and the example conform; a plugin that breaks one rule is found out
# by that rule and no other.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need "$CC"

# what is broken, and the rule that finds it; "+" before it: a warning, which is no failure
bad=(
	"SYMBOL symbols" "UNDEFINED undefined" "CONSTRUCTOR +constructors" "ABI abi" "SIZE size" "MEMBERS members" "ENTRY entry" "NAME +name"
	"SETTINGS settings" "NEWER newer-host" "LEAK leak" "STATES states" "DESCRIPTORS descriptors" "THREAD threads" "SIGMASK +thread-signals"
	"SIGNALS process" "UMASK process" "LOCALE process" "DIRECTORY process" "OUTPUT +output"
	"EXIT exit" "CRASH crash" "ABORT crash" "HANG hang" "CLOSES hang" "OVERREAD overread" "KEPT kept-pointer" "CONST overwrite" "OVERWRITE overwrite"
	"UNDERWRITE overwrite" "CHANNEL channel-values" "CHANNEL_SAME channel-same" "DOUBT +channel-doubt" "CAS unknown-super-cas-id"
	"NOBODY channel constructors" "EMPTY ecm" "ECM_ID unknown-ecm-id" "WINDOW keys-end window" "LENGTH length" "SMALL small-cap" "SAME same" "DIFFERENT different" "FORM form" "TS form"
	"CRC crc" "TABLE_ID +table-id" "LATE blocks late" "BLOCKS +blocks" "MEMORY memory" "STATUS error-status" "SENTENCE sentence" "UNENDED sentence" "CLEAR cw-in-ecm" "LOG cw-in-log" "CLEANSE +cw-left"
	"LATER later" "TWICE answer-once" "HANDLE answer-missing answer-once" "NEVER answer-missing" "AFTER_CLOSE answer-after-close"
	"LTKM ltkm" "LTKM_FORM ltkm-form" "LTKM_STATUS error-status"
	"LTKM_MEMORY +ltkm-memory"
)
plan $((12 + ${#bad[@]}))

program=$SIMULGATE_LIBEXEC/simulgate-plugin-test
[ -x "$program" ] || program=$SIMULGATE_LIBEXEC/tools/simulgate-plugin-test
run() { within 60 "$program" "$@"; }
# found SEVERITY ...: the ids of what was found. One answer in a thousand that is late (latest) is the machine's, which stands still now and then.
found() { "$PYTHON" -c 'import json,sys; print(*sorted({f["id"] for f in json.load(sys.stdin)["findings"] if f["severity"] in sys.argv} - {"latest"}))' "$@"; }
skipped() { "$PYTHON" -c 'import json,sys; sys.exit(not any(t["name"] == sys.argv[1] and t["result"] == "skipped" for t in json.load(sys.stdin)["tests"]))' "$1"; }
conforms() {
	local said status
	said=$(run "$@" --json --seconds 0.2)
	status=$?
	same "$status $("$PYTHON" -c 'import json,sys; print(*[f for f in json.load(sys.stdin)["findings"] if f["severity"] == "error"])' <<<"$said")" "0 "
}
build() { "$CC" -std=gnu11 -fPIC -shared -fvisibility=hidden -I"$top_srcdir" "-D$1" -o "$2" "$here/bad_plugin.c" -lpthread >"$dir/log/cc.$1" 2>&1; }
caught() {
	local what=$1 rule="${*:2}" want=1 got status seconds=0.2
	[ "$rule" = "${rule#+}" ] || want=0
	rule=${rule#+}
	[ "$what" != MEMORY ] || seconds=5	# what is kept for each CP_number is no leak
	build "BAD_$what" "$dir/$what.so" || { cat "$dir/log/cc.BAD_$what"; return 1; }
	got=$(run "$dir/$what.so" --json --seconds $seconds --patience 2.5)	# more than a machine stands still
	status=$?
	rm -f "$dir/$what.so"
	[ "$what" != CLEANSE ] || ! skipped secrets <<<"$got" || rule=	# a sanitizer keeps what is freed
	same "$status $(found error warning <<<"$got")" "$want $rule" || { "$PYTHON" -m json.tool <<<"$got" | grep -A9 '"severity"' | head -60; return 1; }
}

for key in drm smartcard drm-broadcast; do install -m 600 "$top_srcdir/examples/keys/$key.yaml" "$dir/"; done
cp "$top_srcdir"/examples/keys/*.pem "$dir/" && chmod 600 "$dir"/*.pem
check "lab conforms" conforms lab
check "lab with TS packets and late answers conforms" conforms lab --set section_TSpkt_flag=1 --set ecm_delay=1
check "and its thread takes no signal of the host's" same "$(run lab --set ecm_delay=1 --json --seconds 0.1 | found warning | grep -o thread-signals)" ""
check "drm conforms" conforms drm --set "keys=$dir/drm.yaml"
check "smartcard conforms" conforms smartcard --set "keys=$dir/smartcard.yaml"
check "a lab that shows its control words does not" same "$(run lab --set clear_cw=1 --json --seconds 0.1 | found error)" "cw-in-ecm"
build GOOD "$dir/good.so" || bail "a good plugin compiles" "$(cat "$dir/log/cc.GOOD")"
check "what keeps every rule conforms" conforms "$dir/good.so"
build LATER "$dir/later.so"
check "and so it does with later answers" conforms "$dir/later.so"
build BOUNDED "$dir/bounded.so"
check "what refuses more than it can do at a time conforms, without a warning" same "$(run "$dir/bounded.so" --json --seconds 0.2 | found error warning)" ""
narrow() { same "$(run "$dir/later.so" --set broken=1 --seconds 0.1 | tail -n +2 | grep -E '.{81}')" ""; }
check "the report is 80 columns wide" narrow
run "$dir/nothing.so" >"$dir/said" 2>&1
check "no plugin: 66" same $? 66
run >"$dir/said" 2>&1
check "no argument: 64" same $? 64
for row in "${bad[@]}"; do
	# shellcheck disable=SC2086
	check "$row" caught $row
done
