# tests/unit/lib.mk
lib_base_tests = tests/unit/test_lib_err tests/unit/test_lib_log tests/unit/test_lib_secret tests/unit/test_lib_hex \
	tests/unit/test_lib_clock tests/unit/test_lib_addr tests/unit/test_lib_fsm tests/unit/test_lib_args tests/unit/test_lib_conf \
	tests/unit/test_lib_headend tests/unit/test_lib_due tests/unit/test_lib_index tests/unit/test_lib_text
check_PROGRAMS += $(lib_base_tests) tests/fuzz/fuzz_conf
TESTS += $(lib_base_tests)
if !FUZZERS
TESTS += tests/fuzz/fuzz_conf
endif
EXTRA_DIST += tests/data/conf
lib_base_libs = $(test_libs) $(base_libs)
tests_unit_test_lib_err_LDADD = $(lib_base_libs)
tests_unit_test_lib_log_LDADD = $(lib_base_libs)
tests_unit_test_lib_secret_LDADD = $(lib_base_libs)
tests_unit_test_lib_hex_LDADD = $(lib_base_libs)
tests_unit_test_lib_clock_LDADD = $(lib_base_libs)
tests_unit_test_lib_addr_LDADD = $(lib_base_libs)
tests_unit_test_lib_fsm_LDADD = $(lib_base_libs)
tests_unit_test_lib_args_LDADD = $(lib_base_libs)
tests_unit_test_lib_conf_LDADD = $(lib_base_libs)
tests_unit_test_lib_due_LDADD = $(lib_base_libs)
tests_unit_test_lib_index_LDADD = $(lib_base_libs)
tests_unit_test_lib_text_LDADD = $(lib_base_libs)
tests_unit_test_lib_headend_LDADD = $(lib_base_libs)

# The reader is compiled in, so that a fuzzing engine sees its branches.
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(fuzz_main) lib/conf.c lib/conf_kind.c lib/conf_print.c lib/headend.c lib/headend_bridge.c
tests_fuzz_fuzz_conf_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_conf_LDADD = $(base_libs)
