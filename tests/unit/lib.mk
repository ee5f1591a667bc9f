# tests/unit/lib.mk
lib_base_tests = tests/unit/test_lib_err tests/unit/test_lib_log tests/unit/test_lib_secret tests/unit/test_lib_hex \
	tests/unit/test_lib_clock tests/unit/test_lib_addr tests/unit/test_lib_fsm tests/unit/test_lib_args
check_PROGRAMS += $(lib_base_tests)
TESTS += $(lib_base_tests)
lib_base_libs = $(test_libs) lib/libgwbase.la $(CRYPTO_LIBS)
tests_unit_test_lib_err_LDADD = $(lib_base_libs)
tests_unit_test_lib_log_LDADD = $(lib_base_libs)
tests_unit_test_lib_secret_LDADD = $(lib_base_libs)
tests_unit_test_lib_hex_LDADD = $(lib_base_libs)
tests_unit_test_lib_clock_LDADD = $(lib_base_libs)
tests_unit_test_lib_addr_LDADD = $(lib_base_libs)
tests_unit_test_lib_fsm_LDADD = $(lib_base_libs)
tests_unit_test_lib_args_LDADD = $(lib_base_libs)
