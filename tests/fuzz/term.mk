# tests/fuzz/term.mk
term_fuzz = %D%/fuzz_term_es %D%/fuzz_term_memory
check_PROGRAMS += $(term_fuzz)
TESTS += $(term_fuzz)
tests_fuzz_fuzz_term_es_SOURCES = %D%/fuzz_term_es.c terminal/es.c $(fuzz_main)
tests_fuzz_fuzz_term_es_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_term_es_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_term_es_LDADD = proto/libproto.la
tests_fuzz_fuzz_term_memory_SOURCES = %D%/fuzz_term_memory.c terminal/memory.c $(fuzz_main)
tests_fuzz_fuzz_term_memory_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_term_memory_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
tests_fuzz_fuzz_term_memory_LDADD = $(kms_libs)
