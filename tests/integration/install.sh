#!/usr/bin/env bash
# tests/integration/install.sh: make install gives a working tree below any DESTDIR; a stranger's plugin builds against it and runs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need pkg-config "$CC"
plan 9
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
cat >"$dir/stranger.c" <<'EOF'
#include <simulgate/kms-plugin.h>
#include <string.h>

static int
channel(void *state, uint32_t cas, struct kms_channel *c, char *why, size_t cap)
{
	(void)state; (void)cas; (void)why; (void)cap;
	c->CW_per_msg = 1;
	c->ECM_rep_period = 100;
	c->min_CP_duration = 10;
	c->max_comp_time = 100;
	return 0;
}
static int open_it(const struct kms_host *h, const char *conf, void **s, char *why, size_t cap) { (void)h; (void)conf; (void)s; (void)why; (void)cap; return 0; }
static int ecm(void *s, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t n) { (void)s; (void)r; (void)cap; (void)why; (void)n; memcpy(out, "\x80\x70\x01\x2a", 4); return 4; }
static void close_it(void *s) { (void)s; }
static const struct kms_plugin plugin = { .abi = KMS_PLUGIN_ABI, .size = sizeof(plugin), .name = "stranger", .version = "7", .calling = KMS_INLINE,
	.open = open_it, .channel = channel, .ecm = ecm, .close = close_it };
__attribute__((visibility("default"))) const struct kms_plugin *kms_plugin_entry(void) { return &plugin; }
EOF
build() {
	local flags
	flags=$(PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$root" pkg-config --cflags simulgate-kms) || return
	# shellcheck disable=SC2086 # flags are words
	"$CC" -std=c11 -Wall -Wextra -Werror -shared -fPIC $flags -o "$dir/stranger.so" "$dir/stranger.c"
}
check "a plugin of thirty lines builds" build
ports port
start ecmg "$prefix/sbin/simulgate-ecmg" --listen "tcp://127.0.0.1:$port" --plugin "$dir/stranger.so" --status "unix://$dir/ecmg.sock"
await_port 5 "$port"
one_ecm() {
	PYTHONPATH=$here "$PYTHON" -c '
import sys, simwire
p = simwire.Peer(sys.argv[1])
p.channel(); p.stream()
m = p.ask(simwire.frame(3, 0x201, simwire.u16(0x0E, 1), simwire.u16(0x0F, 7), simwire.u16(0x12, 5), (0x14, b"\0\5" + bytes(8))), 0x202)
sys.exit(m.raw(0x15) != [b"\x80\x70\x01\x2a"])' "127.0.0.1:$port"
}
check "the installed simulgate-ecmg loads it" holds "$dir/ecmg.sock" 's["plugin"]["name"] == "stranger" and s["plugin"]["version"] == "7"'
check "and gives its ECM" one_ecm
check "SIGTERM ends it" stop ecmg
