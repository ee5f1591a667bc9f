#!/usr/bin/env bash
# tests/integration/play_es.sh: simulgate play takes H.264 and AAC out of a transport stream: octet by octet what ffmpeg finds in the file,
# and a stream that ffmpeg plays by the session description that simulgate sdp writes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ffmpeg ffprobe
clip=$top_srcdir/examples/media/clip.ts
ports video audio stkm
plan 22
ffmpeg -v error -i "$clip" -map 0:v -c copy -bsf:v h264_mp4toannexb -f h264 "$dir/clip.h264" -map 0:a -c copy -f adts "$dir/clip.adts" </dev/null >"$dir/log/ffmpeg" 2>&1 ||
	bail "ffmpeg takes the clip apart"
start units "$PYTHON" "$here/rtp_units.py" "$video" "$audio" 4 "$dir/clip.h264" "$dir/clip.adts" 98 99
await_log 15 units watching
check "H.264 and AAC are played" within 20 "$(program "")" play --h264 "udp://127.0.0.1:$video" --aac "udp://127.0.0.1:$audio" \
	--h264-payload-type 98 --aac-payload-type=99 --seconds 3 "$clip"
cp "$dir/said" "$dir/played"
wait "${pid[units]}"
unset "pid[units]"
verdicts grep -E '^(not )?ok' "$dir/log/units"

fmtp() { sed -n "s/.*event=play_$1 fmtp=\"\{0,1\}\([^\"]*[^\" ]\).*/\1/p" "$dir/played" | sed 's/ msg=.*//'; }
cat >"$dir/headend.yaml" <<END
state: state
playout: unix://$dir/run
kms: { drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:9 } }
services:
  - id: news
    scrambling: ipsec
    media:
      - { name: video, in: udp://127.0.0.1:1, out: "udp://127.0.0.1:$video", type: h264, fmtp: "$(fmtp h264)" }
      - { name: audio, in: udp://127.0.0.1:2, out: "udp://127.0.0.1:$audio", type: aac, fmtp: "$(fmtp aac)" }
    stkm: [{ kms: drm, ecm_id: 1, out: "udp://127.0.0.1:$stkm" }]
END
"$(program "")" sdp "$dir/headend.yaml" --service news >"$dir/news.sdp" 2>"$dir/log/sdp"
check "what the player says of the streams goes into their session description" grep -q 'a=fmtp:96 packetization-mode=1; profile-level-id=4D401E; sprop-parameter-sets=Z.*,a' "$dir/news.sdp"
start play "$(program "")" play --h264 "udp://127.0.0.1:$video" --aac "udp://127.0.0.1:$audio" --loop "$clip"
# Over the end of a pass. ffmpeg takes the key stream for PCM, which never comes: it is not asked for.
within 40 ffmpeg -v warning -protocol_whitelist file,udp,rtp -analyzeduration 2M -buffer_size 4M -i "$dir/news.sdp" -map 0:v:0 -map 0:a:0 -t 11 -c copy -f nut -y "$dir/received.nut" </dev/null >"$dir/log/receiver" 2>&1
check "ffmpeg receives by it" test -s "$dir/received.nut"
check "both streams" same "$(ffprobe -v error -show_entries stream=codec_name,width,sample_rate -of csv=p=0 "$dir/received.nut" 2>>"$dir/log/ffprobe" | paste -sd' ')" "h264,640 aac,48000"
check "no packet is missing over the loop" same "$(grep -ciE 'missed|max delay|corrupt' "$dir/log/receiver")" 0
ffmpeg -v error -i "$dir/received.nut" -f null - </dev/null >"$dir/log/decoder" 2>&1
check "and they decode without an error" same "$(cat "$dir/log/decoder")" ""
stop play 15
check "a stream that is not there is told" same "$("$(program "")" play --aac udp://127.0.0.1:9 "$dir/clip.h264" >/dev/null 2>&1; echo $?)" 78
check "--to and --h264 together are refused" same "$("$(program "")" play --to udp://127.0.0.1:9 --h264 udp://127.0.0.1:9 "$clip" >/dev/null 2>&1; echo $?)" 64
