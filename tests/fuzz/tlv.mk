# The decoder is compiled in, so that a fuzzing engine sees its branches.
check_PROGRAMS += %D%/fuzz_sim_ecmg %D%/fuzz_sim_emmg %D%/fuzz_sim_other %D%/fuzz_sim_shape %D%/fuzz_playout %D%/fuzz_ecmg_channel %D%/fuzz_emmg_channel %D%/fuzz_mux_intake
%C%_fuzz_sim_ecmg_SOURCES = %D%/fuzz_sim_ecmg.c %D%/fuzz_sim.h $(fuzz_main) proto/sim.c proto/ecmg_scs.c
%C%_fuzz_sim_ecmg_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_ecmg_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_emmg_SOURCES = %D%/fuzz_sim_emmg.c %D%/fuzz_sim.h $(fuzz_main) proto/sim.c proto/emmg_mux.c
%C%_fuzz_sim_emmg_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_emmg_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_other_SOURCES = %D%/fuzz_sim_other.c %D%/fuzz_sim.h $(fuzz_main) proto/ifaces.c proto/sim.c proto/ecmg_scs.c proto/emmg_mux.c \
	proto/playout.c proto/eis_scs.c proto/psig_mux.c proto/cpsig_psig.c
%C%_fuzz_sim_other_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_other_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_playout_SOURCES = %D%/fuzz_playout.c %D%/fuzz_sim.h $(fuzz_main) proto/sim.c proto/playout.c
%C%_fuzz_playout_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_playout_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_shape_SOURCES = %D%/fuzz_sim_shape.c $(fuzz_main) proto/sim_shape.c proto/sim.c proto/ecmg_scs.c proto/emmg_mux.c proto/eis_scs.c proto/psig_mux.c
%C%_fuzz_sim_shape_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_sim_shape_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
# the ECMG's engine, with its decoder and what it needs of lib/
%C%_fuzz_ecmg_channel_SOURCES = %D%/fuzz_ecmg_channel.c $(fuzz_main) lib/ecmg_channel.c proto/sim.c proto/ecmg_scs.c
%C%_fuzz_ecmg_channel_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_ecmg_channel_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_ecmg_channel_LDADD = lib/libgwbase.la $(CRYPTO_LIBS)
# the EMMG's
%C%_fuzz_emmg_channel_SOURCES = %D%/fuzz_emmg_channel.c $(fuzz_main) lib/emmg_chan.c proto/sim.c proto/emmg_mux.c
%C%_fuzz_emmg_channel_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_emmg_channel_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_emmg_channel_LDADD = lib/libgwbase.la $(CRYPTO_LIBS)
# the mux's
%C%_fuzz_mux_intake_SOURCES = %D%/fuzz_mux_intake.c $(fuzz_main) lib/mux_channel.c lib/mux_stream.c lib/mux_map.c proto/sim.c proto/emmg_mux.c
%C%_fuzz_mux_intake_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_mux_intake_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_mux_intake_LDADD = mux/libmux.la $(net_libs)
if !FUZZERS
TESTS += %D%/fuzz_sim_ecmg %D%/fuzz_sim_emmg %D%/fuzz_sim_other %D%/fuzz_sim_shape %D%/fuzz_playout %D%/fuzz_ecmg_channel %D%/fuzz_emmg_channel %D%/fuzz_mux_intake
endif
