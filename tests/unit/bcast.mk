# tests/unit/bcast.mk
bcast_tests = %D%/test_stkm %D%/test_mikey %D%/test_rtp %D%/test_ts %D%/test_bcro %D%/test_esp
check_PROGRAMS += $(bcast_tests)
TESTS += $(bcast_tests)
EXTRA_DIST += tests/data/bcast
tests_unit_test_stkm_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_mikey_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_rtp_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_ts_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_esp_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_bcro_LDADD = proto/libproto.la $(test_libs)
check_PROGRAMS += %D%/test_au
TESTS += %D%/test_au
tests_unit_test_au_LDADD = proto/libproto.la $(test_libs)
EXTRA_DIST += tests/data/media/ismacryp.json
