# tests/unit/store.mk
store_tests = tests/unit/test_lib_store tests/unit/test_lib_wrap tests/unit/test_cwg
check_PROGRAMS += $(store_tests)
TESTS += $(store_tests)
tests_unit_test_lib_store_SOURCES = tests/unit/test_lib_store.c tests/unit/store_suite.h tests/unit/scratch.h
tests_unit_test_lib_store_LDADD = $(test_libs) $(net_libs)
tests_unit_test_lib_wrap_SOURCES = tests/unit/test_lib_wrap.c tests/unit/scratch.h
tests_unit_test_lib_wrap_LDADD = $(test_libs) $(net_libs)
tests_unit_test_cwg_LDADD = $(test_libs) cwg/libcwg.la lib/libgwbase.la $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test_play
TESTS += tests/unit/test_play
tests_unit_test_play_SOURCES = tests/unit/test_play.c tests/unit/scratch.h
tests_unit_test_play_LDADD = $(test_libs) tools/libplay.la tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(PCAP_LIBS)
