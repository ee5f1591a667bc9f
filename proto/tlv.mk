# SimulCrypt TLV: the engine and its interfaces' tables
%C%_libproto_la_SOURCES += %D%/sim.c %D%/sim.h %D%/ecmg_scs.c %D%/ecmg_scs.h \
	%D%/emmg_mux.c %D%/emmg_mux.h %D%/bcast_status.h %D%/playout.c %D%/playout.h
