# tests/unit/delivery.mk: LTKMs to the cards
delivery_tests = %D%/test_bsm_push %D%/test_bsm_delivery %D%/test_bsm_delivery_crash
check_PROGRAMS += $(delivery_tests)
TESTS += $(delivery_tests)
delivery_libs = $(test_libs) bsm/libbsm.la $(kms_store_libs) $(net_libs)
tests_unit_test_bsm_push_LDADD = $(delivery_libs)
tests_unit_test_bsm_delivery_SOURCES = %D%/test_bsm_delivery.c %D%/delivery_rig.h %D%/scratch.h
tests_unit_test_bsm_delivery_LDADD = $(delivery_libs)
tests_unit_test_bsm_delivery_crash_SOURCES = %D%/test_bsm_delivery_crash.c %D%/delivery_rig.h %D%/scratch.h
tests_unit_test_bsm_delivery_crash_LDADD = $(delivery_libs)
