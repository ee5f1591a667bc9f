# tests/unit/sx.mk: SimulCrypt in front of XML
sx_tests = %D%/test_bridge_errors
check_PROGRAMS += $(sx_tests)
TESTS += $(sx_tests)
tests_unit_test_bridge_errors_LDADD = bridge/libbrsx.la $(test_libs)
