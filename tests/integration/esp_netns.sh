#!/usr/bin/env bash
# tests/integration/esp_netns.sh: ESP by raw sockets from one network namespace to another, as hosts on a wire: IPv4 and IPv6, unicast and
# multicast, both modes. What tshark sees on the wire is IP protocol 50 with nothing of the media in it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip tshark
wire=$top_builddir/tests/integration/esp_wire
a=sgesp-a$$ b=sgesp-b$$
ip netns add "$a" 2>"$dir/said" || skip_all "no network namespaces here: $(head -1 "$dir/said")"
wipe() { local status=$?; ip netns del "$a"; ip netns del "$b" 2>/dev/null; (exit $status); finish; }
trap wipe EXIT
plan 11

wired() {
	ip netns add "$b" && ip link add sg0 netns "$a" type veth peer name sg0 netns "$b" || return
	local n ns
	for n in 1 2; do
		[ $n = 1 ] && ns=$a || ns=$b
		ip -n "$ns" link set lo up && ip -n "$ns" addr add "10.77.0.$n/24" dev sg0 && ip -n "$ns" addr add "fd77::$n/64" dev sg0 nodad &&
			ip -n "$ns" link set sg0 up || return
	done
}
check "two namespaces on a wire" wired
[ "$failed" -eq 0 ] || exit
start dumpcap ip netns exec "$b" dumpcap -q -P -i sg0 -w "$dir/wire.pcap" -f "proto 50 or ip6 proto 50"
await 20 "the capture" test -s "$dir/wire.pcap" || bail "dumpcap captures"

# across WHAT ADDRESS MODE AUTH
across() {
	local name=rx$tests
	start "$name" ip netns exec "$b" "$wire" receive "$2" "$3" "$4"
	await_log 20 "$name" ready || { not_ok "$1"; return; }
	within 20 ip netns exec "$a" "$wire" send "$2" "$3" "$4" 2>"$dir/log/tx$tests" || diag "$(cat "$dir/log/tx$tests")"
	await 25 "the receiver's end" gone "$name"
	check "$1" same "$(tail -1 "$dir/log/$name")" "received 200 wrong 0"
}
across "IPv4, transport" udp://10.77.0.2:5004 transport auth
across "IPv4, tunnel" udp://10.77.0.2:5004 tunnel auth
across "IPv4, transport, without authentication" udp://10.77.0.2:5004 transport plain
across "IPv6, transport" "udp://[fd77::2]:5004" transport auth
across "IPv6, tunnel" "udp://[fd77::2]:5004" tunnel auth
across "IPv4 multicast" "udp://239.255.77.4:5004?interface=sg0&ttl=7" transport auth
across "IPv6 multicast" "udp://[ff15::77:4]:5004?interface=sg0&ttl=7" tunnel auth
count() { HOME=$dir tshark -r "$dir/wire.pcap" -Y "$1" 2>>"$dir/log/tshark" | wc -l; }
whole() { [ "$(count esp)" -ge 1400 ]; }
await 20 "the end of the capture" whole
stop dumpcap 15
check "on the wire is ESP, from the right hosts" same \
	"$(count 'esp && (ip.src == 10.77.0.1 || ipv6.src == fd77::1) && (ip.dst == 10.77.0.2 || ipv6.dst == fd77::2 || ip.dst == 239.255.77.4 || ipv6.dst == ff15::77:4)')" 1400
check "groups with the TTL that was asked for" same "$(count 'esp && (ip.dst == 239.255.77.4 && ip.ttl == 7 || ipv6.dst == ff15::77:4 && ipv6.hlim == 7)')" 400
check "and no UDP" same "$(count 'udp || ip.flags.mf == 1 || ipv6.fraghdr')" 0
