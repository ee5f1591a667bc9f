# bsm/: the subscribers' side of a KMS: registration, LTKM delivery, purchases
# Its engines are a library, so that tests reach them.
noinst_LTLIBRARIES += %D%/libbsm.la
%C%_libbsm_la_SOURCES = %D%/events.h %D%/services.c %D%/services.h %D%/names.c %D%/names.h
include %D%/doors.mk
include %D%/delivery.mk
include %D%/sms.mk
sbin_PROGRAMS += %D%/simulgate-bsm
%C%_simulgate_bsm_SOURCES = %D%/main.c %D%/bsm.h %D%/conf.c %D%/conf.h %D%/shell.c %D%/status.c
%C%_simulgate_bsm_LDADD = %D%/libbsm.la $(kms_xml_libs) $(kms_store_libs) $(web_libs)
include %D%/commands.mk
