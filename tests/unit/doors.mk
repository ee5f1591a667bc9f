# tests/unit/doors.mk: the doors of the BSM
door_libs = bsm/libbsm.la $(kms_xml_libs) $(kms_store_libs) $(kms_libs) $(web_libs)
door_tests = %D%/test_bsm_regd %D%/test_bsm_oracle %D%/test_bsm_api
check_PROGRAMS += $(door_tests)
TESTS += $(door_tests)
EXTRA_DIST += %D%/bsm_client.h
tests_unit_test_bsm_regd_LDADD = $(door_libs) $(test_libs)
tests_unit_test_bsm_oracle_LDADD = $(door_libs) $(test_libs)
# Every call of these is counted.
tests_unit_test_bsm_oracle_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sqlite3_step,--wrap=EVP_DigestInit_ex,--wrap=EVP_DigestUpdate,--wrap=EVP_CipherUpdate,--wrap=EVP_DecryptUpdate,--wrap=EVP_EncryptUpdate
tests_unit_test_bsm_api_LDADD = $(door_libs) $(test_libs)
