# tests/fuzz/bridge.mk
check_PROGRAMS += %D%/fuzz_sp4
TESTS += %D%/fuzz_sp4
tests_fuzz_fuzz_sp4_SOURCES = %D%/fuzz_sp4.c $(fuzz_main)
tests_fuzz_fuzz_sp4_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_sp4_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_sp4_LDADD = $(sp4_libs)
# what the documents become behind XML
check_PROGRAMS += %D%/fuzz_bridge_xs
TESTS += %D%/fuzz_bridge_xs
tests_fuzz_fuzz_bridge_xs_SOURCES = %D%/fuzz_bridge_xs.c $(fuzz_main)
tests_fuzz_fuzz_bridge_xs_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_bridge_xs_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_bridge_xs_LDADD = $(xs_libs)
