# tests/unit/kms.mk
kms_tests = %D%/test_kms_crypt %D%/test_kms_drm %D%/test_kms_mikey
check_PROGRAMS += $(kms_tests)
TESTS += $(kms_tests)
tests_unit_test_kms_crypt_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_drm_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_mikey_LDADD = $(kms_libs) $(test_libs)
