#!/bin/sh
# Makes clip.ts: ten seconds of ffmpeg's own test picture and a tone, so nobody's rights are in it. H.264 and AAC in an MPEG-2
# transport stream of constant rate with a PCR every 20 ms, which gives simulgate-play an even pace.
set -eu
exec ffmpeg -v error -y -threads 1 \
	-f lavfi -i testsrc2=size=640x360:rate=25:duration=10 \
	-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000:duration=10 \
	-c:v libx264 -preset slow -profile:v main -pix_fmt yuv420p -g 25 -bf 0 \
	-b:v 750k -minrate 750k -maxrate 750k -bufsize 375k -x264-params nal-hrd=cbr:threads=1 \
	-c:a aac -b:a 96k -ac 2 \
	-metadata service_provider=Simulgate -metadata service_name="Test clip" \
	-muxrate 1000k -pcr_period 20 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
	-f mpegts "${1:-"$(dirname "$0")/clip.ts"}"
