check_PROGRAMS += tests/unit/test_lib_link
TESTS += tests/unit/test_lib_link
tests_unit_test_lib_link_SOURCES = tests/unit/test_lib_link.c
tests_unit_test_lib_link_LDADD = lib/libgw.la $(base_libs) $(UV_LIBS) $(test_libs)
