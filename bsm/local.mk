# bsm/: the subscribers' side of a KMS: registration, LTKM delivery, purchases
# Its engines are a library, so that tests reach them.
noinst_LTLIBRARIES += %D%/libbsm.la
%C%_libbsm_la_SOURCES = %D%/events.h %D%/services.c %D%/services.h
include %D%/doors.mk
include %D%/delivery.mk
