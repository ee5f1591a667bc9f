# tests/unit/decode.mk
check_PROGRAMS += tests/unit/test_decode
TESTS += tests/unit/test_decode
tests_unit_test_decode_LDADD = $(test_libs) tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS)
check_PROGRAMS += tests/unit/test_replay
TESTS += tests/unit/test_replay
tests_unit_test_replay_SOURCES = %D%/test_replay.c %D%/spelt.h
tests_unit_test_replay_LDADD = $(test_libs) tools/libtalk.la tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS) $(PCAP_LIBS)
check_PROGRAMS += tests/unit/test_record
TESTS += tests/unit/test_record
tests_unit_test_record_LDADD = $(test_libs) tools/libtalk.la tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS) $(PCAP_LIBS)
