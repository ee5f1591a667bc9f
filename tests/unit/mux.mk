mux_tests = tests/unit/test_mux_carousel tests/unit/test_mux_follow
check_PROGRAMS += $(mux_tests)
TESTS += $(mux_tests)
tests_unit_test_mux_carousel_LDADD = mux/libmux.la $(test_libs) $(net_libs)
tests_unit_test_mux_follow_LDADD = mux/libmux.la $(test_libs) $(net_libs)
EXTRA_DIST += tests/data/mux
