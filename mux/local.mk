# mux/: what is on air
noinst_LTLIBRARIES += %D%/libmux.la
%C%_libmux_la_SOURCES = %D%/carousel.c %D%/carousel.h %D%/output.c %D%/output.h %D%/ts.c %D%/ts.h %D%/follow.c %D%/follow.h
sbin_PROGRAMS += %D%/simulgate-mux
%C%_simulgate_mux_SOURCES = %D%/main.c %D%/mux.h %D%/air.c %D%/air.h %D%/conf.c %D%/conf.h %D%/emmg.c %D%/emmg.h %D%/show.c
%C%_simulgate_mux_LDADD = %D%/libmux.la $(net_libs)
