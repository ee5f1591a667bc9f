# ecmg/: the ECMG (STKMG); its engine and plugin host are a library, so that tests reach them
noinst_LTLIBRARIES += %D%/libecmg.la
%C%_libecmg_la_SOURCES = %D%/channel.c %D%/channel.h %D%/host.c %D%/host.h
