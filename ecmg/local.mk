# ecmg/: the ECMG (STKMG); its engine and plugin host are a library, so that tests reach them
noinst_LTLIBRARIES += %D%/libecmg.la
%C%_libecmg_la_SOURCES = %D%/channel.c %D%/channel.h %D%/host.c %D%/host.h
sbin_PROGRAMS += %D%/simulgate-ecmg
%C%_simulgate_ecmg_SOURCES = %D%/main.c %D%/conf.c %D%/conf.h %D%/server.c %D%/server.h %D%/status.c
%C%_simulgate_ecmg_LDADD = %D%/libecmg.la $(kms_load_libs) $(net_libs)
