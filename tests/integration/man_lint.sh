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
check "every program and the configuration has a page" test -s simulgate.1 -a -s simulgate.yaml.5 -a -s simulgate-keys.5 -a -s simulgate-protocol.7 \
	-a -s simulgate-play.1 -a -s simulgate-decode.1 -a -s simulgate-replay.1 -a -s simulgate-ecmg.8 -a -s simulgate-emmg.8 -a -s simulgate-scs.8 -a -s simulgate-mux.8 -a -s simulgate-scrambler.8 \
	-a -s simulgate-terminal.8 -a -s simulgate-bsm.8 -a -s simulgate-kms.1 -a -s simulgate-subscribe.1 -a -s simulgate-sp4.1
for page in "${pages[@]}"; do
	check "$page is clean" silent mandoc -T lint "$page"
	check "$page has its sections" sections "$page"
done
