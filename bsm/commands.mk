# bsm/: the operator's commands on the store
noinst_LTLIBRARIES += %D%/libcmd.la
%C%_libcmd_la_SOURCES = %D%/cmd.c %D%/cmd.h %D%/services.c %D%/services.h %D%/trigger.c %D%/trigger.h %D%/names.c %D%/names.h
bin_PROGRAMS += %D%/simulgate-kms
%C%_simulgate_kms_SOURCES = %D%/kms.c
%C%_simulgate_kms_LDADD = %D%/libcmd.la $(kms_store_libs) $(JANSSON_LIBS)
bin_PROGRAMS += %D%/simulgate-subscribe
%C%_simulgate_subscribe_SOURCES = %D%/subscribe.c
%C%_simulgate_subscribe_LDADD = %D%/libcmd.la $(kms_sub_libs) $(kms_store_libs) $(JANSSON_LIBS)
