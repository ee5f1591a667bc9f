#!/usr/bin/env bash
# tests/integration/ismacryp_programs.sh: ffmpeg's RTP of the clip through the example with ISMACryp: scrambler on the air, terminals of both
# profiles. What a terminal writes is the clip's H.264 and AAC, octet for octet, over changes of the key; ffmpeg decodes it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ffmpeg
plan 8
clip=$top_srcdir/examples/media/clip.ts
examples_at "$dir/examples"
in=$(group) out=$(group) conf=$dir/examples/ismacryp.yaml
ports port_drm port_smartcard p_video p_audio p1 p2 p3 p4
sed -i -e "s/239\.255\.4\.1:5004/$in:$p_video/; s/239\.255\.4\.1:5006/$in:$p_audio/; s/239\.255\.5\.1:5004/$out:$p_video/; s/239\.255\.5\.1:5006/$out:$p_audio/" \
	-e "s/239\.255\.5\.1:5010/$out:$p1/; s/239\.255\.5\.1:5012/$out:$p2/; s/239\.255\.5\.1:5014/$out:$p3/; s/239\.255\.5\.1:5016/$out:$p4/" \
	-e "s/7201/$port_drm/; s/7202/$port_smartcard/; s/crypto_period: .*/crypto_period: 3s/; /^play:/,/^$/d" \
	-e "s/plugin: \(drm\|smartcard\), /plugin: \1, delay_start: -2000, delay_stop: -2000, max_comp_time: 300, /" "$conf"
{
	ffmpeg -v error -i "$clip" -map 0:v -c copy -f h264 "$dir/source.h264" && ffmpeg -v error -i "$clip" -map 0:a -c copy -f adts "$dir/source.aac" &&
		ffmpeg -v error -i "$dir/source.aac" -c copy -bsf:a aac_adtstoasc "$dir/aac.mp4"
} 2>"$dir/log/ffmpeg" || bail "the clip has H.264 and AAC" "$(cat "$dir/log/ffmpeg")"

# rtp NAME PORT PAYLOAD-TYPE FILE STREAM: at the pace of its time stamps
rtp() { start "$1" ffmpeg -v error -re -i "$4" -map "$5" -c copy -payload_type "$3" -f rtp "rtp://$in:$2?pkt_size=1400&localaddr=127.0.0.1&ttl=1"; }
# NAL units are what counts, not how start codes are written; ffmpeg's RTP keeps the last AAC frames to itself
equal() {
	"$PYTHON" - "$dir" <<-EOF
		import re, sys
		read = lambda name: open(sys.argv[1] + '/' + name, 'rb').read()
		nals = lambda name: [n.rstrip(b'\0') for n in re.split(b'\0\0\1', read(name))[1:]]
		got, want = nals('clear.video'), nals('source.h264')
		print(len(got), len(want))
		aac, source = read('clear.audio'), read('source.aac')
		print(len(aac), len(source))
		sys.exit(got != want or aac != source[:len(aac)] or len(aac) < len(source) - 4000)
	EOF
}
for name in drm smartcard; do sg $name ecmg --config "$conf" --kms $name --status "unix://$dir/$name.sock"; done
up mux scrambler phone
sg handset terminal --config "$conf" --terminal handset --status "unix://$dir/handset.sock" --write "$dir/clear"
sg scs scs --config "$conf" --status "unix://$dir/scs.sock"
check "the video has a key" await_status 20 "$dir/scrambler.sock" "all(m['key'] for m in s['media'])"
check "the terminals can open it" await_status 15 "$dir/handset.sock" "all(u['keys'] for u in s['services'])"
rtp video "$p_video" 98 "$clip" 0:v
rtp audio "$p_audio" 99 "$dir/aac.mp4" 0:a
await 30 "the clip to end" gone video
await 15 "its sound to end" gone audio
check "the scrambler drops nothing" holds "$dir/scrambler.sock" "all(m['packets_in'] > 50 and not m['dropped'] for m in s['media'])"
check "every packet of it is opened" await_status 15 "$dir/handset.sock" "sum(u['packets'] for u in s['services']) == $(value "$dir/scrambler.sock" "sum(m['packets_out'] for m in s['media'])")"
check "the other profile's, too" content phone 50
stop handset
check "over changes of the key: $(tail -n 1 "$dir/log/handset")" grep -q 'lost=0 undecryptable=0 crypto_periods=[1-9][0-9]* ' "$dir/log/handset"
check "what it wrote is the clip's, octet for octet" equal
check "ffmpeg decodes it without a word" same "$(for kind in h264 aac; do
	f=video
	[ $kind = h264 ] || f=audio
	ffmpeg -v error -xerror -f $kind -i "$dir/clear.$f" -f null - 2>&1
done)" ""
