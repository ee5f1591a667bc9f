# tests/fuzz/load.mk: what simulgate load reads of answers
check_PROGRAMS += %D%/fuzz_load
%C%_fuzz_load_SOURCES = %D%/fuzz_load.c $(fuzz_main) tools/load_wire.c proto/sim.c proto/ecmg_scs.c proto/emmg_mux.c
%C%_fuzz_load_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_load_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_load_LDADD = lib/libgwbase.la $(CRYPTO_LIBS)
if !FUZZERS
TESTS += %D%/fuzz_load
endif
