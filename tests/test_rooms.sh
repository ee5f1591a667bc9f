#!/usr/bin/env bash
# tests/test_rooms.sh: the arrows between the rooms (design.md, the rooms) point one way; proto/ stays pure.
# shellcheck source-path=SCRIPTDIR source=integration/lib.sh
. "$(dirname "$0")/integration/lib.sh"
cd "$top_srcdir" || exit 1

# room: what its files may include besides their own room; a path with a slash is one header
may=(
	"proto:"
	"lib: proto"
	"cwg: proto lib"
	"kms: proto lib"
	"scs: proto lib cwg"
	"ecmg: proto lib kms/kms-plugin.h kms/load.h"
	"emmg: proto lib kms/kms-plugin.h kms/load.h"
	"mux: proto lib"
	"scrambler: proto lib kms"
	"terminal: proto lib kms"
	"bsm: proto lib kms"
	"bridge: proto lib cwg kms"
	"tools: proto lib kms"
	"man: proto lib kms tools"
)
# Pure: no I/O, clock, allocation, event loop, cryptography.
pure='assert ctype endian inttypes limits stdarg stdbool stddef stdint stdio string arpa/inet netinet/in'

# includes ROOM FORM: "file:line header" of every #include "…" or <…>
includes() {
	local open='"' close='"'
	[ "$2" = '<' ] && open='<' close='>'
	find "$1" -name '*.[ch]' -exec grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$open" {} + |
		sed -E "s/^([^:]*:[0-9]*):[^$open]*$open([^$close]*)$close.*/\\1 \\2/"
}

turned() {
	local room=${1%%:*} allowed="${1#*:} " at header bad=
	while read -r at header; do
		case $header in
		"$room"/* | config.h) continue ;;
		*/*) [[ $allowed == *" ${header%%/*} "* || $allowed == *" $header "* ]] && continue ;;
		esac
		bad+="$at includes $header"$'\n'
	done < <(includes "$room" '"')
	[ -z "$bad" ] || { echo "$bad"; return 1; }
}
# Our own headers are named by room in quotes, so that the check above sees them.
bracketed() {
	local found
	found=$(includes "$1" '<' | grep -E " ($(printf '%s|' "${rooms[@]}")tests)/")
	[ -z "$found" ] || { echo "$found"; return 1; }
}
impure() {
	local at header bad=
	while read -r at header; do
		[[ " $pure " == *" ${header%.h} "* ]] || bad+="$at includes <$header>"$'\n'
	done < <(includes proto '<')
	[ -z "$bad" ] || { echo "$bad"; return 1; }
}
# Plugins have no event loop and bring no program's parts along.
loopless() {
	local found
	found=$(includes kms '<' | grep -E ' (uv|sqlite3|jansson)\.h')
	[ -z "$found" ] || { echo "$found"; return 1; }
}

rooms=() ; for row in "${may[@]}"; do [ -d "${row%%:*}" ] && rooms+=("${row%%:*}"); done
plan $((2 * ${#rooms[@]} + 3))
for row in "${may[@]}"; do
	room=${row%%:*}
	[ -d "$room" ] || continue
	check "$room includes nothing but itself and:${row#*:}" turned "$row"
	check "$room names our headers in quotes" bracketed "$room"
done
check "proto is pure" impure
check "kms knows no event loop and no store" loopless
check "every room with sources is in the table" same "$(find . -mindepth 2 -maxdepth 2 -name '*.c' -printf '%h\n' | sort -u | sed 's,^\./,,' |
	grep -vxE "tests|build.*|$(printf '%s|' "${rooms[@]}")none")" ""
