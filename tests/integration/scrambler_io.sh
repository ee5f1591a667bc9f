#!/usr/bin/env bash
# tests/integration/scrambler_io.sh: simulgate-scrambler on two threads between sources, receivers and an SCS that are not ours:
# every way in and out: groups that share sockets, source-specific, IPv6, RTCP; sources that misbehave; malformed input
# shellcheck source=lib.sh
# In a network of its own where that is possible, with an interface for IPv6 groups, which the loopback does not take.
if [ -z "${SIMULGATE_ALONE:-}" ] && unshare -n true 2>/dev/null; then
	SIMULGATE_ALONE=yes exec unshare -n "$BASH" "$0"
fi
if [ -n "${SIMULGATE_ALONE:-}" ]; then
	ip link set lo up
	ip link add six type veth peer name xis && echo 0 >/proc/sys/net/ipv6/conf/six/accept_dad && ip link set six up && ip link set xis up
fi
. "$(dirname "$0")/lib.sh"
plan 17
"$PYTHON" "$here/scrambler.py" conf "$dir" || bail "a configuration"
conf=$dir/headend.yaml
sg scrambler scrambler --config "$conf" --status "unix://$dir/scrambler.sock"
check "it is ready" await_log 20 scrambler event=ready
verdicts timeout 100 "$PYTHON" "$here/scrambler.py" io "$dir" "${pid[scrambler]}"
check "SIGTERM ends it" stop scrambler 15
