#!/usr/bin/env bash
# tests/integration/gstreamer_srtp.sh: GStreamer's srtpdec recovers the clear RTP packets over changes of the key and of the ROC. It
# knows the keys because the SCS runs with a test seed; it gets the current and the next one, as an STKM carries them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need "$CC" pkg-config gst-inspect-1.0
need_pkg gstreamer-1.0 gstreamer-app-1.0
gst-inspect-1.0 srtpdec >/dev/null 2>&1 || missing "GStreamer's srtpdec"
headend 2s
plan 6
# shellcheck disable=SC2046 # flags are words
"$CC" -O1 -o "$dir/recover" "$here/gst_recover.c" $(pkg-config --cflags --libs gstreamer-1.0 gstreamer-app-1.0) >"$dir/log/cc" 2>&1 ||
	bail "the receiver compiles"
"$top_builddir/tests/integration/keys" judge news 0 64 >"$dir/keys.txt" 2>>"$dir/log/keys" || bail "the keys can be foretold"
count=2400
export GST_REGISTRY=$dir/gst-registry.bin
start clear "$PYTHON" "$here/air.py" record "$in" --to "$dir/clear" --count 100000
start recover "$dir/recover" "${out%:*}" "${out##*:}" "$dir/keys.txt" "$dir/recovered" $count
await_log 15 recover playing && await_log 15 clear watching
up drm smartcard mux scrambler
sg scs scs --config "$conf" --status "unix://$dir/scs.sock" --test-seed judge
check "the test seed is shouted" await_log 15 scs 'level=err .*TEST SEED'
source_on --rate 250 --seq 65000
check "a key is in force" await_status 15 "$dir/scrambler.sock" 's["media"][0]["packets_out"] > 0'
check "GStreamer recovers $count packets" await_log 40 recover "packets=$count "
changes=$(sed -n 's/.*key_changes=\([0-9]*\).*/\1/p' "$dir/log/recover")
check "over at least three changes of the key (${changes:-0})" test "${changes:-0}" -ge 3
stop source
stop clear
check "the sequence numbers went round" "$PYTHON" -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["sent"] < 536 + 100)' "$dir/log/source"
check "each is the clear one of the same number, none is missing" "$PYTHON" "$here/air.py" compare "$dir/clear" "$dir/recovered"
