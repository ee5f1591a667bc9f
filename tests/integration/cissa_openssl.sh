#!/usr/bin/env bash
# tests/integration/cissa_openssl.sh: the clip scrambled with DVB-CISSA and a changing key: openssl's AES opens every packet of it, by the
# parity in its header; ffmpeg decodes what came of it, and what our receiver made of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl ffmpeg
plan 13
clip=$top_srcdir/examples/media/clip.ts
# decodes FILE: every frame of it, without a word
decodes() { [ -z "$(ffmpeg -nostdin -v error -xerror -i "$1" -f null - 2>&1)" ]; }
hidden() { ! decodes "$1"; }

check "the clip is scrambled" within 30 "$top_builddir/tests/integration/cissa" scramble "$clip" "$dir/scrambled.ts"
verdicts "$PYTHON" "$here/cissa_judge.py" "$clip" "$dir/scrambled.ts" "$dir/opened.ts"
check "ffmpeg decodes what openssl has opened" decodes "$dir/opened.ts"
check "… and not what is scrambled" hidden "$dir/scrambled.ts"
check "our receiver opens it" within 30 "$top_builddir/tests/integration/cissa" descramble "$dir/scrambled.ts" "$dir/ours.ts"
check "to what it was" cmp "$dir/ours.ts" "$clip"
check "ffmpeg decodes that" decodes "$dir/ours.ts"
