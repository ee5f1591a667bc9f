check_PROGRAMS += tests/unit/test_mux_carousel
TESTS += tests/unit/test_mux_carousel
tests_unit_test_mux_carousel_LDADD = mux/libmux.la $(test_libs) $(net_libs)
