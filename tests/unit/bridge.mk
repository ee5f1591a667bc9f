# tests/unit/bridge.mk
check_PROGRAMS += %D%/test_bridge_sp4
TESTS += %D%/test_bridge_sp4
EXTRA_DIST += tests/data/sp4
tests_unit_test_bridge_sp4_LDADD = $(sp4_libs) $(test_libs)
check_PROGRAMS += %D%/test_bridge_exchange
TESTS += %D%/test_bridge_exchange
tests_unit_test_bridge_exchange_LDADD = $(ex_libs) $(test_libs)
check_PROGRAMS += %D%/test_bridge_keys
TESTS += %D%/test_bridge_keys
tests_unit_test_bridge_keys_LDADD = bridge/libbrkeys.la cwg/libcwg.la $(sp4_libs) $(test_libs)
