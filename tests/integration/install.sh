#!/usr/bin/env bash
# tests/integration/install.sh: make install gives a working tree below any DESTDIR; a stranger's plugin builds against it and runs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
scs=/usr/share/doc/libbitstream-dev/examples/dvb_ecmg_test.c
need pkg-config openssl socat "$CC"
[ -r "$scs" ] || missing "$scs of libbitstream-dev"
plan 17
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
# As its README has it: a copy of what was installed, built against what was installed.
pc_prefix="pkg-config --define-variable=prefix=$prefix"
sdk() {
	cp -R "$prefix/share/doc/simulgate/examples/kms-plugin" "$dir/plugin" && chmod -R u+w "$dir/plugin" &&
		PKG_CONFIG_PATH="${pc%/*}" make -C "$dir/plugin" CC="$CC" CFLAGS="-Wall -Wextra -Werror" PKG_CONFIG="$pc_prefix" example.so key install && [ -e "$prefix/lib/simulgate/example.so" ]
}
check "examples/kms-plugin builds against it and is installed" sdk
echo 30313233343536373839616263646566 >"$dir/plugin/key"	# cards and it are 0600 as they were made
plugin_test() {
	env -u SIMULGATE_LIBEXEC -u SIMULGATE_PLUGIN_DIR PATH="$prefix/bin:$PATH" make -C "$dir/plugin" check PKG_CONFIG="$pc_prefix" \
		PKG_CONFIG_PATH="${pc%/*}" CC="$CC" TESTFLAGS="--seconds 0.5" | tee "$dir/conforms"
	[ "${PIPESTATUS[0]}" = 0 ]
}
leaves_signals() { grep -q '^ok' "$dir/conforms" && ! grep -q thread-signals "$dir/conforms"; }
check "simulgate plugin-test finds that it conforms" plugin_test
check "and that its threads leave signals to the host" leaves_signals
ports port peerport mux air
start ecmg env -u SIMULGATE_PLUGIN_DIR "$prefix/sbin/simulgate-ecmg" --listen "tcp://127.0.0.1:$port" \
	--plugin "$prefix/lib/simulgate/example.so" --set "key=$dir/plugin/key" --set max_streams=50 --status "unix://$dir/ecmg.sock"
await_status 15 "$dir/ecmg.sock" True >/dev/null && await_port 15 "$port"
# Of what its ECM has to say, AES key wrap undone by another hand.
one_ecm() {
	local wrapped
	wrapped=$(PYTHONPATH=$here "$PYTHON" -c '
import sys, simwire
p = simwire.Peer(sys.argv[1])
p.channel(); p.stream()
m = p.ask(simwire.frame(3, 0x201, simwire.u16(0x0E, 1), simwire.u16(0x0F, 7), simwire.u16(0x12, 5), (0x0D, bytes.fromhex("01020007020110")),
    (0x14, b"\0\5" + bytes(range(8)))), 0x202)
ecm = m.raw(0x15)[0].hex()
assert ecm.startswith("81b0" + "%02x" % (len(ecm) // 2 - 3) + "0102" + "c10000" + "4ae60001" + "0005"), ecm
print(ecm[28:-8])' "127.0.0.1:$port") || return
	same "$("$PYTHON" -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))' "$wrapped" |
		openssl enc -d -id-aes128-wrap-pad -K 30313233343536373839616263646566 -iv a65959a6 | od -An -tx1 | tr -d ' \n')" \
		000710010005080001020304050607
}
check "the installed simulgate-ecmg loads it" holds "$dir/ecmg.sock" 's["plugin"]["name"] == "example" and s["plugin"]["version"] == "2"'
check "and gives its ECM, rights and control word in it" one_ecm
# biTStream's SCS, as in bitstream_scs.sh
"$CC" -O1 -w -o "$dir/peer" "$scs" >"$dir/log/cc" 2>&1
start peer socat "EXEC:$dir/peer 10 1" "TCP:127.0.0.1:$port"
check "biTStream's SCS gets its ECMs" await_status 30 "$dir/ecmg.sock" 's["ecm_total"] >= 51'
check "and has nothing to complain of" same "$(grep -v '^starting ' "$dir/log/peer")" ""
check "nothing was refused" holds "$dir/ecmg.sock" 's["refused"] == {}'
kill9 peer
check "SIGTERM ends it" stop ecmg 15
# its EMMs, one a card, by an EMMG and a mux
mkdir "$dir/run"
cat >"$dir/emm.yaml" <<-END
	head_end: sdk
	state: state
	playout: unix://$dir/run
	kms: { mine: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:$peerport, plugin: $prefix/lib/simulgate/example.so,
	  set: { key: $dir/plugin/key, cards: $dir/plugin/cards } } }
	mux: { emmg: tcp://127.0.0.1:$mux }
	ltkm:
	  - { kms: mine, data_id: 1, format: section, bandwidth: 50kbit/s, out: "udp://127.0.0.1:$air" }
END
start mux "$prefix/sbin/simulgate-mux" --config "$dir/emm.yaml"
start emmg env -u SIMULGATE_PLUGIN_DIR "$prefix/sbin/simulgate-emmg" --config "$dir/emm.yaml" --kms mine
emms() {
	timeout 30 "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
cards = set()
while cards != {1, 2, 3}:
    d = s.recv(65536)
    assert d[:2].hex() == "82b0" and len(d) == 3 + d[2], d.hex()
    cards.add(int.from_bytes(d[8:12], "big"))' "$air"
}
check "an EMM for each card goes on air" emms
