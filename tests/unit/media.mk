# tests/unit/: SRTP, scrambler, terminal
EXTRA_DIST += %D%/../data/media/srtp.json
if HAVE_CHECK
check_PROGRAMS += %D%/test_lib_srtp
TESTS += %D%/test_lib_srtp
%C%_test_lib_srtp_SOURCES = %D%/test_lib_srtp.c
%C%_test_lib_srtp_LDADD = $(test_libs) lib/libgw.la $(base_libs) $(SRTP_LIBS)
endif
