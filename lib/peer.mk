# lib/: the client's side of SimulCrypt: an SCS toward the ECMGs of a KMS, an EMMG toward a MUX
noinst_LTLIBRARIES += %D%/libgwpeer.la
%C%_libgwpeer_la_SOURCES = %D%/scs_chan.c %D%/scs_chan.h %D%/scs_kms.c %D%/scs_kms.h %D%/scs_terms.h %D%/scs_wire.c %D%/scs_wire.h \
	%D%/emmg_chan.c %D%/emmg_chan.h %D%/emmg_pace.c %D%/emmg_pace.h
peer_libs = lib/libgwpeer.la
