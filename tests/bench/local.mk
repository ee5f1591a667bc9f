# make bench: rates beside their ceilings, measured in the same run
bench_rooms =
bench_rooms += %D%/bench_bridge
bench_rooms += %D%/bench_bsm
bench_rooms += %D%/bench_crypto
bench_rooms += %D%/bench_decode
bench_rooms += %D%/bench_ecmg
bench_rooms += %D%/bench_ecmg_idle
bench_rooms += %D%/bench_http
bench_rooms += %D%/bench_load
bench_rooms += %D%/bench_ltkm
bench_rooms += %D%/bench_mux
bench_rooms += %D%/bench_peers
bench_rooms += %D%/bench_scrambler
bench_rooms += %D%/bench_scs
bench_rooms += %D%/bench_seak
bench_rooms += %D%/bench_sp4
bench_rooms += %D%/bench_switch
bench_rooms += %D%/bench_transform
bench_programs += $(bench_rooms)
EXTRA_PROGRAMS += $(bench_rooms)
EXTRA_PROGRAMS += %D%/soak_traffic
EXTRA_DIST += %D%/run.sh %D%/soak
CLEANFILES += $(bench_rooms) %D%/soak_traffic
%C%_bench_bridge_SOURCES = %D%/bench_bridge.c %D%/bare.c %D%/bare.h %D%/ceiling.c %D%/ceiling.h
%C%_bench_bridge_CPPFLAGS = $(AM_CPPFLAGS) -DBRIDGE_SOURCE='"$(abs_top_srcdir)"'
%C%_bench_bridge_LDADD = $(web_libs) $(IPSECMB_LIBS)
%C%_bench_bridge_LDFLAGS = $(AM_LDFLAGS) -pthread
%C%_bench_bsm_SOURCES = %D%/bench_bsm.c %D%/bare.c %D%/bare.h %D%/ceiling.c %D%/ceiling.h %D%/crowd.c %D%/crowd.h
%C%_bench_bsm_LDADD = $(kms_store_libs) $(web_libs) $(net_libs) $(IPSECMB_LIBS)
%C%_bench_crypto_SOURCES = %D%/bench_crypto.c %D%/ceiling.c %D%/ceiling.h %D%/rounds.c %D%/rounds.h
%C%_bench_crypto_LDADD = lib/libgw.la $(base_libs) $(IPSECMB_LIBS)
%C%_bench_decode_SOURCES = %D%/bench_decode.c %D%/ceiling.c %D%/ceiling.h
%C%_bench_decode_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_bench_decode_LDADD = tools/libdecode.la lib/libgwbase.la proto/libproto.la $(CRYPTO_LIBS) $(PCAP_LIBS) $(IPSECMB_LIBS)
%C%_bench_ecmg_LDADD = proto/libproto.la $(UV_LIBS)
%C%_bench_ecmg_idle_LDADD = proto/libproto.la
%C%_bench_http_SOURCES = %D%/bench_http.c %D%/bare.c %D%/bare.h %D%/ceiling.c %D%/ceiling.h
%C%_bench_http_LDADD = $(web_libs) $(IPSECMB_LIBS)
%C%_bench_load_SOURCES = %D%/bench_load.c %D%/ceiling.c %D%/ceiling.h
%C%_bench_load_LDADD = tools/libload.la $(net_libs) $(IPSECMB_LIBS)
%C%_bench_ltkm_SOURCES = %D%/bench_ltkm.c %D%/ceiling.c %D%/ceiling.h %D%/crowd.c %D%/crowd.h
%C%_bench_ltkm_LDADD = bsm/libbsm.la $(kms_store_libs) $(net_libs) $(IPSECMB_LIBS)
%C%_bench_mux_LDADD = $(net_libs)
%C%_bench_peers_SOURCES = %D%/bench_peers.c %D%/ceiling.c %D%/ceiling.h %D%/loopback.c %D%/loopback.h
%C%_bench_peers_LDADD = proto/libproto.la $(CRYPTO_LIBS) $(IPSECMB_LIBS)
%C%_bench_peers_LDFLAGS = $(AM_LDFLAGS) -pthread
%C%_bench_scrambler_SOURCES = %D%/bench_scrambler.c %D%/ceiling.c %D%/ceiling.h %D%/rounds.c %D%/rounds.h %D%/loopback.c %D%/loopback.h
%C%_bench_scrambler_LDADD = $(scrambler_libs) $(IPSECMB_LIBS)
%C%_bench_scs_LDADD = proto/libproto.la
%C%_bench_seak_CPPFLAGS = $(AM_CPPFLAGS) -DSP4_SOURCE='"$(abs_top_srcdir)"'
%C%_bench_seak_LDADD = $(seak_run_libs) $(ex_libs) $(net_libs)
%C%_bench_sp4_SOURCES = %D%/bench_sp4.c %D%/ceiling.c %D%/ceiling.h
%C%_bench_sp4_CPPFLAGS = $(AM_CPPFLAGS) -DSP4_SOURCE='"$(abs_top_srcdir)"'
%C%_bench_sp4_LDADD = $(sp4_libs) $(IPSECMB_LIBS)
%C%_bench_switch_LDADD = $(net_libs)
%C%_bench_transform_SOURCES = %D%/bench_transform.c %D%/ceiling.c %D%/ceiling.h %D%/rounds.c %D%/rounds.h
%C%_bench_transform_LDADD = $(media_libs) $(IPSECMB_LIBS)
%C%_soak_traffic_LDFLAGS = $(AM_LDFLAGS) -pthread

# make soak [SOAK="--minutes 5"]: a whole head-end at half load for half an hour; its log is soak.log
soak: all %D%/soak_traffic
	top_srcdir='$(top_srcdir)' $(top_srcdir)/%D%/soak $(SOAK)
.PHONY: soak
