# One target per decoder. Without a fuzzing engine replay.c is the main, so that `make check` runs every seed.
if FUZZERS
fuzz_main =
AM_FUZZ = -fsanitize=fuzzer
else
fuzz_main = tests/fuzz/replay.c
AM_FUZZ =
endif
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/replay.c
include %D%/tlv.mk
include %D%/bcast.mk
include %D%/sdp.mk
include %D%/term.mk
include %D%/media.mk
include %D%/kms.mk
include %D%/web.mk
include %D%/doors.mk
include %D%/sms.mk
include %D%/commands.mk
include %D%/decode.mk
include %D%/lint.mk
include %D%/scrub.mk
include %D%/load.mk
include %D%/bridge.mk
include %D%/plugin.mk
