# tests/unit/: SRTP, scrambler, terminal
EXTRA_DIST += tests/data/media/srtp.json
media_tests = tests/unit/test_lib_srtp tests/unit/test_scr_keys tests/unit/test_scrambler
check_PROGRAMS += $(media_tests)
TESTS += $(media_tests)
tests_unit_test_lib_srtp_LDADD = $(test_libs) lib/libgw.la $(base_libs) $(SRTP_LIBS)
tests_unit_test_scr_keys_SOURCES = tests/unit/test_scr_keys.c scrambler/keys.c
tests_unit_test_scr_keys_LDADD = $(test_libs) $(base_libs)
tests_unit_test_scrambler_SOURCES = tests/unit/test_scrambler.c scrambler/scrambler.h scrambler/follow.c scrambler/keys.c \
	scrambler/marks.c scrambler/medium.c scrambler/unit.c
tests_unit_test_scrambler_LDADD = $(test_libs) $(net_libs) $(SRTP_LIBS)
