# tests/unit/kms.mk
kms_tests = %D%/test_kms_crypt %D%/test_kms_drm %D%/test_kms_mikey %D%/test_kms_keys %D%/test_kms_ltkm \
	%D%/test_kms_mikey_ltkm %D%/test_kms_gba %D%/test_kms_digest %D%/test_kms_card
kms_plugin_tests = %D%/test_kms_plugin_drm %D%/test_kms_plugin_smartcard %D%/test_kms_plugin_lab
check_PROGRAMS += $(kms_tests) $(kms_plugin_tests)
TESTS += $(kms_tests) $(kms_plugin_tests)
EXTRA_DIST += %D%/kms_host.h %D%/mikey_vectors.h
tests_unit_test_kms_crypt_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_drm_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_mikey_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_keys_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_ltkm_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_mikey_ltkm_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_gba_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_card_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_digest_LDADD = $(kms_libs) $(test_libs)
# Plugins are loaded by dlopen; the libraries are the receiver's.
tests_unit_test_kms_plugin_drm_LDADD = kms/libkms.la $(seaks_libs) $(test_libs)
tests_unit_test_kms_plugin_drm_DEPENDENCIES = kms/drm.la kms/libkms.la lib/libgwbase.la proto/libproto.la tests/libsuite.la
tests_unit_test_kms_plugin_smartcard_LDADD = $(kms_libs) $(test_libs)
tests_unit_test_kms_plugin_smartcard_DEPENDENCIES = kms/smartcard.la kms/libkms.la lib/libgwbase.la proto/libproto.la tests/libsuite.la
tests_unit_test_kms_plugin_lab_LDADD = $(test_libs)
tests_unit_test_kms_plugin_lab_DEPENDENCIES = kms/lab.la tests/libsuite.la
check_PROGRAMS += %D%/test_kms_mbms_xml
TESTS += %D%/test_kms_mbms_xml
tests_unit_test_kms_mbms_xml_LDADD = $(kms_xml_libs) $(web_libs) $(test_libs)
check_PROGRAMS += %D%/test_kms_store
TESTS += %D%/test_kms_store
tests_unit_test_kms_store_SOURCES = %D%/test_kms_store.c %D%/scratch.h
tests_unit_test_kms_store_LDADD = $(kms_store_libs) $(test_libs)
check_PROGRAMS += %D%/test_kms_usim
TESTS += %D%/test_kms_usim
tests_unit_test_kms_usim_LDADD = $(kms_libs) $(test_libs)
check_PROGRAMS += %D%/test_kms_keymgr
TESTS += %D%/test_kms_keymgr
tests_unit_test_kms_keymgr_SOURCES = %D%/test_kms_keymgr.c %D%/scratch.h
tests_unit_test_kms_keymgr_LDADD = $(kms_store_libs) $(test_libs)
check_PROGRAMS += %D%/test_kms_card_store
TESTS += %D%/test_kms_card_store
tests_unit_test_kms_card_store_SOURCES = %D%/test_kms_card_store.c %D%/scratch.h
tests_unit_test_kms_card_store_LDADD = $(kms_store_libs) $(test_libs) -lpthread
tests_unit_test_kms_card_store_DEPENDENCIES = kms/smartcard.la kms/libkmsstore.la kms/libkms.la lib/libgwstore.la lib/libgwbase.la \
	proto/libproto.la tests/libsuite.la

check_PROGRAMS += %D%/test_bsm_provision
TESTS += %D%/test_bsm_provision
tests_unit_test_bsm_provision_SOURCES = %D%/test_bsm_provision.c %D%/scratch.h
tests_unit_test_bsm_provision_LDADD = $(kms_sub_libs) bsm/libcmd.la $(kms_store_libs) $(JANSSON_LIBS) $(test_libs)
