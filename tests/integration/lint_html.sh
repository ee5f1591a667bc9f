#!/usr/bin/env bash
# tests/integration/lint_html.sh: the page of simulgate lint: of each capture it is whole, leaves nothing out and runs nothing, whatever a peer says.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need xmllint
plan 15
for tool in "$SIMULGATE_LIBEXEC/tools/simulgate-lint" "$SIMULGATE_LIBEXEC/simulgate-lint"; do [ ! -x "$tool" ] || break; done
here=$(dirname "$0")
captures=$top_srcdir/tests/data/captures
lint() { "$tool" "$@" 2>>"$dir/log/lint"; }
status() { lint "$@" >"$dir/out"; echo $?; }
judged() { "$PYTHON" "$here/lint_page.py" "$1" "$2" && xmllint --noout "$1"; }
page() {
	local rc
	lint --json --html "$dir/page.html" "$1" >"$dir/report.json"
	rc=$?
	[ $rc -le 1 ] && judged "$dir/page.html" "$dir/report.json"
}

for capture in "$captures"/*.pcap; do
	check "the page of ${capture##*/}" page "$capture"
done
# an ECMG and an SCS whose words are mark-up, in a file whose name is
evil="$dir/\"><script>alert(1)<!--.pcap"
"$PYTHON" "$here/lint_hostile.py" "$evil"
check "the page of a hostile capture" page "$evil"
check "has its words as text" grep -q '&lt;script&gt;alert(1)' "$dir/page.html"
none() { [ -s "$dir/page.html" ] && ! grep -i "<script\|<img\|<!--" "$dir/page.html"; }
check "and never as mark-up" none
head -c 9000 "$captures/third-party-ecmg-scs.pcap" >"$dir/short.pcap"
check "a capture that breaks off has its page" page "$dir/short.pcap"
check "which says so" grep -q 'could not be read to its end' "$dir/page.html"
head -c 24 "$captures/third-party-ecmg-scs.pcap" >"$dir/empty.pcap"
check "an empty one has" page "$dir/empty.pcap"

# where the page goes
lint --html - "$captures/third-party-ecmg-scs.pcap" >"$dir/stdout.html"
check "to standard output, and nothing but the page" xmllint --noout "$dir/stdout.html"
check "a folder that is not there: status 71" same "$(status --html "$dir/none/page.html" "$captures/third-party-ecmg-scs.pcap")" 71
cp "$dir/short.pcap" "$dir/mine.pcap"
check "the capture itself is not overwritten: status 64" same "$(status --html "$dir/mine.pcap" "$dir/mine.pcap")" 64
check "it is as it was" cmp "$dir/mine.pcap" "$dir/short.pcap"
rm -f "$dir/page.html"
lint --html "$dir/page.html" "$dir/none.pcap" >"$dir/out"
check "no capture, no page" test ! -e "$dir/page.html"
echo before >"$dir/page.html"
lint --html "$dir/page.html" "$dir/none.pcap" >"$dir/out"
check "nor is an older one lost" same "$(cat "$dir/page.html")" before
