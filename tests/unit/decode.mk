# tests/unit/decode.mk
check_PROGRAMS += tests/unit/test_decode
TESTS += tests/unit/test_decode
tests_unit_test_decode_LDADD = $(test_libs) tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS)
