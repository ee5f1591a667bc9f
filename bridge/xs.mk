# bridge/: X->S: SimulCrypt ECMGs and MUXes behind XML
noinst_LTLIBRARIES += %D%/libbrxs.la
%C%_libbrxs_la_SOURCES = %D%/xs_ecmg.c %D%/xs_ecmg.h %D%/xs_mux.c %D%/xs_mux.h \
	%D%/xs.c %D%/xs.h %D%/xs_out.c %D%/xs_out.h
xs_libs = bridge/libbrxs.la bridge/libbrsx.la cwg/libcwg.la $(peer_libs) $(sp4_libs)
