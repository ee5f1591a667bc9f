# The decoder is compiled in, so that a fuzzing engine sees its branches.
check_PROGRAMS += %D%/fuzz_sim_ecmg %D%/fuzz_playout
%C%_fuzz_sim_ecmg_SOURCES = %D%/fuzz_sim_ecmg.c %D%/fuzz_sim.h $(fuzz_main) proto/sim.c proto/ecmg_scs.c
%C%_fuzz_sim_ecmg_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_ecmg_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_playout_SOURCES = %D%/fuzz_playout.c %D%/fuzz_sim.h $(fuzz_main) proto/sim.c proto/playout.c
%C%_fuzz_playout_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_playout_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
if !FUZZERS
TESTS += %D%/fuzz_sim_ecmg %D%/fuzz_playout
endif
