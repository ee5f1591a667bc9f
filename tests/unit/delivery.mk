# tests/unit/delivery.mk: LTKMs to the cards
delivery_tests = %D%/test_bsm_push
check_PROGRAMS += $(delivery_tests)
TESTS += $(delivery_tests)
tests_unit_test_bsm_push_LDADD = $(test_libs) bsm/libbsm.la $(kms_libs) $(net_libs)
