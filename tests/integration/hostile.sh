#!/usr/bin/env bash
# tests/integration/hostile.sh: malformed packets to a scrambler of each protection, over changes of the key: nothing of them goes out in
# clear, the media that are right go on. Keys are in no log, page, announcement or file of spent numbers; files and memory are for its eyes only.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 24
ports port_drm p_esp p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11 p12 p13 p14 p15 p_sap
g=$(group)
lo='?interface=lo'
conf=$dir/headend.yaml
mkdir -p "$dir/keys"
units=(srtp ipsec cissa isma/video isma/audio)
{
	echo "profile: drm"
	echo "base_cid: judge@head-end.example"
	echo "services:"
	for i in 1 2 3 4 5; do echo "  s$i: { seak: [ { service_CID_extension: $i, SEK: 0x0${i}112233445566778899aabbccddeeff, SAS: 0x0${i}1e2d3c4b5a69788796a5b4c3d2e1f0 } ] }"; done
	echo "streams: [ { ecm_id: 1, service: s1 }, { ecm_id: 2, service: s2 }, { ecm_id: 3, service: s3 }, { ecm_id: 4, service: s4 }, { ecm_id: 5, service: s5 } ]"
} >"$dir/keys/drm.yaml"
chmod 600 "$dir"/keys/*
stkm() { local p="p$((10 + $1))"; echo "[ { kms: drm, ecm_id: $1, out: \"udp://$g:${!p}$lo\" } ]"; }
cat >"$conf" <<-END
head_end: judge
state: state
playout: unix://$dir/run
scrambler: { sap: "udp://$g:$p_sap$lo", sap_interval: 1s }
kms:
  drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$port_drm, plugin: drm, keys: keys/drm.yaml, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
services:
  - id: srtp
    scrambling: srtp
    crypto_period: 2s
    media: [ { name: av, in: "udp://$g:$p1$lo", out: "udp://$g:$p2$lo" } ]
    stkm: $(stkm 1)
  - id: ipsec
    scrambling: ipsec
    ipsec: { output: udp, port: $p_esp }
    crypto_period: 2s
    media: [ { name: av, in: "udp://$g:$p3$lo", out: "udp://$g:$p4$lo" } ]
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
      - { name: audio, type: aac, in: "udp://$g:$p9$lo", out: "udp://$g:$p10$lo", stkm: $(stkm 5) }
END
protection() { case $1 in isma*) echo ismacryp ;; *) echo "$1" ;; esac; }
for u in "${units[@]}"; do
	"$top_builddir/tests/integration/keys" marked "$u" 0 40 "$(protection "$u")" >>"$dir/teks" 2>"$dir/log/keys" || bail "the keys can be foretold"
done
for name in drm mux scrambler scs; do
	more=()
	if [ $name = drm ]; then more=(--kms drm); fi
	if [ $name = scs ]; then more=(--test-seed marked); fi
	sg "$name" "${name/drm/ecmg}" --config "$conf" --status "unix://$dir/$name.sock" --log-level debug "${more[@]}"
done
verdicts timeout 100 "$PYTHON" "$here/hostile.py" "$dir" 6 "$g:$p_sap" "srtp=srtp,$g:$p1,$g:$p2" "ipsec=ipsec,$g:$p3,$g:$p_esp" \
	"cissa=cissa,$g:$p5,$g:$p6" "video=video,$g:$p7,$g:$p8" "audio=audio,$g:$p9,$g:$p10"
check "keys have changed meanwhile" logged scrambler 'event=key_switch.*service=srtp ' 2
check "every file of spent numbers is for its owner's eyes" same "$(find "$dir/state" -name 'spent-*' -perm 600 | wc -l) $(find "$dir/state" -name 'spent-*' | wc -l)" "5 5"
check "no core can be dumped" grep -Eq '^Max core file size +0 ' "/proc/${pid[scrambler]}/limits"
locked() { [ "$(awk '/^VmLck/ { print $2 }' "/proc/${pid[$1]}/status")" -ge 16 ]; }
check "memory is locked" locked scrambler
mkdir "$dir/seen"
for name in drm mux scrambler scs; do
	for path in /status /metrics; do "$PYTHON" "$here/probe.py" get "$dir/$name.sock" $path >"$dir/seen/$name${path/\//.}"; done
	tr '\0' ' ' <"/proc/${pid[$name]}/cmdline" >"$dir/seen/$name.cmdline"
done
check "sessions were announced" grep -q a=stkmstream "$dir/sap"
check "SIGTERM ends the scrambler" stop scrambler 15
mapfile -t spent < <(find "$dir/state" -name 'spent-*')
check "no key in anything that was seen" "$PYTHON" "$here/leaks.py" "$dir/teks" "$dir/keys/drm.yaml" -- "$dir"/log/* "$dir"/seen/* "$dir/sap" "${spent[@]}"
check "the search finds what is there" "$PYTHON" "$here/leaks.py" --expect "$dir/teks" "$dir/keys/drm.yaml" -- "$dir/teks" "$dir/keys/drm.yaml"
check "what was wrong was counted" "$PYTHON" -c '
import re, sys
t = open(sys.argv[1]).read()
sys.exit(not re.search(r"malformed\S* [1-9]|\"malformed\"\S* [1-9]", t) and "no malformed packet is counted")' "$dir/seen/scrambler.metrics"
