# tests/unit/sms.mk: short messages
check_PROGRAMS += %D%/test_wsp %D%/test_smpp_pdu
TESTS += %D%/test_wsp %D%/test_smpp_pdu
%C%_test_wsp_LDADD = proto/libproto.la $(test_libs)
%C%_test_smpp_pdu_LDADD = proto/libproto.la $(test_libs)
