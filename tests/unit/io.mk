# tests/unit/io.mk: what runs on a loop
lib_io_tests = tests/unit/test_lib_loop tests/unit/test_lib_link tests/unit/test_lib_ops tests/unit/test_lib_udp tests/unit/test_lib_refusals
check_PROGRAMS += $(lib_io_tests)
TESTS += $(lib_io_tests)
lib_io_libs = $(test_libs) $(net_libs)
tests_unit_test_lib_loop_LDADD = $(lib_io_libs)
tests_unit_test_lib_link_LDADD = $(lib_io_libs)
tests_unit_test_lib_refusals_LDADD = $(lib_io_libs)
tests_unit_test_lib_ops_LDADD = $(lib_io_libs)
tests_unit_test_lib_udp_LDADD = $(lib_io_libs)
check_PROGRAMS += tests/unit/test_lib_rawip
TESTS += tests/unit/test_lib_rawip
tests_unit_test_lib_rawip_LDADD = $(lib_io_libs)
check_PROGRAMS += tests/unit/test_lib_httpd
TESTS += tests/unit/test_lib_httpd
tests_unit_test_lib_httpd_LDADD = $(test_libs) $(web_libs)
check_PROGRAMS += tests/unit/test_lib_http
TESTS += tests/unit/test_lib_http
tests_unit_test_lib_http_SOURCES = tests/unit/test_lib_http.c tests/unit/test_ca.h tests/unit/scratch.h
tests_unit_test_lib_http_LDADD = $(test_libs) $(web_libs)
check_PROGRAMS += tests/unit/test_lib_xml
TESTS += tests/unit/test_lib_xml
tests_unit_test_lib_xml_LDADD = $(test_libs) lib/libgwweb.la $(base_libs) $(XML_LIBS)
tests_unit_test_lib_xml_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=gw_cleanse
