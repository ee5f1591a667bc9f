#!/usr/bin/env bash
# tests/integration/esp_headend.sh: a head-end with ESP in one network namespace, its receivers in another: by raw sockets over IPv4 in transport
# and over IPv6 in tunnel mode, and in UDP. Every receiver sees every packet right over changes of the key; a killed scrambler goes on.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip tshark
a=sgheadend-a$$ b=sgheadend-b$$
ip netns add "$a" 2>"$dir/said" || skip_all "no network namespaces here: $(head -1 "$dir/said")"
wipe() { local status=$?; ip netns del "$a"; ip netns del "$b" 2>/dev/null; (exit $status); finish; }
trap wipe EXIT
plan 13
{
	ip netns add "$b" && ip link add sg0 netns "$a" type veth peer name sg0 netns "$b" &&
		ip -n "$a" addr add 10.77.0.1/24 dev sg0 && ip -n "$b" addr add 10.77.0.2/24 dev sg0 &&
		ip -n "$a" addr add fd77::1/64 dev sg0 nodad && ip -n "$b" addr add fd77::2/64 dev sg0 nodad &&
		ip -n "$a" link set lo up && ip -n "$b" link set lo up && ip -n "$a" link set sg0 up && ip -n "$b" link set sg0 up
} >"$dir/said" 2>&1 || bail "two namespaces on a wire" "$(cat "$dir/said")"

headend	# its keys and ports
echo '  - { ecm_id: 3, service: news }' >>"$dir/keys/drm.yaml"
cat >"$conf" <<EOF
head_end: esp
state: state
playout: unix://$dir/run
kms:
  drm:       { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$port_drm, plugin: drm, keys: keys/drm.yaml, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
  smartcard: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$port_smartcard, plugin: smartcard, keys: keys/smartcard.yaml, set: { ext_bcast: min }, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
services:
  - id: four
    scrambling: ipsec
    crypto_period: 2s
    media: [{ name: av, in: "udp://127.0.0.1:6001", out: "udp://239.255.77.4:5004?interface=sg0" }]
    stkm: [{ kms: drm, ecm_id: 1, out: "udp://239.255.77.4:5010?interface=sg0" }]
  - id: six
    scrambling: ipsec
    ipsec: { mode: tunnel, source: "fd77::1" }
    crypto_period: 2s
    media: [{ name: av, in: "udp://127.0.0.1:6002", out: "udp://[ff15::77:4]:5004?interface=sg0" }]
    stkm: [{ kms: smartcard, ecm_id: 2, out: "udp://239.255.77.5:5010?interface=sg0" }]
  - id: nat
    scrambling: ipsec
    ipsec: { output: udp, port: 4501 }
    crypto_period: 2s
    media: [{ name: av, in: "udp://127.0.0.1:6003", out: "udp://10.77.0.2:5004" }]
    stkm: [{ kms: drm, ecm_id: 3, out: "udp://239.255.77.6:5010?interface=sg0" }]
terminals:
  - { name: handset, profile: drm,       service: four, keys: keys/handset-drm.yaml }
  - { name: phone,   profile: smartcard, service: six,  keys: keys/handset-smartcard.yaml }
  - { name: far,     profile: drm,       service: nat,  keys: keys/handset-drm.yaml }
EOF
# at NAMESPACE NAME PROGRAM [ARG ...]
at() { start "$2" ip netns exec "$1" "$(program "$3")" --config "$conf" --status "unix://$dir/$2.sock" "${@:4}"; }
start dumpcap ip netns exec "$b" dumpcap -q -P -i sg0 -w "$dir/wire.pcap" -f "proto 50 or ip6 proto 50"
await 20 "the capture" test -s "$dir/wire.pcap" || bail "dumpcap captures"
terminals=(handset phone far)
for name in "${terminals[@]}"; do at "$b" "$name" terminal --terminal "$name"; done
at "$a" drm ecmg --kms drm
at "$a" smartcard ecmg --kms smartcard
at "$a" mux mux
at "$a" scrambler scrambler
at "$a" scs scs
for n in 1 2 3; do start "source$n" ip netns exec "$a" "$PYTHON" "$here/air.py" send "127.0.0.1:600$n" --rate 200; done
for name in "${terminals[@]}"; do
	check "$name receives over four changes of the key" \
		await_status 40 "$dir/$name.sock" "sum(u['crypto_periods'] for u in s['services']) >= 5 and sum(u['packets'] for u in s['services']) > 1500"
	check "$name lost nothing, and could open everything" content "$name" 1500
	check "$name saw no wrong tag" holds "$dir/$name.sock" "all(u['bad_tag'] == 0 for u in s['services'])"
done
kill9 scrambler
at "$a" scrambler scrambler
check "the scrambler is killed and comes back" await_status 20 "$dir/scrambler.sock" "all(m['packets_out'] > 100 for m in s['media'])"
before=$(value "$dir/handset.sock" "s['services'][0]['packets']")
check "its receivers go on, with the key that was in force" await_status 20 "$dir/handset.sock" \
	"s['services'][0]['packets'] > $before + 400 and s['services'][0]['bad_tag'] == 0 and s['services'][0]['undecryptable'] == 0"
stop dumpcap 15
HOME=$dir tshark -r "$dir/wire.pcap" -Y esp -T fields -e esp.spi -e esp.sequence >"$dir/numbers" 2>>"$dir/log/tshark"
check "the capture has what they sent" test "$(wc -l <"$dir/numbers")" -gt 3000
check "no sequence number was used twice under a key" same "$(wc -l <"$dir/numbers") packets, $(sort "$dir/numbers" | uniq -d | wc -l) twice" \
	"$(sort -u "$dir/numbers" | wc -l) packets, 0 twice"
