# tests/fuzz/doors.mk: what HTTP clients of the BSM send
door_fuzz = %D%/fuzz_regd %D%/fuzz_api
check_PROGRAMS += $(door_fuzz)
TESTS += $(door_fuzz)
tests_fuzz_fuzz_regd_SOURCES = %D%/fuzz_regd.c tests/unit/bsm_client.h $(fuzz_main)
tests_fuzz_fuzz_regd_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_regd_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_regd_LDADD = $(door_libs)
tests_fuzz_fuzz_api_SOURCES = %D%/fuzz_api.c tests/unit/bsm_client.h $(fuzz_main)
tests_fuzz_fuzz_api_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_api_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_api_LDADD = $(door_libs)
