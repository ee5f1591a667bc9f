mux_tests = tests/unit/test_mux_carousel tests/unit/test_mux_channel tests/unit/test_mux_follow tests/unit/test_mux_stream \
	tests/unit/test_mux_ts
check_PROGRAMS += $(mux_tests)
TESTS += $(mux_tests)
tests_unit_test_mux_carousel_LDADD = mux/libmux.la $(test_libs) $(net_libs)
tests_unit_test_mux_channel_LDADD = mux/libmux.la $(test_libs) $(net_libs)
tests_unit_test_mux_stream_LDADD = mux/libmux.la $(test_libs) $(net_libs)
tests_unit_test_mux_ts_LDADD = mux/libmux.la $(test_libs) $(net_libs)
tests_unit_test_mux_follow_LDADD = mux/libmux.la $(test_libs) $(net_libs)
EXTRA_DIST += tests/data/mux tests/unit/mux_peer.h
