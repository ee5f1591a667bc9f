# SimulCrypt TLV: the engine and its interfaces' tables
%C%_libproto_la_SOURCES += %D%/sim.c %D%/sim.h %D%/sim_shape.c %D%/sim_shape.h %D%/ecmg_scs.c %D%/ecmg_scs.h \
	%D%/emmg_mux.c %D%/emmg_mux.h %D%/bcast_status.h %D%/playout.c %D%/playout.h \
	%D%/eis_scs.c %D%/eis_scs.h %D%/psig_mux.c %D%/psig_mux.h %D%/cpsig_psig.c %D%/cpsig_psig.h \
	%D%/ifaces.c %D%/ifaces.h
