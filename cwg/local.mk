# cwg/: where control words are born
noinst_LTLIBRARIES += %D%/libcwg.la
%C%_libcwg_la_SOURCES = %D%/cwg.c %D%/cwg.h
