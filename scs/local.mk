# scs/: the synchroniser
noinst_LTLIBRARIES += %D%/libscs.la
%C%_libscs_la_SOURCES = %D%/schedule.c %D%/schedule.h
