# tests/fuzz/sdp.mk
sdp_fuzz = %D%/fuzz_sdp %D%/fuzz_sap %D%/fuzz_play_es
check_PROGRAMS += $(sdp_fuzz)
TESTS += $(sdp_fuzz)
tests_fuzz_fuzz_sdp_SOURCES = %D%/fuzz_sdp.c $(fuzz_main) proto/sdp.c
tests_fuzz_fuzz_sdp_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_sdp_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_sap_SOURCES = %D%/fuzz_sap.c $(fuzz_main) proto/sap.c
tests_fuzz_fuzz_sap_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_sap_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_play_es_SOURCES = %D%/fuzz_play_es.c $(fuzz_main) tools/play_es.c tools/play_ts.c proto/ts.c
tests_fuzz_fuzz_play_es_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_play_es_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_play_es_LDADD = lib/libgwbase.la $(CRYPTO_LIBS)
