# tests/unit/sx.mk: SimulCrypt in front of XML
sx_tests = %D%/test_bridge_errors %D%/test_bridge_sx_ecmg
check_PROGRAMS += $(sx_tests)
TESTS += $(sx_tests)
tests_unit_test_bridge_errors_LDADD = bridge/libbrsx.la $(test_libs)
tests_unit_test_bridge_sx_ecmg_LDADD = bridge/libbrsx.la $(sp4_libs) $(net_libs) $(test_libs)
