# tests/unit/lint.mk
check_PROGRAMS += tests/unit/test_lint
TESTS += tests/unit/test_lint
tests_unit_test_lint_SOURCES = %D%/test_lint.c %D%/spelt.h
tests_unit_test_lint_LDADD = $(test_libs) tools/liblint.la tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS)
