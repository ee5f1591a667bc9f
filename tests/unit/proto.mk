# SimulCrypt TLV
check_PROGRAMS += %D%/test_sim_ecmg %D%/test_sim_emmg %D%/test_sim_playout %D%/test_sim_other
TESTS += %D%/test_sim_ecmg %D%/test_sim_emmg %D%/test_sim_playout %D%/test_sim_other
%C%_test_sim_ecmg_SOURCES = %D%/test_sim_ecmg.c %D%/sim_vectors.h
%C%_test_sim_ecmg_LDADD = proto/libproto.la $(test_libs)
%C%_test_sim_emmg_SOURCES = %D%/test_sim_emmg.c %D%/sim_vectors.h
%C%_test_sim_emmg_LDADD = proto/libproto.la $(test_libs)
%C%_test_sim_playout_SOURCES = %D%/test_sim_playout.c
%C%_test_sim_playout_LDADD = proto/libproto.la $(test_libs)
%C%_test_sim_other_SOURCES = %D%/test_sim_other.c %D%/sim_vectors.h
%C%_test_sim_other_LDADD = proto/libproto.la $(test_libs)
EXTRA_DIST += tests/data/sim

# other people's sessions against all engines
check_PROGRAMS += %D%/test_captures
TESTS += %D%/test_captures
%C%_test_captures_SOURCES = %D%/test_captures.c %D%/capture.c %D%/capture.h %D%/sim_vectors.h
%C%_test_captures_CPPFLAGS = $(AM_CPPFLAGS) $(PCAP_CFLAGS)
%C%_test_captures_LDADD = ecmg/libecmg.la scs/libscs.la emmg/libemmg.la mux/libmux.la $(peer_libs) $(kms_load_libs) $(net_libs) $(test_libs) $(PCAP_LIBS)
EXTRA_DIST += tests/data/captures

# HTTP
check_PROGRAMS += %D%/test_http1
TESTS += %D%/test_http1
%C%_test_http1_LDADD = proto/libproto.la $(test_libs)
