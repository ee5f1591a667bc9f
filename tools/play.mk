# tools/play.mk: simulgate-play
noinst_LTLIBRARIES += %D%/libplay.la
%C%_libplay_la_SOURCES = %D%/play_ts.c %D%/play_es.c %D%/play_pcap.c %D%/play.h
%C%_libplay_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
bin_PROGRAMS += %D%/simulgate-play
%C%_simulgate_play_SOURCES = %D%/play.c
%C%_simulgate_play_LDADD = %D%/libplay.la %D%/libdecode.la $(net_libs) $(PCAP_LIBS)
