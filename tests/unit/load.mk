# tests/unit/load.mk
load_tests = tests/unit/test_hist tests/unit/test_pace tests/unit/test_load tests/unit/test_load_bare tests/unit/test_load_phone tests/unit/test_load_rogue
check_PROGRAMS += $(load_tests)
TESTS += $(load_tests)
tests_unit_test_hist_LDADD = $(test_libs) tools/libload.la
tests_unit_test_pace_LDADD = $(test_libs) tools/libload.la
tests_unit_test_load_LDADD = $(test_libs) tools/libload.la $(net_libs)
tests_unit_test_load_bare_LDADD = $(test_libs) $(load_libs)
tests_unit_test_load_phone_LDADD = $(test_libs) $(load_libs)
tests_unit_test_load_rogue_LDADD = $(test_libs) $(load_libs)
