# tests/unit/: SRTP, scrambler
EXTRA_DIST += tests/data/media/srtp.json
media_tests = tests/unit/test_lib_burst tests/unit/test_lib_srtp tests/unit/test_lib_srtp_libsrtp2 \
	tests/unit/test_lib_srtp_engines tests/unit/test_scr_keys tests/unit/test_scr_batch tests/unit/test_scr_input tests/unit/test_scr_output tests/unit/test_scrambler
check_PROGRAMS += $(media_tests)
TESTS += $(media_tests)
tests_unit_test_lib_burst_LDADD = $(test_libs) lib/libgw.la $(base_libs)
tests_unit_test_lib_srtp_LDADD = $(test_libs) $(media_libs)
tests_unit_test_lib_srtp_libsrtp2_SOURCES = tests/unit/test_lib_srtp.c
tests_unit_test_lib_srtp_libsrtp2_CPPFLAGS = $(AM_CPPFLAGS) -DENGINE=GW_ENGINE_LIBSRTP2
tests_unit_test_lib_srtp_libsrtp2_LDADD = $(test_libs) $(media_libs)
tests_unit_test_lib_srtp_engines_LDADD = $(test_libs) $(media_libs)
tests_unit_test_scr_keys_LDADD = $(test_libs) $(scrambler_libs)
tests_unit_test_scr_batch_LDADD = $(test_libs) $(scrambler_libs)
tests_unit_test_scr_input_LDADD = $(test_libs) $(scrambler_libs)
tests_unit_test_scr_output_LDADD = $(test_libs) $(scrambler_libs)
tests_unit_test_scrambler_SOURCES = tests/unit/test_scrambler.c scrambler/scrambler.h scrambler/conf.c scrambler/follow.c \
	scrambler/marks.c scrambler/medium.c scrambler/unit.c scrambler/work.c
tests_unit_test_scrambler_LDADD = $(test_libs) $(scrambler_libs)
check_PROGRAMS += tests/unit/test_cissa
TESTS += tests/unit/test_cissa
tests_unit_test_cissa_LDADD = $(test_libs) $(media_libs)
# ISMACryp
check_PROGRAMS += tests/unit/test_lib_ismacryp
TESTS += tests/unit/test_lib_ismacryp
tests_unit_test_lib_ismacryp_LDADD = $(test_libs) $(media_libs)
check_PROGRAMS += tests/unit/test_lib_esp
TESTS += tests/unit/test_lib_esp
tests_unit_test_lib_esp_LDADD = $(test_libs) $(media_libs)
