# tools/load.mk: simulgate-load
noinst_LTLIBRARIES += %D%/libload.la
%C%_libload_la_SOURCES = %D%/hist.c %D%/hist.h %D%/pace.c %D%/pace.h %D%/alarm.c %D%/alarm.h %D%/load_bare.c %D%/load_bare.h %D%/load_bsm.c %D%/load_client.c %D%/load_phone.c %D%/load_phone.h \
	%D%/load_rogue.c %D%/load_rogue.h %D%/load_serve.c %D%/load_wire.c %D%/load.h
bin_PROGRAMS += %D%/simulgate-load
%C%_simulgate_load_SOURCES = %D%/load.c %D%/load_out.c
%C%_simulgate_load_LDADD = $(load_libs)
load_libs = %D%/libload.la $(kms_sub_libs) $(kms_xml_libs) kms/libkms.la $(web_libs)
