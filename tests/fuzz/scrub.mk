# tests/fuzz/scrub.mk: a capture that is rewritten
check_PROGRAMS += %D%/fuzz_scrub
%C%_fuzz_scrub_SOURCES = %D%/fuzz_scrub.c $(fuzz_main) tools/scrub.c tools/scrub_cap.c tools/scrub_msg.c tools/scrub_name.c tools/scrub_net.c tools/scrub_out.c \
	tools/dec_ask.c tools/dec_msg.c tools/dec_net.c tools/dec_tcp.c tools/dec_read.c tools/dec_words.c
%C%_fuzz_scrub_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_scrub_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_fuzz_scrub_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_scrub_LDADD = lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(PCAP_LIBS)
if !FUZZERS
TESTS += %D%/fuzz_scrub
endif
