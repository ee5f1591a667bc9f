# bridge/: SimulCrypt in front of XML; errors are both directions'
noinst_LTLIBRARIES += %D%/libbrsx.la
%C%_libbrsx_la_SOURCES = %D%/errors.c %D%/errors.h %D%/sx.c %D%/sx.h %D%/sx_ecmg.c %D%/sx_ecmg.h %D%/sx_emmg.c %D%/sx_emmg.h
sx_libs = bridge/libbrsx.la
