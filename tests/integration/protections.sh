#!/usr/bin/env bash
# tests/integration/protections.sh: one head-end with a service of each protection, as real processes; receivers of both profiles get the
# packets that went in, over changes of the keys, and lose none. The clear media go to a judge by UDP, and into files.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
services=(srtp ipsec cissa isma)
plan 26
ports port_drm port_smartcard p_esp p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11 p12 p13 p14 p15 p16 p17 p18 p19 p20 p21 p22 p23
g=$(group) g1=$(group) g3=$(group)	# those with RTCP at the ports above have groups of their own
lo='?interface=lo'
conf=$dir/headend.yaml
mkdir -p "$dir/keys"
# One SEK serves one sequence of keys: each of ISMACryp's media has its own.
units=(srtp ipsec cissa video audio)
# keys FILE FIRST-ECM-ID PROFILE: services, and at the head-end which ECM_id is whose
keys() {
	local i=1 u streams=''
	echo "profile: $3"
	if [ "$3" = drm ]; then echo "base_cid: judge@head-end.example"; else echo "key_domain: 0x00f110"; fi
	echo "services:"
	for u in "${units[@]}"; do
		if [ "$3" = drm ]; then
			echo "  $u: { seak: [ { service_CID_extension: $i, SEK: 0x0${i}112233445566778899aabbccddeeff, SAS: 0x0${i}1e2d3c4b5a69788796a5b4c3d2e1f0 } ] }"
		else
			echo "  $u: { sek: [ { id: 0x0001000$i, key: 0x0${i}112233445566778899aabbccddeeff, RAND: 0x0${i}1112131415161718191a1b1c1d1e1f, lower: 0, upper: 65535 } ] }"
		fi
		streams+="${streams:+, }{ ecm_id: $(($2 + i)), service: $u }"
		i=$((i + 1))
	done
	case $1 in head*) echo "streams: [ $streams ]" ;; esac
}
for side in head hand; do
	keys $side 0 drm >"$dir/keys/$side-drm.yaml"
	keys $side 10 smartcard >"$dir/keys/$side-smartcard.yaml"
