if HAVE_CHECK
check_PROGRAMS += %D%/test_scs_schedule
TESTS += %D%/test_scs_schedule
%C%_test_scs_schedule_LDADD = scs/libscs.la $(base_libs) $(test_libs)
endif
