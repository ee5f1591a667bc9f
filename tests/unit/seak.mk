# tests/unit/seak.mk
check_PROGRAMS += %D%/test_bridge_seak
TESTS += %D%/test_bridge_seak
tests_unit_test_bridge_seak_SOURCES = tests/unit/test_bridge_seak.c tests/unit/scratch.h
tests_unit_test_bridge_seak_LDADD = $(seak_libs) $(test_libs)
