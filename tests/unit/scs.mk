scs_tests = %D%/test_scs_schedule %D%/test_scs_chan %D%/test_scs_kms %D%/test_scs_record %D%/test_scs_outside
scs_test_libs = scs/libscs.la $(peer_libs) $(base_libs) $(test_libs)
if HAVE_CHECK
check_PROGRAMS += $(scs_tests)
TESTS += $(scs_tests)
%C%_test_scs_schedule_LDADD = $(scs_test_libs)
%C%_test_scs_chan_LDADD = $(scs_test_libs)
%C%_test_scs_kms_LDADD = $(scs_test_libs)
%C%_test_scs_record_LDADD = $(scs_test_libs)
# with the unit as it is in the program, among doubles of the rest of it
%C%_test_scs_outside_SOURCES = %D%/test_scs_outside.c scs/unit.c
%C%_test_scs_outside_LDADD = scs/libscs.la cwg/libcwg.la $(peer_libs) $(net_libs) $(test_libs)
endif
EXTRA_DIST += tests/data/scs
