# tools/load.mk: simulgate-load
noinst_LTLIBRARIES += %D%/libload.la
%C%_libload_la_SOURCES = %D%/hist.c %D%/hist.h %D%/pace.c %D%/pace.h %D%/load_client.c %D%/load_serve.c %D%/load_wire.c %D%/load.h
bin_PROGRAMS += %D%/simulgate-load
%C%_simulgate_load_SOURCES = %D%/load.c
%C%_simulgate_load_LDADD = %D%/libload.la $(net_libs)
