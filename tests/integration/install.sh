#!/usr/bin/env bash
# tests/integration/install.sh: make install gives a working tree below any DESTDIR; a stranger's plugin builds against it and runs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need pkg-config "$CC"
plan 11
root=$dir/root
unset MAKEFLAGS MFLAGS MAKELEVEL
check "make install DESTDIR=…" make -C "$top_builddir" -s install DESTDIR="$root"
prefix=$root$(sed -n 's/^prefix = //p' "$top_builddir/Makefile")
pc=$(find "$root" -name simulgate-kms.pc)
check "simulgate says its version" grep -Eq '^simulgate [0-9]' <("$prefix/bin/simulgate" --version)
for man in simulgate.1 simulgate.yaml.5 simulgate-ecmg.8 simulgate-scs.8; do [ -s "$prefix/share/man/man${man##*.}/$man" ] || absent+=" $man"; done
check "manual pages" same "${absent:-}" ""
check "plugins" test -e "$(find "$prefix/lib" -path '*simulgate/lab.so')"
check "pkg-config knows simulgate-kms" env PKG_CONFIG_PATH="${pc%/*}" pkg-config --exists simulgate-kms
# The front command finds the programs by where it is itself; keys are installed readable, and refused until they are one's own.
head_end() {
	local said
	cp -R "$prefix/share/doc/simulgate/examples" "$dir/demo" && chmod 600 "$dir"/demo/keys/* || return
	said=$(env -u SIMULGATE_LIBEXEC -u SIMULGATE_PLUGIN_DIR PATH=/nowhere "$prefix/bin/simulgate" check-config "$dir/demo/headend.yaml" 2>&1) &&
		[[ $said == *valid* && $said != *"not installed"* ]] || { echo "$said"; return 1; }
}
check "the installed example passes the installed programs' checks" head_end
# The schemas are where the program looks for them: below the prefix that it was built for.
sp4() {
	local at
	at=$(dirname "$(find "$prefix/share" -name sp4-backend.xsd)") || return
	"$prefix/bin/simulgate" sp4 validate --schemas "$at" "$top_srcdir"/tests/data/sp4/samples/tag05-stkm-request.xml &&
		grep -qaF "${at#"$root"}" "$prefix/bin/simulgate-sp4"
}
check "the schemas of SP-4 are installed, and the program knows where" sp4
# as its README has it
build() {
	cp -R "$top_srcdir/contrib/plugin-example" "$dir/plugin" && chmod -R u+w "$dir/plugin" &&
		PKG_CONFIG_PATH="${pc%/*}" make -C "$dir/plugin" CC="$CC" CFLAGS="-Wall -Wextra -Werror" \
		PKG_CONFIG="pkg-config --define-variable=prefix=$prefix" install
}
check "contrib/plugin-example builds against it and is installed" build
(umask 077 && printf 0123456789abcdef >"$dir/key")
ports port
start ecmg env -u SIMULGATE_PLUGIN_DIR "$prefix/sbin/simulgate-ecmg" --listen "tcp://127.0.0.1:$port" \
	--plugin "$prefix/lib/simulgate/example.so" --set "key=$dir/key" --status "unix://$dir/ecmg.sock"
await_port 5 "$port"
one_ecm() {
	PYTHONPATH=$here "$PYTHON" -c '
import sys, simwire
p = simwire.Peer(sys.argv[1])
p.channel(); p.stream()
m = p.ask(simwire.frame(3, 0x201, simwire.u16(0x0E, 1), simwire.u16(0x0F, 7), simwire.u16(0x12, 5), (0x14, b"\0\5" + bytes(8))), 0x202)
cw = "7b7ae1b3f31f4a10d50812ec01391076"	# openssl enc -id-aes128-wrap-pad, -iv a65959a6
sys.exit(m.raw(0x15)[0].hex() != "81701c" + "4ae60001" + "0102" + "0005" + "01" + "0005" + "10" + cw)' "127.0.0.1:$port"
}
check "the installed simulgate-ecmg loads it" holds "$dir/ecmg.sock" 's["plugin"]["name"] == "example" and s["plugin"]["version"] == "1"'
check "and gives its ECM" one_ecm
check "SIGTERM ends it" stop ecmg
