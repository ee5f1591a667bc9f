# tests/unit/sms.mk: short messages
sms_tests = %D%/test_wsp %D%/test_smpp_pdu %D%/test_bsm_sms %D%/test_bsm_smpp %D%/test_bsm_stkm_get
check_PROGRAMS += $(sms_tests)
TESTS += $(sms_tests)
%C%_test_wsp_LDADD = proto/libproto.la $(test_libs)
%C%_test_smpp_pdu_LDADD = proto/libproto.la $(test_libs)
tests_unit_test_bsm_sms_SOURCES = %D%/test_bsm_sms.c %D%/mikey_vectors.h %D%/scratch.h
tests_unit_test_bsm_sms_LDADD = $(delivery_libs)
tests_unit_test_bsm_smpp_SOURCES = %D%/test_bsm_smpp.c %D%/mikey_vectors.h
tests_unit_test_bsm_smpp_LDADD = $(delivery_libs)
tests_unit_test_bsm_stkm_get_SOURCES = %D%/test_bsm_stkm_get.c %D%/bsm_client.h %D%/scratch.h
tests_unit_test_bsm_stkm_get_LDADD = $(door_libs) $(net_libs) $(test_libs)
