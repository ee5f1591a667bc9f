# tests/unit/: SRTP, scrambler, terminal
EXTRA_DIST += tests/data/media/srtp.json
media_tests = tests/unit/test_lib_burst tests/unit/test_lib_srtp tests/unit/test_scr_keys tests/unit/test_scrambler \
	tests/unit/test_term_receiver tests/unit/test_terminal
check_PROGRAMS += $(media_tests)
TESTS += $(media_tests)
tests_unit_test_lib_burst_LDADD = $(test_libs) lib/libgw.la $(base_libs)
tests_unit_test_lib_srtp_LDADD = $(test_libs) $(media_libs)
tests_unit_test_scr_keys_SOURCES = tests/unit/test_scr_keys.c scrambler/keys.c
tests_unit_test_scr_keys_LDADD = $(test_libs) $(base_libs)
tests_unit_test_scrambler_SOURCES = tests/unit/test_scrambler.c scrambler/scrambler.h scrambler/conf.c scrambler/follow.c scrambler/keys.c \
	scrambler/marks.c scrambler/medium.c scrambler/unit.c
tests_unit_test_scrambler_LDADD = $(test_libs) $(media_libs)
tests_unit_test_term_receiver_SOURCES = tests/unit/test_term_receiver.c terminal/receiver.c terminal/receiver.h
tests_unit_test_term_receiver_LDADD = $(test_libs) kms/libkms.la $(media_libs)
tests_unit_test_terminal_SOURCES = tests/unit/test_terminal.c terminal/terminal.h terminal/air.c terminal/card.c terminal/conf.c terminal/receiver.c \
	terminal/receiver.h terminal/status.c terminal/unit.c
tests_unit_test_terminal_LDADD = $(test_libs) kms/libkms.la $(media_libs)
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
