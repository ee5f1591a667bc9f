# tests/fuzz/lint.mk: a capture that is judged
check_PROGRAMS += %D%/fuzz_lint
%C%_fuzz_lint_SOURCES = %D%/fuzz_lint.c $(fuzz_main) tools/lint.c tools/lint_rules.c tools/lint_out.c tools/hist.c tools/dec_msg.c tools/dec_ask.c tools/dec_net.c \
	tools/dec_tcp.c tools/dec_read.c tools/dec_words.c
%C%_fuzz_lint_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_lint_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_fuzz_lint_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_lint_LDADD = lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS) $(PCAP_LIBS)
if !FUZZERS
TESTS += %D%/fuzz_lint
endif
