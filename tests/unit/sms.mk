# tests/unit/sms.mk: short messages
check_PROGRAMS += %D%/test_wsp
TESTS += %D%/test_wsp
%C%_test_wsp_LDADD = proto/libproto.la $(test_libs)