done
chmod 600 "$dir"/keys/*
# stkm N: the key streams of the Nth sequence of keys
stkm() {
	local a="p$((2 * $1 + 8))" b="p$((2 * $1 + 9))"
	echo "[ { kms: drm, ecm_id: $1, out: \"udp://$g:${!a}$lo\" }, { kms: smartcard, ecm_id: $((10 + $1)), out: \"udp://$g:${!b}$lo\" } ]"
}
cat >"$conf" <<-EOF
head_end: judge
state: state
playout: unix://$dir/run
kms:
  drm:       { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$port_drm, plugin: drm, keys: keys/head-drm.yaml, delay_start: -1500, delay_stop: -1500, max_comp_time: 300 }
  smartcard: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$port_smartcard, plugin: smartcard, keys: keys/head-smartcard.yaml, delay_start: -1500, delay_stop: -1500, max_comp_time: 300 }
services:
  - id: srtp
    scrambling: srtp
    crypto_period: 2s
    media: [ { name: av, in: "udp://$g1:$p1$lo", out: "udp://$g1:$p2$lo", rtcp: true } ]
    stkm: $(stkm 1)
  - id: ipsec
    scrambling: ipsec
    ipsec: { output: udp, port: $p_esp }
    crypto_period: 2s
    media: [ { name: av, in: "udp://$g3:$p3$lo", out: "udp://$g3:$p4$lo", rtcp: true } ]
    stkm: $(stkm 2)
  - id: cissa
    scrambling: dvb-cissa
    crypto_period: 2s
    media: [ { name: av, in: "udp://$g:$p5$lo", out: "udp://$g:$p6$lo" } ]
    stkm: $(stkm 3)
  - id: isma
    scrambling: ismacryp
    authentication: true
    crypto_period: 2s
    media:
      - { name: video, type: h264, in: "udp://$g:$p7$lo", out: "udp://$g:$p8$lo", stkm: $(stkm 4) }
      - { name: audio, type: aac, fmtp: "config=1190", in: "udp://$g:$p9$lo", out: "udp://$g:$p20$lo", stkm: $(stkm 5) }
terminals:
  - { name: srtp-drm,        profile: drm,       service: srtp,  keys: keys/hand-drm.yaml }
  - { name: srtp-smartcard,  profile: smartcard, service: srtp,  keys: keys/hand-smartcard.yaml, out: "udp://127.0.0.1:$p21" }
  - { name: ipsec-drm,       profile: drm,       service: ipsec, keys: keys/hand-drm.yaml, out: "udp://127.0.0.1:$p22" }
  - { name: ipsec-smartcard, profile: smartcard, service: ipsec, keys: keys/hand-smartcard.yaml }
  - { name: cissa-drm,       profile: drm,       service: cissa, keys: keys/hand-drm.yaml, out: "udp://127.0.0.1:$p23" }
  - { name: cissa-smartcard, profile: smartcard, service: cissa, keys: keys/hand-smartcard.yaml, file: cissa.ts }
  - { name: isma-drm,        profile: drm,       service: isma,  keys: keys/hand-drm.yaml, file: isma }
  - { name: isma-smartcard,  profile: smartcard, service: isma,  keys: keys/hand-smartcard.yaml }
EOF
clip=$top_srcdir/examples/media/clip.ts
check "the head-end is valid" within 20 "$(program '')" check-config "$conf"
record() { start "$1" "$PYTHON" "$here/air.py" record "$2" --to "$dir/$1" --count 1000000; }
record clear-1 "$g1:$p1"
record clear-3 "$g3:$p3"
record clear-5 "$g:$p5"
record clear-7 "$g:$p7"
record out-1 "127.0.0.1:$p21"
record out-3 "127.0.0.1:$p22"
record out-5 "127.0.0.1:$p23"
recorders=(clear-1 clear-3 clear-5 clear-7 out-1 out-3 out-5)
for name in "${recorders[@]}"; do await_log 15 "$name" watching; done
for s in "${services[@]}"; do
	for profile in drm smartcard; do
		sg "$s-$profile" terminal --config "$conf" --terminal "$s-$profile" --status "unix://$dir/$s-$profile.sock"
	done
done
up drm smartcard mux scrambler scs
start play-1 "$(program '')" play --loop --rtp --to "udp://$g1:$p1$lo" "$clip"
start play-3 "$(program '')" play --loop --rtp --to "udp://$g3:$p3$lo" "$clip"
start play-5 "$(program '')" play --loop --rtp --to "udp://$g:$p5$lo" "$clip"
start play-7 "$(program '')" play --loop --h264 "udp://$g:$p7$lo" --aac "udp://$g:$p9$lo" --h264-payload-type 98 --aac-payload-type 99 "$clip"
start reports "$PYTHON" "$here/air.py" report "$g1:$p1" "$g3:$p3"
for s in "${services[@]}"; do
	for profile in drm smartcard; do
		check "$s, $profile: five crypto-periods" await_status 30 "$dir/$s-$profile.sock" 'all(u["crypto_periods"] >= 5 for u in s["services"])'
		check "$s, $profile: every packet is right" content "$s-$profile" 100
	done
done
for s in srtp ipsec; do
	check "$s: RTCP is right, too" await_status 15 "$dir/$s-drm.sock" "u['rtcp']['packets'] > 20 and u['rtcp']['bad'] == 0"
done
# Its address is taken, and so it ends before it empties the other's file.
second() {
	within 30 "$(program terminal)" --config "$conf" --terminal cissa-smartcard --status "unix://$dir/cissa-smartcard.sock"
	[ $? -eq 69 ] && [ -s "$dir/cissa.ts" ]
}
check "a second receiver of one name leaves the file of the first" second
for name in play-1 play-3 play-5 play-7; do stop "$name"; done
for s in "${services[@]}"; do stop "$s-drm"; stop "$s-smartcard"; done
for name in "${recorders[@]}"; do stop "$name"; done
for n in 1 3 5; do
	check "what was sent to the $n. port comes out, packet by packet" "$PYTHON" "$here/air.py" compare "$dir/clear-$n" "$dir/out-$n"
done
check "the file of H.264 has the NAL units that were sent" "$PYTHON" "$here/air.py" nals "$dir/clear-7" "$dir/isma.video"
check "the transport stream in a file is one, in clear" "$PYTHON" -c 'import sys; d = open(sys.argv[1], "rb").read(); sys.exit(len(d) < 188000 or len(d) % 188 or any(d[i] != 0x47 or d[i + 3] & 0xc0 for i in range(0, len(d), 188)))' "$dir/cissa.ts"
check "the file of AAC is a row of ADTS frames" "$PYTHON" -c '
import sys
d, n, at = open(sys.argv[1], "rb").read(), 0, 0
while at + 7 <= len(d):
    assert d[at:at + 2] == b"\xff\xf1", at
    at += (d[at + 3] & 3) << 11 | d[at + 4] << 3 | d[at + 5] >> 5
    n += 1
sys.exit(at != len(d) or n < 100)' "$dir/isma.audio"
