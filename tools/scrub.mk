# tools/scrub.mk: simulgate-scrub; its engines are tested and fuzzed by themselves
noinst_LTLIBRARIES += %D%/libscrub.la
%C%_libscrub_la_SOURCES = %D%/scrub.c %D%/scrub.h %D%/scrub_cap.c %D%/scrub_msg.c %D%/scrub_msg.h %D%/scrub_name.c %D%/scrub_name.h %D%/scrub_net.c \
	%D%/scrub_net.h %D%/scrub_out.c
%C%_libscrub_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
bin_PROGRAMS += %D%/simulgate-scrub
%C%_simulgate_scrub_SOURCES = %D%/scrub_main.c
%C%_simulgate_scrub_LDADD = %D%/libscrub.la %D%/libdecode.la $(net_libs) $(PCAP_LIBS)
