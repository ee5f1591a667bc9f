# tests/unit/scrub.mk
check_PROGRAMS += tests/unit/test_scrub
TESTS += tests/unit/test_scrub
tests_unit_test_scrub_LDADD = $(test_libs) tools/libscrub.la tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS) $(PCAP_LIBS)
tests_unit_test_scrub_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
