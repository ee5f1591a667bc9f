# shellcheck shell=bash
# tests/integration/lib.sh: sourced by every integration test: TAP, processes with their logs, waiting for events, never for time.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_srcdir=$(cd "${top_srcdir:-$here/../..}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
: "${SIMULGATE_LIBEXEC:=$top_builddir}" "${SIMULGATE_PLUGIN_DIR:=$top_builddir/kms/.libs}" "${PYTHON:=$(command -v /usr/bin/python3 || echo python3)}" "${CC:=cc}"
export top_srcdir top_builddir SIMULGATE_LIBEXEC SIMULGATE_PLUGIN_DIR
export PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS="abort_on_error=0:exitcode=99${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

dir=$(mktemp -d "${TMPDIR:-/tmp}/simulgate-test.XXXXXX") || exit 1
chmod 700 "$dir"
mkdir "$dir/log"
conf='' in='' out='' stkm_drm='' stkm_smartcard='' port_drm='' port_smartcard=''
declare -A pid=()
tests=0 failed=0 planned=0

# -- TAP ------------------------------------------------------------------------------------------------------------------
plan() { planned=$1; echo "1..$1"; }
diag() { while IFS= read -r line; do echo "# $line"; done <<<"$*"; }
ok() { tests=$((tests + 1)); echo "ok $tests - $1"; }
not_ok() { tests=$((tests + 1)); failed=$((failed + 1)); echo "not ok $tests - $1"; shift; [ $# -eq 0 ] || diag "$@"; }
# check DESCRIPTION COMMAND [ARG ...]: what the command says becomes the diagnostic of a failure
check() {
	local what=$1
	shift
	if "$@" >"$dir/said" 2>&1; then ok "$what"; else not_ok "$what" "failed: $*"$'\n'"$(head -c 4000 "$dir/said")"; fi
}
same() { [ "$1" = "$2" ] || { echo "got:  $1"; echo "want: $2"; return 1; }; }
# A test whose preparation failed has nothing more to say.
bail() { not_ok "$1" "${@:2}"; exit 1; }
skip_all() { echo "1..0 # SKIP $1"; planned=0; trap - EXIT; rm -rf "$dir"; exit 0; }
# For a quick check: what runs real processes takes minutes.
[ "${SIMULGATE_INTEGRATION:-yes}" = yes ] || skip_all "SIMULGATE_INTEGRATION=$SIMULGATE_INTEGRATION"

# need TOOL ...: a judge that is not installed; a failure where judges are required, else a skip (call before plan)
need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null 2>&1 || missing "$tool"
	done
}
need_pkg() { pkg-config --exists "$@" 2>/dev/null || missing "pkg-config $*"; }
missing() {
	if [ "${SIMULGATE_JUDGES:-}" = required ]; then
		plan 1
		bail "$1 is installed"
	fi
	skip_all "$1 is not installed"
}

finish() {
	local status=$? name log
	trap - EXIT
	for name in "${!pid[@]}"; do
		kill -CONT "${pid[$name]}" 2>/dev/null
		kill -KILL "${pid[$name]}" 2>/dev/null
	done
	jobs -p | xargs -r kill -KILL 2>/dev/null	# what has no name
	wait 2>/dev/null
	if [ "$tests" -ne "$planned" ]; then
		not_ok "the test ran to its end ($tests of $planned)"
	fi
	# A program that a sanitizer or an assertion stopped fails the test, whoever asked for its exit status.
	if log=$(grep -lE 'Sanitizer:|runtime error:|Assertion .* failed' "$dir"/log/* 2>/dev/null); then
		not_ok "no program broke down" "$log"
	fi
	if [ "$failed" -gt 0 ] || [ "$status" -ne 0 ]; then
		for log in "$dir"/log/*; do
			[ -s "$log" ] || continue
			echo "# ---- ${log##*/} (last lines; $(wc -l <"$log") in all)"
			tail -n "${SIMULGATE_LOG_LINES:-40}" "$log" | cut -c1-400 | sed 's/^/# /'
		done
	fi
	grep -lsx $$ "${TMPDIR:-/tmp}"/simulgate-port.* | xargs -r rm -f
	if [ -n "${SIMULGATE_KEEP:-}" ]; then diag "kept: $dir"; else rm -rf "$dir"; fi
	[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
	exit
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# -- programs -------------------------------------------------------------------------------------------------------------
# program ecmg; program "": the front command. Below the build's root or in its room.
program() {
	local at
	for at in "$SIMULGATE_LIBEXEC" "$SIMULGATE_LIBEXEC/${1:-tools}"; do
		[ ! -x "$at/simulgate${1:+-$1}" ] || break
	done
	echo "$at/simulgate${1:+-$1}"
}

# start NAME COMMAND [ARG ...]: in the background; its output is appended to $dir/log/NAME
start() {
	local name=$1
	shift
	"$@" >>"$dir/log/$name" 2>&1 </dev/null &
	pid[$name]=$!
}
# sg NAME PROGRAM [ARG ...]: one of ours
sg() { local name=$1 prog=$2; shift 2; start "$name" "$(program "$prog")" "$@"; }
alive() { kill -0 "${pid[$1]}" 2>/dev/null; }
gone() { ! alive "$1"; }
sig() { kill "-$1" "${pid[$2]}"; }
kill9() { kill -KILL "${pid[$1]}"; wait "${pid[$1]}" 2>/dev/null; unset "pid[$1]"; }
# Stopped for certain: SIGSTOP is asynchronous.
freeze() { kill -STOP "${pid[$1]}" && await 15 "$1 to stop" frozen "$1"; }
frozen() { [[ $(sed 's/.*) //' "/proc/${pid[$1]}/stat" 2>/dev/null) == T* ]]; }
thaw() { kill -CONT "${pid[$1]}"; }
# stop NAME [SECONDS]: SIGTERM; the exit status, or 124 when it took longer. A disk that takes its time with fsync is no fault of ours.
stop() {
	local p=${pid[$1]} status
	kill -TERM "$p" 2>/dev/null
	if ! await "${2:-15}" "$1 to end" gone "$1"; then
		kill9 "$1"
		return 124
	fi
	wait "$p"
	status=$?
	unset "pid[$1]"
	return "$status"
}
# The exit status of a command that ends by itself; 124 after SECONDS.
within() { local s=$1; shift; timeout -k 1 "$s" "$@"; }

# -- waiting --------------------------------------------------------------------------------------------------------------
# await SECONDS WHAT COMMAND [ARG ...]: until the command succeeds. A bound costs nothing when all is well, and machines stand still for seconds:
# 15 s and more.
await() {
	local until=$(($(date +%s%N) + $1 * 1000000000)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s%N)" -ge "$until" ]; then
			diag "waited in vain for $what"
			return 1
		fi
		sleep 0.02
	done
}
logged() { [ "$(grep -Ec -e "$2" "$dir/log/$1" 2>/dev/null)" -ge "${3:-1}" ]; }
# await_log SECONDS NAME REGEX [TIMES]
await_log() { await "$1" "$2 to log /$3/ ${4:-1} times" logged "$2" "$3" "${4:-1}"; }
listening() { "$PYTHON" "$here/probe.py" port "$1"; }
await_port() { await "$1" "port $2" listening "$2"; }

# -- status ---------------------------------------------------------------------------------------------------------------
# value SOCK EXPR: a Python expression over s, the status document
value() { "$PYTHON" "$here/probe.py" status "$1" "$2"; }
# holds SOCK EXPR: it is true now
holds() { "$PYTHON" "$here/probe.py" holds "$1" "$2"; }
# await_status SECONDS SOCK EXPR: until it is true; prints the document's view of EXPR
await_status() { "$PYTHON" "$here/probe.py" await "$1" "$2" "$3"; }

# -- places ---------------------------------------------------------------------------------------------------------------
# ports NAME ...: sets the variables to free ports (TCP and UDP) of 127.0.0.1
ports() {
	local -a free
	read -r -a free < <("$PYTHON" "$here/probe.py" ports "$#" $$)
	local i=0 v
	for v; do printf -v "$v" %s "${free[i]}"; i=$((i + 1)); done
}
# A multicast group of this test's own, out of 239.255/16 (RFC 2365).
group() { echo "239.255.$((RANDOM % 254 + 1)).$((RANDOM % 254 + 1))"; }

# examples_at DIRECTORY: the shipped examples as their user has them: keys are for one's own eyes
examples_at() { cp -R "$top_srcdir/examples" "$1" && chmod -R u+w "$1" && chmod 600 "$1"/keys/*; }

# demo_at DIRECTORY: the examples there, with ports and groups of this test's own, so that tests can run side by side, and periods of 2 s, so that
# a life of a few seconds has enough of them. a, b and h are the ports of the ECMGs and of the mux.
demo_at() {
	local c d e f l m n o g
	examples_at "$1" || bail "the examples can be copied"
	ports a b c d e f h l m n o
	g=$(group)
	sed -i "s/crypto_period: 5s/crypto_period: 2s/; s/tcp:\/\/127.0.0.1:7001/tcp:\/\/127.0.0.1:$a/; s/tcp:\/\/127.0.0.1:7002/tcp:\/\/127.0.0.1:$b/
		s/127.0.0.1:7080/127.0.0.1:$m/; s/127.0.0.1:4359\"/127.0.0.1:$n\", ltkm_port: $o/; s/127.0.0.2:4359/127.0.0.2:$o/
		s/127.0.0.1:7020/127.0.0.1:$h/; s/239\.255\.1\.1:5020/$g:$l/
		s/239\.255\.0\.1:5004/$g:$c/; s/239\.255\.1\.1:5004/$g:$d/; s/239\.255\.1\.1:5010/$g:$e/; s/239\.255\.1\.1:5012/$g:$f/" "$1/headend.yaml"
}
# demo_buys DIRECTORY: the phone's subscriber there buys the programme
demo_buys() {
	"$(program "")" kms init --config "$1/headend.yaml" &&
		"$(program "")" subscribe subscriber add "$1/keys/subscribers.yaml" --config "$1/headend.yaml" &&
		"$(program "")" subscribe add --subscriber phone --service news --config "$1/headend.yaml"
}

# -- a small head-end -----------------------------------------------------------------------------------------------------
# Service news over SRTP, the KMSs drm and smartcard, two terminals; ports and groups of this test's own. headend [PERIOD] writes
# $conf; in, out, stkm_drm, stkm_smartcard, port_drm and port_smartcard tell where things are.
headend() {
	local g key
	g=$(group)
	conf=$dir/headend.yaml
	mkdir -p "$dir/keys"
	for key in "$top_srcdir"/examples/keys/*; do install -m 600 "$key" "$dir/keys/"; done
	ports port_drm port_smartcard p_in p_out p_drm p_smartcard
	{
		in=$g:$p_in out=$g:$p_out stkm_drm=$g:$p_drm stkm_smartcard=$g:$p_smartcard
	}
	cat >"$conf" <<-EOF
	head_end: judge
	state: state
	playout: unix://$dir/run
	kms:
	  drm:       { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$port_drm, plugin: drm, keys: keys/drm.yaml, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
	  smartcard: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$port_smartcard, plugin: smartcard, keys: keys/smartcard.yaml, set: { ext_bcast: min }, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
	services:
	  - id: news
	    scrambling: srtp
	    crypto_period: ${1:-2s}
	    media:
	      - { name: av, in: "udp://$in?interface=lo", out: "udp://$out?interface=lo" }
	    stkm:
	      - { kms: drm,       ecm_id: 1, out: "udp://$stkm_drm?interface=lo" }
	      - { kms: smartcard, ecm_id: 2, out: "udp://$stkm_smartcard?interface=lo" }
	terminals:
	  - { name: handset, profile: drm,       service: news, keys: keys/handset-drm.yaml }
	  - { name: phone,   profile: smartcard, service: news, keys: keys/handset-smartcard.yaml }
	EOF
}
# up NAME ...: the programs of the head-end by name, each with its /status at $dir/NAME.sock
up() {
	local name
	for name; do
		case $name in
		drm | smartcard) sg "$name" ecmg --config "$conf" --kms "$name" --status "unix://$dir/$name.sock" ;;
		handset | phone) sg "$name" terminal --config "$conf" --terminal "$name" --status "unix://$dir/$name.sock" ;;
		*) sg "$name" "$name" --config "$conf" --status "unix://$dir/$name.sock" ;;
		esac
	done
}
# source_on [ARG ...]: RTP at the scrambler's door; eyes_on: who watches the air
source_on() { start source "$PYTHON" "$here/air.py" send "$in" "$@"; }
eyes_on() {
	start eyes "$PYTHON" "$here/air.py" watch --status "$dir/eyes.sock" --media "$out" --stkm "drm=$stkm_drm" --stkm "smartcard=$stkm_smartcard" "$@"
	await_log 15 eyes watching
}
# A terminal that has seen packets, all of them right: NAME LEAST-PACKETS
content() { holds "$dir/$1.sock" "all(u['packets'] >= $2 and u['lost'] == 0 and u['undecryptable'] == 0 for u in s['services'])"; }
# verdicts COMMAND [ARG ...]: a judge that says "ok …" and "not ok …" a line
verdicts() {
	local verdict what
	while read -r verdict what; do
		case $verdict in
		ok) ok "$what" ;;
		*) not_ok "${what#ok }" ;;
		esac
	done < <("$@" 2>>"$dir/log/judge")
}
