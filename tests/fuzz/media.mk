# tests/fuzz/media.mk
check_PROGRAMS += %D%/fuzz_srtp
TESTS += %D%/fuzz_srtp
%C%_fuzz_srtp_SOURCES = %D%/fuzz_srtp.c $(fuzz_main) lib/srtp.c lib/srtp_index.c lib/srtp_key.c lib/srtp_rx.c lib/srtp_tx.c proto/rtp.c
%C%_fuzz_srtp_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_srtp_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
%C%_fuzz_srtp_LDADD = $(media_libs)
