# tests/fuzz/decode.mk: a capture, and reassembly by itself
decode_fuzz = %D%/fuzz_decode %D%/fuzz_dec_tcp
check_PROGRAMS += $(decode_fuzz)
%C%_fuzz_decode_SOURCES = %D%/fuzz_decode.c $(fuzz_main) tools/dec_net.c tools/dec_tcp.c tools/dec_msg.c tools/dec_out.c tools/dec_words.c
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
