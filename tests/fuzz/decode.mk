# tests/fuzz/decode.mk: a capture, and reassembly by itself
decode_fuzz = %D%/fuzz_decode %D%/fuzz_dec_tcp
check_PROGRAMS += $(decode_fuzz)
%C%_fuzz_decode_SOURCES = %D%/fuzz_decode.c $(fuzz_main) tools/dec_net.c tools/dec_tcp.c tools/dec_msg.c tools/dec_ask.c tools/dec_out.c tools/dec_words.c
%C%_fuzz_decode_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_decode_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_fuzz_decode_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_decode_LDADD = lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS)
%C%_fuzz_dec_tcp_SOURCES = %D%/fuzz_dec_tcp.c $(fuzz_main) tools/dec_tcp.c
%C%_fuzz_dec_tcp_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_dec_tcp_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
if !FUZZERS
TESTS += $(decode_fuzz)
endif
# tests/fuzz/fuzz_replay: a replay and a peer
check_PROGRAMS += %D%/fuzz_replay
%C%_fuzz_replay_SOURCES = %D%/fuzz_replay.c $(fuzz_main) tools/talk.c tools/alike.c tools/finding.c tools/replay.c tools/diff.c tools/dec_msg.c tools/dec_ask.c tools/dec_net.c tools/dec_tcp.c tools/dec_read.c
%C%_fuzz_replay_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_replay_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_fuzz_replay_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_replay_LDADD = lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS) $(PCAP_LIBS)
if !FUZZERS
TESTS += %D%/fuzz_replay
endif
# tests/fuzz/fuzz_talk: a capture that is kept
check_PROGRAMS += %D%/fuzz_talk
%C%_fuzz_talk_SOURCES = %D%/fuzz_talk.c $(fuzz_main) tools/talk.c tools/alike.c tools/finding.c tools/diff.c tools/dec_msg.c tools/dec_ask.c tools/dec_net.c tools/dec_tcp.c tools/dec_read.c
%C%_fuzz_talk_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_talk_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_fuzz_talk_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_talk_LDADD = lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(JANSSON_LIBS) $(PCAP_LIBS)
if !FUZZERS
TESTS += %D%/fuzz_talk
endif
