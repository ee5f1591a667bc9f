# tests/fuzz/bcast.mk
bcast_fuzz = %D%/fuzz_stkm %D%/fuzz_mikey %D%/fuzz_bcro
check_PROGRAMS += $(bcast_fuzz)
TESTS += $(bcast_fuzz)
tests_fuzz_fuzz_stkm_SOURCES = %D%/fuzz_stkm.c $(fuzz_main)
tests_fuzz_fuzz_stkm_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_stkm_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_stkm_LDADD = proto/libproto.la
tests_fuzz_fuzz_mikey_SOURCES = %D%/fuzz_mikey.c $(fuzz_main)
tests_fuzz_fuzz_mikey_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_mikey_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_mikey_LDADD = proto/libproto.la
tests_fuzz_fuzz_bcro_SOURCES = %D%/fuzz_bcro.c $(fuzz_main)
tests_fuzz_fuzz_bcro_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_bcro_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_bcro_LDADD = proto/libproto.la
