# tests/unit/sx.mk: SimulCrypt in front of XML
sx_tests = %D%/test_bridge_errors %D%/test_bridge_sx_ecmg %D%/test_bridge_sx_emmg
check_PROGRAMS += $(sx_tests)
TESTS += $(sx_tests)
tests_unit_test_bridge_errors_LDADD = bridge/libbrsx.la $(test_libs)
tests_unit_test_bridge_sx_ecmg_SOURCES = %D%/test_bridge_sx_ecmg.c %D%/transcript.h
tests_unit_test_bridge_sx_emmg_SOURCES = %D%/test_bridge_sx_emmg.c %D%/transcript.h
tests_unit_test_bridge_sx_ecmg_LDADD = bridge/libbrsx.la $(sp4_libs) $(net_libs) $(test_libs)
tests_unit_test_bridge_sx_emmg_LDADD = bridge/libbrsx.la $(sp4_libs) $(net_libs) $(test_libs)
