# tests/fuzz/sms.mk
sms_fuzz = %D%/fuzz_wsp %D%/fuzz_smpp %D%/fuzz_smsc
check_PROGRAMS += $(sms_fuzz)
TESTS += $(sms_fuzz)
tests_fuzz_fuzz_wsp_SOURCES = %D%/fuzz_wsp.c $(fuzz_main)
tests_fuzz_fuzz_wsp_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_wsp_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_wsp_LDADD = proto/libproto.la
tests_fuzz_fuzz_smpp_SOURCES = %D%/fuzz_smpp.c $(fuzz_main)
tests_fuzz_fuzz_smpp_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_smpp_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_smpp_LDADD = proto/libproto.la
tests_fuzz_fuzz_smsc_SOURCES = %D%/fuzz_smsc.c $(fuzz_main)
tests_fuzz_fuzz_smsc_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_smsc_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_smsc_LDADD = bsm/libbsm.la $(kms_store_libs) $(net_libs)
