# mux/: what is on air
noinst_LTLIBRARIES += %D%/libmux.la
%C%_libmux_la_SOURCES = %D%/carousel.c %D%/carousel.h
