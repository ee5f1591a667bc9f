# tests/unit/load.mk
check_PROGRAMS += tests/unit/test_hist
TESTS += tests/unit/test_hist
tests_unit_test_hist_LDADD = $(test_libs) tools/libload.la
