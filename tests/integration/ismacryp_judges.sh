#!/usr/bin/env bash
# tests/integration/ismacryp_judges.sh: ffmpeg's RTP of the clip through our ISMACryp with key changes. A script that shares no code with us opens it
# with openssl and finds the source's AAC frames and NAL units; tshark sees the same headers; ffmpeg decodes what our receiver gave.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ffmpeg openssl tshark
plan 24
clip=$top_srcdir/examples/media/clip.ts
ffmpeg -v error -i "$clip" -map 0:v -c copy -f h264 "$dir/source.h264" 2>"$dir/log/ffmpeg" && ffmpeg -v error -i "$clip" -map 0:a -c copy -f adts "$dir/source.aac" 2>>"$dir/log/ffmpeg" ||
	bail "the clip has H.264 and AAC" "$(cat "$dir/log/ffmpeg")"
# ffmpeg's RTP wants the AAC configuration beforehand
ffmpeg -v error -i "$dir/source.aac" -c copy -bsf:a aac_adtstoasc "$dir/aac.mp4" 2>>"$dir/log/ffmpeg" || bail "the AAC goes into a file" "$(cat "$dir/log/ffmpeg")"
"$PYTHON" "$here/ismacryp_judge.py" keys 40 "$dir/keys.txt"
ports port

# tshark_sees h264|aac: sequence number, bits of the headers, IV, key indicator and sizes of each packet, one a line
tshark_sees() {
	local mode=avc-video pt=96
	[ "$1" = h264 ] || mode=aac-hbr pt=97
	tshark -r "$dir/$1/air.pcap" -d udp.port==5004,rtp -d rtp.pt==$pt,ismacryp -o ismacryp.version:"ISMACryp v1.1" -o ismacryp.iv_length:4 \
		-o ismacryp.delta_iv_length:0 -o ismacryp.key_indicator_length:1 -o ismacryp.selective_encryption:FALSE \
		-o ismacryp.rfc3640_mode:$mode -T fields -e rtp.seq -e ismacryp.au_headers.length -e ismacryp.iv -e ismacryp.key_indicator \
		-e ismacryp.au.size 2>>"$dir/log/tshark" | tr -d :
}
# clean MEDIUM: it decodes to the end, and ffmpeg has nothing to say about it
clean() {
	ffmpeg -v error -xerror -i "$dir/$1/clear.${1%-*}" -f null - >"$dir/decoded" 2>&1 && [ ! -s "$dir/decoded" ] || { cat "$dir/decoded"; return 1; }
}

# through NAME h264|aac FILE PAYLOAD-TYPE PERIOD [authenticated]
through() {
	local name=$1 kind=$2 file=$3 pt=$4
	mkdir "$dir/$name"
	start "$name" "$top_builddir/tests/integration/ismacryp_run" "$kind" "$port" "$dir/keys.txt" "$5" "$dir/$name" ${6+"$6"}
	await_log 15 "$name" listening || bail "$name: the sender listens"
	check "$name: ffmpeg sends the clip" within 30 ffmpeg -v error -i "$file" -map "0:$([ "$kind" = aac ] && echo a || echo v)" -c copy -payload_type "$pt" -f rtp "rtp://127.0.0.1:$port?pkt_size=1400"
	await 20 "$name to end" gone "$name"
	wait "${pid[$name]}"
	check "$name: nothing is dropped: $(tail -n 1 "$dir/log/$name")" same "$?" 0
	verdicts "$PYTHON" "$here/ismacryp_judge.py" judge "$kind" "$dir/$name" "$dir/keys.txt" "$dir/source.$kind" ${6+"$6"}
	check "$name: ffmpeg decodes what the receiver gave without a word" clean "$name"
	if [ $# -eq 5 ]; then	# tshark knows nothing of tags
		tshark_sees "$kind" >"$dir/$name/tshark"
		check "$name: tshark sees IV, key indicator and sizes as the script does" diff -u "$dir/$name/headers" "$dir/$name/tshark"
	fi
}
through h264 h264 "$clip" 98 80
through aac aac "$dir/aac.mp4" 99 8
through aac-tagged aac "$dir/aac.mp4" 99 8 authenticated
