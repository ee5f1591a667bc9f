#!/usr/bin/env bash
# tests/integration/man_lint.sh: every page passes mandoc's lint without a word, and none names another that there is not
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need mandoc

# mandoc finds what .Xr names in the directory it runs in
cp "$top_srcdir"/man/*.[1-9] "$top_builddir"/man/*.[1-9] "$dir/" 2>/dev/null
cd "$dir" || exit 1
pages=(*.[1-9])
silent() { same "$("$@" 2>&1)" ""; }
sections() {
	local s
	for s in NAME DESCRIPTION FILES EXAMPLES "SEE ALSO" STANDARDS "SECURITY CONSIDERATIONS"; do
		grep -qx ".Sh $s" "$1" || { case $1:$s in *.7:FILES | *.7:EXAMPLES) continue ;; esac; echo "no $s"; return 1; }
	done
}

plan $((2 * ${#pages[@]} + 1))
there() { local page; for page; do [ -s "$page" ] || { echo "$page"; return 1; }; done; }
check "every program and the configuration has a page" there \
	simulgate-bridge.8 \
	simulgate-bsm.8 \
	simulgate-decode.1 \
	simulgate-diff.1 \
	simulgate-ecmg.8 \
	simulgate-emmg.8 \
	simulgate-keys.5 \
	simulgate-kms.1 \
	simulgate-kms-plugin.3 \
	simulgate-plugin-test.1 \
	simulgate-load.1 \
	simulgate-mux.8 \
	simulgate-play.1 \
	simulgate-protocol.7 \
	simulgate-replay.1 \
	simulgate-scrambler.8 \
	simulgate-scrub.1 \
	simulgate-scs.8 \
	simulgate-sp4.1 \
	simulgate-subscribe.1 \
	simulgate-terminal.8 \
	simulgate.1 \
	simulgate.yaml.5
for page in "${pages[@]}"; do
	check "$page is clean" silent mandoc -T lint "$page"
	check "$page has its sections" sections "$page"
done
