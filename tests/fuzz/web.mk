# tests/fuzz/web.mk
web_fuzz = %D%/fuzz_xml %D%/fuzz_http1 %D%/fuzz_tls_name
check_PROGRAMS += $(web_fuzz)
TESTS += $(web_fuzz)
tests_fuzz_fuzz_xml_SOURCES = %D%/fuzz_xml.c $(fuzz_main) kms/mbms_xml.c lib/xml.c lib/xml_light.c
tests_fuzz_fuzz_xml_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_xml_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_xml_LDADD = lib/libgwbase.la $(XML_LIBS) $(CRYPTO_LIBS)
tests_fuzz_fuzz_http1_SOURCES = %D%/fuzz_http1.c $(fuzz_main) proto/http1.c
tests_fuzz_fuzz_http1_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_http1_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_tls_name_SOURCES = %D%/fuzz_tls_name.c $(fuzz_main) lib/tls_name.c
tests_fuzz_fuzz_tls_name_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_tls_name_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_tls_name_LDADD = $(CRYPTO_LIBS)
