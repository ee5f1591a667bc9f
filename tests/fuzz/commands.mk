# tests/fuzz/commands.mk
check_PROGRAMS += %D%/fuzz_csv
TESTS += %D%/fuzz_csv
tests_fuzz_fuzz_csv_SOURCES = %D%/fuzz_csv.c $(fuzz_main)
tests_fuzz_fuzz_csv_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_csv_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_csv_LDADD = $(kms_sub_libs) bsm/libcmd.la $(kms_store_libs) $(JANSSON_LIBS)
