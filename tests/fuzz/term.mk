# tests/fuzz/term.mk
term_fuzz = %D%/fuzz_term_es
check_PROGRAMS += $(term_fuzz)
TESTS += $(term_fuzz)
tests_fuzz_fuzz_term_es_SOURCES = %D%/fuzz_term_es.c terminal/es.c $(fuzz_main)
tests_fuzz_fuzz_term_es_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_term_es_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_term_es_LDADD = proto/libproto.la
