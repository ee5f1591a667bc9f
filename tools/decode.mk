# tools/decode.mk: simulgate-decode; its engines are tested and fuzzed by themselves
noinst_LTLIBRARIES += %D%/libdecode.la
%C%_libdecode_la_SOURCES = %D%/dec_net.c %D%/dec_net.h %D%/dec_tcp.c %D%/dec_tcp.h %D%/dec_ask.c %D%/dec_ask.h %D%/dec_msg.c %D%/dec_msg.h %D%/dec_read.c %D%/dec_read.h \
	%D%/dec_out.c %D%/dec_out.h %D%/dec_words.c %D%/dec_words.h %D%/dec_args.c %D%/dec_args.h %D%/term.c %D%/term.h
%C%_libdecode_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
bin_PROGRAMS += %D%/simulgate-decode
%C%_simulgate_decode_SOURCES = %D%/decode.c
%C%_simulgate_decode_LDADD = %D%/libdecode.la $(net_libs) $(PCAP_LIBS)
