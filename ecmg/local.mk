# ecmg/: the ECMG (STKMG); all but its main() is a library, so that tests reach it
noinst_LTLIBRARIES += %D%/libecmg.la
%C%_libecmg_la_SOURCES = %D%/conf.c %D%/conf.h %D%/host.c %D%/host.h %D%/misbehave.c %D%/misbehave.h \
	%D%/server.c %D%/server.h %D%/status.c
sbin_PROGRAMS += %D%/simulgate-ecmg
%C%_simulgate_ecmg_SOURCES = %D%/main.c
%C%_simulgate_ecmg_LDADD = %D%/libecmg.la $(kms_load_libs) $(net_libs)
