# tests/unit/: terminal
term_tests = tests/unit/test_term_es tests/unit/test_term_receiver tests/unit/test_term_subscriber \
	tests/unit/test_terminal
check_PROGRAMS += $(term_tests)
TESTS += $(term_tests)
tests_unit_test_term_es_SOURCES = tests/unit/test_term_es.c terminal/es.c terminal/es.h
tests_unit_test_term_es_LDADD = $(test_libs) proto/libproto.la
tests_unit_test_term_receiver_SOURCES = tests/unit/test_term_receiver.c terminal/receiver.c terminal/receiver.h
tests_unit_test_term_receiver_LDADD = $(test_libs) kms/libkms.la $(media_libs)
tests_unit_test_terminal_SOURCES = tests/unit/test_terminal.c $(term_sources)
tests_unit_test_terminal_LDADD = $(test_libs) $(term_libs)
tests_unit_test_term_subscriber_SOURCES = tests/unit/test_term_subscriber.c $(term_phone_engine)
tests_unit_test_term_subscriber_LDADD = $(test_libs) $(term_libs)
check_PROGRAMS += tests/unit/test_term_bsm
TESTS += tests/unit/test_term_bsm
tests_unit_test_term_bsm_SOURCES = tests/unit/test_term_bsm.c tests/unit/scratch.h $(term_phone_engine)
tests_unit_test_term_bsm_LDADD = $(test_libs) bsm/libbsm.la $(kms_xml_libs) $(kms_sub_libs) $(kms_store_libs) $(web_libs)
check_PROGRAMS += tests/unit/test_term_inbox
TESTS += tests/unit/test_term_inbox
tests_unit_test_term_inbox_SOURCES = tests/unit/test_term_inbox.c tests/unit/scratch.h terminal/inbox.c terminal/inbox.h
tests_unit_test_term_inbox_LDADD = $(test_libs) lib/libgwbase.la proto/libproto.la $(base_libs)
