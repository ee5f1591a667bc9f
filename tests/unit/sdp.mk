# tests/unit/sdp.mk: session descriptions and their announcements
sdp_tests = %D%/test_sdp %D%/test_sap %D%/test_lib_session
check_PROGRAMS += $(sdp_tests)
TESTS += $(sdp_tests)
EXTRA_DIST += tests/data/sdp
tests_unit_test_sdp_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_sap_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_lib_session_LDADD = $(test_libs) $(base_libs)
