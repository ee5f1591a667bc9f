# bridge/: the synchronisation of SEAKs, without I/O
noinst_LTLIBRARIES += %D%/libseak.la
%C%_libseak_la_SOURCES = %D%/seak.c %D%/seak.h %D%/seak_bsm.c %D%/seak_bsm.h
seak_libs = bridge/libseak.la $(seaks_libs) $(JANSSON_LIBS)
