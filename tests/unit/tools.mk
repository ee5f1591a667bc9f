# tests/unit/tools.mk: the tests run tools/simulgate itself; fake_process stands in for what it starts
check_PROGRAMS += tests/unit/test_tools_run tests/unit/test_tools_cli tests/unit/fake_process
TESTS += tests/unit/test_tools_run tests/unit/test_tools_cli
tests_unit_test_tools_run_LDADD = $(test_libs) lib/libgwbase.la
tests_unit_test_tools_cli_LDADD = $(test_libs) $(media_libs)
