# tools/replay.mk: simulgate-replay and simulgate-diff: conversations kept, compared and played
noinst_LTLIBRARIES += %D%/libtalk.la
%C%_libtalk_la_SOURCES = %D%/talk.c %D%/talk.h %D%/alike.c %D%/alike.h %D%/finding.c %D%/finding.h %D%/replay.c %D%/replay.h %D%/record.c %D%/record.h %D%/diff.c %D%/diff.h
%C%_libtalk_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
bin_PROGRAMS += %D%/simulgate-replay
%C%_simulgate_replay_SOURCES = %D%/replay_main.c
%C%_simulgate_replay_LDADD = %D%/libtalk.la %D%/libdecode.la $(net_libs) $(PCAP_LIBS)
bin_PROGRAMS += %D%/simulgate-diff
%C%_simulgate_diff_SOURCES = %D%/diff_main.c
%C%_simulgate_diff_LDADD = %D%/libtalk.la %D%/libdecode.la $(net_libs) $(PCAP_LIBS)
